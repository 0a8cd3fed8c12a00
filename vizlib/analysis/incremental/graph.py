"""A network as a list of layers whose windows can be followed, and a tail of layers that are run in full."""

import operator
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx, nn
from torch.fx import Node
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vizlib.analysis.incremental import layers
from vizlib.analysis.incremental.layers import Convolution, module_of, pointwise
from vizlib.analysis.incremental.logits import restrict
from vizlib.analysis.incremental.tracing import symbolic_trace
from vizlib.analysis.incremental.windows import Reach

_ALIASES = (nn.Identity, nn.Dropout, nn.Flatten)  # in eval mode their output shares the memory of their input
_CHANGES = (
    operator.iadd,
    operator.isub,
    operator.imul,
    operator.itruediv,
    operator.ifloordiv,
    operator.imod,
    operator.ipow,
)


class Unknown(Exception):
    """A network cannot be followed layer by layer; the message says why."""


@dataclass(eq=False)
class Step:
    """One layer, together with the batch normalisation and ReLU that follow it.

    Attributes:
        output: The node of the traced network whose value the step computes.
        inputs: The nodes that it reads.
        apply: A function from patches of the inputs `(B, h, w, C)`, padding included, to windows `(B, h', w', C')`.
        reach: How its outputs depend on its inputs, along rows and along columns.
        padding: The value outside the map: 0, or -inf for max pooling.
        reads, macs: For a convolution, the numbers read and the multiply-adds for each pixel of its output.
        merges: Whether it joins branches, as a sum or a concatenation does.
        releases: The inputs that no later step reads.
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
    """A traced network, divided into steps and a tail.

    Attributes:
        module: The traced network.
        image: The node of the input images.
        steps: The layers that can be followed, in the order in which they run.
        means: The nodes that average the whole maps of a step.
        tail: All other nodes; the last one is the logits.
        read: The outputs of steps (or the image) that the tail reads.
        whole: Why there are no steps, as a clause after "because"; '' for a traced network.
        alone: Whether only one image at a time may go through the tail.
    """

    def __init__(self, traced: fx.GraphModule, steps: list[Step], means: list[Node], tail: list[Node]):
        self.module, self.steps, self.means, self.tail = traced, steps, means, tail
        self.whole, self.alone = "", False
        self.image = next(node for node in traced.graph.nodes if node.op == "placeholder")
        known = {self.image, *(step.output for step in steps)}
        self.read = list(dict.fromkeys(n for node in tail for n in node.all_input_nodes if n in known))
        kept = {*self.read, *(node.all_input_nodes[0] for node in means)}
        for step in reversed(steps):
            step.releases = [node for node in dict.fromkeys(step.inputs) if node not in kept]
            kept.update(step.inputs)

    @property
    def followed(self) -> tuple[int, int]:
        """How many of the network's convolutions are followed, and how many it has in all."""
        convolutions = [module for module in self.module.modules() if isinstance(module, nn.Conv2d)]
        return sum(step.macs > 0 for step in self.steps), len(convolutions)


def trace(module: nn.Module, classes: list[int] | None = None) -> Graph:
    """The graph of a network in eval mode, followed from the image on as far as its layers are of a known kind.

    Args:
        module: A module from normalised images `(N, 3, H, W)` to logits `(N, K)`; it is not changed.
        classes: The classes whose logits are computed, in this order; None computes all.

    Raises:
        Unknown: torch.fx cannot trace the module, hooks may change what its layers give, or a layer changes in place
            what other layers read.
    """
    if any(part._forward_hooks or part._forward_pre_hooks for part in module.modules()):
        raise Unknown("hooks are registered on its layers")
    try:
        traced = _apart(symbolic_trace(module))
    except Exception as error:  # a forward may raise anything when it is given a symbol
        raise Unknown(f"torch.fx cannot trace {type(module).__name__}: {error}") from error
    if not isinstance(next(node for node in traced.graph.nodes if node.op == "output").args[0], Node):
        raise Unknown("it returns more than one tensor")
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


def _apart(traced: fx.GraphModule) -> fx.GraphModule:
    """A copy in eval mode that shares only the weights, so that the module itself may be trained meanwhile."""
    weights = [*traced.parameters(), *traced.buffers()]
    return deepcopy(traced, {id(weight): weight for weight in weights}).eval()


def untraced(net: nn.Module, classes: list[int] | None, why: str, alone: bool = False) -> Graph:
    """The graph of a network that is not followed: it has no steps, and the whole network is the tail.

    Args:
        net: A module from images `(N, 3, H, W)` in [0, 1] to logits `(N, K)`.
        classes: The classes whose logits are computed, in this order; None computes all.
        why: Why it is not followed, as a clause after "because".
        alone: Whether only one image at a time may go through it.
    """
    graph = fx.Graph()
    logits = graph.call_module("whole", (graph.placeholder("images"),))
    graph.output(logits if classes is None else graph.call_function(operator.getitem, (logits, (slice(None), classes))))
    traced = fx.GraphModule(nn.ModuleDict({"whole": net}), graph)
    whole = Graph(traced, [], [], [node for node in traced.graph.nodes if node.op != "placeholder"])
    whole.whole, whole.alone = why, alone
    return whole


def _step(node: Node, traced: fx.GraphModule) -> Step | None:
    """The step that begins with this node, or None if the layer is not of a known kind."""
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
    """Fuse the pointwise layers after a step into it, as long as nothing else reads the values in between.

    Yields:
        The nodes that have become part of the step.
    """
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
    """Raise `Unknown` if a node changes a value in place and another node reads that value, or an alias of it."""
    changed = _changed_by(node, traced)
    if changed is None:
        return
    while len(changed.users) == 1:
        alias = isinstance(module_of(changed, traced), _ALIASES) or changed.target is getattr  # as in `y.data`
        if not (alias or changed.op == "call_method") or not changed.all_input_nodes:
            return
        changed = changed.all_input_nodes[0]
    raise Unknown(f"{node.name} changes in place what others read")


def _changed_by(node: Node, traced: fx.GraphModule) -> Node | None:
    """The node whose value a node changes in place, as far as its name and its arguments tell."""
    if isinstance(node.kwargs.get("out"), Node):
        return node.kwargs["out"]
    named = node.op in ("call_method", "call_function") and getattr(node.target, "__name__", node.target).endswith("_")
    inplace = getattr(module_of(node, traced), "inplace", False) or node.kwargs.get("inplace", False)
    changes = inplace or named or node.target in _CHANGES
    return node.all_input_nodes[0] if changes and node.all_input_nodes else None
