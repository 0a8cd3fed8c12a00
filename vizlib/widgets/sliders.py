"""Sliders and choices in one layout, each with a class by which its element is found."""

from collections.abc import Sequence

import ipywidgets as W

WIDE = {"description_width": "100px"}


def css_class(description: str) -> str:
    """What a widget's element is found by; a class has no spaces."""
    return f"vizlib-{description.replace(' ', '-')}"


def choice(options: Sequence[str], description: str) -> W.ToggleButtons:
    """A row of buttons, the first one pressed."""
    style = WIDE | {"button_width": "max-content"}  # whatever the names are, they are read in full
    buttons = W.ToggleButtons(options=list(options), description=description, style=style)
    buttons.add_class("widget-inline-hbox")  # ipywidgets 8 leaves it out, and puts the name above the buttons
    return buttons


def integer(description: str, value: int, low: int, high: int) -> W.IntSlider:
    """A slider for a whole number from `low` to `high`, in the pickers' layout."""
    slider = W.IntSlider(value, low, high, description=description, style=WIDE, layout={"width": "420px"})
    slider.add_class(css_class(description))
    return slider


def span(description: str, value: tuple[float, float]) -> W.FloatRangeSlider:
    """A slider with two ends, fractions from 0 to 1; it tells where it is when the mouse lets go."""
    slider = W.FloatRangeSlider(value=value, min=0, max=1, step=0.02, description=description, continuous_update=False)
    slider.style, slider.layout.width = WIDE, "420px"
    slider.add_class(css_class(description))
    return slider


def steps(description: str, options: Sequence[float], value: float) -> W.SelectionSlider:
    """A slider through a few chosen values; it tells where it is when the mouse lets go."""
    slider = W.SelectionSlider(options=list(options), value=value, description=description, continuous_update=False)
    slider.style, slider.layout.width = WIDE, "420px"
    slider.add_class(css_class(description))
    return slider


def fraction(description: str, value: float = 0.5, low: float = 0.0, high: float = 1.0) -> W.FloatSlider:
    """A slider for a number from `low` to `high`, in the pickers' layout."""
    slider = W.FloatSlider(value=value, min=low, max=high, step=(high - low) / 50, description=description)
    slider.style, slider.layout.width = WIDE, "420px"
    slider.add_class(css_class(description))
    return slider
