"""Restricting a traced network to the logits of some classes."""

import operator

import torch
from torch import fx, nn
from torch.fx import Node

from vizlib.analysis.incremental.layers import is_convolution, is_mean, module_of, pointwise


def restrict(traced: fx.GraphModule, classes: list[int]) -> None:
    """Make a traced network compute only the logits of `classes`, in this order.

    The last layer keeps only the weights of these classes. It may be a linear layer (VGG, ResNet) or a convolution
    whose maps are averaged (SqueezeNet), where this saves a lot. If a network ends in another way, all logits are
    computed and these are selected. The layers of the original network are not changed.
    """
    output = next(node for node in traced.graph.nodes if node.op == "output")
    last = _last_layer(output.args[0], traced)
    if last is not None:
        traced.add_submodule(last.target, _rows(module_of(last, traced), classes))
        return
    with traced.graph.inserting_before(output):
        output.args = (traced.graph.call_function(operator.getitem, (output.args[0], (slice(None), classes))),)
    traced.recompile()


def _last_layer(node: Node, traced: fx.GraphModule) -> Node | None:
    """The layer that makes the logits, found by going back through layers that keep the classes apart, or None."""
    averaged = flattened = False
    while node.op == "call_module" or node.op == "call_function":
        layer = module_of(node, traced)
        alone = len(node.users) == 1 and sum(other.target == node.target for other in traced.graph.nodes) == 1
        if isinstance(layer, nn.Linear) and not flattened:
            return node if alone else None
        if is_convolution(layer) and averaged and layer.groups == 1:
            return node if alone else None
        if flattened and is_mean(node, traced):
            averaged = True
        elif not averaged and (isinstance(layer, nn.Flatten) or node.target is torch.flatten):
            flattened = True
        elif len(node.users) > 1 or not pointwise(node, traced):
            return None
        node = node.all_input_nodes[0]
    return None


def _rows(layer: nn.Linear | nn.Conv2d, classes: list[int]) -> nn.Module:
    """A copy of a layer that computes only the outputs of some classes."""
    biased = layer.bias is not None
    if isinstance(layer, nn.Linear):
        part = nn.Linear(layer.in_features, len(classes), biased, device="meta")
    else:
        settings = layer.kernel_size, layer.stride, layer.padding, layer.dilation
        part = nn.Conv2d(layer.in_channels, len(classes), *settings, bias=biased, device="meta")
    part.weight = nn.Parameter(layer.weight[classes], requires_grad=False)
    part.bias = nn.Parameter(layer.bias[classes], requires_grad=False) if biased else None
    return part.eval()
