"""What every figure is made of, and how it leaves: as PNG, or into a notebook with its alt text."""

import io
import math

import numpy as np
import PIL.Image
from IPython.display import Image, display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

WIDTH = 7.5  # inches at 100 dots per inch: what a notebook cell shows without shrinking it
GAP = 1  # pixels between the tiles of a mosaic


def to_png(figure: Figure, palette: bool = False) -> bytes:
    """The figure as PNG: quickly packed, or with `palette` in 256 colours and a quarter of the size."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = PIL.Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    if palette:
        picture = picture.quantize(256, PIL.Image.Quantize.FASTOCTREE)
    picture.save(buffer, "png", **({"optimize": True} if palette else {"compress_level": 1}))
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


def new_figure(width: float, height: float) -> Figure:
    return Figure((width, height), dpi=100, layout="constrained")


def to_rgb(image: Tensor) -> np.ndarray:
    image = image[0] if image.ndim == 4 else image
    return image.detach().cpu().clamp(0, 1).permute(1, 2, 0).numpy()


def draw_array(axes: Axes, array: np.ndarray, title: str = "", **options: object):
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
