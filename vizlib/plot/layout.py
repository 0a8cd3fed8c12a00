"""Where each cell of a table of pictures lies, in inches, and how much room the words around it take."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from vizlib.plot.cells import Picture
from vizlib.plot.figure import WIDTH

# all in inches
LINE = 0.16  # a line of text of 9 points
CHARACTER = 0.077  # most of its characters are no wider
GAP = 0.06  # between cells
WIDE_GAP = 0.13  # between cells with frames, and more of it between rows that go on for several lines
BAR = 0.75  # a colour bar with its numbers and its label
MARGIN = 1.25  # at most, for the names of the rows
TALLEST = 8.0  # a table that would be taller has smaller cells


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

    @property
    def gap(self) -> float:
        return WIDE_GAP if any(picture and picture.frame for line in self.lines for picture in line) else GAP

    def bars(self) -> list[float]:
        """The room beside each column for colour bars."""
        has = [self.label is not None and any(p.is_map for p in self.column(c)) for c in range(self.columns)]
        return [BAR * one for one in has]

    def proportions(self) -> tuple[list[float], list[float]]:
        """How wide each column and how high each line is: in pixels of the pictures, or in widths of a cell."""
        shapes = [[picture.image.shape[-2:] for picture in line if picture] for line in self.lines]
        if not self.to_scale:
            highest = [max((height / width for height, width in line), default=1) for line in shapes]
            return [1] * self.columns, [min(1, high) for high in highest]
        widths = [max((p.image.shape[-1] for p in self.column(c)), default=1) for c in range(self.columns)]
        return widths, [max((height for height, _ in line), default=1) for line in shapes]


class Places(NamedTuple):
    """Where everything lies: the left edges and widths of the columns, the tops and heights of the lines."""

    lefts: list[float]
    widths: list[float]
    tops: list[float]
    heights: list[float]
    unit: float  # a pixel of a picture, or a cell
    turned: bool  # whether the names are written from below to above
    size: tuple[float, float]  # of the figure


def places_of(table: Table) -> Places:
    across, down = table.proportions()
    bars, gap = table.bars(), table.gap
    gaps = gap * table.columns + sum(bars)
    parts = sum(across) if table.to_scale else max(table.columns, 2)  # a single picture need not fill the page
    turned = max(map(_longest, table.names)) * CHARACTER <= (WIDTH - gaps) / parts * min(down) * 0.9
    margin = _margin(table, turned)
    unit = (WIDTH - gaps - margin) / parts
    for _ in range(2):  # narrower cells may need more lines of text
        head, above, below = _texts(table, [unit * part for part in across])
        texts = head + sum(above) + sum(below) + gap * len(table.lines)
        unit = min(unit, (TALLEST - texts) / sum(down))
    widths, heights = [unit * part for part in across], [unit * part for part in down]
    lefts = [margin + gap / 2 + sum(widths[:c]) + gap * c + sum(bars[:c]) for c in range(table.columns)]
    tops, y = [], head
    for space, high, low in zip(above, heights, below, strict=True):
        tops.append(y + space)
        y += space + high + low + gap
    width = max(lefts[-1] + widths[-1] + bars[-1] + gap / 2, _longest(table.title) * CHARACTER * 1.1 + 0.1)
    return Places(lefts, widths, tops, heights, unit, turned, (min(width, WIDTH), y))


def _texts(table: Table, widths: Sequence[float]) -> tuple[float, list[float], list[float]]:
    """How much room the title and the heads take, and the titles above and the captions below each line."""
    title = most_lines([table.title], [WIDTH]) * 0.2 + 0.08 * bool(table.title)
    head = LINE * most_lines(table.heads, widths) + 0.03
    above = [LINE * most_lines([p.title if p else "" for p in line], widths) + 0.02 for line in table.lines]
    for number in range(1, len(above)):
        if len(set(table.names)) < len(above) and table.names[number] != table.names[number - 1]:
            above[number] += WIDE_GAP
    below = [LINE * most_lines([p.caption if p else "" for p in line], widths) for line in table.lines]
    return title + head, above, below


def _margin(table: Table, turned: bool) -> float:
    """Room for the names: turned, where they fit beside their rows, or written from left to right."""
    if not any(table.names):
        return 0
    if turned:
        return LINE * max(name.count("\n") + 1 for name in table.names) + GAP
    return min(MARGIN, max(map(_longest, table.names)) * CHARACTER + 0.1)


def _longest(text: str) -> int:
    return max(map(len, text.split("\n")))


def most_lines(texts: Sequence[str], widths: Sequence[float]) -> int:
    fits = [fitted(text, width) for text, width in zip(texts, widths, strict=False) if text]
    return max((text.count("\n") + 1 for text in fits), default=0)


def fitted(text: str, inches: float) -> str:
    """The text of 9 points in lines of this width; a word that is wider by itself is cut with an ellipsis."""
    room = max(2, int(inches / CHARACTER))
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, room, break_long_words=False)]
    return "\n".join(line if len(line) <= room else line[: room - 1] + "…" for line in lines)
