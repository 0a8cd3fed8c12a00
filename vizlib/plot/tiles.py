"""Images, filters and channels in rows and grids."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from vizlib.plot.base import WIDTH, draw_array, mosaic, new_figure, to_rgb


def image_grid(
    images: Tensor | Sequence[Tensor], titles: Sequence[str] = (), columns: int = 5, title: str = ""
) -> Figure:
    """Images `(N, 3, H, W)` in [0, 1], or a list of them of any sizes, in rows, each under its title."""
    n = len(images)
    if n == 0 or any(image.ndim not in (3, 4) or image.shape[-3] != 3 for image in images):
        raise ValueError("images: expected at least one image (3, H, W); for a single one write images[None]")
    if titles and len(titles) != n:
        raise ValueError(f"titles: expected one for each of the {n} images, got {len(titles)}")
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    height, width = images[0].shape[-2:]
    cell = WIDTH / max(columns, 3)
    figure = new_figure(
        cell * columns, rows * (cell * height / width + (0.25 if titles else 0)) + (0.3 if title else 0)
    )
    for index in range(n):
        axes = figure.add_subplot(rows, columns, index + 1)
        draw_array(axes, to_rgb(images[index]), titles[index] if titles else "")
    figure.suptitle(title, fontsize=10)
    return figure


def filter_grid(filters: Tensor, title: str = "", columns: int | None = None) -> Figure:
    """Filters `(F, 3, h, w)` in [0, 1] as small colour pictures; `(F, C, h, w)` as F rows of C grey kernels."""
    array = filters.detach().cpu().numpy()
    if array.ndim != 4:
        raise ValueError(f"filters: expected (F, C, h, w), got shape {array.shape}")
    if array.shape[1] == 3:
        board, options = np.nan_to_num(mosaic(array.transpose(0, 2, 3, 1), columns), nan=1.0), {}
    else:
        board = mosaic(array.reshape(-1, *array.shape[2:]), array.shape[1])
        options = {"cmap": "gray", "vmin": 0, "vmax": 1}
    width = min(WIDTH, max(3.0, WIDTH * board.shape[1] / board.shape[0]))
    figure = new_figure(width, max(0.6, width * board.shape[0] / board.shape[1]) + (0.3 if title else 0))
    draw_array(figure.add_subplot(), board, title, **options)
    return figure


def channel_grid(
    activations: Tensor, scale: str = "each", limit: int = 64, title: str = "", columns: int | None = None
) -> Figure:
    """The first channels of one image's activations, tiled.

    Args:
        activations: `(C, h, w)` or `(1, C, h, w)`.
        scale: 'each' stretches every channel over the whole colour map by itself: shapes are seen, strengths are not.
            'together' uses one scale, drawn beside it: strengths can be compared, weak channels go dark.
        limit: At most so many channels.
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
    figure = new_figure(WIDTH * 0.7, WIDTH * 0.7 * board.shape[0] / board.shape[1] + 0.3)
    axes = figure.add_subplot()
    drawn = draw_array(axes, board, title, cmap="viridis", **limits)
    if scale == "together":
        figure.colorbar(drawn, ax=axes, shrink=0.8, label="activation")
    return figure


def row(pictures: Sequence[Tensor], titles: Sequence[str], title: str = "", label: str = "") -> Figure:
    """Pictures side by side: an image `(3, H, W)` or `(1, 3, H, W)` in [0, 1], or a map `(h, w)` with a colour bar."""
    if len(titles) != len(pictures):
        raise ValueError(f"titles: expected one for each of the {len(pictures)} pictures, got {len(titles)}")
    figure = new_figure(WIDTH, WIDTH / len(pictures) + (0.5 if title else 0.2))
    for axes, picture, text in zip(figure.subplots(1, len(pictures), squeeze=False)[0], pictures, titles, strict=True):
        if picture.ndim == 2:
            drawn = draw_array(axes, picture.detach().cpu().numpy(), text, cmap="viridis")
            figure.colorbar(drawn, ax=axes, shrink=0.7, label=label)
        else:
            draw_array(axes, to_rgb(picture), text)
    figure.suptitle(title, fontsize=10)
    return figure
