"""The panels of fast style transfer: photos in one pass, blends, a painter that learns, and what one pass cannot do.

To change a panel, copy its function and the imports below into a cell: it is a call of `live.run` or `widgets.explore`.
"""

import time
from collections.abc import Callable, Iterator, Mapping

import ipywidgets as W
from matplotlib.figure import Figure
from torch import Tensor

from vizlib import images, plot, widgets
from vizlib.models import Network, stages
from vizlib.optimize import Step
from vizlib.plot.boards import Tile, board
from vizlib.synthesis import style_training
from vizlib.synthesis.fast_style import StyleNet, stylize
from vizlib.synthesis.style_training import TrainingKnobs
from vizlib.widgets import Explorer, live
from vizlib.widgets.panels.controls import choice, ladder


def fast_style(painter: StyleNet, photo: str = "astronaut", style: str | None = None) -> Explorer:
    """A photo, and the same painted in one pass.

    Args:
        painter: The trained net.
        photo: The name of the photo at first.
        style: The style at first, one of `painter.styles`; None is the first of them.
    """

    def draw(photo: Tensor, style: str) -> Figure:
        return plot.pictures({"photo": photo, style: stylize(painter, photo, style)})

    return widgets.explore(
        draw,
        alt=f"The photo {photo}, and the same in a style",
        title="a photo in a style",
        photo=widgets.ImagePicker(photo, side=384),
        style=choice("style", painter.styles, style or painter.styles[0]),
    )


def fast_style_blend(
    painter: StyleNet, photo: str = "chelsea", first: str = "mosaic", second: str = "the_scream", share: float = 0.5
) -> Explorer:
    """A photo in two styles, and between them in their blend.

    Args:
        painter: The trained net.
        photo: The name of the photo at first.
        first, second: The styles at first, two of `painter.styles`.
        share: The share of the first style at first, from 0 to 1.
    """

    def draw(photo: Tensor, first: str, second: str, share: float) -> Figure:
        both = {second: 1.0} if first == second else {first: share, second: 1 - share}
        titles = [first, f"{share:.0%} {first}, {1 - share:.0%} {second}", second]
        return plot.pictures([stylize(painter, photo, style)[0] for style in (first, both, second)], titles)

    return widgets.explore(
        draw,
        alt=f"The photo {photo} in two styles, and between them in their blend",
        title="blend of two styles",
        share=widgets.fraction("share", share),
        **_two_styles(painter, first, second),
        photo=widgets.ImagePicker(photo, side=256),
    )


def fast_style_camera(
    painter: StyleNet, first: str = "mosaic", second: str = "the_scream", share: float = 1.0, side: int = 256
) -> Explorer:
    """What a camera sees, painted in one pass, in a blend of two styles.

    Args:
        painter: The trained net.
        first, second: The styles at first, two of `painter.styles`.
        share: The share of the first style at first, from 0 to 1.
        side: Pixels of a side of what is painted.
    """

    def draw(photo: Tensor, first: str, second: str, share: float) -> Tensor:
        both = {second: 1.0} if first == second else {first: share, second: 1 - share}
        painted = stylize(painter, photo, both)
        return board([Tile("", photo), Tile(_shares(both), painted)], side=480)

    return widgets.explore(
        draw,
        alt="What the camera sees, and the same painted in a blend of two styles",
        title="a painted mirror",
        photo=widgets.CameraPicker(side=side),
        share=widgets.fraction("share", share),
        **_two_styles(painter, first, second),
    )


def _two_styles(painter: StyleNet, first: str, second: str) -> dict[str, W.Dropdown]:
    """Choices of two styles of a painter, 'first' and 'second'."""
    return {
        name: W.Dropdown(options=painter.styles, value=style, description=name, style={"description_width": "100px"})
        for name, style in (("first", first), ("second", second))
    }


def _shares(both: Mapping[str, float]) -> str:
    return " and ".join(f"{share:.0%} {style}" for style, share in both.items() if share)


def fast_style_training(
    net: Network,
    beginner: Callable[[], StyleNet],
    photo: str = "chelsea",
    painting: str = "whirls",
    style_weight: float = 2,
    steps: int = 600,
) -> live.Run:
    """A photo as a small painter sees it that learns a style from crops of seven photos.

    Args:
        net: The judge at first; the panel offers others.
        beginner: Returns a fresh painter, for each time that the training begins.
        photo: The name of the photo to watch at first.
        painting: The name of the style at first.
        style_weight, steps: Where the sliders stand at first; see `TrainingKnobs`.
    """
    knobs = TrainingKnobs(steps=steps)

    def start(net: Network, photo: Tensor, painting: Tensor) -> Iterator[Step]:
        (content, *_), layers = stages.content_and_style_layers(net)
        judge = style_training.judge(net, [images.prepare(painting, 2 * net.input_size)], content, layers)
        side = max(96, net.min_size)
        photos = [images.resize(images.load(name), side + 16) for name in images.photos()[:7]]
        batches = style_training.crops(photos, styles=1, batch=4, side=side)
        return style_training.train(beginner(), [judge], batches, knobs, watch=images.prepare(photo, 192))

    return live.run(
        start,
        knobs,
        alt=f"The photo {photo}, as a small network paints it that has learnt for some seconds",
        key="fast_style_training",
        quick=28,
        shown=("photo", "painting", "content_weight", "style_weight", "steps"),
        inputs={
            "photo": widgets.ImagePicker(photo, label="watch"),
            "painting": widgets.ImagePicker(painting, names=images.styles(), label="style"),
            "net": widgets.NetworkPicker([net]),
        },
        sliders={
            "content_weight": widgets.steps("content weight", [0, 0.1, 0.3, 1, 3, 10], 1),
            "style_weight": ladder("style weight", [0, 0.3, 1, 2, 3, 10, 30], style_weight),
            "steps": ladder("steps", [60, 200, 600, 2000], steps),
            "learning_rate": widgets.steps("step size", [0.001, 0.003, 0.005, 0.01, 0.03], 0.005),
            "total_variation": widgets.steps("smoothness", [0, 1, 3, 10, 30], 3),
        },
    )


def fast_style_contrast(
    painters: Mapping[tuple[str, int], StyleNet], photo: str = "coffee", contrast: float = 0.3, seed: int = 0
) -> Explorer:
    """A photo of low contrast, painted with instance and with batch normalisation.

    Args:
        painters: Trained nets by their normalisation ('instance' or 'batch') and their seed.
        photo: The name of the photo at first.
        contrast, seed: Where the sliders stand at first.
    """

    def draw(photo: Tensor, contrast: float, seed: int) -> Figure:
        square = images.prepare(photo, 192)
        pale = square.mean() + contrast * (square - square.mean())
        painted = {norm: stylize(painters[norm, seed], pale) for norm in ("instance", "batch")}
        return plot.pictures({f"contrast {contrast:.0%}": pale, **painted})

    return widgets.explore(
        draw,
        alt=f"The photo {photo} with little contrast, painted with instance and with batch normalisation",
        title="contrast",
        contrast=widgets.fraction("contrast", contrast, 0.05),
        seed=widgets.integer("seed", seed, 0, max(seed for _, seed in painters)),
        photo=widgets.ImagePicker(photo),
    )


def fast_style_sizes(painter: StyleNet, photo: str = "astronaut", size: int = 256) -> Explorer:
    """A photo of any size in the first style of a net, with the processor time of the pass.

    Args:
        painter: The trained net.
        photo: The name of the photo at first.
        size: Its shorter side at first, in pixels.
    """

    def draw(photo: Tensor, size: int) -> Figure:
        sized, spent = images.resize(photo, size), []
        for _ in range(3):
            begun = time.process_time()
            painted = stylize(painter, sized)
            spent.append(time.process_time() - begun)
        height, width = sized.shape[2:]
        return plot.pictures({"photo": sized, f"{height}x{width}: {1000 * min(spent):.0f} ms": painted})

    return widgets.explore(
        draw,
        alt=f"The photo {photo} in the strokes of {painter.styles[0]}, with the time of the pass",
        title="time of a pass",
        size=ladder("size", [64, 96, 128, 192, 256, 384, 512], size),
        photo=widgets.ImagePicker(photo, side=512),
    )


def fast_style_checkerboard(
    upsample: Callable[[Tensor, int, bool, int], Tensor], photo: str = "coffee", kernel: int = 3, seed: int = 0
) -> Explorer:
    """A small image, enlarged by transposed convolutions, and by enlarging before each convolution.

    Args:
        upsample: Takes maps `(1, C, h, w)`, the size of the kernel, whether the convolutions are transposed, and the
            seed of their weights; returns an image.
        photo: The name of the photo at first.
        kernel, seed: Where the sliders stand at first.
    """

    def draw(photo: Tensor, kernel: int, seed: int) -> Figure:
        small = images.prepare(photo, 32)
        ways = {f"transposed, {kernel}": True, f"enlarge, convolve, {kernel}": False}
        made = {name: upsample(small, kernel, transposed, seed) for name, transposed in ways.items()}
        return plot.pictures({"small": small, **made})

    return widgets.explore(
        draw,
        alt=f"The photo {photo} enlarged twice: a grid lies over the one by transposed convolutions",
        title="checkerboard",
        kernel=widgets.integer("kernel", kernel, 2, 7),
        seed=widgets.integer("seed", seed, 0, 9),
        photo=widgets.ImagePicker(photo),
    )
