"""A network as a list of layers whose windows can be followed, and a tail of those that run as they are."""

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx, nn
from torch.fx import Node
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vizlib.analysis.incremental import layers
from vizlib.analysis.incremental.layers import Convolution, module_of, pointwise
from vizlib.analysis.incremental.logits import restrict
from vizlib.analysis.incremental.windows import Reach

_ALIASES = (nn.Identity, nn.Dropout, nn.Flatten)  # in eval mode their output shares the memory of their input


class Unknown(Exception):
    """This network cannot be followed layer by layer; the message says why."""


@dataclass(eq=False)
class Step:
    """One layer, with the batch normalisation and ReLU that follow it.

    Attributes:
        output: The node of the traced network whose value this gives.
        inputs: The nodes that it reads.
        apply: From patches of the inputs `(B, h, w, C)`, with their padding, to windows `(B, h', w', C')`.
        reach: Of rows and of columns.
        padding: What stands outside the map: 0, or -inf for max pooling.
        reads, macs: Numbers read and multiply-adds for each pixel of a convolution's output.
        merges: Whether it joins branches (a sum or a concatenation).
        releases: Inputs that no later step reads.
    """

    output: Node
    inputs: tuple[Node, ...]
    apply: Callable[..., Tensor]
    reach: tuple[Reach, Reach] = (Reach(), Reach())
    padding: float = 0.0
    reads: int = 0
    macs: int = 0
    merges: bool = False
    releases: list[Node] = field(default_factory=list)


class Graph:
    """A traced network, sorted.

    Attributes:
        image: The node that stands for the images.
        steps: The layers that can be followed, in the order in which they run.
        means: Nodes that average a step's whole maps.
        tail: All other nodes, the logits last.
        read: The steps' outputs (or the image) that the tail reads.
    """

    def __init__(self, traced: fx.GraphModule, steps: list[Step], means: list[Node], tail: list[Node]):
        self.module, self.steps, self.means, self.tail = traced, steps, means, tail
        self.image = next(node for node in traced.graph.nodes if node.op == "placeholder")
        known = {self.image, *(step.output for step in steps)}
        self.read = list(dict.fromkeys(n for node in tail for n in node.all_input_nodes if n in known))
        kept = {*self.read, *(node.all_input_nodes[0] for node in means)}
        for step in reversed(steps):
            step.releases = [node for node in dict.fromkeys(step.inputs) if node not in kept]
            kept.update(step.inputs)

    @property
    def followed(self) -> tuple[int, int]:
        """How many of the network's convolutions are followed, and how many it has."""
        convolutions = [module for module in self.module.modules() if isinstance(module, nn.Conv2d)]
        return sum(step.macs > 0 for step in self.steps), len(convolutions)


def trace(module: nn.Module, classes: list[int] | None = None) -> Graph:
    """Follow a network in eval mode from the image on, as far as its layers are of a kind that is known.

    Args:
        module: From normalised images `(N, 3, H, W)` to logits `(N, K)`. It is not changed.
        classes: Compute these logits only, in this order; None gives all.

    Raises:
        Unknown: torch.fx cannot trace it, or it changes in place what others read.
    """
    try:
        traced = fx.symbolic_trace(module)
    except Exception as error:  # whatever a forward raises when a symbol comes in place of a tensor
        raise Unknown(f"torch.fx cannot trace {type(module).__name__}: {error}") from error
    if classes is not None:
        restrict(traced, classes)
    steps, means, tail = [], [], []
    known: set[Node] = set()
    fused: set[Node] = set()
    for node in traced.graph.nodes:
        _check_in_place(node, traced)
        if node.op == "placeholder":
            known.add(node)
        elif node not in fused:
            readable = bool(node.all_input_nodes) and known.issuperset(node.all_input_nodes)
            if readable and (step := _step(node, traced)):
                fused.update(_fuse(step, traced))
                steps.append(step)
                known.add(step.output)
            else:
                (means if readable and layers.is_mean(node, traced) else tail).append(node)
    return Graph(traced, steps, means, tail)


def untraced(module: nn.Module, classes: list[int] | None = None) -> Graph:
    """A network of which nothing is known: no steps, and all of it in the tail."""
    graph = fx.Graph()
    logits = graph.call_module("whole", (graph.placeholder("images"),))
    graph.output(logits if classes is None else graph.call_function(operator.getitem, (logits, (slice(None), classes))))
    traced = fx.GraphModule(nn.ModuleDict({"whole": module}), graph)
    return Graph(traced, [], [], [node for node in traced.graph.nodes if node.op != "placeholder"])


def _step(node: Node, traced: fx.GraphModule) -> Step | None:
    """The step that begins with this node; None for a kind of layer that is not known."""
    layer, inputs = module_of(node, traced), tuple(node.all_input_nodes)
    if layers.is_convolution(layer):
        reads, macs = layer.weight[0].numel(), layer.weight.numel()
        return Step(node, inputs, Convolution(layer), layers.reach_of(layer), reads=reads, macs=macs)
    if layers.is_max_pooling(layer):
        return Step(node, inputs, layers.max_pooling(layer), layers.reach_of(layer), padding=-torch.inf)
    if layers.is_average_pooling(layer):
        return Step(node, inputs, layers.average_pooling(layer), layers.reach_of(layer))
    if layers.is_normalization(layer):
        return Step(node, inputs, layers.normalization(layer))
    if layers.is_sum(node):
        return Step(node, inputs, torch.add, merges=True)
    if layers.is_concatenation(node):
        return Step(node, tuple(node.args[0]), layers.concatenation, merges=True)
    if then := pointwise(node, traced):
        return Step(node, inputs, lambda patches: then(patches.clone()))  # `then` may work in place
    return None


def _fuse(step: Step, traced: fx.GraphModule) -> Iterator[Node]:
    """Let the step take in what follows it pixel by pixel, as long as nobody else reads what is in between."""
    while len(step.output.users) == 1:
        node = next(iter(step.output.users))
        layer, then = module_of(node, traced), pointwise(node, traced)
        if layers.is_normalization(layer) and isinstance(step.apply, Convolution):
            step.apply = Convolution(fuse_conv_bn_eval(step.apply.layer, layer))
        elif then:
            step.apply = _both(step.apply, torch.relu_ if then is torch.relu else then)
        else:
            return
        step.output = node
        yield node


def _both(first: Callable[..., Tensor], second: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda *patches: second(first(*patches))


def _check_in_place(node: Node, traced: fx.GraphModule) -> None:
    """An in-place ReLU is harmless where nobody else reads its input, under whatever name."""
    changes = getattr(module_of(node, traced), "inplace", False) or node.kwargs.get("inplace", False)
    if not changes and not (node.op == "call_method" and node.target.endswith("_")) and node.target != operator.iadd:
        return
    changed = node.all_input_nodes[0]
    while len(changed.users) == 1:
        if not isinstance(module_of(changed, traced), _ALIASES) and changed.op != "call_method":
            return
        changed = changed.all_input_nodes[0]
    raise Unknown(f"{node.name} changes in place what others read")
