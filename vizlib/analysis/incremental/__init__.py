"""Exact incremental inference: the logits of a network when a small part of its image is covered.

The clean image goes through the network once, and the outputs of all layers are kept. An occluder changes a window of
the first layer's output, which changes a somewhat larger window of the second, and so on; outside the window nothing
changes. So each layer is applied to a window only: its input is cut out of the clean activations, and the changed
window of the layer before is put into it. Nothing is approximated.

`windows` computes how the windows grow, and `layers` what a layer does to a window. `graph` divides a network into
layers that can be followed in this way and a tail that is run in full. `engine` computes a block of positions,
`inference` all of them, and `work` counts what is saved. A network that cannot be traced, or whose traced copy is found
to differ from it, is all tail: then this is ordinary inference in batches.

Paper: Nakandala, Kumar and Papakonstantinou 2019, "Incremental and approximate inference for faster occlusion-based
deep CNN explanations" (Krypton).
"""

from vizlib.analysis.incremental.engine import Block, Clean
from vizlib.analysis.incremental.graph import Graph, Step, Unknown, trace
from vizlib.analysis.incremental.inference import blocks, clean_run, occlude
from vizlib.analysis.incremental.windows import Interval, Reach

__all__ = ["Block", "Clean", "Graph", "Interval", "Reach", "Step", "Unknown", "blocks", "clean_run", "occlude", "trace"]
