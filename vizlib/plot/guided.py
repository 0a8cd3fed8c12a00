"""Signed gradients as pictures around grey, rows of patches above theirs, and grids of signed numbers."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from vizlib.plot.base import WIDTH, draw_array, mosaic, new_figure, to_rgb

Box = tuple[int, int, int, int]


def around_gray(gradients: Tensor, quantile: float = 0.999) -> Tensor:
    """Gradients as images: grey (0.5) is zero, brighter is positive, darker negative, in each of R, G and B.

    Args:
        gradients: `(N, 3, H, W)`, any range.
        quantile: Each picture is stretched until this share of its values that are not zero fits into [0, 1]; the
            few beyond are clipped.

    Returns:
        `(N, 3, H, W)` in [0, 1]. A gradient of zeros is grey all over.
    """
    if gradients.ndim != 4 or not 0 < quantile <= 1:
        shape = tuple(gradients.shape)
        raise ValueError(f"expected gradients (N, 3, H, W) and a quantile in (0, 1], got shape {shape} and {quantile}")
    pictures = []
    for gradient in gradients.detach().float().cpu():
        sizes = gradient[gradient != 0].abs()
        top = np.quantile(sizes.numpy(), quantile) if len(sizes) else 1.0
        pictures.append(0.5 + 0.5 * (gradient / float(top)).clamp(-1, 1))
    return torch.stack(pictures)


def gradients(image: Tensor, by_title: Mapping[str, Tensor], title: str = "", box: Box | None = None) -> Figure:
    """An image, and beside it gradients `(1, 3, H, W)` with respect to it, each around grey on its own scale.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        by_title: What stands above each gradient.
        box: (top, bottom, left, right) in pixels, the receptive field: framed, and enlarged in a second row.
    """
    pictures = {"the image": to_rgb(image)}
    pictures |= {text: to_rgb(around_gray(gradient)) for text, gradient in by_title.items()}
    shapes = [image.shape[-2:]] + ([] if box is None else [(box[1] - box[0], box[3] - box[2])])
    side = WIDTH / max(len(pictures), 3)
    heights = [min(side * height / width, 1.2 * side) for height, width in shapes]
    figure = new_figure(side * len(pictures), sum(heights) + (0.65 if title else 0.35))
    grid = figure.subplots(len(shapes), len(pictures), squeeze=False, height_ratios=heights)
    for axes, (text, picture) in zip(grid.T, pictures.items(), strict=True):
        draw_array(axes[0], picture, text)
        if box is not None:
            top, bottom, left, right = box
            corner, size = (left - 0.5, top - 0.5), (right - left, bottom - top)
            axes[0].add_patch(Rectangle(corner, *size, fill=False, edgecolor="cyan", linewidth=1))
            draw_array(axes[1], picture[top:bottom, left:right])
    figure.suptitle(title, fontsize=10)
    return figure


def patch_rows(rows: Mapping[str, tuple[Sequence[Tensor], Sequence[Tensor]]], title: str = "") -> Figure:
    """For each title a row of patches, and right below it what belongs to each of them, such as its gradient.

    Args:
        rows: title -> (patches, pictures below), images `(3, h, w)` or `(1, 3, h, w)` in [0, 1] of any sizes; smaller
            ones are centred on white.
    """
    if not rows or any(len(upper) != len(lower) or not len(upper) for upper, lower in rows.values()):
        raise ValueError("rows: expected at least one, each with as many pictures below as patches above")
    boards = {}
    for text, (upper, lower) in rows.items():
        tiles = [to_rgb(image) for image in [*upper, *lower]]
        height, width = (max(tile.shape[axis] for tile in tiles) for axis in (0, 1))
        boards[text] = np.nan_to_num(mosaic(np.stack([_centered(t, height, width) for t in tiles]), len(upper)), nan=1)
    heights = [WIDTH * board.shape[0] / board.shape[1] + 0.25 for board in boards.values()]
    figure = new_figure(WIDTH, sum(heights) + (0.3 if title else 0))
    grid = figure.subplots(len(boards), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (text, board) in zip(grid, boards.items(), strict=True):
        draw_array(axes, board, text)
    figure.suptitle(title, fontsize=10)
    return figure


def _centered(tile: np.ndarray, height: int, width: int) -> np.ndarray:
    board = np.ones((height, width, 3))
    top, left = (height - tile.shape[0]) // 2, (width - tile.shape[1]) // 2
    board[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return board


def signed_grids(grids: Mapping[str, Tensor], columns: int = 4, title: str = "") -> Figure:
    """Grids of numbers `(h, w)` under their titles, each on its own scale: positive red, negative blue, zero white.

    In grids of at most 64 cells the numbers are written out; larger ones have a colour bar.
    """
    rows = math.ceil(len(grids) / columns)
    cell = WIDTH / columns
    figure = new_figure(WIDTH, rows * (cell + 0.3) + (0.3 if title else 0))
    for place, (text, grid) in enumerate(grids.items()):
        axes = figure.add_subplot(rows, columns, place + 1)
        array = grid.detach().cpu().numpy() + 0.0  # without the minus of -0
        written = array.size <= 64
        top = max(float(np.abs(array).max()), 1e-12) * (2 if written else 1)  # pale where there is something to read
        drawn = draw_array(axes, array, text, cmap="RdBu_r", vmin=-top, vmax=top)
        axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor="#999999", linewidth=1))
        if not written:
            bar = figure.colorbar(drawn, ax=axes, location="bottom", ticks=[-top, 0, top], format="%.2g")
            bar.ax.tick_params(labelsize=7)
        for (row, column), value in np.ndenumerate(array) if written else ():
            color = "black" if value else "#999999"
            axes.text(column, row, f"{value:g}", ha="center", va="center", fontsize=11, color=color)
    figure.suptitle(title, fontsize=10)
    return figure
