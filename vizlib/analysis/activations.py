"""What fires on an image: feature maps, how sparse they are, and which channels respond to a region of the image.

Paper: Yosinski et al. 2015.
"""

import math
from collections.abc import Sequence
from numbers import Number
from typing import NamedTuple

import torch
from torch import Tensor

from vizlib.models import Network, stages


def map_shapes(net: Network) -> dict[str, tuple[int, int, int]]:
    """The layers whose feature maps have more than one cell.

    Returns:
        layer -> (channels, height, width), for an image of the network's `input_size`.
    """
    return stages.maps(net)


def zero_share(activations: Tensor) -> float:
    """The share of activations that are exactly zero, 0 to 1."""
    return (activations == 0).float().mean().item()


class Answer(NamedTuple):
    """The mean activation of a channel inside a region and outside it; `contrast` is the difference."""

    channel: int
    inside: float
    outside: float

    @property
    def contrast(self) -> float:
        """How much more the channel fires inside the region than outside it."""
        return self.inside - self.outside


def strongest_in_region(activations: Tensor, region: tuple[float, float, float, float], k: int = 5) -> list[Answer]:
    """The channels that respond most to a region: mean activation inside it minus mean activation outside.

    Args:
        activations: `(1, C, h, w)` or `(C, h, w)` of one image.
        region: (top, bottom, left, right) as fractions of the image's height and width, 0 to 1. Every cell of the map
            that it touches counts as inside.
        k: How many channels, at least 1; with more than C, all C are returned.

    Returns:
        A list of k `Answer`s, the highest contrast first.

    Raises:
        ValueError: The region is empty or reaches outside the image, k is less than 1, or the activations are not
            the feature maps of one image.
    """
    maps = activations[0] if activations.ndim == 4 and len(activations) == 1 else activations
    if maps.ndim != 3:
        raise ValueError(f"activations: expected (C, h, w) of one image, got shape {tuple(activations.shape)}")
    if k < 1:
        raise ValueError(f"k = {k}: expected at least 1 channel")
    inside = region_mask(region, *maps.shape[1:]).to(maps.device)
    in_mean = maps[:, inside].mean(1)
    out_mean = maps[:, ~inside].mean(1) if (~inside).any() else torch.zeros_like(in_mean)
    channels = (in_mean - out_mean).topk(min(k, len(maps))).indices.tolist()
    return [Answer(channel, in_mean[channel].item(), out_mean[channel].item()) for channel in channels]


def region_mask(region: tuple[float, float, float, float], height: int, width: int) -> Tensor:
    """The cells of a map that a region touches, as booleans `(height, width)`.

    Args:
        region: (top, bottom, left, right) as fractions of the map's height and width, 0 to 1.
        height, width: The size of the map.

    Raises:
        ValueError: The region is empty or reaches outside the map.
    """
    numbers = isinstance(region, Sequence) and len(region) == 4 and all(isinstance(edge, Number) for edge in region)
    top, bottom, left, right = region if numbers else (0, 0, 0, 0)
    if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
        raise ValueError(
            "region: expected (top, bottom, left, right) with 0 <= top < bottom <= 1 and 0 <= left < right <= 1, got "
            f"{region}"
        )
    mask = torch.zeros(height, width, dtype=torch.bool)
    rows = slice(math.floor(top * height), math.ceil(bottom * height))
    columns = slice(math.floor(left * width), math.ceil(right * width))
    mask[rows, columns] = True
    return mask
