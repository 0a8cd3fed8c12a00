"""How a table of pictures is drawn, and what is written around its cells.

All of it goes into one pair of axes, in inches and with y down: a pair for each picture takes three times as long to
draw, and many tables follow a slider.
"""

from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from vizlib.plot.cells import Picture
from vizlib.plot.figure import new_figure, smoothing, to_rgb
from vizlib.plot.layout import LINE, Places, Table, fitted, most_lines, places_of


def draw_table(table: Table) -> Figure:
    """The whole table as a figure, as wide as the page allows."""
    places = places_of(table)
    width, height = places.size
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    axes.text(width / 2, 0.05, fitted(table.title, width), ha="center", va="top", fontsize=10)
    bottom = places.tops[0] - LINE * most_lines([p.title if p else "" for p in table.lines[0]], places.widths) - 0.03
    for head, left, wide in zip(table.heads, places.lefts, places.widths, strict=False):
        axes.text(left + wide / 2, bottom, fitted(head, wide), ha="center", va="bottom", fontsize=9)
    for line, top, high in zip(table.lines, places.tops, places.heights, strict=True):
        for picture, left, wide in zip(line, places.lefts, places.widths, strict=False):
            if picture is not None:
                _draw_cell(axes, picture, (left, top, wide, high), table, places.unit)
    _draw_names(axes, table, places)
    return figure


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
    margin = places.lefts[0] - table.gap / 2
    turned = {"rotation": 90, "multialignment": "center"} if places.turned else {}
    for name, numbers in groupby(range(len(table.names)), key=table.names.__getitem__):
        first, *_, last = [*numbers] * 2
        middle = (places.tops[first] + places.tops[last] + places.heights[last]) / 2
        text = name if turned else fitted(name, margin)
        axes.text(margin - 0.02, middle, text, ha="right", va="center", fontsize=9, **turned)
