"""Figures: grids of images, filters and channels, heat maps, predictions. They need no screen and no pyplot state.

Every function returns a matplotlib `Figure`; `show` puts it into a notebook with its alt text, `to_png` gives bytes.
"""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
import PIL.Image
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

WIDTH = 7.5  # inches at 100 dots per inch: what a notebook cell shows without shrinking it
Region = tuple[float, float, float, float]
GAP = 1  # pixels between the tiles of a mosaic


# --- out of here ----------------------------------------------------------------------------------------------------


def to_png(figure: Figure, palette: bool = False) -> bytes:
    """The figure as PNG; with `palette` in 256 colours, a quarter of the size."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = PIL.Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    if palette:
        picture = picture.quantize(256, PIL.Image.Quantize.FASTOCTREE)
    picture.save(buffer, "png", optimize=palette)
    return buffer.getvalue()


def show(picture: Figure | bytes, alt: str) -> None:
    """Display a figure, or the bytes of a PNG, in the notebook with its alt text.

    Raises:
        ValueError: An empty alt text: say in a few words what there is to see.
    """
    if not alt.strip():
        raise ValueError("alt: expected a few words that say what the picture shows, got none")
    display(
        Image(
            to_png(picture, palette=True) if isinstance(picture, Figure) else picture,
            format="png",
            metadata={"alt": alt},
        )
    )


# --- parts ----------------------------------------------------------------------------------------------------------


def _figure(width: float, height: float) -> Figure:
    return Figure((width, height), dpi=100, layout="constrained")


def _rgb(image: Tensor) -> np.ndarray:
    image = image[0] if image.ndim == 4 else image
    return image.detach().cpu().clamp(0, 1).permute(1, 2, 0).numpy()


def _picture(axes: Axes, array: np.ndarray, title: str = "", **options: object):
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=9)
    small = max(array.shape[:2]) < 300
    return axes.imshow(array, interpolation="nearest" if small else "antialiased", **options)


def mosaic(tiles: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Tiles `(n, h, w)` or `(n, h, w, 3)` side by side in one array, NaN (shown as white) between them."""
    n, height, width = tiles.shape[:3]
    columns = columns or math.ceil(math.sqrt(n * height / width))
    rows = math.ceil(n / columns)
    board = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, *tiles.shape[3:]), np.nan)
    for index, tile in enumerate(tiles):
        top, left = (index // columns) * (height + GAP), (index % columns) * (width + GAP)
        board[top : top + height, left : left + width] = tile
    return board


# --- figures --------------------------------------------------------------------------------------------------------


def image_grid(
    images: Tensor | Sequence[Tensor], titles: Sequence[str] = (), columns: int = 5, title: str = ""
) -> Figure:
    """Images `(N, 3, H, W)` in [0, 1], or a list of them of any sizes, in rows, each under its title."""
    n = len(images)
    if n == 0 or any(image.ndim not in (3, 4) or image.shape[-3] != 3 for image in images):
        raise ValueError("images: expected at least one image (3, H, W); for a single one write images[None]")
    if titles and len(titles) != n:
        raise ValueError(f"titles: expected one for each of the {n} images, got {len(titles)}")
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    height, width = images[0].shape[-2:]
    cell = WIDTH / max(columns, 3)
    figure = _figure(cell * columns, rows * (cell * height / width + (0.25 if titles else 0)) + (0.3 if title else 0))
    for index in range(n):
        axes = figure.add_subplot(rows, columns, index + 1)
        _picture(axes, _rgb(images[index]), titles[index] if titles else "")
    figure.suptitle(title, fontsize=10)
    return figure


def filter_grid(filters: Tensor, title: str = "", columns: int | None = None) -> Figure:
    """Filters `(F, 3, h, w)` in [0, 1] as small colour pictures; `(F, C, h, w)` as F rows of C grey kernels."""
    array = filters.detach().cpu().numpy()
    if array.ndim != 4:
        raise ValueError(f"filters: expected (F, C, h, w), got shape {array.shape}")
    if array.shape[1] == 3:
        board, options = np.nan_to_num(mosaic(array.transpose(0, 2, 3, 1), columns), nan=1.0), {}
    else:
        board = mosaic(array.reshape(-1, *array.shape[2:]), array.shape[1])
        options = {"cmap": "gray", "vmin": 0, "vmax": 1}
    width = min(WIDTH, max(3.0, WIDTH * board.shape[1] / board.shape[0]))
    figure = _figure(width, max(0.6, width * board.shape[0] / board.shape[1]) + (0.3 if title else 0))
    _picture(figure.add_subplot(), board, title, **options)
    return figure


def channel_grid(
    activations: Tensor, scale: str = "each", limit: int = 64, title: str = "", columns: int | None = None
) -> Figure:
    """The first channels of one image's activations, tiled.

    Args:
        activations: `(C, h, w)` or `(1, C, h, w)`.
        scale: 'each' stretches every channel over the whole colour map by itself: shapes are seen, strengths are not.
            'together' uses one scale, drawn beside it: strengths can be compared, weak channels go dark.
        limit: At most so many channels.
    """
    if scale not in ("each", "together"):
        raise ValueError(f"scale: expected 'each' or 'together', got {scale!r}")
    maps = (activations[0] if activations.ndim == 4 else activations)[:limit].detach().cpu().numpy()
    if maps.ndim != 3:
        raise ValueError(f"activations: expected (C, h, w) of one image, got shape {tuple(activations.shape)}")
    limits = {"vmin": float(maps.min()), "vmax": max(float(maps.max()), float(maps.min()) + 1e-12)}
    if scale == "each":
        low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
        maps, limits = (maps - low) / np.maximum(high - low, 1e-12), {"vmin": 0, "vmax": 1}
    board = mosaic(maps, columns)
    figure = _figure(WIDTH * 0.7, WIDTH * 0.7 * board.shape[0] / board.shape[1] + 0.3)
    axes = figure.add_subplot()
    drawn = _picture(axes, board, title, cmap="viridis", **limits)
    if scale == "together":
        figure.colorbar(drawn, ax=axes, shrink=0.8, label="activation")
    return figure


def row(pictures: Sequence[Tensor], titles: Sequence[str], title: str = "", label: str = "") -> Figure:
    """Pictures side by side: an image `(3, H, W)` or `(1, 3, H, W)` in [0, 1], or a map `(h, w)` with a colour bar."""
    if len(titles) != len(pictures):
        raise ValueError(f"titles: expected one for each of the {len(pictures)} pictures, got {len(titles)}")
    figure = _figure(WIDTH, WIDTH / len(pictures) + (0.5 if title else 0.2))
    for axes, picture, text in zip(figure.subplots(1, len(pictures), squeeze=False)[0], pictures, titles, strict=True):
        if picture.ndim == 2:
            drawn = _picture(axes, picture.detach().cpu().numpy(), text, cmap="viridis")
            figure.colorbar(drawn, ax=axes, shrink=0.7, label=label)
        else:
            _picture(axes, _rgb(picture), text)
    figure.suptitle(title, fontsize=10)
    return figure


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
    figure = _figure(WIDTH, WIDTH * 0.42)
    left, right = figure.subplots(1, 2)
    _picture(left, _rgb(image), "the image")
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
    figure = _figure(WIDTH, WIDTH / len(images) + (0.4 if title else 0.1))
    axes = figure.subplots(1, len(images), squeeze=False)[0]
    for place, image, heat, text in zip(axes, images, heats, titles, strict=True):
        _heat(figure, place, image, heat, text, label, 0.6)
    figure.suptitle(title, fontsize=10)
    return figure


def _heat(figure: Figure, axes: Axes, image: Tensor, heat: Tensor, title: str, label: str, alpha: float) -> None:
    grey = _rgb(image).mean(2)
    _picture(axes, grey, cmap="gray", vmin=0, vmax=1)
    drawn = _picture(axes, enlarge(heat, *grey.shape).cpu().numpy(), title, cmap="magma", alpha=alpha)
    figure.colorbar(drawn, ax=axes, shrink=0.8, label=label)


def enlarge(heat: Tensor, height: int, width: int) -> Tensor:
    """A map `(h, w)` resized bilinearly to `(height, width)`, for laying it over an image."""
    return nn.functional.interpolate(heat.detach().float()[None, None], (height, width), mode="bilinear")[0, 0]


def predictions(image: Tensor, answers: Sequence[tuple[str, float, int]], title: str = "") -> Figure:
    """The image beside a bar for each of its most probable classes, as `Network.predict` gives them for one image."""
    figure = _figure(WIDTH, 2.6)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.6])
    _picture(left, _rgb(image), title)
    names, shares = [answer[0] for answer in answers], [answer[1] for answer in answers]
    _bars(right, names, shares, [f"{share:.0%}" for share in shares])
    right.set_xlim(0, max(0.3, 1.2 * max(shares)))
    right.set_xlabel("probability", fontsize=9)
    return figure


def bars(names: Sequence[str], values: Sequence[float], label: str, title: str = "") -> Figure:
    """A horizontal bar for each name, first on top; `values` are shares from 0 to 1."""
    if len(names) != len(values) or not names:
        raise ValueError(f"expected a value for each name and at least one, got {len(names)} and {len(values)}")
    figure = _figure(WIDTH * 0.8, 0.6 + 0.24 * len(names))
    axes = figure.add_subplot()
    _bars(axes, names, values, [f"{value:.0%}" for value in values])
    axes.set_xlim(0, 1.1)
    axes.set_xlabel(label, fontsize=9)
    axes.set_title(title, fontsize=10)
    return figure


def _bars(axes: Axes, names: Sequence[str], values: Sequence[float], labels: Sequence[str]) -> None:
    axes.bar_label(axes.barh(range(len(names)), values, color="#3b528b"), labels, padding=3, fontsize=9)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def histograms(values: Mapping[str, Tensor], label: str, title: str = "", bins: int = 20) -> Figure:
    """Histograms of several groups of numbers in [0, 1] on one axis, each with its mean as a dashed line."""
    figure = _figure(WIDTH * 0.8, 2.8)
    axes = figure.add_subplot()
    for (name, numbers), colour in zip(values.items(), ("#21918c", "#fca50a", "#440154"), strict=False):
        axes.hist(
            numbers.cpu().numpy(),
            bins,
            range=(0, 1),
            alpha=0.65,
            color=colour,
            label=f"{name} (mean {numbers.mean():.2f})",
        )
        axes.axvline(numbers.mean().item(), color=colour, linestyle="--")
    axes.set_xlabel(label, fontsize=9)
    axes.set_ylabel("how many", fontsize=9)
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=9, frameon=False)
    return figure
