"""Points in a plane, coloured by class; thumbnails at their places in a plane or in a grid."""

from collections.abc import Mapping, Sequence

import numpy as np
import PIL.Image
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vizlib.plot.figure import WIDTH, draw_array, new_figure

SHOWN = round(WIDTH * 100)  # pixels across the picture of a map


def scatter(planes: Mapping[str, Tensor], labels: Tensor, names: Sequence[str], title: str = "") -> Figure:
    """Points `(N, 2)` in one panel for each title, coloured by label, with the class's name in its middle.

    Both axes have one scale, so that distances in the picture are those of the points.

    Args:
        labels: `(N,)`, indices into `names`. Ten colours are told apart; an eleventh class begins again.
    """
    if not planes or any(points.shape != (len(labels), 2) for points in planes.values()):
        shapes = [tuple(points.shape) for points in planes.values()]
        raise ValueError(f"planes: expected at least one, each ({len(labels)}, 2) as there are labels, got {shapes}")
    side = WIDTH / max(len(planes), 1.6)
    figure = new_figure(side * len(planes), side + (0.3 if title else 0.1))
    for axes, (heading, points) in zip(figure.subplots(1, len(planes), squeeze=False)[0], planes.items(), strict=True):
        _panel(axes, points.cpu().numpy(), labels.cpu().numpy(), names, heading)
    figure.suptitle(title, fontsize=10)
    return figure


def _panel(axes: Axes, points: np.ndarray, labels: np.ndarray, names: Sequence[str], heading: str) -> None:
    axes.scatter(*points.T, c=labels % 10, cmap="tab10", vmin=-0.5, vmax=9.5, s=5, linewidths=0)
    for label in np.unique(labels):
        x, y = np.median(points[labels == label], 0)
        color = colormaps["tab10"](label % 10)
        box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "alpha": 0.9, "edgecolor": color}
        axes.text(x, y, names[label], ha="center", va="center", fontsize=9, weight="bold", bbox=box)
    axes.set_title(heading, fontsize=9)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])


def free_map(thumbnails: np.ndarray, points: Tensor, side: int = 1600) -> np.ndarray:
    """Thumbnails `(N, s, s, 3)` uint8 where their points `(N, 2)` are, on white, later ones above earlier ones.

    Returns:
        uint8 `(side, side, 3)`: x to the right and y up, as in `scatter`, but stretched to fill the square.
    """
    _check_tiles(thumbnails, points, "points")
    if side < thumbnails.shape[1]:
        raise ValueError(f"side = {side}: expected at least a thumbnail's {thumbnails.shape[1]} pixels")
    size, canvas = thumbnails.shape[1], np.full((side, side, 3), 255, np.uint8)
    low, high = points.amin(0), points.amax(0)
    unit = ((points - low) / (high - low).clamp(min=1e-12)).numpy()
    left = (unit[:, 0] * (side - size)).round().astype(int)
    top = ((1 - unit[:, 1]) * (side - size)).round().astype(int)
    for thumbnail, x, y in zip(thumbnails, left, top, strict=True):
        canvas[y : y + size, x : x + size] = thumbnail
    return canvas


def grid_map(thumbnails: np.ndarray, cells: Tensor) -> np.ndarray:
    """Thumbnails `(N, s, s, 3)` uint8 in their cells `(N, 2)`, row and column, none above another; empty ones white."""
    _check_tiles(thumbnails, cells, "cells")
    size, (rows, columns) = thumbnails.shape[1], (cells.amax(0) + 1).tolist()
    canvas = np.full((rows, columns, size, size, 3), 255, np.uint8)
    canvas[cells[:, 0], cells[:, 1]] = thumbnails
    return canvas.transpose(0, 2, 1, 3, 4).reshape(rows * size, columns * size, 3)


def zoomed(canvas: np.ndarray, zoom: float = 1, x: float = 0.5, y: float = 0.5, title: str = "") -> Figure:
    """A part of a picture `(H, W, 3)`: `zoom` times as large as the whole, about the place (x, y), fractions of it."""
    if zoom < 1 or not (0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError(f"expected zoom >= 1 and x, y from 0 to 1, got zoom = {zoom}, x = {x}, y = {y}")
    height, width = canvas.shape[:2]
    rows, columns = round(height / zoom), round(width / zoom)
    top, left = round(y * (height - rows)), round(x * (width - columns))
    part = PIL.Image.fromarray(canvas[top : top + rows, left : left + columns])
    part.thumbnail((SHOWN, SHOWN * max(1, height / width)))  # far faster than leaving it to matplotlib
    figure = new_figure(WIDTH, WIDTH * height / width + (0.3 if title else 0))
    draw_array(figure.add_subplot(), np.asarray(part), title)
    return figure


def _check_tiles(thumbnails: np.ndarray, places: Tensor, what: str) -> None:
    if thumbnails.ndim != 4 or not len(thumbnails) or places.shape != (len(thumbnails), 2):
        raise ValueError(
            f"expected thumbnails (N, s, s, 3) and {what} (N, 2), got shapes {thumbnails.shape} and "
            f"{tuple(places.shape)}"
        )
