"""Heat maps laid over the image that they belong to."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from vizlib.plot.base import WIDTH, draw_array, new_figure, to_rgb

Region = tuple[float, float, float, float]


def overlay(
    image: Tensor, heat: Tensor, title: str = "", label: str = "", region: Region | None = None, alpha: float = 0.6
) -> Figure:
    """The image, and beside it the same image, grey, under a heat map.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        heat: `(h, w)` of any size; it is enlarged to the image.
        label: What the colour bar measures.
        region: (top, bottom, left, right) as fractions of the image, framed in both.
    """
    figure = new_figure(WIDTH, WIDTH * 0.42)
    left, right = figure.subplots(1, 2)
    draw_array(left, to_rgb(image), "the image")
    _heat(figure, right, image, heat, title, label, alpha)
    if region is not None:
        height, width = image.shape[-2:]
        top, bottom, start, end = region
        corner, size = (start * width, top * height), ((end - start) * width, (bottom - top) * height)
        for axes in (left, right):
            axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor="cyan", linewidth=2))
    return figure


def overlays(
    images: Sequence[Tensor], heats: Sequence[Tensor], titles: Sequence[str], title: str = "", label: str = ""
) -> Figure:
    """Several grey images side by side, each under its own heat map `(h, w)` with its own colour bar."""
    figure = new_figure(WIDTH, WIDTH / len(images) + (0.4 if title else 0.1))
    axes = figure.subplots(1, len(images), squeeze=False)[0]
    for place, image, heat, text in zip(axes, images, heats, titles, strict=True):
        _heat(figure, place, image, heat, text, label, 0.6)
    figure.suptitle(title, fontsize=10)
    return figure


def _heat(figure: Figure, axes: Axes, image: Tensor, heat: Tensor, title: str, label: str, alpha: float) -> None:
    gray = to_rgb(image).mean(2)
    draw_array(axes, gray, cmap="gray", vmin=0, vmax=1)
    drawn = draw_array(axes, enlarge(heat, *gray.shape).cpu().numpy(), title, cmap="magma", alpha=alpha)
    figure.colorbar(drawn, ax=axes, shrink=0.8, label=label)


def enlarge(heat: Tensor, height: int, width: int) -> Tensor:
    """A map `(h, w)` resized bilinearly to `(height, width)`, for laying it over an image."""
    return nn.functional.interpolate(heat.detach().float()[None, None], (height, width), mode="bilinear")[0, 0]
