"""The panels of gradient ascent: a class, eight channels, or several images of one, excited live.

To change a panel, copy its function into a cell together with the imports below: it is an ordinary call of `live.run`.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from vizlib import models, widgets
from vizlib.analysis.activations import map_shapes
from vizlib.hooks import read
from vizlib.images import resize, sheet
from vizlib.models import Network, stages
from vizlib.optimize import Step, objectives
from vizlib.plot.one_offs import with_bars
from vizlib.synthesis import ascent
from vizlib.synthesis.ascent import AscentKnobs, ascend, blank
from vizlib.widgets import live
from vizlib.widgets.panels.controls import channel_pickers, choice, class_box, ladder

SIDE = 112  # pixels: the images are at most as wide, so that a step takes a fraction of a second
RATES = [0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1]


def judged() -> Callable[..., Tensor]:
    """A picture for `live.run`: the image, below it a bar for how sure the network is, and one for another network.

    Blue is the network that climbs, orange the one that only judges.
    """
    judges = [models.load("miniresnet"), models.load("minivgg")]

    def picture(step: Step, net: Network, target: str) -> Tensor:
        other = next(judge for judge in judges if judge.name != net.name)
        roles = {f"{net.name} (climbs)": net, f"{other.name} (judges)": other}
        asked = {role: one for role, one in roles.items() if target in (one.classes or ())}
        seen = {role: step.image if one is net else resize(step.image, one.input_size) for role, one in asked.items()}
        sure = {role: ascent.verdict(one, seen[role], target).probability.item() for role, one in asked.items()}
        return with_bars(step.image, sure, side=480)

    return picture


def contact_sheet(columns: int) -> Callable[[Step], Tensor]:
    """A picture for `live.run`: a batch of images, each 160 pixels wide, in so many columns."""
    return lambda step: sheet(resize(step.image, (160, 160), "bicubic"), columns, gap=4)


def _side(net: Network) -> int:
    return min(net.input_size, SIDE)


def climb(
    net: Network, target: str = "king penguin", noise: float = 0.1, learning_rate: float = 0.02, steps: int = 400
) -> live.Run:
    """Plain gradient ascent to a class, without any regulariser, and how sure two networks are of the image.

    Args:
        net: The network that climbs at first; the panel offers others.
        target: The name of the class.
        noise: Standard deviation of the noise that it starts from.
        learning_rate: The length of a step, as the root mean square of what it changes.
        steps: How many steps.
    """
    knobs, networks = AscentKnobs(), widgets.NetworkPicker([net])

    def start(net: Network, target: str, noise: float) -> Iterator[Step]:
        return ascend(net, blank(net, side=_side(net), contrast=noise), ascent.logit(net, target), knobs)

    return live.run(
        start,
        knobs,
        alt=f"Noise that excites the class {target}, above a blue bar and an orange one",
        key="climb",
        picture=judged(),
        shown=("target", "learning_rate", "optimizer", "noise", "steps"),
        inputs={
            "target": class_box(networks, target),
            "noise": ladder("start noise", [0.0, 0.05, 0.1, 0.2], noise),
            "net": networks,
        },
        sliders={
            "learning_rate": ladder("step size", RATES, learning_rate),
            "optimizer": widgets.choice(["normalized", "adam", "sign"], "optimizer"),
            "steps": ladder("steps", [100, 400, 1000, 4000], steps),
        },
    )


def gradient_ascent(
    net: Network,
    target: str = "teapot",
    made_of: str = "frequencies",
    steps: int = 3000,
    learning_rate: float = 0.03,
    jitter: float = 6,
    total_variation: float = 300,
    l2: float = 0,
) -> live.Run:
    """Gradient ascent to a class with every regulariser on a slider of its own.

    Args:
        net: The network that climbs at first; the panel offers others.
        target: The name of the class.
        made_of: What the image is made of: 'frequencies' (a Fourier spectrum) or 'pixels'.
        steps, learning_rate, jitter, total_variation, l2: Where the sliders stand at first; see `AscentKnobs`.
    """
    knobs, networks = AscentKnobs(), widgets.NetworkPicker([net])

    def start(net: Network, target: str, made_of: str) -> Iterator[Step]:
        picture = blank(net, side=_side(net), contrast=0.1, fourier=made_of == "frequencies")
        return ascend(net, picture, ascent.logit(net, target), knobs)

    return live.run(
        start,
        knobs,
        alt=f"An image that excites the class {target}, with bars for how sure two networks are of it",
        key="gradient_ascent",
        quick=60,
        picture=judged(),
        shown=("target", "learning_rate", "jitter", "total_variation", "steps"),
        inputs={
            "target": class_box(networks, target),
            "made_of": choice("made of", ["frequencies", "pixels"], made_of),
            "net": networks,
        },
        sliders={
            "steps": ladder("steps", [100, 300, 1000, 3000, 10000], steps),
            "learning_rate": ladder("step size", RATES, learning_rate),
            "jitter": ladder("jitter", [0, 1, 2, 4, 6, 8, 16], jitter),
            "total_variation": ladder("roughness", [0, 30, 100, 300, 1000, 3000], total_variation),
            "scale": widgets.steps("scale", [0.0, 0.1, 0.2, 0.3, 0.4], 0.3),
            "rotate": widgets.steps("rotate", [0, 5, 10, 20, 45], 10),
            "l2": ladder("L2", [0, 100, 200, 600, 2000], l2),
            "blur": widgets.steps("blur", [0.0, 0.3, 0.5, 0.8, 1.2], 0.0),
            "clip_small": widgets.steps("clip value", [0.0, 0.1, 0.25, 0.5, 0.75], 0.0),
            "clip_gradient": widgets.steps("clip gain", [0.0, 0.1, 0.25, 0.5, 0.75], 0.0),
        },
    )


def channels(net: Network, layer: str | None = None, first: int = 0, steps: int = 300) -> live.Run:
    """Images for eight neighbouring channels of a layer, excited at once.

    Args:
        net: The network at first; the panel offers others.
        layer: The layer at first; one that the network does not have stands for its first, and None for one in the
            middle: relu5 of MiniVGG.
        first: The first of the eight channels; they begin again at 0 after the layer's last.
        steps: How many steps.
    """
    knobs = AscentKnobs(learning_rate=0.05)
    networks = widgets.NetworkPicker([net])
    layer = layer or stages.content_and_style_layers(net)[0][0]

    def start(net: Network, layer: str, first: int) -> Iterator[Step]:
        count = read(net, blank(net).image().detach(), [layer])[layer].shape[1]
        which = (torch.arange(8) + first) % count
        return ascend(net, blank(net, 8, _side(net), fourier=True), objectives.channel(layer, which), knobs)

    return live.run(
        start,
        knobs,
        alt=f"Images for eight channels of {layer}",
        key="channels",
        quick=60,
        picture=contact_sheet(4),
        shown=("layer", "first", "jitter", "total_variation", "steps"),
        inputs={
            "layer": widgets.LayerPicker(networks, first=layer),
            "first": widgets.integer("first", first, 0, 504),
            "net": networks,
        },
        sliders={
            "steps": ladder("steps", [50, 100, 300, 1000], steps),
            "jitter": widgets.steps("jitter", [0, 2, 4, 8], 4),
            "total_variation": widgets.steps("roughness", [0, 3, 10, 30, 100], 10),
            "scale": widgets.steps("scale", [0.0, 0.1, 0.2, 0.4], 0.2),
            "rotate": widgets.steps("rotate", [0, 4, 8, 20], 8),
        },
        layout="above",
    )


def facets(
    net: Network,
    layer: str | None = None,
    channel: int = 77,
    diversity: float = 20,
    images: int = 6,
    steps: int = 600,
) -> live.Run:
    """Several images for one channel of a layer, which are kept apart as far as the slider says.

    Args:
        net: The network at first; the panel offers others.
        layer: The layer at first, one that gives maps; None takes the last stage, relu7 of MiniVGG.
        channel: The channel at first.
        diversity: How much it costs when the images are alike, compared a bit above the middle of the network.
        images: How many images; at least two.
        steps: How many steps.
    """
    knobs = AscentKnobs(learning_rate=0.05, jitter=4, scale=0.2, rotate=8, total_variation=10)
    layer = layer or net.stages.last

    def start(net: Network, layer: str, channel: int) -> Iterator[Step]:
        names = list(map_shapes(net))
        knobs.diversity_layer = names[len(names) * 3 // 5]
        return ascend(net, blank(net, images, _side(net), fourier=True), objectives.channel(layer, channel), knobs)

    return live.run(
        start,
        knobs,
        alt=f"Different images for channel {channel} of {layer}",
        key="facets",
        quick=60,
        picture=contact_sheet(3),
        shown=("layer", "channel", "diversity", "steps"),
        inputs=channel_pickers(net, layer, channel),
        sliders={
            "diversity": ladder("diversity", [0, 3, 10, 20, 30, 60], diversity),
            "steps": ladder("steps", [60, 200, 600, 2000], steps),
            "total_variation": widgets.steps("roughness", [0, 3, 10, 30, 100], 10),
        },
    )
