"""A query and what was found for it, row by row."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from vizlib.galleries import Gallery
from vizlib.plot.base import WIDTH, draw_array, new_figure, to_rgb

RIGHT, WRONG = "#21918c", "#d1495b"


class Found(NamedTuple):
    """One image that was found: `(1, 3, H, W)`, its name, and whether it is what was looked for (None: who knows)."""

    image: Tensor
    name: str
    right: bool | None = None


def found_in(gallery: Gallery, i: int | Tensor, truth: int | None = None) -> Found:
    """The i-th image of a gallery as something that was found; it is right if its label is `truth`."""
    label = gallery.label(int(i))
    return Found(gallery.image(int(i)), gallery.names[label], None if truth is None else label == truth)


def found(query: Tensor, name: str, rows: Mapping[str, Sequence[Found]], title: str = "") -> Figure:
    """The query on the left and, for each space, a row of what was found in it, nearest first.

    Right ones have a tick and a green frame, wrong ones a cross and a red frame.
    """
    if not rows or not all(rows.values()):
        raise ValueError("rows: expected at least one row with at least one image")
    columns = 1 + max(map(len, rows.values()))
    cell = WIDTH / columns
    figure = new_figure(WIDTH, len(rows) * (cell + 0.42) + (0.3 if title else 0))
    for row, (space, images) in enumerate(rows.items()):
        grid = [figure.add_subplot(len(rows), columns, row * columns + column + 1) for column in range(columns)]
        for axes in grid:
            axes.set_axis_off()
        draw_array(grid[0], to_rgb(query), f"{name}\n{space}:")
        for axes, item in zip(grid[1:], images, strict=False):
            sign = {True: "✓ ", False: "✗ ", None: ""}[item.right]
            array = to_rgb(item.image)
            draw_array(axes, array, sign + item.name)
            if item.right is not None:
                height, width = array.shape[:2]
                colour = RIGHT if item.right else WRONG
                axes.add_patch(Rectangle((-0.5, -0.5), width, height, fill=False, edgecolor=colour, linewidth=4))
    figure.suptitle(title, fontsize=10)
    return figure
