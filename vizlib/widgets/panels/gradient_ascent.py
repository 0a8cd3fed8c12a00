"""The panels of gradient ascent: a class or eight channels, excited live while the regularisers are turned.

To change a panel, copy its function into a cell together with the imports below: it is an ordinary call of `live.run`.
"""

from collections.abc import Callable, Iterator, Sequence

import ipywidgets as W
import torch
from torch import Tensor

from vizlib import models, plot, widgets
from vizlib.hooks import read
from vizlib.models import Network
from vizlib.optimize import Step, objectives
from vizlib.synthesis import ascent
from vizlib.synthesis.ascent import AscentKnobs, ascend, blank
from vizlib.widgets import live

RATES = [0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1]


def class_box(net: Network, target: str) -> W.Combobox:
    """A field for the name of a class, which proposes the network's own."""
    box = W.Combobox(options=net.classes, value=target, description="class", continuous_update=False)
    box.style.description_width = "100px"
    box.add_class("vizlib-class")
    return box


def judged(judges: Sequence[Network]) -> Callable[..., Tensor]:
    """A picture for `live.run`: the image above a bar for how sure the network is of it, and one for another network."""

    def picture(step: Step, net: Network, target: str) -> Tensor:
        other = next((judge for judge in judges if judge.name != net.name), net)
        asked = [one for one in (net, other) if target in one.classes]
        sure = [ascent.verdict(one, step.image, target).probability.item() for one in asked]
        return plot.with_bars(step.image, sure)

    return picture


def climb(net: Network, target: str = "king penguin", learning_rate: float = 0.02, steps: int = 400) -> live.Run:
    """Plain gradient ascent to a class, without any regulariser, and what two networks say of the image.

    Args:
        net: The network that climbs at first; the panel offers others.
        target: The name of the class.
        learning_rate: The length of a step, as the root mean square of what it changes.
        steps: How many steps.
    """
    knobs = AscentKnobs(steps=steps, optimizer="normalized", learning_rate=learning_rate)
    judges = [models.load("miniresnet"), models.load("minivgg")]

    def start(net: Network, target: str, noise: float) -> Iterator[Step]:
        return ascend(net, blank(net, contrast=noise), ascent.logit(net, target), knobs)

    return live.run(
        start,
        knobs,
        alt="Noise in which the class begins to show, with a full blue bar and an orange one",
        key="climb",
        picture=judged(judges),
        inputs={
            "target": class_box(net, target),
            "noise": widgets.steps("start noise", [0.0, 0.05, 0.1, 0.2], 0.1),
            "net": widgets.NetworkPicker([net]),
        },
        sliders={
            "learning_rate": widgets.steps("step size", RATES, learning_rate),
            "optimizer": widgets.choice(["normalized", "adam", "sign"], "optimizer"),
        },
    )


def gradient_ascent(
    net: Network,
    target: str = "teapot",
    made_of: str = "frequencies",
    steps: int = 3000,
    learning_rate: float = 0.03,
    jitter: float = 6,
    scale: float = 0.3,
    rotate: float = 10,
    total_variation: float = 300,
) -> live.Run:
    """Gradient ascent to a class with every regulariser on a slider of its own.

    Args:
        net: The network that climbs at first; the panel offers others.
        target: The name of the class.
        made_of: What the image is made of: 'frequencies' (a Fourier spectrum) or 'pixels'.
        steps, learning_rate, jitter, scale, rotate, total_variation: Where the sliders stand at first; see `AscentKnobs`.
    """
    knobs = AscentKnobs(steps=steps)
    judges = [models.load("miniresnet"), models.load("minivgg")]

    def start(net: Network, target: str, made_of: str) -> Iterator[Step]:
        picture = blank(net, contrast=0.1, fourier=made_of == "frequencies")
        return ascend(net, picture, ascent.logit(net, target), knobs)

    kinds = widgets.choice(["frequencies", "pixels"], "made of")
    kinds.value = made_of
    return live.run(
        start,
        knobs,
        alt=f"An image that excites the class {target}, with bars for how sure two networks are of it",
        key="gradient_ascent",
        quick=60,
        picture=judged(judges),
        shown=("target", "learning_rate", "jitter", "total_variation", "steps"),
        inputs={"target": class_box(net, target), "made_of": kinds, "net": widgets.NetworkPicker([net])},
        sliders={
            "steps": widgets.steps("steps", sorted({100, 300, 1000, 3000, 10000, steps}), steps),
            "learning_rate": widgets.steps("step size", RATES, learning_rate),
            "jitter": widgets.steps("jitter", sorted({0, 1, 2, 4, 6, 8, 16, jitter}), jitter),
            "total_variation": widgets.steps("roughness", [0, 30, 100, 300, 1000, 3000], total_variation),
            "scale": widgets.steps("scale", [0.0, 0.1, 0.2, 0.3, 0.4], scale),
            "rotate": widgets.steps("rotate", [0, 5, 10, 20, 45], rotate),
            "l2": widgets.steps("L2", [0, 100, 200, 600, 2000], 0),
            "blur": widgets.steps("blur", [0.0, 0.3, 0.5, 0.8, 1.2], 0.0),
            "clip_small": widgets.steps("clip value", [0.0, 0.1, 0.25, 0.5, 0.75], 0.0),
            "clip_gradient": widgets.steps("clip gain", [0.0, 0.1, 0.25, 0.5, 0.75], 0.0),
        },
    )


def channels(net: Network, layer: str = "relu5", first: int = 0, steps: int = 300) -> live.Run:
    """Images for eight neighbouring channels of a layer, excited at once.

    Args:
        net: The network at first; the panel offers others.
        layer: The layer at first.
        first: The first of the eight channels; they begin again at 0 after the layer's last.
        steps: How many steps.
    """
    knobs = AscentKnobs(steps=steps, learning_rate=0.05)
    networks = widgets.NetworkPicker([net])

    def start(net: Network, layer: str, first: int) -> Iterator[Step]:
        count = read(net, blank(net).image().detach(), [layer])[layer].shape[1]
        which = (torch.arange(8) + first) % count
        return ascend(net, blank(net, 8, fourier=True), objectives.channel(layer, which), knobs)

    return live.run(
        start,
        knobs,
        alt=f"Images for eight channels of {layer}",
        key="channels",
        shown=("layer", "first", "jitter", "total_variation"),
        inputs={
            "layer": widgets.LayerPicker(networks, first=layer),
            "first": widgets.integer("first", first, 0, 504),
            "net": networks,
        },
        sliders={
            "jitter": widgets.steps("jitter", [0, 2, 4, 8], 4),
            "total_variation": widgets.steps("roughness", [0, 3, 10, 30, 100], 10),
            "scale": widgets.steps("scale", [0.0, 0.1, 0.2, 0.4], 0.2),
            "rotate": widgets.steps("rotate", [0, 4, 8, 20], 8),
        },
        layout="above",
    )
