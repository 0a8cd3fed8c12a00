"""The ready-made panel of each section: one call puts it onto the page, and its one file shows how it is built."""

from vizlib.widgets.panels.activations import activation_grid, activation_map, activation_region, activation_zeros
from vizlib.widgets.panels.fast_style import (
    fast_style,
    fast_style_blend,
    fast_style_checkerboard,
    fast_style_contrast,
    fast_style_sizes,
    fast_style_training,
)
from vizlib.widgets.panels.gradient_ascent import channels, climb, facets, gradient_ascent
from vizlib.widgets.panels.occlusion import occlusion_fills, occlusion_map, occlusion_windows
from vizlib.widgets.panels.patches import patches_of_channel, patches_purity, patches_receptive_field
from vizlib.widgets.panels.style import style_blend, style_layers, style_scales, style_transfer, style_weights

__all__ = [
    "activation_grid",
    "activation_map",
    "activation_region",
    "activation_zeros",
    "channels",
    "climb",
    "facets",
    "fast_style",
    "fast_style_blend",
    "fast_style_checkerboard",
    "fast_style_contrast",
    "fast_style_sizes",
    "fast_style_training",
    "gradient_ascent",
    "occlusion_fills",
    "occlusion_map",
    "occlusion_windows",
    "patches_of_channel",
    "patches_purity",
    "patches_receptive_field",
    "style_blend",
    "style_layers",
    "style_scales",
    "style_transfer",
    "style_weights",
]
