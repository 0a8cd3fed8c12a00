"""Controls that several panels have: fields and pickers that go together, and sliders that begin at any given value."""

from collections.abc import Callable, Iterable, Sequence

import ipywidgets as W

from vizlib.analysis import activations
from vizlib.models import Network
from vizlib.widgets import sliders
from vizlib.widgets.pickers import ChannelPicker, LayerPicker, NetworkPicker
from vizlib.widgets.sliders import WIDE, css_class

BESIDE = 4.8  # inches: as wide as a figure of lines and words beside its controls is, so that its text can be read


def class_box(networks: NetworkPicker, value: str, description: str = "class", placeholder: str = "") -> W.Combobox:
    """A field for the name of a class, which proposes those of the selected network; `value` is what is written there.

    Args:
        networks: The picker whose network's classes are proposed.
        value: The name at first.
        placeholder: What stands there while it is empty.
    """
    box = W.Combobox(value=value, description=description, placeholder=placeholder, continuous_update=False)
    box.style.description_width = WIDE["description_width"]
    box.add_class(css_class(description))

    def follow(*_: object) -> None:
        box.options = tuple(networks.value.classes or ())

    follow()
    networks.observe(follow, "value")
    return box


def channel_pickers(
    net: Network,
    layer: str,
    channel: int,
    choices: Callable[[Network], Iterable[str]] = activations.map_shapes,
) -> dict[str, W.Widget]:
    """Pickers for a network ('net'), one of its layers ('layer') and one of its channels ('channel').

    Args:
        net, layer, channel: What is selected at first.
        choices: A function from a network to the layers to offer, which must give maps.
    """
    networks = NetworkPicker([net])
    layers = LayerPicker(networks, choices, first=layer)
    channels = ChannelPicker(networks, layers, activations.map_shapes)
    channels.slider.value = channel
    return {"net": networks, "layer": layers, "channel": channels}


def ladder(description: str, options: Sequence[float], value: float) -> W.SelectionSlider:
    """A slider over a few values in ascending order, and over `value` wherever it lies among them."""
    return sliders.steps(description, sorted({*options, value}), value)


def choice(description: str, options: Sequence[str], value: str) -> W.ToggleButtons:
    """A row of buttons, with `value` selected.

    Raises:
        ValueError: `value` is not one of the options.
    """
    if value not in options:
        raise ValueError(f"{description}: expected one of {', '.join(options)}, got {value!r}")
    buttons = sliders.choice(options, description)
    buttons.value = value
    return buttons
