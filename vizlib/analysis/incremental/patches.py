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
    lines = (rows.places * across)[:, None] + columns.places[:, :1]
    windows = runs.index_select(0, lines.flatten().to(source.device))
    return windows.view(len(rows.starts), len(columns.starts), rows.size, columns.size, channels)


Place = tuple[slice, slice, slice]  # some positions, a part of their patches, and the part of their windows for it


def put(small: Tensor, large: Tensor, rows: Sequence[Place], columns: Sequence[Place]) -> Tensor:
    """Copy windows into patches, as far as they lie inside them, and return the patches.

    Args:
        small: The contents of the windows, `(R, C, h, w, channels)`.
        large: The contents of the patches, `(R, C, h', w', channels)`; it is changed in place.
        rows, columns: Which parts of them belong together; see `places`.
    """
    for (i, to_y, from_y), (j, to_x, from_x) in product(rows, columns):
        large[i, j, to_y, to_x] = small[i, j, from_y, from_x]
    return large


def places(windows: Windows, patches: Windows) -> Iterator[Place]:
    """Where windows go in patches along one axis, for runs of positions with the same offset between the two."""
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
    first, end = torch.tensor(intervals).T[:, :, None]
    return (first <= windows.places) & (windows.places < end)
