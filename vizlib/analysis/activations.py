"""What fires on an image: feature maps, how sparse they are, and which channels respond to a region of the image.

Paper: Yosinski et al. 2015.
"""

import math
from collections.abc import Sequence
from numbers import Number
from typing import NamedTuple

import torch
from torch import Tensor

from vizlib import hooks
from vizlib.models import Network, Target, stages


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


class Peak(NamedTuple):
    """The largest activation of a channel inside a region, and on some other images; `lead` is the difference."""

    channel: int
    inside: float
    elsewhere: float

    @property
    def lead(self) -> float:
        """How far the peak inside the region rises above all that the other images give."""
        return self.inside - self.elsewhere


def leading_in_region(
    activations: Tensor, region: tuple[float, float, float, float], others: Tensor, k: int = 5
) -> list[Peak]:
    """The channels whose peak in a region rises highest above their peaks on other images.

    A mean over the region, as in `strongest_in_region`, also rises for a channel that fires weakly everywhere in it,
    and says nothing about other images. This asks both for a strong response and for one that is rare.

    Args:
        activations: `(1, C, h, w)` or `(C, h, w)` of one image.
        region: (top, bottom, left, right) as fractions of the image's height and width, 0 to 1.
        others: `(N, C, h', w')` of other images, N at least 1.
        k: How many channels, at least 1; with more than C, all C are returned.

    Returns:
        A list of k `Peak`s, the largest lead first.

    Raises:
        ValueError: As for `strongest_in_region`, or `others` do not have as many channels.
    """
    strongest_in_region(activations, region, k)  # its checks
    maps = activations[0] if activations.ndim == 4 else activations
    if others.ndim != 4 or not len(others) or others.shape[1] != len(maps):
        raise ValueError(f"others: expected (N, {len(maps)}, h, w) of other images, got shape {tuple(others.shape)}")
    inside = maps[:, region_mask(region, *maps.shape[1:]).to(maps.device)].amax(1)
    elsewhere = others.amax((0, 2, 3)).to(maps.device)
    channels = (inside - elsewhere).topk(min(k, len(maps))).indices.tolist()
    return [Peak(channel, inside[channel].item(), elsewhere[channel].item()) for channel in channels]


@torch.inference_mode()
def channel_effects(net: Network, image: Tensor, layer: str, target: Target = None, batch: int = 16) -> Tensor:
    """By how much a class's logit falls when a channel is silenced, for each channel of a layer by itself.

    The channel is set to zero over the whole map, and the rest of the network runs on (Morcos et al. 2018).

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        layer: A name in `net.layers` whose output is a map `(C, h, w)`.
        target: The class, as `Network.class_indices` takes it; None means the network's own answer.
        batch: How many channels are silenced at once, each in a copy of the maps.

    Returns:
        `(C,)`: the old logit minus the new one; negative where the logit rises.

    Raises:
        ValueError: More than one image, or a layer without maps.
    """
    if len(image) != 1:
        raise ValueError(f"image: expected one image (1, 3, H, W), got shape {tuple(image.shape)}")
    maps, logits = hooks.read(net, image, [layer])[layer], net(image)
    if maps.ndim != 4:
        raise ValueError(f"layer {layer!r}: expected maps (1, C, h, w), got shape {tuple(maps.shape)}")
    index, drops = net.class_indices(target, logits), []
    for channels in torch.arange(maps.shape[1], device=maps.device).split(batch):

        def silence(output: Tensor, channels: Tensor = channels) -> Tensor:
            output = output.clone()
            output[torch.arange(len(channels)), channels] = 0
            return output

        with hooks.override(net, {layer: silence}):
            changed = net(image.repeat(len(channels), 1, 1, 1))
        drops.append((logits[0, index] - changed[:, index].squeeze(1)).cpu())
    return torch.cat(drops)


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
