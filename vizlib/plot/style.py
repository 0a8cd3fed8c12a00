"""Figures for style transfer: the trade between content and style."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from vizlib.plot.base import WIDTH, new_figure


def trade(contents: Sequence[float], styles: Sequence[float], names: Sequence[str], title: str = "") -> Figure:
    """Style loss over content loss: a point for each picture, with its name, and a line through them."""
    if not len(contents) == len(styles) == len(names) > 0:
        raise ValueError(
            f"expected a content loss, a style loss and a name for each picture, got {len(contents)}, {len(styles)} "
            f"and {len(names)}"
        )
    figure = new_figure(WIDTH * 0.7, 3.2)
    axes = figure.add_subplot()
    axes.plot(contents, styles, "-o", color="#3b528b")
    for content, style, name in zip(contents, styles, names, strict=True):
        axes.annotate(name, (content, style), xytext=(6, 5), textcoords="offset points", fontsize=9)
    axes.set_xlim(0, 1.1 * max(contents))
    axes.set_ylim(0, 1.05 * max(1, *styles))
    axes.set_xlabel("content loss (0: the photo)", fontsize=9)
    axes.set_ylabel("style loss (1: the photo)", fontsize=9)
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
