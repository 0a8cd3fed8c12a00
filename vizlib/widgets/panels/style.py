"""The panels of style transfer: a painting in progress, and four comparisons of what a transfer is asked for.

To change a panel, copy its function and the imports below into a cell: it is a call of `live.run` or `widgets.explore`.
"""

from collections.abc import Iterator, Sequence

from torch import Tensor

from vizlib import images, plot, widgets
from vizlib.models import Network, stages
from vizlib.optimize import Step
from vizlib.synthesis import style
from vizlib.synthesis.style import StyleKnobs
from vizlib.widgets import Explorer, Progress, live
from vizlib.widgets.panels.controls import ladder

WEIGHTS = [0, 0.1, 0.3, 1, 3, 10, 30, 100]
Drawing = Iterator[Progress]


def paintings(first: str, label: str = "style") -> widgets.ImagePicker:
    """A choice among the bundled paintings and uploads."""
    return widgets.ImagePicker(first, names=images.styles(), label=label)


def style_transfer(
    net: Network,
    photo: str = "chelsea",
    first: str = "whirls",
    second: str = "mosaic",
    content_weight: float = 1,
    style_weight: float = 10,
    size: int = 256,
    steps: int = 400,
) -> live.Run:
    """A photo that is being painted in the style of one painting, or of two, with every knob on a slider of its own.

    Args:
        net: The network that measures content and style at first; the panel offers others.
        photo: The name of the photo at first.
        first, second: The names of the two paintings at first; the slider *mix* goes from one to the other.
        content_weight, style_weight, size, steps: Where the sliders stand at first; see `StyleKnobs`.
    """
    knobs = StyleKnobs(steps=steps)

    def start(net: Network, photo: Tensor, first: Tensor, second: Tensor, begin: str) -> Iterator[Step]:
        knobs.begin = begin
        return style.transfer(net, photo, [first, second], knobs)

    return live.run(
        start,
        knobs,
        alt=f"The photo {photo}, painted in the style of {first}",
        key="style_transfer",
        quick=100,
        shown=("photo", "first", "content_weight", "style_weight", "steps"),
        inputs={
            "photo": widgets.ImagePicker(photo),
            "first": paintings(first),
            "second": paintings(second, "second"),
            "begin": widgets.choice(["content", "noise"], "begin with"),
            "net": widgets.NetworkPicker([net]),
        },
        sliders={
            "content_weight": ladder("content weight", WEIGHTS[1:], content_weight),
            "style_weight": ladder("style weight", WEIGHTS, style_weight),
            "steps": ladder("steps", [50, 100, 200, 400, 800], steps),
            "mix": widgets.fraction("mix", 0.0),
            "style_size": widgets.steps("style size", [0.5, 0.7, 1.0, 1.4, 2.0], 1.0),
            "total_variation": widgets.steps("smoothness", WEIGHTS, 3),
            "colors": widgets.choice(style.COLORS, "colors"),
            "size": ladder("size", [128, 192, 256, 384, 512], size),
        },
    )


def style_weights(
    net: Network, photo: str = "coffee", painting: str = "woodcut", weights: Sequence[float] = (1, 10, 100)
) -> Explorer:
    """The same photo and painting with several weights of the style, side by side.

    Args:
        net: The network at first; the panel offers others.
        photo, painting: Their names at first.
        weights: The weights to compare.
    """

    def draw(photo: Tensor, painting: Tensor, net: Network) -> Drawing:
        made = dict.fromkeys(f"style weight {weight:g}" for weight in weights)
        for i, (title, weight) in enumerate(zip(made, weights, strict=True)):
            knobs = StyleKnobs(steps=24, size=112, scales=2, style_weight=weight)
            for step in style.transfer(net, photo, [painting], knobs):
                yield Progress(i * knobs.steps + step.iteration, len(weights) * knobs.steps)
            made[title] = step.image
            figure = plot.pictures({"photo": photo, "painting": painting} | made)
            yield Progress((i + 1) * knobs.steps, len(weights) * knobs.steps, figure)

    return widgets.explore(
        draw,
        alt=f"The photo {photo} with {len(weights)} weights of the style of {painting}",
        title="weights of the style",
        photo=widgets.ImagePicker(photo),
        painting=paintings(painting),
        net=widgets.NetworkPicker([net]),
    )


def style_layers(net: Network, photo: str = "china", painting: str = "ink_waves", layers: int = 2) -> Explorer:
    """A photo, a painting, and the photo that takes its style from the first layers only.

    Args:
        net: The network at first; the panel offers others.
        photo, painting: Their names at first.
        layers: How many of the network's style layers are used at first.
    """

    def draw(photo: Tensor, painting: Tensor, layers: int, net: Network) -> Drawing:
        _, names = stages.content_and_style_layers(net)
        knobs = StyleKnobs(steps=40, size=112, scales=2, style_layers=names[:layers])
        for step in style.transfer(net, photo, [painting], knobs):
            three = {"photo": photo, "painting": painting, ", ".join(knobs.style_layers): step.image}
            yield shown(step, knobs, three)

    return widgets.explore(
        draw,
        alt=f"The painting {painting}, and the photo {photo} with the style of its first layers",
        title="layers of the style",
        layers=widgets.integer("layers", layers, 1, 5),
        photo=widgets.ImagePicker(photo),
        painting=paintings(painting),
        net=widgets.NetworkPicker([net]),
    )


def shown(step: Step, knobs: StyleKnobs, pictures: dict[str, Tensor], every: int = 8) -> Progress:
    """How far a transfer is, with its pictures at every eighth step."""
    figure = plot.pictures(pictures, columns=len(pictures)) if step.iteration % every == 0 else None
    return Progress(step.iteration, knobs.steps, figure)


def style_blend(
    net: Network, photo: str = "astronaut", first: str = "whirls", second: str = "woodcut", mix: float = 0.5
) -> Explorer:
    """A photo between two styles.

    Args:
        net: The network at first; the panel offers others.
        photo, first, second: The names of the photo and of the two paintings at first.
        mix: The share of the second style at first, from 0 to 1.
    """

    def draw(photo: Tensor, first: Tensor, second: Tensor, mix: float, net: Network) -> Drawing:
        knobs = StyleKnobs(steps=30, size=112, scales=2, mix=mix)
        for step in style.transfer(net, photo, [first, second], knobs):
            four = {"photo": photo, "first": first, f"mix {mix:.0%}": step.image, "second": second}
            yield shown(step, knobs, four, every=6)

    return widgets.explore(
        draw,
        alt=f"The photo {photo} between the styles of {first} and {second}",
        title="blend of styles",
        shown=("mix", "photo", "first", "second"),
        mix=widgets.fraction("mix", mix),
        photo=widgets.ImagePicker(photo),
        first=paintings(first, "first"),
        second=paintings(second, "second"),
        net=widgets.NetworkPicker([net]),
    )


def style_scales(net: Network, photo: str = "astronaut", painting: str = "glass", scales: int = 3) -> Explorer:
    """A photo, a painting, and the photo that takes its style while it grows from small to large.

    Args:
        net: The network at first; the panel offers others.
        photo, painting: Their names at first.
        scales: In how many sizes it is painted at first.
    """

    def draw(photo: Tensor, painting: Tensor, scales: int, net: Network) -> Drawing:
        knobs = StyleKnobs(steps=40, size=160, scales=scales)
        for step in style.transfer(net, photo, [painting], knobs):
            size = "{}x{}".format(*step.image.shape[2:])
            yield shown(step, knobs, {"photo": photo, "painting": painting, size: step.image}, every=4)

    return widgets.explore(
        draw,
        alt=f"The painting {painting}, and the photo {photo}, which takes its style while it grows",
        title="sizes of a transfer",
        scales=widgets.integer("scales", scales, 1, 4),
        photo=widgets.ImagePicker(photo),
        painting=paintings(painting),
        net=widgets.NetworkPicker([net]),
    )
