"""The best patches of a channel without those that show the same place twice.

A small gallery is cut from few photos, and the best patch has near copies in it: its mirror image, and smaller and
larger crops of the same spot. They crowd out everything else that the channel responds to. `distinct` walks down the
ranking and keeps a patch only if its image shares no pixel with one that was kept before.
"""

from dataclasses import replace

import torch
from torch import Tensor

from vizlib.analysis.patches import TopPatches
from vizlib.images.galleries import Gallery, overlapping


def distinct_ranks(numbers: Tensor, gallery: Gallery, k: int) -> Tensor:
    """The first k places of each ranking whose images do not overlap with one another.

    Args:
        numbers: Rankings of images, the best first, `(C, K)`: numbers of the whole collection, -1 for a missing one.
        gallery: The gallery that holds them.
        k: How many to keep.

    Returns:
        Places in the ranking, `(C, k)` int64, in ascending order; -1 where a ranking has fewer that do not overlap.

    Raises:
        ValueError: `k` is less than 1, or an image is not in the gallery.

    Example:
        Of a photo, a crop of it, and another photo, the first and the third are kept: `[[0, 2]]`.
    """
    if k < 1:
        raise ValueError(f"k = {k}: expected at least 1")
    known = torch.tensor(gallery.numbers)
    place = torch.full((max(int(known.max()), int(numbers.max())) + 1,), -1)
    place[known] = torch.arange(len(known))
    images, missing = place[numbers.clamp(min=0)], numbers < 0
    if (images[~missing] < 0).any():
        unknown = numbers[~missing][images[~missing] < 0][0]
        raise ValueError(f"image {unknown} is not in gallery {gallery.name!r}: give the one that was scanned")
    overlap, keep = overlapping(gallery), torch.zeros(numbers.shape, dtype=torch.bool)
    for rank in range(numbers.shape[1]):
        shares = overlap[images[:, rank, None], images[:, :rank]] & keep[:, :rank]
        keep[:, rank] = ~shares.any(1) & ~missing[:, rank] & (keep.sum(1) < k)
    ranks = torch.arange(numbers.shape[1]).where(keep, numbers.shape[1]).sort(1).values[:, :k]
    ranks = torch.nn.functional.pad(ranks, (0, k - ranks.shape[1]), value=numbers.shape[1])
    return ranks.where(ranks < numbers.shape[1], -1)


def distinct(top: TopPatches, gallery: Gallery, k: int = 9) -> TopPatches:
    """The k best patches of each channel among those whose images do not overlap.

    A channel whose ranking in `top` is too short for k of them has missing patches, so scan for many more than k.

    Args:
        top: A scan of `gallery`.
        gallery: The gallery that was scanned.
        k: How many patches to keep for each channel.

    Raises:
        ValueError: `k` is less than 1, or `top` is a scan of another gallery.
    """
    parts: dict[str, dict[str, Tensor]] = {"values": {}, "images": {}, "cells": {}, "boxes": {}}
    for layer, numbers in top.images.items():
        ranks = distinct_ranks(numbers, gallery, k)
        rows, missing = torch.arange(len(ranks))[:, None], ranks < 0
        for name, entries in parts.items():
            entries[layer] = getattr(top, name)[layer][rows, ranks.clamp(min=0)]
        parts["values"][layer][missing], parts["images"][layer][missing] = float("-inf"), -1
    return replace(top, **parts)
