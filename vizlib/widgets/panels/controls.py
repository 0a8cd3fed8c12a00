"""Controls that several panels have: a field for a class, and sliders and buttons that begin at any given value."""

from collections.abc import Sequence

import ipywidgets as W

from vizlib.widgets import sliders
from vizlib.widgets.pickers import NetworkPicker
from vizlib.widgets.sliders import WIDE, css_class


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
