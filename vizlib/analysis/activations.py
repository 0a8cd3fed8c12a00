"""What fires on an image: activation maps, how sparse they are, and who answers to a region (Yosinski et al. 2015)."""

import math
from collections.abc import Sequence
from numbers import Number
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from vizlib.hooks import read
from vizlib.models import Network

_shapes: WeakKeyDictionary[Network, dict[str, tuple[int, int, int]]] = WeakKeyDictionary()


def map_shapes(net: Network) -> dict[str, tuple[int, int, int]]:
    """The layers that give maps of more than one cell, each with (channels, height, width) at the input size."""
    if net not in _shapes:
        blank = torch.zeros(1, 3, net.input_size, net.input_size)
        shapes = {layer: tuple(output.shape[1:]) for layer, output in read(net, blank, net.layers).items()}
        _shapes[net] = {layer: shape for layer, shape in shapes.items() if len(shape) == 3 and shape[1] * shape[2] > 1}
    return _shapes[net]


def zero_share(activations: Tensor) -> float:
    """The share of values that are exactly zero, 0 to 1."""
    return (activations == 0).float().mean().item()


class Answer(NamedTuple):
    """How much more a channel fires inside a region than outside it, in units of the activation."""

    channel: int
    inside: float
    outside: float

    @property
    def contrast(self) -> float:
        return self.inside - self.outside


def strongest_in_region(activations: Tensor, region: tuple[float, float, float, float], k: int = 5) -> list[Answer]:
    """The channels that answer most to a region: mean activation inside it minus mean activation outside.

    Args:
        activations: `(1, C, h, w)` or `(C, h, w)` of one image.
        region: (top, bottom, left, right) as fractions of the image's height and width, 0 to 1. Every map cell that
            it touches counts as inside.
        k: How many channels; at most C.

    Returns:
        k `Answer`s, highest contrast first.

    Raises:
        ValueError: A region that is empty or leaves the image, or activations without a height and width.
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
    """The cells of a `height` x `width` map that a region (top, bottom, left, right in 0..1) touches, as booleans."""
    numbers = isinstance(region, Sequence) and len(region) == 4 and all(isinstance(edge, Number) for edge in region)
    top, bottom, left, right = region if numbers else (0, 0, 0, 0)
    if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
        raise ValueError(
            f"region: expected (top, bottom, left, right) with 0 <= top < bottom <= 1 and so on, got {region}"
        )
    mask = torch.zeros(height, width, dtype=torch.bool)
    rows = slice(math.floor(top * height), math.ceil(bottom * height))
    columns = slice(math.floor(left * width), math.ceil(right * width))
    mask[rows, columns] = True
    return mask
