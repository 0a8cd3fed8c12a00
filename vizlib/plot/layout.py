"""How a table of pictures is drawn: where each cell lies, in inches, and what is written around it.

All of it goes into one pair of axes, with y down: a pair for each picture takes three times as long to draw, and many
tables follow a slider.
"""

import textwrap
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from vizlib.plot.cells import Picture
from vizlib.plot.figure import WIDTH, new_figure, smoothing, to_rgb

# all in inches
LINE = 0.16  # a line of text of 9 points
CHARACTER = 0.077  # most of its characters are no wider
GAP = 0.06  # between cells
BAR = 0.75  # a colour bar with its numbers and its label
MARGIN = 1.25  # at most, for the names of the rows
TALLEST = 8.5  # a table that would be taller has smaller cells


class Table(NamedTuple):
    """What is to be drawn: lines of pictures (None leaves a cell empty), and for each line its name.

    Lines of one name that follow one another share it.
    """

    lines: list[list[Picture | None]]
    names: list[str]
    heads: list[str]
    title: str
    label: str | None
    to_scale: bool

    @property
    def columns(self) -> int:
        return max(len(self.heads), *map(len, self.lines))

    def column(self, c: int) -> list[Picture]:
        return [line[c] for line in self.lines if c < len(line) and line[c] is not None]

    def bars(self) -> list[float]:
        """The room beside each column for colour bars."""
        has = [self.label is not None and any(p.is_map for p in self.column(c)) for c in range(self.columns)]
        return [BAR * one for one in has]

    def proportions(self) -> tuple[list[float], list[float]]:
        """How wide each column and how high each line is: in pixels of the pictures, or in widths of a cell."""
        shapes = [[picture.image.shape[-2:] for picture in line if picture] for line in self.lines]
        if not self.to_scale:
            highest = [max((height / width for height, width in line), default=1) for line in shapes]
            return [1] * self.columns, [min(1.3, high) for high in highest]
        widths = [max((p.image.shape[-1] for p in self.column(c)), default=1) for c in range(self.columns)]
        return widths, [max((height for height, _ in line), default=1) for line in shapes]


class Places(NamedTuple):
    """Where everything lies: the left edges and widths of the columns, the tops and heights of the lines."""

    lefts: list[float]
    widths: list[float]
    tops: list[float]
    heights: list[float]
    unit: float  # a pixel of a picture, or a cell
    size: tuple[float, float]  # of the figure


def draw_table(table: Table) -> Figure:
    """The whole table as a figure, as wide as the page allows."""
    places = _places(table)
    width, height = places.size
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    axes.text(width / 2, 0.05, fitted(table.title, width), ha="center", va="top", fontsize=10)
    bottom = places.tops[0] - LINE * _most_lines([p.title if p else "" for p in table.lines[0]], places.widths) - 0.03
    for head, left, wide in zip(table.heads, places.lefts, places.widths, strict=False):
        axes.text(left + wide / 2, bottom, fitted(head, wide), ha="center", va="bottom", fontsize=9)
    for line, top, high in zip(table.lines, places.tops, places.heights, strict=True):
        for picture, left, wide in zip(line, places.lefts, places.widths, strict=False):
            if picture is not None:
                _draw_cell(axes, picture, (left, top, wide, high), table, places.unit)
    _draw_names(axes, table, places)
    return figure


# --- where everything lies ------------------------------------------------------------------------------------------


def _places(table: Table) -> Places:
    across, down = table.proportions()
    bars, gaps = table.bars(), GAP * table.columns + sum(table.bars())
    parts = sum(across) if table.to_scale else max(table.columns, 2)  # a single picture need not fill the page
    margin = _margin(table, (WIDTH - gaps) / parts * min(down))
    unit = (WIDTH - gaps - margin) / parts
    for _ in range(2):  # narrower cells may need more lines of text
        head, above, below = _texts(table, [unit * part for part in across])
        texts = head + sum(above) + sum(below) + GAP * len(table.lines)
        unit = min(unit, (TALLEST - texts) / sum(down))
    widths, heights = [unit * part for part in across], [unit * part for part in down]
    lefts = [margin + GAP / 2 + sum(widths[:c]) + GAP * c + sum(bars[:c]) for c in range(table.columns)]
    tops, y = [], head
    for space, high, low in zip(above, heights, below, strict=True):
        tops.append(y + space)
        y += space + high + low + GAP
    width = max(lefts[-1] + widths[-1] + bars[-1] + GAP / 2, _longest(table.title) * CHARACTER * 1.1 + 0.1)
    return Places(lefts, widths, tops, heights, unit, (min(width, WIDTH), y))


def _texts(table: Table, widths: Sequence[float]) -> tuple[float, list[float], list[float]]:
    """How much room the title and the heads take, and the titles above and the captions below each line."""
    title = _most_lines([table.title], [WIDTH]) * 0.2 + 0.08 * bool(table.title)
    head = LINE * _most_lines(table.heads, widths) + 0.03
    above = [LINE * _most_lines([p.title if p else "" for p in line], widths) + 0.02 for line in table.lines]
    below = [LINE * _most_lines([p.caption if p else "" for p in line], widths) for line in table.lines]
    return title + head, above, below


def _margin(table: Table, height: float) -> float:
    """Room for the names: turned, where they fit beside their rows, or written from left to right."""
    if not any(table.names):
        return 0
    longest = max(map(_longest, table.names)) * CHARACTER
    if longest <= height:
        return LINE * max(name.count("\n") + 1 for name in table.names) + GAP
    return min(MARGIN, longest + 0.1)


def _longest(text: str) -> int:
    return max(map(len, text.split("\n")))


def _most_lines(texts: Sequence[str], widths: Sequence[float]) -> int:
    fits = [fitted(text, width) for text, width in zip(texts, widths, strict=False) if text]
    return max((text.count("\n") + 1 for text in fits), default=0)


def fitted(text: str, inches: float) -> str:
    """The text of 9 points in lines of this width; a word that is wider by itself is cut with an ellipsis."""
    room = max(2, int(inches / CHARACTER))
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, room, break_long_words=False)]
    return "\n".join(line if len(line) <= room else line[: room - 1] + "…" for line in lines)


# --- what is drawn there --------------------------------------------------------------------------------------------


def _draw_cell(
    axes: Axes, picture: Picture, cell: tuple[float, float, float, float], table: Table, unit: float
) -> None:
    """A picture in its cell (left, top, width, height) with what belongs to it."""
    left, top, wide, high = cell
    rows, columns = picture.image.shape[-2:]
    scale = unit if table.to_scale else min(wide / columns, high / rows)  # of a pixel
    x, width, height = left + (wide - columns * scale) / 2, columns * scale, rows * scale
    y = top if table.to_scale else top + (high - height) / 2
    array = picture.image.detach().cpu().numpy() if picture.is_map else to_rgb(picture.image)
    colors = {"cmap": "magma", "vmin": 0, "vmax": 1} if table.label is None else {"cmap": "viridis"}
    extent = (x, x + width, y + height, y)
    options = {"aspect": "auto", "interpolation": smoothing(array)} | (colors if picture.is_map else {})
    drawn = axes.imshow(array, extent=extent, **options)
    axes.text(x + width / 2, y - 0.03, fitted(picture.title, wide), ha="center", va="bottom", fontsize=9)
    axes.text(x + width / 2, y + height + 0.02, fitted(picture.caption, wide), ha="center", va="top", fontsize=9)
    frames = [(color, (box.left, box.top, box.width, box.height), 2) for color, box in picture.boxes.items()]
    frames += [(picture.frame, (0, 0, columns, rows), 4)] if picture.frame else []
    for color, pixels, linewidth in frames:
        a, b, c, d = (scale * edge for edge in pixels)
        axes.add_patch(Rectangle((x + a, y + b), c, d, fill=False, edgecolor=color, linewidth=linewidth))
    if picture.is_map and table.label is not None:
        whole = axes.figure.get_size_inches()
        place = (x + width + 0.05, whole[1] - y - 0.9 * height, 0.09, 0.8 * height)
        bar = axes.figure.add_axes([edge / full for edge, full in zip(place, [*whole, *whole], strict=True)])
        axes.figure.colorbar(drawn, cax=bar, ticks=MaxNLocator(5)).set_label(table.label, fontsize=9)
        bar.tick_params(labelsize=8)


def _draw_names(axes: Axes, table: Table, places: Places) -> None:
    """Each name in the middle of its lines, at their left."""
    margin, height = places.lefts[0] - GAP / 2, min(places.heights)
    longest = max(map(_longest, table.names)) * CHARACTER
    turned = {"rotation": 90, "multialignment": "center"} if longest <= height else {}
    for name, numbers in groupby(range(len(table.names)), key=table.names.__getitem__):
        first, *_, last = [*numbers] * 2
        middle = (places.tops[first] + places.tops[last] + places.heights[last]) / 2
        text = name if turned else fitted(name, margin)
        axes.text(margin - 0.02, middle, text, ha="right", va="center", fontsize=9, **turned)
