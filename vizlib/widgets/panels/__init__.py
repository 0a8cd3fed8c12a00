"""The ready-made panel of each section: one call puts it onto the page, and its one file shows how it is built."""

from vizlib.widgets.panels.activations import (
    activation_camera,
    activation_channel,
    activation_grid,
    activation_map,
    activation_region,
    activation_zeros,
)
from vizlib.widgets.panels.adversarial import adversarial_file, adversarial_line, adversarial_step
from vizlib.widgets.panels.attacks import adversarial_attack, adversarial_noise, adversarial_rates
from vizlib.widgets.panels.collections import fetch_collection
from vizlib.widgets.panels.deepdream import deepdream, dream_channels, dream_parts, guided_dream
from vizlib.widgets.panels.dream_zoom import dream_flight
from vizlib.widgets.panels.embedding import embedding_map, pca_axes, tsne_perplexity, tsne_starts
from vizlib.widgets.panels.fast_style import (
    fast_style,
    fast_style_blend,
    fast_style_camera,
    fast_style_checkerboard,
    fast_style_contrast,
    fast_style_sizes,
    fast_style_training,
)
from vizlib.widgets.panels.filters import filter_modes, filter_response, filter_weights
from vizlib.widgets.panels.gradient_ascent import channels, climb, facets, gradient_ascent
from vizlib.widgets.panels.guided import guided_classes, guided_neuron, guided_patches, guided_relu
from vizlib.widgets.panels.inversion import inversion_depths, inversion_parts, inversion_search, inversion_seeds
from vizlib.widgets.panels.neighbours import moved_neighbours, nearest_neighbours
from vizlib.widgets.panels.occlusion import occlusion_fills, occlusion_map, occlusion_windows
from vizlib.widgets.panels.patches import patches_linked, patches_of_channel, patches_purity, patches_receptive_field
from vizlib.widgets.panels.predictions import predictions
from vizlib.widgets.panels.saliency import (
    saliency_classes,
    saliency_methods,
    saliency_segmentation,
    saliency_smoothgrad,
)
from vizlib.widgets.panels.saliency_checks import saliency_cheat, saliency_randomized
from vizlib.widgets.panels.style import style_blend, style_layers, style_scales, style_transfer, style_weights
from vizlib.widgets.panels.texture import texture_grams, texture_growth, texture_quilt, texture_synthesis

__all__ = [
    "activation_camera",
    "activation_channel",
    "activation_grid",
    "activation_map",
    "activation_region",
    "activation_zeros",
    "adversarial_attack",
    "adversarial_file",
    "adversarial_line",
    "adversarial_noise",
    "adversarial_rates",
    "adversarial_step",
    "channels",
    "climb",
    "deepdream",
    "dream_channels",
    "dream_flight",
    "dream_parts",
    "embedding_map",
    "facets",
    "fast_style",
    "fast_style_blend",
    "fast_style_camera",
    "fast_style_checkerboard",
    "fast_style_contrast",
    "fast_style_sizes",
    "fast_style_training",
    "fetch_collection",
    "filter_modes",
    "filter_response",
    "filter_weights",
    "gradient_ascent",
    "guided_classes",
    "guided_dream",
    "guided_neuron",
    "guided_patches",
    "guided_relu",
    "inversion_depths",
    "inversion_parts",
    "inversion_search",
    "inversion_seeds",
    "moved_neighbours",
    "nearest_neighbours",
    "occlusion_fills",
    "occlusion_map",
    "occlusion_windows",
    "patches_linked",
    "patches_of_channel",
    "patches_purity",
    "patches_receptive_field",
    "pca_axes",
    "predictions",
    "saliency_cheat",
    "saliency_classes",
    "saliency_methods",
    "saliency_randomized",
    "saliency_segmentation",
    "saliency_smoothgrad",
    "style_blend",
    "style_layers",
    "style_scales",
    "style_transfer",
    "style_weights",
    "texture_grams",
    "texture_growth",
    "texture_quilt",
    "texture_synthesis",
    "tsne_perplexity",
    "tsne_starts",
]
