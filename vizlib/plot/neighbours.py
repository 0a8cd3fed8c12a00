"""A query and what was found for it, row by row."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from vizlib.images.galleries import Gallery
from vizlib.plot.base import WIDTH, new_figure, to_rgb

RIGHT, WRONG = "#21918c", "#d1495b"
TEXT, MARGIN = 0.42, 0.06  # inches: two lines above an image, and the space around it


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
    cell = WIDTH / (1 + max(map(len, rows.values())))
    top = 0.3 if title else 0
    height = top + len(rows) * (cell + TEXT)
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")
    # one pair of axes in inches, y down: a pair for each image takes three times as long to draw
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    axes.text(WIDTH / 2, top / 2, title, ha="center", va="center", fontsize=10)
    for row, (space, images) in enumerate(rows.items()):
        y = top + row * (cell + TEXT) + TEXT
        _cell(axes, 0, y, cell, query, f"{_shortened(name, cell)}\n{_shortened(space, cell)}:")
        for column, item in enumerate(images, 1):
            sign = {True: "✓ ", False: "✗ ", None: ""}[item.right]
            color = {True: RIGHT, False: WRONG, None: None}[item.right]
            _cell(axes, column * cell, y, cell, item.image, _shortened(sign + item.name, cell), color)
    return figure


def _cell(axes: Axes, x: float, y: float, cell: float, image: Tensor, text: str, color: str | None = None) -> None:
    """One image in its square, its longer side filling it, under its text and in a frame of its colour."""
    array = to_rgb(image)
    rows, columns = array.shape[:2]
    width, height = (side / max(rows, columns) * (cell - 2 * MARGIN) for side in (columns, rows))
    left, top = x + (cell - width) / 2, y + (cell - height) / 2
    smooth = "nearest" if max(rows, columns) < 300 else "antialiased"
    axes.imshow(array, extent=(left, left + width, top + height, top), aspect="auto", interpolation=smooth)
    axes.set(xlim=(0, axes.figure.get_figwidth()), ylim=(axes.figure.get_figheight(), 0))  # imshow has changed them
    axes.text(x + cell / 2, y, text, ha="center", va="bottom", fontsize=9)
    if color:
        axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=color, linewidth=4))


def _shortened(text: str, inches: float) -> str:
    """The text, cut with an ellipsis where it would run into its neighbour at 9 points."""
    room = int(inches * 11)
    return text if len(text) <= room else text[: room - 1] + "…"
