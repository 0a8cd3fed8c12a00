"""Figures, filed by the kind of picture. They need no screen and no pyplot state.

Tables of pictures, charts, heat maps, tiles, maps, and a few of one idea each. Every function returns a matplotlib
`Figure`, unless its first line says that it makes an image for one; `show` puts a figure into a notebook with its alt
text, `encode` and `to_png` give the bytes of a file.
"""

from vizlib.plot.attack import attack_view
from vizlib.plot.cells import Picture, around_gray, match, spotlight
from vizlib.plot.channels import one_channel
from vizlib.plot.charts import bars, histograms, lines, predictions
from vizlib.plot.diagrams import gram_diagram, painter_and_judge, two_losses
from vizlib.plot.figure import encode, show, to_png
from vizlib.plot.heat import heat_map, heat_maps
from vizlib.plot.maps import grid_map, scatter, zoomed
from vizlib.plot.one_offs import cut_out, grams, seam_view, window_growth
from vizlib.plot.pictures import pictures, table
from vizlib.plot.tiles import channel_grid, filter_grid, filter_grids, signed_grids
from vizlib.plot.way_back import way_back

__all__ = [
    "Picture",
    "around_gray",
    "attack_view",
    "bars",
    "channel_grid",
    "cut_out",
    "encode",
    "filter_grid",
    "filter_grids",
    "gram_diagram",
    "grams",
    "grid_map",
    "heat_map",
    "heat_maps",
    "histograms",
    "lines",
    "match",
    "one_channel",
    "painter_and_judge",
    "pictures",
    "predictions",
    "scatter",
    "seam_view",
    "show",
    "signed_grids",
    "spotlight",
    "table",
    "to_png",
    "two_losses",
    "way_back",
    "window_growth",
    "zoomed",
]
