"""Sliders and choices with a common layout, each with a CSS class by which its element can be found."""

from collections.abc import Sequence

import ipywidgets as W

WIDE = {"description_width": "100px"}


def slider_layout() -> dict[str, dict[str, str]]:
    """A slider's style and layout, given when it is made: a style that replaces another leaves it in memory."""
    return {"style": WIDE, "layout": {"width": "420px", "max_width": "100%"}}


def css_class(description: str) -> str:
    """The CSS class that a widget's element can be found by; a class has no spaces."""
    return f"vizlib-{description.replace(' ', '-')}"


def choice(options: Sequence[str], description: str) -> W.ToggleButtons:
    """A row of buttons, with the first one selected."""
    style = WIDE | {"button_width": "max-content"}  # wide enough for the whole name
    buttons = W.ToggleButtons(options=list(options), description=description, style=style)
    buttons.add_class("widget-inline-hbox")  # ipywidgets 8 omits it and puts the description above the buttons
    return buttons


def integer(description: str, value: int, low: int, high: int) -> W.IntSlider:
    """A slider for a whole number from `low` to `high`, in the pickers' layout."""
    slider = W.IntSlider(value, low, high, description=description, **slider_layout())
    slider.add_class(css_class(description))
    return slider


def span(description: str, value: tuple[float, float]) -> W.FloatRangeSlider:
    """A slider with two handles for a range within [0, 1]; it reports its value when the mouse button is released."""
    slider = W.FloatRangeSlider(
        value=value, min=0, max=1, step=0.02, description=description, continuous_update=False, **slider_layout()
    )
    slider.add_class(css_class(description))
    return slider


def steps(description: str, options: Sequence[float], value: float) -> W.SelectionSlider:
    """A slider over a few given values; it reports its value when the mouse button is released."""
    slider = W.SelectionSlider(
        options=list(options), value=value, description=description, continuous_update=False, **slider_layout()
    )
    slider.add_class(css_class(description))
    return slider


def fraction(description: str, value: float = 0.5, low: float = 0.0, high: float = 1.0) -> W.FloatSlider:
    """A slider for a number from `low` to `high`, in the pickers' layout."""
    slider = W.FloatSlider(
        value=value, min=low, max=high, step=(high - low) / 50, description=description, **slider_layout()
    )
    slider.add_class(css_class(description))
    return slider
