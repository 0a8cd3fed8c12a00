"""What keeps an image from becoming noise: penalties to add to a loss, and what is done to the pixels after a step."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur


def total_variation(image: Tensor) -> Tensor:
    """How rough an image is: the mean squared difference of neighbouring pixels, down and across.

    Args:
        image: `(N, 3, H, W)` of at least 2x2 pixels.

    Paper: Mahendran and Vedaldi 2015, eq. 4 with beta = 2.
    """
    if image.ndim != 4 or min(image.shape[2:]) < 2:
        raise ValueError(f"image: expected (N, 3, H, W) of at least 2x2 pixels, got shape {tuple(image.shape)}")
    down, across = image[:, :, 1:] - image[:, :, :-1], image[..., 1:] - image[..., :-1]
    return down.square().mean() + across.square().mean()


def l2_norm(image: Tensor, center: Tensor | float = 0.0) -> Tensor:
    """The mean squared distance of the pixels from `center`, which a `Network` takes for zero when it is its mean.

    Paper: Simonyan et al. 2014, eq. 1.
    """
    return (image - center).square().mean()


def blur(value: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur of `sigma` pixels: high frequencies fade, low ones stay (Yosinski et al. 2015)."""
    reach = min(max(1, round(3 * sigma)), min(value.shape[2:]) - 1)  # its edges are reflected: so far, and no further
    return gaussian_blur(value, [2 * reach + 1] * 2, [sigma] * 2)


def clip(value: Tensor, size: Tensor, share: float) -> Tensor:
    """`value` with the share of the pixels whose `size` is smallest put to zero, image by image.

    Args:
        value: `(N, 3, H, W)`, 0 meaning the mean colour.
        size: `(N, 1, H, W)`: the pixels' strength, or their contribution to the score.
        share: 0 to 1.
    """
    threshold = torch.quantile(size.flatten(1), share, dim=1)[:, None, None, None]
    return value * (size >= threshold)
