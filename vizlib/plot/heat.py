"""Heat maps laid over the grey image that they belong to, unsigned or with zero marked."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from vizlib.images import Box
from vizlib.plot.figure import WIDTH, draw_array, draw_box, new_figure, to_rgb


def heat_map(
    image: Tensor,
    heat: Tensor,
    title: str = "",
    label: str = "",
    *,
    signed: bool = False,
    cells: bool = False,
    box: Box | None = None,
    beside: Tensor | None = None,
    beside_title: str = "the image",
) -> Figure:
    """The image, and beside it the same image, grey, under a heat map.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        heat: `(h, w)` of any size; it is enlarged to the image.
        label: What the colour bar measures.
        signed: Red is positive, blue negative and white 0; otherwise brighter is more.
        cells: Draw the cells of the map as squares, instead of blending one into the next.
        box: In pixels of the image, framed in both.
        beside, beside_title: What stands there instead of the image.
    """
    figure = new_figure(WIDTH, WIDTH * 0.42)
    left, right = figure.subplots(1, 2)
    draw_array(left, to_rgb(image if beside is None else beside), beside_title)
    _draw_heat(right, image, heat, title, label, signed, cells)
    for axes in (left, right) if box is not None else ():
        draw_box(axes, box)
    return figure


def heat_maps(
    images: Sequence[Tensor] | Tensor,
    heats: Sequence[Tensor],
    titles: Sequence[str],
    title: str = "",
    label: str | None = None,
    *,
    signed: bool = False,
    above: Sequence[Tensor] = (),
    columns: int | None = None,
) -> Figure:
    """Several grey images side by side, each under its own heat map `(h, w)` on its own scale.

    Args:
        images: One for each map, or a single one `(1, 3, H, W)` for all of them.
        label: What the colour bars measure; None draws none.
        signed: Red is positive, blue negative and white 0; otherwise brighter is more.
        above: An image for each that stands above it.
        columns: Leave room for so many, if that is more than there are.

    Raises:
        ValueError: Not an image, a heat map and a title for each.
    """
    images = [images] * len(heats) if isinstance(images, Tensor) else images
    counts = len(images), len(heats), len(titles), len(above) or len(images)
    if len(set(counts)) != 1 or not len(images):
        raise ValueError(f"expected as many images, heats and titles, and above or none, got {counts}")
    columns, rows = max(columns or 0, len(images)), 2 if above else 1
    figure = new_figure(WIDTH, rows * WIDTH / columns + (0.5 if title else 0.2))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flatten():
        axes.set_axis_off()
    for axes, picture, text in zip(grid[0], above, titles, strict=False):
        draw_array(axes, to_rgb(picture), text)
    for axes, image, heat, text in zip(grid[-1], images, heats, titles, strict=False):
        _draw_heat(axes, image, heat, "" if above else text, label, signed)
    figure.suptitle(title, fontsize=10)
    return figure


def _draw_heat(
    axes: Axes, image: Tensor, heat: Tensor, title: str, label: str | None, signed: bool, cells: bool = False
) -> None:
    gray = to_rgb(image).mean(2)
    draw_array(axes, gray, cmap="gray", vmin=0, vmax=1)
    heat = heat.detach().float().cpu()
    if heat.shape != gray.shape:
        mode = "nearest" if cells else "bilinear"
        heat = nn.functional.interpolate(heat[None, None], gray.shape, mode=mode)[0, 0]
    limit = max(heat.abs().max().item(), 1e-12)
    colors = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit} if signed else {"cmap": "magma"}
    drawn = draw_array(axes, heat.numpy(), title, alpha=0.6, **colors)
    if label is not None:
        axes.figure.colorbar(drawn, ax=axes, shrink=0.8, label=label)
