"""The diagrams of style transfer: where its losses come from, and whose weights or pixels their gradient changes."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from vizlib.plot.diagrams.shapes import BACKWARD, FORWARD, arrow, box, framed, stage, write
from vizlib.plot.figure import WIDTH

FROZEN, LEARNS, LOSS = "#dfe3ee", "#fbe3c4", "#f6d5da"  # the grounds of boxes


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
        framed(axes, image, 0.75 - side / 2 + 0.1, y, side, title)
        arrow(axes, (1.5, y + 0.42), (2.1, y + 0.42))
        box(axes, 2.15, y + 0.07, 2.3, 0.7, f"network (frozen)\n{text}", FROZEN)
    for y, name in ((0.85, "content loss"), (2.1, "style loss")):
        box(axes, 5.25, y, 1.05, 0.5, name, LOSS)
        arrow(axes, (6.32, y + 0.25), (6.62, 1.72))
    arrow(axes, (4.47, 0.5), (5.22, 1.0))
    arrow(axes, (4.47, 1.6), (5.22, 1.15))
    arrow(axes, (4.47, 1.75), (5.22, 2.25))
    arrow(axes, (4.47, 2.85), (5.22, 2.45))
    box(axes, 6.62, 1.48, 0.78, 0.5, "loss", LOSS)
    axes.plot([7.0, 7.0, 0.12, 0.12], [2.0, 3.62, 3.62, 1.67], color=BACKWARD, linestyle="--", linewidth=1.6)
    arrow(axes, (0.12, 1.67), (0.3, 1.67), BACKWARD, "--")
    write(axes, 5.0, 3.48, "gradient: only the picture's pixels change", color=BACKWARD)
    return axes.figure


def painter_and_judge(photo: Tensor, painting: Tensor, picture: Tensor) -> Figure:
    """How a painter is trained: its picture goes to a frozen judge, and the gradient to the painter's weights.

    Args:
        photo, painting, picture: Images `(1, 3, H, W)` in [0, 1]; the picture is what the painter makes of the photo.
    """
    axes = stage(WIDTH, 3.1)
    side = 1.15
    high = framed(axes, photo, 0.1, 0.75, side, "photo")
    middle = 0.75 + high / 2
    layers = "conv 7x7\n2 x conv, stride 2\n5 residual blocks\n2 x enlarge, conv\nconv 7x7"
    arrow(axes, (0.1 + side, middle), (1.55, middle))
    box(axes, 1.57, middle - 0.62, 1.35, 1.24, layers, LEARNS)
    write(axes, 2.24, middle - 0.76, "painter: learns", weight="bold")
    arrow(axes, (2.94, middle), (3.2, middle))
    framed(axes, picture, 3.22, 0.75, side, "picture")
    arrow(axes, (3.22 + side, middle), (4.65, middle))
    box(axes, 4.67, middle - 0.45, 1.1, 0.9, "classifier:\nfeatures,\nGram matrices", FROZEN)
    write(axes, 5.22, middle - 0.6, "judge: frozen", weight="bold")
    for y, name in ((0.45, "content loss"), (1.85, "style loss")):
        box(axes, 6.35, y, 1.05, 0.45, name, LOSS)
        arrow(axes, (5.79, middle), (6.33, y + 0.22))
    axes.plot([0.65, 0.65, 6.87], [0.73, 0.2, 0.2], color=FORWARD, linewidth=1.6)
    arrow(axes, (6.87, 0.2), (6.87, 0.44))
    write(axes, 3.8, 0.1, "the photo's own features are the target of the content loss", fontsize=9)
    framed(axes, painting, 5.05, 2.02, 0.7)
    write(axes, 4.98, 2.37, "painting", ha="right")
    arrow(axes, (5.77, 2.37), (6.5, 2.32))
    axes.plot([7.2, 7.2, 2.24], [2.32, 2.98, 2.98], color=BACKWARD, linestyle="--", linewidth=1.6)
    arrow(axes, (2.24, 2.98), (2.24, middle + 0.66), BACKWARD, "--")
    write(axes, 4.45, 2.88, "gradient, through judge and picture, to the painter's weights", color=BACKWARD)
    return axes.figure
