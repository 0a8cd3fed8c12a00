"""Patches in rows, and where in an image a patch lies."""

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from vizlib.plot.base import GAP, WIDTH, draw_array, mosaic, new_figure


def patch_grid(rows: Sequence[Sequence[Tensor]], names: Sequence[str], title: str = "", side: int = 72) -> Figure:
    """Patches `(1, 3, h, w)` of any sizes, a row for each name, each enlarged or shrunk to fill a square tile.

    Args:
        rows: As many patches in each; what a patch that is not square leaves of its tile stays white.
        names: What is written on the left of each row; may have several lines.
        side: A tile's side in pixels.
    """
    if len(rows) != len(names) or not rows or len({len(row) for row in rows}) != 1 or not len(rows[0]):
        sizes = [len(row) for row in rows]
        raise ValueError(f"rows: expected as many patches in each of the {len(names)} named rows, got {sizes}")
    columns = len(rows[0])
    board = np.nan_to_num(mosaic(np.stack([_tile(patch, side) for row in rows for patch in row]), columns), nan=1.0)
    margin = 0.9  # inches for the names
    width = min(WIDTH, margin + columns * 1.1)
    figure = new_figure(width, (width - margin) * board.shape[0] / board.shape[1] + (0.5 if title else 0.2))
    axes = figure.add_subplot()
    draw_array(axes, board)
    for row, name in enumerate(names):
        middle = row * (side + GAP) + side / 2
        axes.text(-0.1 * side, middle, name, fontsize=8, horizontalalignment="right", verticalalignment="center")
    figure.suptitle(title, fontsize=10)
    return figure


def _tile(patch: Tensor, side: int) -> np.ndarray:
    """A patch in the middle of a white square `(side, side, 3)`, its pixels seen as squares where it is enlarged."""
    height, width = patch.shape[2:]
    size = [max(1, round(side * edge / max(height, width))) for edge in (height, width)]
    options = {"mode": "nearest-exact"} if max(height, width) < side else {"mode": "bilinear", "antialias": True}
    scaled = F.interpolate(patch.detach().cpu(), size, **options)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    tile = np.ones((side, side, 3))
    top, left = (side - size[0]) // 2, (side - size[1]) // 2
    tile[top : top + size[0], left : left + size[1]] = scaled
    return tile


def spotlight(image: Tensor, box: tuple[int, int, int, int], light: float = 0.4) -> Tensor:
    """The image `(1, 3, H, W)` with all outside of a box (top, bottom, left, right in pixels) darkened to `light`."""
    top, bottom, left, right = box
    dark = image * light
    dark[..., top:bottom, left:right] = image[..., top:bottom, left:right]
    return dark
