"""Small random movements of an image, which an optimised picture has to be robust to.

Each transform draws a 3x3 matrix for every image, in pixels relative to the image's centre. The matrices of a list of
transforms are multiplied, and the image is resampled only once, which is faster and keeps it sharper.

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
    """A random shift by up to `pixels` in each direction (Mordvintsev et al. 2015).

    Raises:
        ValueError: `pixels` is negative or not finite.
    """
    _not_negative(pixels, "jitter")

    def draw(n: int, generator: torch.Generator | None) -> Tensor:
        matrix = torch.eye(3).repeat(n, 1, 1)
        matrix[:, :2, 2] = _uniform((n, 2), -pixels, pixels, generator)
        return matrix

    return draw


def scale(smallest: float, largest: float) -> Transform:
    """A random enlargement by a factor from `smallest` to `largest`; below 1 it shrinks (Olah et al. 2017).

    Raises:
        ValueError: The factors are not positive, or in the wrong order.
    """
    if not 0 < smallest <= largest:
        raise ValueError(f"scale: expected two factors with 0 < smallest <= largest, got {smallest} and {largest}")

    def draw(n: int, generator: torch.Generator | None) -> Tensor:
        factors = _uniform((n,), smallest, largest, generator)
        return torch.diag_embed(torch.stack([factors, factors, torch.ones(n)], 1))

    return draw


def rotate(degrees: float) -> Transform:
    """A random rotation by up to `degrees`, clockwise or anticlockwise (Olah et al. 2017).

    Raises:
        ValueError: `degrees` is negative or not finite.
    """
    _not_negative(degrees, "rotate")

    def draw(n: int, generator: torch.Generator | None) -> Tensor:
        angle = _uniform((n,), -degrees, degrees, generator) * math.pi / 180
        matrix = torch.eye(3).repeat(n, 1, 1)
        matrix[:, 0, 0], matrix[:, 0, 1] = angle.cos(), -angle.sin()
        matrix[:, 1, 0], matrix[:, 1, 1] = angle.sin(), angle.cos()
        return matrix

    return draw


def compose(transforms: Sequence[Transform]) -> Callable[[Tensor, torch.Generator | None], Tensor]:
    """One function that applies all the transforms in turn.

    Args:
        transforms: The transforms, in the order in which they are applied; an empty list leaves images unchanged.

    Returns:
        A function `(images (N, 3, H, W), generator) -> (N, 3, H, W)` that gradients flow through. Beyond its border
        the image is mirrored.
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
    """Images moved by matrices: what was at p, relative to the centre, moves to `matrix @ p`.

    Args:
        images: `(N, 3, H, W)`.
        matrix: `(N, 3, 3)`, acting on (x, y, 1) in pixels relative to the centre, x to the right and y down.
        height, width: The size of the result in pixels. The identity maps the image's centre to the result's centre.

    Returns:
        `(N, 3, height, width)`.
    """
    # grid_sample needs the inverse: where each pixel of the result comes from, in units of half the image
    to_pixels = torch.diag(torch.tensor([width / 2, height / 2, 1.0]))
    to_units = torch.diag(torch.tensor([2 / images.shape[3], 2 / images.shape[2], 1.0]))
    theta = (to_units @ torch.linalg.inv(matrix) @ to_pixels)[:, :2].to(images)
    grid = nn.functional.affine_grid(theta, [len(images), 3, height, width], align_corners=False)
    return nn.functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator | None) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _not_negative(value: float, name: str) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name}: expected a number of at least 0, got {value}")
