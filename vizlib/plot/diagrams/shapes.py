"""What diagrams are drawn with: pictures, boxes, texts and arrows, at places in inches."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from torch import Tensor

from vizlib.plot.figure import new_figure, to_rgb

FORWARD, BACKWARD = "#444444", "#c2304a"  # the colours of arrows


def stage(width: float, height: float) -> Axes:
    """Axes in inches, y down, over a whole figure."""
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    return axes


def write(axes: Axes, x: float, y: float, text: str, **options: object) -> None:
    axes.text(x, y, text, **{"ha": "center", "va": "center", "fontsize": 9} | options)


def framed(axes: Axes, image: Tensor | np.ndarray, x: float, y: float, width: float, title: str = "") -> float:
    """An image with its upper left corner at (x, y), its name below; returns the height that it took."""
    array = to_rgb(image) if isinstance(image, Tensor) else image
    height = width * array.shape[0] / array.shape[1]
    axes.imshow(array, extent=(x, x + width, y + height, y), aspect="auto", interpolation="hanning")
    axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="#666666", linewidth=0.8))
    write(axes, x + width / 2, y + height + 0.03, title, va="top")
    return height


def box(axes: Axes, x: float, y: float, width: float, height: float, text: str, ground: str) -> None:
    shape = FancyBboxPatch(
        (x, y), width, height, "round,pad=0,rounding_size=0.08", facecolor=ground, edgecolor="#555555"
    )
    axes.add_patch(shape)
    write(axes, x + width / 2, y + height / 2, text)


def arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str = FORWARD,
    dashes: str = "-",
    width: float = 1.6,
    head: float = 11,
) -> None:
    """A straight arrow from one place to another; its width and the size of its head in points."""
    options = {"arrowstyle": "-|>", "mutation_scale": head, "shrinkA": 0, "shrinkB": 0, "linewidth": width}
    axes.add_patch(FancyArrowPatch(start, end, color=color, linestyle=dashes, **options))
