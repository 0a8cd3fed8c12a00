"""The work of incremental inference: how its windows grow, and how many multiply-adds it saves."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.overrides import TorchFunctionMode

from vizlib.analysis.incremental.engine import Block
from vizlib.analysis.incremental.inference import blocks, clean_run
from vizlib.analysis.incremental.windows import Interval
from vizlib.models import Network


class Growth(NamedTuple):
    """The window of a layer's output that an occluder can change (rows, columns), and the size of the whole map."""

    layer: str
    rows: Interval
    columns: Interval
    height: int
    width: int


def growth(net: Network, image: Tensor, rows: Interval, columns: Interval) -> list[Growth]:
    """How the window that an occluder can change grows from layer to layer.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        rows, columns: The intervals of pixels that are covered: (first, one past the last).

    Returns:
        A `Growth` for the image (its layer is 'image') and then for the layers of `net.layers` that can be followed. A
        convolution is computed together with the ReLU after it, so only the ReLU is listed. A layer of several steps,
        such as a residual block, has the window of its last step. A network that is run whole has no layer here.
    """
    clean = clean_run(net, image)
    block = Block(clean, [rows], [columns])
    layers = {_layer(net, step.output): step.output for step in clean.graph.steps}
    nodes = {"image": clean.graph.image} | {layer: node for layer, node in layers.items() if layer}
    return [
        Growth(layer, *_boxes(block, node), clean.heights[node], clean.widths[node]) for layer, node in nodes.items()
    ]


def _boxes(block: Block, node: Node) -> list[Interval]:
    return [(w[node].starts[0], w[node].starts[0] + w[node].size) for w in (block.rows, block.columns)]


def _layer(net: Network, node: Node) -> str | None:
    """The name in `net.layers` of the layer that a node of the traced network belongs to, or None."""
    names = {id(layer): name for name, layer in net.layers.items()}
    around = [net.module.get_submodule(path) for path, _ in node.meta.get("nn_module_stack", {}).values()]
    return next((names[id(module)] for module in around if id(module) in names), None)


def saving(
    net: Network,
    image: Tensor,
    rows: Sequence[Interval],
    columns: Sequence[Interval],
    classes: list[int] | None = None,
) -> float:
    """How many times fewer multiply-adds the convolutions need than in full forward passes.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        rows, columns: The intervals of pixels that are covered; there is one occluder for each pair.
        classes: The classes whose logits are computed; None computes all.
    """
    count, whole = len(rows) * len(columns), convolution_macs(net, image)
    clean = clean_run(net, image, classes)
    needed = sum(Block(clean, rows[i], columns[j]).macs for i, j in blocks(clean, rows, columns))
    not_followed = whole - clean_run(net, image).macs
    return count * whole / (needed + count * not_followed)


class _Convolutions(TorchFunctionMode):
    """Inside the `with`, counts the multiply-adds of every two-dimensional convolution, for each image of its batch."""

    macs = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        if function is nn.functional.conv2d:
            weight = args[1] if len(args) > 1 else kwargs["weight"]
            self.macs += weight.numel() * output.shape[2:].numel()
        return output


@torch.no_grad()
def convolution_macs(net: Network, image: Tensor) -> int:
    """The multiply-adds of all convolutions in one full forward pass for an image `(1, 3, H, W)`."""
    with _Convolutions() as counted:
        net(image)
    return counted.macs
