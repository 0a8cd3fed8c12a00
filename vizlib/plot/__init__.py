"""Figures: grids of images, filters and channels, heat maps, predictions. They need no screen and no pyplot state.

Every function returns a matplotlib `Figure`; `show` puts it into a notebook with its alt text, `to_png` gives bytes.
"""

from vizlib.plot.base import mosaic, show, to_png
from vizlib.plot.charts import bars, curves, histograms, predictions
from vizlib.plot.guided import around_grey, gradients, patch_rows, signed_grids
from vizlib.plot.heat import enlarge, overlay, overlays
from vizlib.plot.neighbours import Found, found, found_in
from vizlib.plot.occlusion import drop_map, drop_maps, window_growth
from vizlib.plot.patches import patch_grid, spotlight
from vizlib.plot.saliency import cut_out, map_rows, maps
from vizlib.plot.scatter import free_map, grid_map, scatter, zoomed
from vizlib.plot.tiles import channel_grid, filter_grid, image_grid, row

__all__ = [
    "Found",
    "around_grey",
    "bars",
    "channel_grid",
    "curves",
    "cut_out",
    "drop_map",
    "drop_maps",
    "enlarge",
    "filter_grid",
    "found",
    "found_in",
    "free_map",
    "gradients",
    "grid_map",
    "histograms",
    "image_grid",
    "map_rows",
    "maps",
    "mosaic",
    "overlay",
    "overlays",
    "patch_grid",
    "patch_rows",
    "predictions",
    "row",
    "scatter",
    "show",
    "signed_grids",
    "spotlight",
    "to_png",
    "window_growth",
    "zoomed",
]
