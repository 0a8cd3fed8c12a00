"""The ready-made panel of each section: one call puts it onto the page, and its one file shows how it is built."""

from vizlib.widgets.panels.activations import activation_grid, activation_map, activation_region, activation_zeros
from vizlib.widgets.panels.gradient_ascent import channels, climb, facets, gradient_ascent
from vizlib.widgets.panels.occlusion import occlusion_fills, occlusion_map, occlusion_windows
from vizlib.widgets.panels.style import style_blend, style_layers, style_scales, style_transfer, style_weights

__all__ = [
    "activation_grid",
    "activation_map",
    "activation_region",
    "activation_zeros",
    "channels",
    "climb",
    "facets",
    "gradient_ascent",
    "occlusion_fills",
    "occlusion_map",
    "occlusion_windows",
    "style_blend",
    "style_layers",
    "style_scales",
    "style_transfer",
    "style_weights",
]
