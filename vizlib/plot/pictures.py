"""Tables of pictures: images, maps and signed gradients in rows and columns, with names, heads, titles and captions."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from torch import Tensor

from vizlib.images import Box
from vizlib.plot.cells import Picture, as_picture
from vizlib.plot.drawing import draw_table
from vizlib.plot.layout import Table

Cell = Tensor | Picture | None


def pictures(
    cells: Mapping[str, Cell] | Sequence[Cell] | Tensor,
    titles: Sequence[str] = (),
    columns: int = 5,
    title: str = "",
    *,
    label: str | None = None,
    to_scale: bool = False,
    zoom: Box | None = None,
) -> Figure:
    """Pictures side by side, each under its title; after `columns` of them a new row begins.

    Args:
        cells: Images `(3, H, W)` or `(1, 3, H, W)` in [0, 1], maps `(H, W)`, or `Picture`s, of any sizes; by title, in
            a sequence, or as one tensor `(N, 3, H, W)`. A signed gradient becomes an image by `around_gray`.
        label: What the maps measure. Each map then has its own scale and a colour bar; without a label all maps share
            the scale from 0 (black) to 1 (white-yellow), as `saliency.rescaled` gives them.
        to_scale: A pixel is as large in one picture as in the others; otherwise each fills its cell.
        zoom: Framed in every picture, and enlarged below it.

    Raises:
        ValueError: No pictures, another shape, or not a title for each.
    """
    if isinstance(cells, Mapping):
        cells, titles = list(cells.values()), list(cells)
    if not len(cells) or (isinstance(cells, Tensor) and cells.ndim != 4):
        got = f"shape {tuple(cells.shape)}; for a single image write [image]" if len(cells) else "none"
        raise ValueError(f"cells: expected at least one picture, or images (N, 3, H, W), got {got}")
    shown = [None if cell is None else as_picture(cell) for cell in cells]
    if titles:
        shown = _described(shown, titles, "title")
    lines = [shown[start : start + columns] for start in range(0, len(shown), columns)]
    if zoom is not None:
        lines = [both for line in lines for both in _zoomed(line, zoom)]
    return draw_table(Table(lines, [""] * len(lines), [], title, label, to_scale))


def table(
    rows: Mapping[str, Sequence[Cell]],
    heads: Sequence[str] = (),
    title: str = "",
    columns: int | None = None,
    *,
    captions: Mapping[str, Sequence[str]] | None = None,
    label: str | None = None,
    to_scale: bool = False,
) -> Figure:
    """Pictures in rows with their names at the left, and heads above the columns.

    Args:
        rows: By name, cells as `pictures` takes them. A row may be shorter than the others.
        heads: What stands above the columns.
        columns: After this many pictures a row goes on below, under the same name.
        captions: By the row's name, what stands below each of its pictures.
        label, to_scale: As for `pictures`.

    Raises:
        ValueError: No rows, a row without pictures, more columns than heads, or not a caption for each picture.
    """
    if not rows or not all(len(row) for row in rows.values()):
        raise ValueError("rows: expected at least one, each with at least one picture")
    widest = columns or max(map(len, rows.values()))
    if heads and len(heads) < widest:
        raise ValueError(f"heads: expected one for each of the {widest} columns, got {len(heads)}")
    lines, names = [], []
    for name, row in rows.items():
        shown = [None if cell is None else as_picture(cell) for cell in row]
        if captions is not None:
            shown = _described(shown, captions.get(name, ()), "caption")
        parts = [shown[start : start + widest] for start in range(0, len(shown), widest)]
        lines, names = lines + parts, names + [name] * len(parts)
    return draw_table(Table(lines, names, list(heads), title, label, to_scale))


def _described(line: list[Picture | None], texts: Sequence[str], part: str) -> list[Picture | None]:
    """The pictures with their 'title' or 'caption'."""
    if len(texts) != len(line):
        raise ValueError(f"{part}s: expected one for each of the {len(line)} pictures, got {len(texts)}")
    return [picture and picture._replace(**{part: text}) for picture, text in zip(line, texts, strict=True)]


def _zoomed(line: list[Picture | None], box: Box) -> tuple[list[Picture | None], list[Picture | None]]:
    """The pictures with the box framed, and what is in the box."""
    framed = [picture and picture._replace(boxes={**picture.boxes, "cyan": box}) for picture in line]
    return framed, [picture and Picture(box.of(picture.image)) for picture in line]
