"""The panels of DeepDream: a dream with all its knobs, and one with a guide; single channels, and parts left out.

To change a panel, copy its function and the imports below into a cell: it is a call of `live.run` or `widgets.explore`.
"""

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor

from vizlib import images, plot, widgets
from vizlib.analysis.activations import map_shapes
from vizlib.models import Network
from vizlib.optimize import Step
from vizlib.synthesis.deepdream import AIMS, DreamKnobs, dream
from vizlib.widgets import Explorer, Progress, live
from vizlib.widgets.panels.controls import ladder

RATES = [0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.3, 1, 3, 10, 30, 100, 300]
REACHES = [0.01, 0.02, 0.03, 0.04, 0.06, 0.1, 0.3]
SMOOTHING = [0, 0.5, 1, 1.5, 2, 3]


def at_full_size(step: Step, photo: Tensor, size: int) -> Tensor:
    """A picture for `live.run`: small octaves are shown as large as the last."""
    return images.resize(step.image, tuple(images.resize(photo, size).shape[2:]))


def deepdream(
    net: Network,
    photo: str = "chelsea",
    layer: str | None = None,
    octaves: int = 4,
    jitter: int = 16,
    smoothing: float = 1,
    size: int = 176,
    steps: int = 240,
) -> live.Run:
    """A photo that turns into a dream, with every knob on a slider of its own.

    Args:
        net: The network that dreams at first; the panel offers others.
        photo: The name of the photo at first.
        layer, octaves, jitter, smoothing, steps: Where the sliders stand at first; see `DreamKnobs`. No layer stands
            for the fourth of the five stages: relu6 of MiniVGG.
        size: The photo's shorter side at first, in pixels.
    """
    layer = layer or net.stages.high
    knobs = DreamKnobs(layer=layer)
    networks = widgets.NetworkPicker([net])
    layers = widgets.LayerPicker(networks, map_shapes, layer)

    def start(net: Network, photo: Tensor, size: int) -> Iterator[Step]:
        return dream(net, images.resize(photo, size), knobs, seed=1)

    return live.run(
        start,
        knobs,
        alt=f"The photo {photo} in a dream of {layer}",
        key="deepdream",
        quick=60,
        picture=at_full_size,
        shown=("photo", "layer", "octaves", "smoothing", "steps"),
        inputs={
            "photo": widgets.ImagePicker(photo, side=400),
            "size": ladder("size", [128, 176, 224, 300, 400], size),
            "net": networks,
        },
        sliders={
            "layer": layers,
            "octaves": widgets.integer("octaves", octaves, 1, 7),
            "smoothing": ladder("smoothing", SMOOTHING, smoothing),
            "steps": ladder("steps", [60, 120, 240, 480], steps),
            "jitter": widgets.integer("jitter", jitter, 0, 32),
            "aim": widgets.choice(AIMS[:2], "aim"),
            "channel": widgets.ChannelPicker(networks, layers, map_shapes),
            "learning_rate": widgets.steps("step size", RATES, 0.015),
            "normalize": widgets.choice([True, False], "normalise"),
            "octave_scale": widgets.steps("scale", [1.2, 1.3, 1.4, 1.6, 2.0], 1.4),
            "reach": widgets.steps("reach", REACHES, 0.04),
        },
    )


def guided_dream(
    net: Network,
    photo: str = "china",
    guide: str = "chelsea",
    layer: str | None = None,
    size: int = 176,
    steps: int = 240,
) -> live.Run:
    """A photo in which a network dreams of what it finds in a second image.

    Args:
        net: The network that dreams at first; the panel offers others.
        photo, guide: The names of the photo and of the guide at first.
        layer, steps: Where the sliders stand at first; see `DreamKnobs`. No layer stands for the last stage.
        size: The photo's shorter side at first, in pixels.
    """
    layer = layer or net.stages.last
    knobs = DreamKnobs(layer=layer)
    networks = widgets.NetworkPicker([net])

    def start(net: Network, photo: Tensor, guide: Tensor, size: int) -> Iterator[Step]:
        return dream(net, images.resize(photo, size), knobs, guide, seed=1)

    return live.run(
        start,
        knobs,
        alt=f"The photo {photo}, dreamt with {guide} as the guide",
        key="guided_dream",
        quick=60,
        picture=at_full_size,
        shown=("photo", "guide", "layer", "aim", "steps"),
        inputs={
            "photo": widgets.ImagePicker(photo, side=400),
            "guide": widgets.ImagePicker(guide, label="guide"),
            "size": ladder("size", [128, 176, 224, 300, 400], size),
            "net": networks,
        },
        sliders={
            "layer": widgets.LayerPicker(networks, map_shapes, layer),
            "aim": widgets.choice(["guide", "layer"], "aim"),
            "steps": ladder("steps", [60, 120, 240], steps),
            "reach": widgets.steps("reach", REACHES, 0.06),
        },
    )


def dream_channels(net: Network, photo: str = "china", layer: str | None = None, first: int = 60) -> Explorer:
    """Six dreams of one photo, each of one channel.

    Args:
        net: The network that dreams at first; the panel offers others.
        photo: The name of the photo at first.
        layer: The layer at first; None takes the last stage.
        first: The first of the six channels; they begin again at 0 after the layer's last.
    """
    layer = layer or net.stages.last

    def draw(photo: Tensor, layer: str, first: int, net: Network) -> Iterator[Progress]:
        small, count = images.resize(photo, max(112, net.min_size)), map_shapes(net)[layer][0]
        channels = [(first + i) % count for i in range(6)]
        pictures: list[Tensor | None] = [None] * 6
        for i, channel in enumerate(channels):
            knobs = DreamKnobs(layer=layer, aim="channel", channel=channel, steps=24, octaves=3, reach=0.04)
            for step in dream(net, small, knobs):
                pictures[i] = step.image
                yield Progress(24 * i + step.iteration, 24 * 6)
            titles = [f"{layer}, channel {channel}" for channel in channels]
            yield Progress(24 * (i + 1), 24 * 6, plot.pictures(pictures, titles, 3, net.name))

    networks = widgets.NetworkPicker([net])
    return widgets.explore(
        draw,
        alt=f"Six dreams of the photo {photo}, each of one channel",
        title="dreams of channels",
        layer=widgets.LayerPicker(networks, map_shapes, layer),
        first=widgets.integer("channels from", first, 0, 505),
        photo=widgets.ImagePicker(photo),
        net=networks,
    )


def dream_parts(
    net: Network, measures: Mapping[str, Callable[[Tensor], float]], photo: str = "coffee", layer: str | None = None
) -> Explorer:
    """A photo, and its dream with more or fewer octaves, with jitter and smoothing or without.

    Args:
        net: The network that dreams at first; the panel offers others.
        measures: What to say of the change `(1, 3, H, W)` in the picture: shares of it, by name.
        photo: The name of the photo at first.
        layer: The layer at first; None takes the fourth of the five stages, relu6 of MiniVGG.
    """
    layer = layer or net.stages.high

    def draw(
        photo: Tensor, layer: str, net: Network, octaves: int, jitter: int, smoothing: float
    ) -> Iterator[Progress]:
        small = images.resize(photo, max(150, net.min_size))
        sizes = {"octaves": octaves, "jitter": jitter, "smoothing": smoothing, "reach": 0.12 / octaves}
        knobs = DreamKnobs(layer=layer, steps=40, **sizes)
        for step in dream(net, small, knobs):
            if step.iteration % 8 == 0:
                picture = images.resize(step.image, tuple(small.shape[2:]))
                text = ", ".join(f"{name} {measure(picture - small):.0%}" for name, measure in measures.items())
                figure = plot.pictures({"photo": small, text: picture}, title=f"{net.name}, {layer}")
                yield Progress(step.iteration, knobs.steps, figure)

    networks = widgets.NetworkPicker([net])
    return widgets.explore(
        draw,
        alt=f"The photo {photo}, and its dream with the chosen parts",
        title="parts of a dream",
        shown=("photo", "layer", "octaves", "jitter", "smoothing"),
        octaves=widgets.integer("octaves", 4, 1, 7),
        jitter=widgets.integer("jitter", 16, 0, 32),
        smoothing=widgets.steps("smoothing", SMOOTHING, 1),
        layer=widgets.LayerPicker(networks, map_shapes, layer),
        photo=widgets.ImagePicker(photo),
        net=networks,
    )
