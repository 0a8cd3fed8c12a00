"""The gradient's way to the image: the diagram of gradient ascent, with the images of a real step."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from vizlib.plot.cells import around_gray
from vizlib.plot.diagrams.shapes import arrow, stage
from vizlib.plot.figure import WIDTH, smoothing, to_rgb

FORWARD, BACK = "#3b528b", "#d1495b"
SIDE = 2.0  # inches: an image
LARGE = 11  # points
THICK = {"width": 2.2, "head": 16}  # the arrows


def way_back(image: Tensor, gradient: Tensor, layers: Sequence[str], score: str, title: str = "") -> Figure:
    """An image that goes forward through a network to a score, and the score's gradient that comes back to the image.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        gradient: That of the score, `(1, 3, H, W)`; drawn around grey, where brighter says that more light raises it.
        layers: The names of a few layers, from the first to the last.
        score: What is climbed, such as 'logit of king penguin'.

    Raises:
        ValueError: No layers, or image and gradient differ in shape.
    """
    if not layers or image.shape != gradient.shape:
        shapes = f"{tuple(image.shape)} and {tuple(gradient.shape)}"
        raise ValueError(f"expected at least one layer, and an image and a gradient of one shape, got {shapes}")
    top = 0.4 if title else 0.1
    height = 2 * SIDE + 0.75 + top
    axes = stage(WIDTH, height)
    axes.invert_yaxis()  # y up
    axes.text(WIDTH / 2, height - 0.1, title, ha="center", va="top", fontsize=LARGE)
    low, high = 0.1, 0.1 + SIDE + 0.55  # the lower edges of the gradient and of the image
    for picture, bottom in ((around_gray(gradient), low), (image, high)):
        array = to_rgb(picture)
        extent = (0.1, 0.1 + SIDE, bottom, bottom + SIDE)
        axes.imshow(array, extent=extent, aspect="auto", interpolation=smoothing(array))
    left, right = SIDE + 0.75, WIDTH - 1.9  # where the layers begin and end
    step = (right - left) / len(layers)
    middle = high + SIDE / 2
    arrow(axes, (0.1 + SIDE, middle), (left - 0.04, middle), FORWARD, **THICK)
    for number, name in enumerate(layers):
        tall = 0.84 * SIDE * (1 - 0.55 * number / max(1, len(layers) - 1))
        box = (left + number * step + 0.05, middle - tall / 2), 0.62 * step, tall
        axes.add_patch(FancyBboxPatch(*box, boxstyle="round,pad=0.02", facecolor="#dfe4f0", edgecolor=FORWARD))
        axes.text(box[0][0] + box[1] / 2, middle, name, rotation=90, ha="center", va="center", fontsize=LARGE)
        if number + 1 < len(layers):
            start = box[0][0] + box[1]
            arrow(axes, (start, middle), (start + 0.38 * step, middle), FORWARD, **THICK)
    arrow(axes, (right - 0.3 * step, middle), (right + 0.12, middle), FORWARD, **THICK)
    axes.text(right + 0.18, middle, f"$s(I)$\n{score}", ha="left", va="center", fontsize=LARGE, color=FORWARD)
    axes.text((left + right) / 2, high + SIDE, "forward pass", ha="center", va="top", fontsize=LARGE, color=FORWARD)
    below = low + SIDE / 2
    axes.plot([right + 0.75, right + 0.75], [middle - 0.35, below], color=BACK, linewidth=2.2)
    arrow(axes, (right + 0.75, below), (0.14 + SIDE, below), BACK, **THICK)
    text = "backward pass: $\\partial s / \\partial I$,\none number for each value of each pixel"
    axes.text((left + right) / 2 + 0.1, below + 0.12, text, ha="center", va="bottom", fontsize=LARGE, color=BACK)
    axes.text((left + right) / 2 + 0.1, below - 0.12, "the weights stay as they are; the image moves", ha="center",
              va="top", fontsize=LARGE, color="#444444")  # fmt: skip
    arrow(axes, (0.1 + SIDE / 2, low + SIDE), (0.1 + SIDE / 2, high), BACK, **THICK)
    axes.text(0.2 + SIDE / 2, low + SIDE + 0.27, r"$I \leftarrow I + \alpha\,\partial s/\partial I$", ha="left",
              va="center", fontsize=LARGE, color=BACK)  # fmt: skip
    return axes.figure
