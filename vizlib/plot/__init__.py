"""Figures, filed by the kind of picture. They need no screen and no pyplot state.

Tables of pictures, charts, heat maps, tiles, maps, a few of one idea each, and `diagrams`. Every function returns a
matplotlib `Figure`, unless its first line says that it makes an image for one; `show` puts a figure into a notebook
with its alt text, `encode` and `to_png` give the bytes of a file.
"""

from vizlib.plot import diagrams
from vizlib.plot.attack import attack_view
from vizlib.plot.cells import Picture, around_gray, match
from vizlib.plot.channels import one_channel
from vizlib.plot.charts import bars, histograms, lines, predictions
from vizlib.plot.figure import encode, show, to_png
from vizlib.plot.heat import heat_map, heat_maps
from vizlib.plot.maps import grid_map, scatter, zoomed
from vizlib.plot.one_offs import cut_out, grams, seam_view, window_growth
from vizlib.plot.pictures import pictures, table
from vizlib.plot.tiles import channel_grid, filter_grid, filter_grids, signed_grids

__all__ = [
    "Picture",
    "around_gray",
    "attack_view",
    "bars",
    "channel_grid",
    "cut_out",
    "diagrams",
    "encode",
    "filter_grid",
    "filter_grids",
    "grams",
    "grid_map",
    "heat_map",
    "heat_maps",
    "histograms",
    "lines",
    "match",
    "one_channel",
    "pictures",
    "predictions",
    "scatter",
    "seam_view",
    "show",
    "signed_grids",
    "table",
    "to_png",
    "window_growth",
    "zoomed",
]
