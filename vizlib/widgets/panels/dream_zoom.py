"""The panel of a flight into a dream, whose frames are kept.

To change it, copy the function and the imports below into a cell: it is a call of `live.run`.
"""

from collections.abc import Iterator

from torch import Tensor

from vizlib import images, widgets
from vizlib.analysis.activations import map_shapes
from vizlib.models import Network
from vizlib.optimize import Step
from vizlib.synthesis import dream_zoom
from vizlib.synthesis.deepdream import AIMS
from vizlib.synthesis.dream_zoom import ZoomKnobs
from vizlib.widgets import live
from vizlib.widgets.panels.controls import ladder


def dream_flight(
    net: Network,
    film: list[Tensor],
    photo: str = "coffee",
    layer: str | None = None,
    zoom: float = 1.04,
    turn: float = 1,
    size: int = 112,
    steps: int = 120,
) -> live.Run:
    """A flight into a dream: a frame is dreamt, enlarged and turned a little, and dreamt into again.

    Args:
        net: The network that dreams at first; the panel offers others.
        film: A list that every frame `(1, 3, H, W)` is added to; it is emptied when the flight begins anew.
        photo: The name of the photo at first.
        layer, zoom, turn: Where the sliders stand at first; see `ZoomKnobs`. No layer stands for the fourth of the
            five stages: relu6 of MiniVGG.
        size: The photo's shorter side at first, in pixels.
        steps: How many frames.
    """
    layer = layer or net.stages.high
    knobs = ZoomKnobs(layer=layer, octaves=3, reach=0.03)
    networks = widgets.NetworkPicker([net])
    layers = widgets.LayerPicker(networks, map_shapes, layer)

    def start(net: Network, photo: Tensor, size: int) -> Iterator[Step]:
        film.clear()
        for step in dream_zoom.zoom(net, images.resize(photo, size), knobs):
            film.append(step.image)
            yield step

    return live.run(
        start,
        knobs,
        alt=f"The last frame of a flight into the photo {photo}, in a dream of {layer}",
        key="dream_flight",
        quick=24,
        shown=("photo", "layer", "zoom", "turn", "steps"),
        inputs={
            "photo": widgets.ImagePicker(photo, side=400),
            "size": ladder("size", [112, 176, 224, 300], size),
            "net": networks,
        },
        sliders={
            "layer": layers,
            "zoom": ladder("zoom", [1.0, 1.01, 1.02, 1.03, 1.04, 1.06, 1.1], zoom),
            "turn": ladder("turn", [-4, -2, -1, 0, 1, 2, 4], turn),
            "steps": ladder("frames", [36, 120, 300, 1000], steps),
            "per_frame": widgets.integer("per frame", 6, 1, 20),
            "aim": widgets.choice(AIMS[:2], "aim"),
            "channel": widgets.ChannelPicker(networks, layers, map_shapes),
        },
    )
