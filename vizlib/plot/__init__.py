"""Figures: grids of images, filters and channels, heat maps, predictions. They need no screen and no pyplot state.

Every function returns a matplotlib `Figure`; `show` puts it into a notebook with its alt text, `to_png` gives bytes.
"""

from vizlib.plot.adversarial import attack_view, line_panels
from vizlib.plot.ascent import class_rows, contact_sheets, with_bars
from vizlib.plot.base import mosaic, show, to_png
from vizlib.plot.charts import bars, curves, histograms, predictions
from vizlib.plot.deepdream import dream_chart, film
from vizlib.plot.fast_style import rivals
from vizlib.plot.guided import around_gray, gradients, patch_rows, signed_grids
from vizlib.plot.heat import enlarge, overlay, overlays
from vizlib.plot.inversion import depth_charts, inversions, taken_apart
from vizlib.plot.neighbours import Found, found, found_in
from vizlib.plot.occlusion import drop_map, drop_maps, window_growth
from vizlib.plot.patches import patch_grid, spotlight
from vizlib.plot.saliency import cut_out, map_rows, maps
from vizlib.plot.scatter import free_map, grid_map, scatter, zoomed
from vizlib.plot.style import trade
from vizlib.plot.texture import beside_grams, grams, labeled_rows, seam_view, to_scale
from vizlib.plot.tiles import channel_grid, filter_grid, image_grid, row

__all__ = [
    "Found",
    "around_gray",
    "attack_view",
    "bars",
    "beside_grams",
    "channel_grid",
    "class_rows",
    "contact_sheets",
    "curves",
    "cut_out",
    "depth_charts",
    "dream_chart",
    "drop_map",
    "drop_maps",
    "enlarge",
    "film",
    "filter_grid",
    "found",
    "found_in",
    "free_map",
    "gradients",
    "grams",
    "grid_map",
    "histograms",
    "image_grid",
    "inversions",
    "labeled_rows",
    "line_panels",
    "map_rows",
    "maps",
    "mosaic",
    "overlay",
    "overlays",
    "patch_grid",
    "patch_rows",
    "predictions",
    "rivals",
    "row",
    "scatter",
    "seam_view",
    "show",
    "signed_grids",
    "spotlight",
    "taken_apart",
    "to_png",
    "to_scale",
    "trade",
    "window_growth",
    "with_bars",
    "zoomed",
]
