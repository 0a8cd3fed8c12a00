"""Diagrams with the images of a real run in them: where a gradient goes, what a Gram matrix averages, two losses."""

from vizlib.plot.diagrams.gram import gram
from vizlib.plot.diagrams.losses import painter_and_judge, two_losses
from vizlib.plot.diagrams.way_back import way_back

__all__ = ["gram", "painter_and_judge", "two_losses", "way_back"]
