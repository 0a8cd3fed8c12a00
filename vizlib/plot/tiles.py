"""Filters, channels and grids of signed numbers, tiled."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from vizlib.plot.figure import WIDTH, draw_array, mosaic, new_figure, to_rgb


def filter_grid(filters: Tensor, title: str = "", columns: int | None = None, width: float = WIDTH) -> Figure:
    """Filters `(F, 3, h, w)` in [0, 1] as small colour pictures; `(F, C, h, w)` as F rows of C grey kernels.

    Args:
        width: At most so many inches.
    """
    array = filters.detach().cpu().numpy()
    if array.ndim != 4:
        raise ValueError(f"filters: expected (F, C, h, w), got shape {array.shape}")
    if array.shape[1] == 3:
        board, options = (
            np.nan_to_num(mosaic(array.transpose(0, 2, 3, 1), columns), nan=1.0),
            {"interpolation": "nearest"},
        )
    else:
        board = mosaic(array.reshape(-1, *array.shape[2:]), array.shape[1])
        options = {"cmap": "gray", "vmin": 0, "vmax": 1}
    width = min(width, max(3.0, width * board.shape[1] / board.shape[0]))
    figure = new_figure(width, max(0.6, width * board.shape[0] / board.shape[1]) + (0.3 if title else 0))
    draw_array(figure.add_subplot(), board, title, **options)
    return figure


def filter_grids(sheets: Mapping[str, Tensor], title: str = "", rows: int = 8) -> Figure:
    """The first-layer filters of several networks side by side, each filter as large as the others.

    Args:
        sheets: By title, filters `(F, 3, h, w)` in [0, 1].
        rows: How many filters stand in a column; a network with more of them has more columns.
    """
    if not sheets or any(filters.ndim != 4 or filters.shape[1] != 3 for filters in sheets.values()):
        shapes = [tuple(filters.shape) for filters in sheets.values()]
        raise ValueError(f"sheets: expected at least one, each (F, 3, h, w), got shapes {shapes}")
    columns = [math.ceil(len(filters) / rows) for filters in sheets.values()]
    figure = new_figure(WIDTH, (WIDTH - 0.2 * len(columns)) / sum(columns) * rows + (0.6 if title else 0.35))
    grid = figure.subplots(1, len(sheets), squeeze=False, width_ratios=columns)[0]
    for axes, (text, filters), wide in zip(grid, sheets.items(), columns, strict=True):
        board = mosaic(filters.detach().cpu().permute(0, 2, 3, 1).numpy(), wide)
        draw_array(axes, np.nan_to_num(board, nan=1.0), text, interpolation="nearest")
    figure.suptitle(title, fontsize=10)
    return figure


def filter_view(filter: Tensor, photo: Tensor, response: Tensor, title: str = "", label: str = "w·x + b") -> Figure:
    """A filter, a photo, and the filter's signed response to it: positive red, negative blue, zero white.

    Args:
        filter: `(3, h, w)` in [0, 1], drawn in sharp cells.
        photo: `(1, 3, H, W)` in [0, 1].
        response: `(h', w')`, of any sign.
        label: What the colour bar measures.
    """
    figure = new_figure(WIDTH, WIDTH * 0.36 + (0.5 if title else 0.25))
    small, left, right = figure.subplots(1, 3, width_ratios=[0.45, 1, 1])
    draw_array(small, to_rgb(filter), "the filter", interpolation="nearest")
    draw_array(left, to_rgb(photo), "the photo")
    values = response.detach().float().cpu().numpy()
    top = max(float(np.abs(values).max()), 1e-12)
    drawn = draw_array(right, values, "its response", cmap="RdBu_r", vmin=-top, vmax=top)
    figure.colorbar(drawn, ax=right, shrink=0.8, label=label)
    figure.suptitle(title, fontsize=10)
    return figure


def channel_grid(
    activations: Tensor,
    scale: str = "each",
    limit: int = 64,
    title: str = "",
    columns: int | None = None,
    photo: Tensor | None = None,
) -> Figure:
    """The first channels of one image's activations, tiled, beside the image that they belong to.

    Args:
        activations: `(C, h, w)` or `(1, C, h, w)`.
        scale: 'each' stretches every channel over the whole colour map by itself: shapes are seen, strengths are not.
            'together' uses one scale, drawn beside it: strengths can be compared, weak channels go dark.
        limit: How many channels at most.
        photo: The image `(1, 3, H, W)` in [0, 1], drawn at their left, as high as the tiles together.
    """
    if scale not in ("each", "together"):
        raise ValueError(f"scale: expected 'each' or 'together', got {scale!r}")
    maps = (activations[0] if activations.ndim == 4 else activations)[:limit].detach().cpu().numpy()
    if maps.ndim != 3:
        raise ValueError(f"activations: expected (C, h, w) of one image, got shape {tuple(activations.shape)}")
    limits = {"vmin": float(maps.min()), "vmax": max(float(maps.max()), float(maps.min()) + 1e-12)}
    if scale == "each":
        low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
        maps, limits = (maps - low) / np.maximum(high - low, 1e-12), {"vmin": 0, "vmax": 1}
    board = mosaic(maps, columns)
    shape = board.shape[0] / board.shape[1]  # height over width
    beside = photo.shape[-1] / photo.shape[-2] * shape if photo is not None else 0  # widths of the board
    room = WIDTH - (0.75 if scale == "together" else 0)
    figure = new_figure(WIDTH, room / (1 + beside) * shape + (0.35 if title else 0.1))
    grid = figure.add_gridspec(1, 2 if beside else 1, width_ratios=[beside, 1] if beside else [1])
    axes = figure.add_subplot(grid[-1])
    if photo is not None:
        draw_array(figure.add_subplot(grid[0]), to_rgb(photo))
    drawn = draw_array(axes, board, cmap="viridis", **limits)
    figure.suptitle(title, fontsize=10)
    if scale == "together":
        figure.colorbar(drawn, ax=axes, shrink=0.8, label="activation")
    return figure


def signed_grids(grids: Mapping[str, Tensor], columns: int = 4, title: str = "") -> Figure:
    """Grids of numbers `(h, w)` under their titles, each on its own scale: positive red, negative blue, zero white.

    In grids of at most 64 cells the numbers are written out. Larger ones share a colour bar, in parts of the largest
    absolute value of each, which stands in its title.
    """
    rows = math.ceil(len(grids) / columns)
    cell = WIDTH / columns
    figure = new_figure(WIDTH, rows * (cell + 0.3) + (0.3 if title else 0))
    drawn, places = None, []
    for text, grid in grids.items():
        axes = figure.add_subplot(rows, columns, len(places) + 1)
        places.append(axes)
        array = grid.detach().cpu().numpy() + 0.0  # without the minus of -0
        largest = float(np.abs(array).max())
        scaled = array / max(largest, 1e-12)
        axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor="#999999", linewidth=1))
        if array.size > 64:
            drawn = draw_array(axes, scaled, f"{text}\nlargest {largest:.2g}", cmap="RdBu_r", vmin=-1, vmax=1)
            continue
        draw_array(axes, scaled, text, cmap="RdBu_r", vmin=-2, vmax=2)  # pale, because there is something to read
        for (row, column), value in np.ndenumerate(array):
            color = "black" if value else "#999999"
            axes.text(column, row, f"{value:g}", ha="center", va="center", fontsize=11, color=color, in_layout=False)
    if drawn is not None:
        figure.colorbar(drawn, ax=places, ticks=[-1, 0, 1], shrink=0.7).ax.tick_params(labelsize=8)
    figure.suptitle(title, fontsize=10)
    return figure
