"""Diagrams with real pictures in them: what a Gram matrix averages, and where the losses of style transfer lead."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from torch import Tensor

from vizlib.plot.figure import WIDTH, new_figure, to_rgb

FROZEN, LEARNS, LOSS = "#dfe3ee", "#fbe3c4", "#f6d5da"  # the grounds of boxes
FORWARD, BACKWARD = "#444444", "#c2304a"  # the colours of arrows
PLACES = ("#e8590c", "#1971c2")  # the two positions of a Gram matrix


def stage(width: float, height: float) -> Axes:
    """Axes in inches, y down, over a whole figure."""
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    return axes


def _text(axes: Axes, x: float, y: float, text: str, **options: object) -> None:
    axes.text(x, y, text, **{"ha": "center", "va": "center", "fontsize": 9} | options)


def _picture(axes: Axes, image: Tensor | np.ndarray, x: float, y: float, width: float, title: str = "") -> float:
    """An image with its upper left corner at (x, y), its name below; returns the height that it took."""
    array = to_rgb(image) if isinstance(image, Tensor) else image
    height = width * array.shape[0] / array.shape[1]
    axes.imshow(array, extent=(x, x + width, y + height, y), aspect="auto", interpolation="hanning")
    axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="#666666", linewidth=0.8))
    _text(axes, x + width / 2, y + height + 0.03, title, va="top")
    return height


def _box(axes: Axes, x: float, y: float, width: float, height: float, text: str, ground: str) -> None:
    shape = FancyBboxPatch(
        (x, y), width, height, "round,pad=0,rounding_size=0.08", facecolor=ground, edgecolor="#555555"
    )
    axes.add_patch(shape)
    _text(axes, x + width / 2, y + height / 2, text)


def arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str = FORWARD,
    dashes: str = "-",
    width: float = 1.6,
    head: float = 11,
) -> None:
    """A straight arrow from one place to another; its width and the size of its head in points."""
    options = {"arrowstyle": "-|>", "mutation_scale": head, "shrinkA": 0, "shrinkB": 0, "linewidth": width}
    axes.add_patch(FancyArrowPatch(start, end, color=color, linestyle=dashes, **options))


def _matrix(axes: Axes, values: np.ndarray, x: float, y: float, width: float, height: float, top: float) -> None:
    """Numbers as cells from white (0) to dark."""
    extent = (x, x + width, y + height, y)
    axes.imshow(values, extent=extent, aspect="auto", interpolation="nearest", cmap="magma_r", vmin=0, vmax=top)
    axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="#666666", linewidth=0.8))


def gram_diagram(
    image: Tensor, features: Tensor, places: Sequence[tuple[int, int]], layer: str, channels: int = 8
) -> Figure:
    """How a Gram matrix comes about: the product of each position's feature vector with itself, averaged.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        features: `(1, C, h, w)`, what a layer makes of it, no number below 0.
        places: Two positions (row, column) of the feature maps, drawn with their products.
        layer: The layer's name.
        channels: How many channels are drawn, those that are strongest at the two positions.

    Raises:
        ValueError: Not two positions, or features of another shape.
    """
    if len(places) != 2 or features.ndim != 4 or len(features) != 1:
        raise ValueError(
            f"expected two places and features (1, C, h, w), got {len(places)} places and {tuple(features.shape)}"
        )
    flat = features[0].detach().cpu().float()
    vectors = np.stack([flat[:, row, column].numpy() for row, column in places])
    chosen = np.sort(vectors.max(0).argsort()[::-1][:channels])
    vectors, every = vectors[:, chosen], flat[chosen].flatten(1).numpy()
    gram = every @ every.T / every.shape[1]
    axes, side = stage(WIDTH, 3.3), 2.1
    _picture(axes, image, 0.1, 0.55, side, f"the image: {flat.shape[1]} x {flat.shape[2]} positions")
    cell = side / flat.shape[2], side * image.shape[2] / image.shape[3] / flat.shape[1]
    for (row, column), vector, color, y in zip(places, vectors, PLACES, (0.5, 1.95), strict=True):
        corner = 0.1 + column * cell[0], 0.55 + row * cell[1]
        axes.add_patch(Rectangle(corner, *cell, fill=False, edgecolor=color, linewidth=2.5))
        center = corner[0] + cell[0], corner[1] + cell[1] / 2
        arrow(axes, center, (2.62, y + 0.5), color)
        top = vector.max() or 1.0
        _matrix(axes, vector[:, None], 2.68, y, 0.14, 1.0, top)
        _text(axes, 2.98, y + 0.5, "×")
        _matrix(axes, vector[None], 3.12, y + 0.43, 1.0, 0.14, top)
        _text(axes, 4.28, y + 0.5, "=")
        _matrix(axes, np.outer(vector, vector), 4.42, y, 1.0, 1.0, top**2)
        for corner in ((2.68, y, 0.14, 1.0), (3.12, y + 0.43, 1.0, 0.14), (4.42, y, 1.0, 1.0)):
            axes.add_patch(Rectangle(corner[:2], *corner[2:], fill=False, edgecolor=color, linewidth=1.8))
        arrow(axes, (5.46, y + 0.5), (5.9, 1.73))
    _text(axes, 2.75, 0.3, f"f: {len(chosen)} channels\nof {layer}, dark: strong", fontsize=9)
    _text(axes, 4.92, 0.3, "f fᵀ: fired together\nat this position", fontsize=9)
    _matrix(axes, gram, 5.95, 1.03, 1.4, 1.4, float(gram.max()) or 1.0)
    _text(axes, 6.65, 0.8, "G: the mean over\nall positions", fontsize=9)
    _text(axes, 6.65, 2.6, "where it was\nis forgotten", fontsize=9, style="italic")
    _text(axes, 4.92, 3.12, "… and so at every position", fontsize=9, style="italic")
    return axes.figure


def two_losses(
    photo: Tensor, painting: Tensor, picture: Tensor, content_layer: str, style_layers: Sequence[str]
) -> Figure:
    """How two losses meet in one image: the forward pass in grey, the gradient in red.

    Args:
        photo, painting, picture: Images `(1, 3, H, W)` in [0, 1]: what gives the content, the style, and what is made.
        content_layer, style_layers: Where they are compared.
    """
    axes = stage(WIDTH, 3.75)
    layers = f"{style_layers[0]} … {style_layers[-1]}" if len(style_layers) > 1 else style_layers[0]
    for image, y, title, text in (
        (photo, 0.1, "photo", f"features of {content_layer}"),
        (
            picture,
            1.25,
            "the picture's pixels",
            f"features of {content_layer}\nGram matrices of {layers}",
        ),
        (painting, 2.4, "painting", f"Gram matrices of {layers}"),
    ):
        side = 0.85 * min(1.4, image.shape[3] / image.shape[2])
        _picture(axes, image, 0.75 - side / 2 + 0.1, y, side, title)
        arrow(axes, (1.5, y + 0.42), (2.1, y + 0.42))
        _box(axes, 2.15, y + 0.07, 2.3, 0.7, f"network (frozen)\n{text}", FROZEN)
    for y, name in ((0.85, "content loss"), (2.1, "style loss")):
        _box(axes, 5.25, y, 1.05, 0.5, name, LOSS)
        arrow(axes, (6.32, y + 0.25), (6.62, 1.72))
    arrow(axes, (4.47, 0.5), (5.22, 1.0))
    arrow(axes, (4.47, 1.6), (5.22, 1.15))
    arrow(axes, (4.47, 1.75), (5.22, 2.25))
    arrow(axes, (4.47, 2.85), (5.22, 2.45))
    _box(axes, 6.62, 1.48, 0.78, 0.5, "loss", LOSS)
    axes.plot([7.0, 7.0, 0.12, 0.12], [2.0, 3.62, 3.62, 1.67], color=BACKWARD, linestyle="--", linewidth=1.6)
    arrow(axes, (0.12, 1.67), (0.3, 1.67), BACKWARD, "--")
    _text(axes, 5.0, 3.48, "gradient: only the picture's pixels change", color=BACKWARD)
    return axes.figure


def painter_and_judge(photo: Tensor, painting: Tensor, picture: Tensor) -> Figure:
    """How a painter is trained: its picture goes to a frozen judge, and the gradient to the painter's weights.

    Args:
        photo, painting, picture: Images `(1, 3, H, W)` in [0, 1]; the picture is what the painter makes of the photo.
    """
    axes = stage(WIDTH, 3.1)
    side = 1.15
    high = _picture(axes, photo, 0.1, 0.75, side, "photo")
    middle = 0.75 + high / 2
    layers = "conv 7x7\n2 x conv, stride 2\n5 residual blocks\n2 x enlarge, conv\nconv 7x7"
    arrow(axes, (0.1 + side, middle), (1.55, middle))
    _box(axes, 1.57, middle - 0.62, 1.35, 1.24, layers, LEARNS)
    _text(axes, 2.24, middle - 0.76, "painter: learns", weight="bold")
    arrow(axes, (2.94, middle), (3.2, middle))
    _picture(axes, picture, 3.22, 0.75, side, "picture")
    arrow(axes, (3.22 + side, middle), (4.65, middle))
    _box(axes, 4.67, middle - 0.45, 1.1, 0.9, "classifier:\nfeatures,\nGram matrices", FROZEN)
    _text(axes, 5.22, middle - 0.6, "judge: frozen", weight="bold")
    for y, name in ((0.45, "content loss"), (1.85, "style loss")):
        _box(axes, 6.35, y, 1.05, 0.45, name, LOSS)
        arrow(axes, (5.79, middle), (6.33, y + 0.22))
    axes.plot([0.65, 0.65, 6.87], [0.73, 0.2, 0.2], color=FORWARD, linewidth=1.6)
    arrow(axes, (6.87, 0.2), (6.87, 0.44))
    _text(axes, 3.8, 0.1, "the photo's own features are the target of the content loss", fontsize=9)
    _picture(axes, painting, 5.05, 2.02, 0.7)
    _text(axes, 4.98, 2.37, "painting", ha="right")
    arrow(axes, (5.77, 2.37), (6.5, 2.32))
    axes.plot([7.2, 7.2, 2.24], [2.32, 2.98, 2.98], color=BACKWARD, linestyle="--", linewidth=1.6)
    arrow(axes, (2.24, 2.98), (2.24, middle + 0.66), BACKWARD, "--")
    _text(axes, 4.45, 2.88, "gradient, through judge and picture, to the painter's weights", color=BACKWARD)
    return axes.figure
