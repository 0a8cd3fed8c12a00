"""Windows out of maps, and into them. For R rows and C columns of positions they are `(R, C, h, w, channels)`."""

from collections.abc import Iterator, Sequence
from itertools import groupby, product

import torch
from torch import Tensor

from vizlib.analysis.incremental.windows import Interval, Windows


def cut(source: Tensor, rows: Windows, columns: Windows) -> Tensor:
    """A copy of the windows of a map `(H, W, channels)`, for each pair of a row and a column.

    A line of a window is one run of w * channels numbers in memory, and is copied as one piece.
    """
    across, channels = source.shape[1:]
    runs = source.as_strided((len(source) * across - columns.size + 1, columns.size * channels), (channels, 1))
    lines = torch.tensor(rows.starts)[:, None, None] + torch.arange(rows.size)
    starts = lines * across + torch.tensor(columns.starts)[:, None]
    windows = runs.index_select(0, starts.flatten().to(source.device))
    return windows.view(len(rows.starts), len(columns.starts), rows.size, columns.size, channels)


def put(small: Tensor, windows: Sequence[Windows], large: Tensor, patches: Sequence[Windows]) -> Tensor:
    """Copy windows into the larger patches around them, as far as they lie inside, and return the patches.

    Args:
        small, large: `(R, C, h, w, channels)`; `large` is changed.
        windows, patches: Where the windows and where the patches are, each as (rows, columns).
    """
    for (i, to_y, from_y), (j, to_x, from_x) in product(*map(_places, windows, patches)):
        large[i, j, to_y, to_x] = small[i, j, from_y, from_x]
    return large


def _places(windows: Windows, patches: Windows) -> Iterator[tuple[slice, slice, slice]]:
    """Neighbouring positions with the same offset: which they are, where in the patch, what part of the window."""
    offsets = [start - first for start, first in zip(windows.starts, patches.starts, strict=True)]
    position = 0
    for offset, same in groupby(offsets):
        end = position + len(list(same))
        low, high = max(0, offset), min(patches.size, offset + windows.size)
        if low < high:
            yield slice(position, end), slice(low, high), slice(low - offset, high - offset)
        position = end


def inside(windows: Windows, intervals: Sequence[Interval]) -> Tensor:
    """Which pixels of each window lie in its position's interval, as booleans `(positions, size)`."""
    places = torch.tensor(windows.starts)[:, None] + torch.arange(windows.size)
    first, end = torch.tensor(intervals).T[:, :, None]
    return (first <= places) & (places < end)
