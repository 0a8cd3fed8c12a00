"""Cutting windows out of maps and putting them back; for R rows and C columns they are `(R, C, h, w, channels)`."""

from collections.abc import Iterator, Sequence
from itertools import groupby, product

import torch
from torch import Tensor

from vizlib.analysis.incremental.windows import Interval, Windows


def cut(source: Tensor, rows: Windows, columns: Windows) -> Tensor:
    """A copy of the windows of a map `(H, W, channels)`, for every pair of a row and a column.

    Each line of a window is w * channels consecutive numbers in memory, and is copied in one piece.
    """
    across, channels = source.shape[1:]
    runs = source.as_strided((len(source) * across - columns.size + 1, columns.size * channels), (channels, 1))
    lines = torch.tensor(rows.starts)[:, None, None] + torch.arange(rows.size)
    starts = lines * across + torch.tensor(columns.starts)[:, None]
    windows = runs.index_select(0, starts.flatten().to(source.device))
    return windows.view(len(rows.starts), len(columns.starts), rows.size, columns.size, channels)


def put(small: Tensor, windows: Sequence[Windows], large: Tensor, patches: Sequence[Windows]) -> Tensor:
    """Copy windows into patches, as far as they lie inside them, and return the patches.

    Args:
        small: The contents of the windows, `(R, C, h, w, channels)`.
        windows: Where the windows are, as (rows, columns).
        large: The contents of the patches, `(R, C, h', w', channels)`; it is changed in place.
        patches: Where the patches are, as (rows, columns).
    """
    for (i, to_y, from_y), (j, to_x, from_x) in product(*map(_places, windows, patches)):
        large[i, j, to_y, to_x] = small[i, j, from_y, from_x]
    return large


def _places(windows: Windows, patches: Windows) -> Iterator[tuple[slice, slice, slice]]:
    """Runs of positions with the same offset: the positions, the part of the patch, and the part of the window."""
    offsets = [start - first for start, first in zip(windows.starts, patches.starts, strict=True)]
    position = 0
    for offset, same in groupby(offsets):
        end = position + len(list(same))
        low, high = max(0, offset), min(patches.size, offset + windows.size)
        if low < high:
            yield slice(position, end), slice(low, high), slice(low - offset, high - offset)
        position = end


def inside(windows: Windows, intervals: Sequence[Interval]) -> Tensor:
    """Which pixels of each window lie in the interval of its position, as booleans `(positions, size)`."""
    places = torch.tensor(windows.starts)[:, None] + torch.arange(windows.size)
    first, end = torch.tensor(intervals).T[:, :, None]
    return (first <= places) & (places < end)
