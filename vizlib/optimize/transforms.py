"""Small random movements of an image, so that what is optimised must survive them.

Each transform draws a 3x3 matrix for every image, in pixels about the image's centre. A list of them is multiplied into
one matrix, and the image is resampled once: faster and sharper than one resampling for each.

Example:
    >>> view = compose([jitter(8), scale(0.9, 1.1), rotate(10)])
    >>> logits = net(view(image, generator))
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Transform = Callable[[int, torch.Generator | None], Tensor]


def jitter(pixels: float) -> Transform:
    """Shift by up to so many pixels, down and across (Mordvintsev et al. 2015)."""
    _not_negative(pixels, "jitter")

    def draw(n: int, generator: torch.Generator | None) -> Tensor:
        matrix = torch.eye(3).repeat(n, 1, 1)
        matrix[:, :2, 2] = _uniform((n, 2), -pixels, pixels, generator)
        return matrix

    return draw


def scale(smallest: float, largest: float) -> Transform:
    """Enlarge by a factor between the two, below 1 shrinks (Olah et al. 2017)."""
    if not 0 < smallest <= largest:
        raise ValueError(f"scale: expected two factors with 0 < smallest <= largest, got {smallest} and {largest}")

    def draw(n: int, generator: torch.Generator | None) -> Tensor:
        factors = _uniform((n,), smallest, largest, generator)
        return torch.diag_embed(torch.stack([factors, factors, torch.ones(n)], 1))

    return draw


def rotate(degrees: float) -> Transform:
    """Turn by up to so many degrees, either way (Olah et al. 2017)."""
    _not_negative(degrees, "rotate")

    def draw(n: int, generator: torch.Generator | None) -> Tensor:
        angle = _uniform((n,), -degrees, degrees, generator) * math.pi / 180
        matrix = torch.eye(3).repeat(n, 1, 1)
        matrix[:, 0, 0], matrix[:, 0, 1] = angle.cos(), -angle.sin()
        matrix[:, 1, 0], matrix[:, 1, 1] = angle.sin(), angle.cos()
        return matrix

    return draw


def compose(transforms: Sequence[Transform]) -> Callable[[Tensor, torch.Generator | None], Tensor]:
    """All transforms, one after the other, as one function of images and randomness.

    Args:
        transforms: Applied in this order. None at all leaves the images as they are.

    Returns:
        A function `(images (N, 3, H, W), generator) -> (N, 3, H, W)`; the gradient flows through. What comes into view
        from beyond the border is the image, mirrored.
    """

    def view(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        if not transforms:
            return images
        n, _, height, width = images.shape
        matrix = torch.eye(3).repeat(n, 1, 1)
        for transform in transforms:
            matrix = transform(n, generator) @ matrix
        return warp(images, matrix, height, width)

    return view


def warp(images: Tensor, matrix: Tensor, height: int, width: int) -> Tensor:
    """Images moved by matrices: what was at pixel p from the centre is at `matrix @ p` afterwards.

    Args:
        images: `(N, 3, H, W)`.
        matrix: `(N, 3, 3)`, acting on (x, y, 1) in pixels about the centre, x to the right and y down.
        height, width: The size of the result; its centre is where the image's centre goes to with the identity.
    """
    # grid_sample wants the inverse: for each pixel of the result the place it comes from, in units of half the image
    to_pixels = torch.diag(torch.tensor([width / 2, height / 2, 1.0]))
    to_units = torch.diag(torch.tensor([2 / images.shape[3], 2 / images.shape[2], 1.0]))
    theta = (to_units @ torch.linalg.inv(matrix) @ to_pixels)[:, :2].to(images)
    grid = nn.functional.affine_grid(theta, [len(images), 3, height, width], align_corners=False)
    return nn.functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator | None) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _not_negative(value: float, name: str) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name}: expected a number from 0 on, got {value}")
