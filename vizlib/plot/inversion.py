"""Inversions by layer, how much of the photo came back, and a photo taken apart."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vizlib.plot.base import WIDTH, draw_array, new_figure, to_rgb
from vizlib.plot.charts import STYLES


def inversions(photo: Tensor, rows: Mapping[str, Tensor], layers: Sequence[str], title: str = "") -> Figure:
    """The photo, and beside it a row of inversions for each name.

    Args:
        photo: `(1, 3, H, W)`.
        rows: Name -> images `(L, 3, H, W)`, one for each of the layers, or fewer while there are not more.
        layers: What stands above the columns.
    """
    cell = WIDTH / (len(layers) + 1)
    high = photo.shape[2] / photo.shape[3] * cell
    figure = new_figure(WIDTH, len(rows) * (0.94 * high + 0.04) + (0.5 if title else 0.25))
    figure.get_layout_engine().set(hspace=0, wspace=0, h_pad=0.02, w_pad=0.02)
    grid = figure.subplots(len(rows), len(layers) + 1, squeeze=False)
    for line, (name, found) in zip(grid, rows.items(), strict=True):
        for axes, image in zip(line, [photo[0], *found], strict=False):
            draw_array(axes, to_rgb(image))
        for axes in line[1 + len(found) :]:
            axes.set_axis_off()
        line[0].text(-0.08, 0.5, name, fontsize=9, rotation=90, ha="right", va="center", transform=line[0].transAxes)
    for axes, text in zip(grid[0], ["photo", *layers], strict=True):
        axes.set_title(text, fontsize=9)
    figure.suptitle(title, fontsize=10)
    return figure


def depth_charts(layers: Sequence[str], charts: Mapping[str, Mapping[str, Sequence[float]]], title: str = "") -> Figure:
    """Charts side by side over the layers.

    Args:
        charts: What the vertical axis shows -> name of a line -> a value for each layer. An axis whose name begins
            with 'feature' is logarithmic.
    """
    figure = new_figure(WIDTH, 2.7)
    for axes, (label, lines) in zip(figure.subplots(1, len(charts), squeeze=False)[0], charts.items(), strict=True):
        _lines(axes, layers, lines)
        axes.set_yscale("log" if label.startswith("feature") else "linear")
        axes.set_ylabel(label, fontsize=9)
    figure.suptitle(title, fontsize=10)
    return figure


def _lines(axes: Axes, layers: Sequence[str], lines: Mapping[str, Sequence[float]]) -> None:
    for (name, values), (color, marker, dashes) in zip(lines.items(), STYLES, strict=False):
        axes.plot(range(len(values)), values, color=color, marker=marker, linestyle=dashes, label=name)
    axes.set_xticks(range(len(layers)), layers, fontsize=8, rotation=40 if len(layers) > 5 else 0)
    axes.spines[["top", "right"]].set_visible(False)
    if len(lines) > 1:
        axes.legend(fontsize=8, frameon=False)


def taken_apart(pictures: Mapping[str, tuple[Tensor, Tensor, Tensor, Tensor]], title: str = "") -> Figure:
    """For each name a column: the image, its layout in grey, its detail around grey, its colour around grey.

    Args:
        pictures: Name -> image `(1, 3, H, W)`, and its parts as `inversion.split` gives them.
    """
    cell = WIDTH / max(5, len(pictures))
    figure = new_figure(cell * len(pictures), 4 * 0.97 * cell + (0.5 if title else 0.25))
    figure.get_layout_engine().set(hspace=0, wspace=0, h_pad=0.02, w_pad=0.02)
    grid = figure.subplots(4, len(pictures), squeeze=False)
    for column, (name, (image, layout, detail, color)) in enumerate(pictures.items()):
        shown = [image, layout, 0.5 + 2 * detail, 0.5 + 2 * color]
        for axes, picture in zip(grid[:, column], shown, strict=True):
            draw_array(axes, to_rgb(picture.expand(-1, 3, -1, -1)))
        grid[0, column].set_title(name, fontsize=9)
    for axes, text in zip(grid[:, 0], ["image", "layout", "detail, x2", "colour, x2"], strict=True):
        axes.text(-0.05, 0.5, text, fontsize=9, rotation=90, ha="right", va="center", transform=axes.transAxes)
    figure.suptitle(title, fontsize=10)
    return figure
