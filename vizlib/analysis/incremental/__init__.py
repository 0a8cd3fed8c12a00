"""Exact incremental inference: what does a network say when a small part of its image is covered?

The clean image goes through the network once, and the outputs of all layers are kept. An occluder changes a window of
the first layer's output, which changes a somewhat larger window of the second, and so on; everything outside is as it
was. So each layer is applied to a window only: its input is cut out of the clean activations, and the changed window of
the layer below is put into it. Nothing is approximated.

`windows` says how windows grow, `layers` what a layer does to one, `graph` sorts a network's layers into those that can
be followed and a tail that runs as it is, `engine` does the work for a block of positions, `inference` goes through all
of them. A network that cannot be traced at all is one large tail: ordinary inference in batches.

Paper: Nakandala, Kumar and Papakonstantinou 2019, "Incremental and approximate inference for faster occlusion-based
deep CNN explanations" (Krypton).
"""

from vizlib.analysis.incremental.engine import Block, Clean
from vizlib.analysis.incremental.graph import Graph, Step, Unknown, trace
from vizlib.analysis.incremental.inference import blocks, clean_run, occlude
from vizlib.analysis.incremental.windows import Interval, Reach

__all__ = ["Block", "Clean", "Graph", "Interval", "Reach", "Step", "Unknown", "blocks", "clean_run", "occlude", "trace"]
