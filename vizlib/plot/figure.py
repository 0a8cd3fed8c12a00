"""What every figure is made of, and how it leaves: as the bytes of a file, or into a notebook with its alt text."""

import io
import math
from collections import OrderedDict
from functools import cache

import numpy as np
import PIL.Image
import PIL.ImageFont
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import FormatStrFormatter, NullFormatter, ScalarFormatter
from matplotlib.transforms import Bbox
from torch import Tensor

from vizlib.images import Box

WIDTH = 7.5  # inches at 100 dots per inch: what a notebook cell shows without shrinking it
PAGE = 134  # dots per inch that make a figure of that width as wide as the page, about 1,000 CSS pixels
NUMBERS = (ScalarFormatter, FormatStrFormatter, NullFormatter)  # ticks whose texts are as wide as their numbers
KINDS = 64  # how many kinds of figures are kept in mind
LARGEST = 300_000  # bytes of a picture at twice the density; a table of pictures would be larger, and no sharper
GAP = 1  # pixels between the tiles of a mosaic
JPEG = {"quality": 90, "subsampling": 0}  # 4:4:4: each pixel keeps its own colour
SIGNATURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg"}  # how the files begin


def to_png(figure: Figure) -> bytes:
    """The figure as PNG, exact and quickly packed."""
    return _packed(_pixels(figure), "png", compress_level=1)


def encode(figure: Figure, quickly: bool = False) -> tuple[bytes, str]:
    """The figure in full colour as the bytes of a file, and their format, 'png' or 'jpeg'.

    Args:
        quickly: For a picture that follows a slider: JPEG, whatever it shows. Otherwise it is a small PNG, which keeps
            lines and text exact, or JPEG where that is at least 30% smaller, as for photographs; half the size is told
            from a part of the rows. The PNG is packed at level 4: the smallest one would be 2 to 6% smaller and take
            five times as long.
    """
    pixels = _quick_pixels(figure) if quickly else _pixels(figure)
    jpeg = _packed(pixels, "jpeg", **JPEG)
    if quickly or len(jpeg) < _png_size(pixels) / 2:
        return jpeg, "jpeg"
    png = _packed(pixels, "png", compress_level=4)
    return (jpeg, "jpeg") if len(jpeg) < 0.7 * len(png) else (png, "png")


def _pixels(figure: Figure) -> PIL.Image.Image:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return PIL.Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


_places: OrderedDict[tuple, list[Bbox]] = OrderedDict()  # where the axes of the latest kinds of figures ended up


def _quick_pixels(figure: Figure) -> PIL.Image.Image:
    """As `_pixels`; but of figures that differ only in the images that they show, only the first one is laid out.

    Measuring every text takes as long as drawing all the rest.
    """
    rooms = [_room(axes) for axes in figure.axes]
    if figure.legends or None in rooms:
        return _pixels(figure)
    kind = *rooms, *map(_lines, figure.texts), *figure.get_size_inches(), figure.dpi
    if places := _places.get(kind):  # asked once: another thread may drop it
        figure.set_layout_engine("none")
        for axes, place in zip(figure.axes, places, strict=True):
            axes.set_position(place, "original")
        return _pixels(figure)
    pixels = _pixels(figure)
    _places[kind] = [axes.get_position(original=True).frozen() for axes in figure.axes]
    if len(_places) > KINDS:
        _places.popitem(last=False)
    return pixels


def _room(axes: Axes) -> tuple | None:
    """What decides how much room axes take around their image, or None where that takes measuring their texts."""
    shape = axes.images[0].get_array().shape if axes.images else ()
    labels = tuple(map(_lines, (axes.title, axes.xaxis.label, axes.yaxis.label)))
    plain = all(isinstance(axis.get_major_formatter(), NUMBERS) for axis in (axes.xaxis, axes.yaxis))
    if any(text.get_in_layout() for text in axes.texts) or axes.get_legend() or (axes.axison and not plain):
        return None
    limits = (*axes.get_xlim(), *axes.get_ylim()) if axes.axison else ()
    return labels, tuple(map(_magnitude, limits)), shape, str(axes.get_subplotspec())


def _lines(text: Text) -> tuple[int, float]:
    """How many lines a text has, and how large its letters are."""
    return len(text.get_text().splitlines()), text.get_fontsize()


def _magnitude(number: float) -> tuple[bool, int]:
    """The sign of a number and the place of its first digit, which decide how wide it is when it is written out."""
    return number < 0, math.floor(math.log10(abs(number))) if number and math.isfinite(number) else 0


@cache
def font(size: int) -> PIL.ImageFont.FreeTypeFont:
    """The typeface of all figures, for what is written onto pixels."""
    return PIL.ImageFont.truetype(findfont("DejaVu Sans"), size)


def _png_size(pixels: PIL.Image.Image) -> float:
    """About how many bytes the picture takes as PNG, told from an eighth of its rows: packing a photo takes long."""
    rows = np.arange(pixels.height)
    some = rows[rows // 8 % 8 == 4 % (1 + rows[-1] // 8)]  # eight of every 64
    return len(_packed(PIL.Image.fromarray(np.asarray(pixels)[some]), "png", compress_level=4)) * len(rows) / len(some)


def _packed(pixels: PIL.Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    pixels.save(buffer, format, **options)
    return buffer.getvalue()


def show(picture: Figure | bytes, alt: str, *, wide: bool = False) -> None:
    """Display a figure, or the bytes of a PNG or JPEG file, in the notebook with its alt text.

    Args:
        wide: Draw the figure as wide as the page (a figure of `WIDTH` inches has about 1,000 CSS pixels), and lines and
            text at twice the density of the screen. For the main figure of a section.

    Raises:
        ValueError: An empty alt text: say in a few words what there is to see. Bytes of another kind of file.
    """
    if not alt.strip():
        raise ValueError("alt: expected a few words that say what the picture shows, got none")
    options = {}
    if isinstance(picture, Figure):
        if wide:
            picture.set_dpi(PAGE)
            options["width"] = round(picture.get_figwidth() * PAGE)
        content, format = encode(picture)
        if wide and format == "png":
            picture.set_dpi(2 * PAGE)
            sharper = _packed(_pixels(picture), "png", compress_level=4)
            content = sharper if len(sharper) < LARGEST else content
    else:
        content, format = picture, next((SIGNATURES[start] for start in SIGNATURES if picture.startswith(start)), None)
    if format is None:
        raise ValueError(f"picture: expected a figure or the bytes of a PNG or JPEG file, got {content[:8]!r} …")
    display(Image(content, format=format, metadata={"alt": alt}, **options))


def new_figure(width: float, height: float) -> Figure:
    """A figure of this size in inches, whose axes are laid out so that no text overlaps another."""
    return Figure((width, height), dpi=100, layout="constrained")


def to_rgb(image: Tensor) -> np.ndarray:
    """An image `(3, H, W)` or `(1, 3, H, W)` as an array `(H, W, 3)`, clipped to [0, 1]."""
    image = image[0] if image.ndim == 4 else image
    return image.detach().cpu().clamp(0, 1).permute(1, 2, 0).numpy()


def draw_array(axes: Axes, array: np.ndarray, title: str = "", **options: object) -> AxesImage:
    """Draw an image `(H, W, 3)` or a map `(H, W)` without any axis, and say what it is above it."""
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=9, y=1)
    return axes.imshow(array, **{"interpolation": smoothing(array)} | options)


def smoothing(array: np.ndarray) -> str:
    """Small maps, and filters of a few pixels, show their cells; images are smoothed, however large they are drawn."""
    return "nearest" if max(array.shape[:2]) < (300 if array.ndim == 2 else 32) else "hanning"


def draw_box(axes: Axes, box: Box, color: str = "cyan", linewidth: float = 2) -> None:
    """Frame a box of pixels of the picture that was drawn into these axes."""
    corner = (box.left - 0.5, box.top - 0.5)  # the middle of the first pixel is at 0
    axes.add_patch(Rectangle(corner, box.width, box.height, fill=False, edgecolor=color, linewidth=linewidth))


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
