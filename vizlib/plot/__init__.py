"""Figures: grids of images, filters and channels, heat maps, predictions. They need no screen and no pyplot state.

Every function returns a matplotlib `Figure`; `show` puts it into a notebook with its alt text, `to_png` gives bytes.
"""

from vizlib.plot.base import mosaic, show, to_png
from vizlib.plot.charts import bars, curves, histograms, predictions
from vizlib.plot.guided import around_grey, gradients, number_grids
from vizlib.plot.heat import enlarge, overlay, overlays
from vizlib.plot.neighbours import Found, found, found_in
from vizlib.plot.scatter import free_map, grid_map, scatter, zoomed
from vizlib.plot.tiles import channel_grid, filter_grid, image_grid, row

__all__ = [
    "Found",
    "around_grey",
    "bars",
    "channel_grid",
    "curves",
    "enlarge",
    "filter_grid",
    "found",
    "found_in",
    "free_map",
    "gradients",
    "grid_map",
    "histograms",
    "image_grid",
    "mosaic",
    "number_grids",
    "overlay",
    "overlays",
    "predictions",
    "row",
    "scatter",
    "show",
    "to_png",
    "zoomed",
]
