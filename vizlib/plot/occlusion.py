"""What an occluder costs, laid over the image, and how the window that it can change grows from layer to layer."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from vizlib.plot.base import WIDTH, draw_array, new_figure, to_rgb

Interval = tuple[int, int]


def drop_map(covered: Tensor, image: Tensor, drop: Tensor, title: str = "", label: str = "") -> Figure:
    """The image with an occluder on it, and beside it the grey image under what was lost at each pixel.

    Args:
        covered, image: `(1, 3, H, W)` in [0, 1].
        drop: `(H, W)`, signed: red where the score falls when a pixel is covered, blue where it rises, white for 0.
        label: What the colour bar measures.
    """
    figure = new_figure(WIDTH, WIDTH * 0.42)
    left, right = figure.subplots(1, 2)
    draw_array(left, to_rgb(covered), "the costliest place is covered")
    _drop(figure, right, image, drop, title, label)
    return figure


def drop_maps(
    covered: Sequence[Tensor],
    image: Tensor,
    drops: Sequence[Tensor],
    titles: Sequence[str],
    title: str = "",
    columns: int | None = None,
) -> Figure:
    """Several occluders in one row, and below each what it costs, every map on its own scale.

    Args:
        columns: Leave room for so many, if that is more than there are.
    """
    columns = columns or len(drops)
    figure = new_figure(WIDTH, 2 * WIDTH / columns + 0.5)
    above, below = grid = figure.subplots(2, columns, squeeze=False)
    for axes in grid.flatten():
        axes.set_axis_off()
    for axes, under, picture, drop, text in zip(above, below, covered, drops, titles, strict=False):
        draw_array(axes, to_rgb(picture), text)
        _drop(figure, under, image, drop, "", "", bar=False)
    figure.suptitle(title, fontsize=10)
    return figure


def _drop(figure: Figure, axes: Axes, image: Tensor, drop: Tensor, title: str, label: str, bar: bool = True) -> None:
    limit = max(drop.abs().max().item(), 1e-12)
    draw_array(axes, to_rgb(image).mean(2), cmap="gray", vmin=0, vmax=1)
    heat = draw_array(axes, drop.cpu().numpy(), title, cmap="RdBu_r", alpha=0.65, vmin=-limit, vmax=limit)
    if bar:
        figure.colorbar(heat, ax=axes, shrink=0.8, label=label)


def window_growth(
    image: Tensor, windows: Sequence[tuple[str, Interval, Interval, int, int]], title: str = ""
) -> Figure:
    """The part of each layer's map that an occluder can change (orange), drawn on the whole map.

    Args:
        image: `(1, 3, H, W)` in [0, 1], already covered.
        windows: (name, rows, columns, height, width) of the image and of each layer, as `occlusion.growth` gives them.
    """
    columns = 6
    rows = -(-len(windows) // columns)
    figure = new_figure(WIDTH, rows * (WIDTH / columns + 0.35) + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, (name, (top, bottom), (left, right), height, width) in zip(grid, windows, strict=False):
        picture = to_rgb(image) if axes is grid[0] else np.full((height, width, 3), 0.85)
        draw_array(axes, picture, f"{name}\n{bottom - top}x{right - left} of {height}x{width}")
        options = {"facecolor": "#f98e09", "edgecolor": "#bc3754", "alpha": 0.8}
        axes.add_patch(Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, **options))
    for axes in grid[len(windows) :]:
        axes.set_axis_off()
    figure.suptitle(title, fontsize=10)
    return figure
