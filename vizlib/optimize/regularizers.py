"""Regularisers, which keep an image from becoming noise: penalties to add to a loss, and changes after a step."""

from __future__ import annotations

import torch
from torch import Tensor

from vizlib.images import gaussian_blur


def total_variation(image: Tensor) -> Tensor:
    """The roughness of an image: the mean squared difference of vertical plus that of horizontal neighbours.

    Args:
        image: `(N, 3, H, W)` of at least 2x2 pixels.

    Raises:
        ValueError: The image has another number of dimensions, or is smaller.

    Paper: Mahendran and Vedaldi 2015, eq. 4 with beta = 2.
    """
    if image.ndim != 4 or min(image.shape[2:]) < 2:
        raise ValueError(f"image: expected (N, 3, H, W) of at least 2x2 pixels, got shape {tuple(image.shape)}")
    down, across = image[:, :, 1:] - image[:, :, :-1], image[..., 1:] - image[..., :-1]
    return down.square().mean() + across.square().mean()


def l2_norm(image: Tensor, center: Tensor | float = 0.0) -> Tensor:
    """The mean squared distance of the pixels from `center`.

    With the network's mean as the center, it is the distance from the image that is zero after normalisation.

    Paper: Simonyan et al. 2014, eq. 1.
    """
    return (image - center).square().mean()


def blur(value: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur of images `(N, C, H, W)` with a standard deviation of `sigma` pixels (Yosinski et al. 2015)."""
    reach = min(max(1, round(3 * sigma)), min(value.shape[2:]) - 1)  # the border is reflected, which allows no more
    return gaussian_blur(value, sigma, reach)


def clip(value: Tensor, size: Tensor, share: float) -> Tensor:
    """A copy of `value` in which the given share of the pixels, those of smallest `size`, is zero in each image.

    Args:
        value: `(N, 3, H, W)`, where 0 is the mean colour.
        size: `(N, 1, H, W)`, such as the norm of each pixel or its contribution to the score (Yosinski et al. 2015).
        share: The share of the pixels, 0 to 1.
    """
    threshold = torch.quantile(size.flatten(1), share, dim=1)[:, None, None, None]
    return value * (size >= threshold)
