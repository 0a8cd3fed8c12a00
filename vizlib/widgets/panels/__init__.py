"""The ready-made panel of each section: one call puts it onto the page, and its one file shows how it is built."""

from vizlib.widgets.panels.gradient_ascent import channels, climb, gradient_ascent

__all__ = [
    "channels",
    "climb",
    "gradient_ascent",
]
