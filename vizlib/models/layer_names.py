"""The layers that a network runs, under the names by which the literature knows them: `conv1`, `relu3_2`, `fc6`."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from threading import get_ident
from typing import NamedTuple

import torch
from torch import Tensor, nn

_KINDS = {
    nn.Conv2d: "conv",
    nn.BatchNorm2d: "bn",
    nn.ReLU: "relu",
    nn.MaxPool2d: "pool",
    nn.AvgPool2d: "pool",
    nn.AdaptiveAvgPool2d: "avgpool",
    nn.Linear: "fc",
}
_SILENT = (nn.Dropout, nn.Dropout2d, nn.Flatten, nn.Identity)  # they show nothing new


class Layer(NamedTuple):
    """One layer of a network, as it ran.

    Attributes:
        name: As in the literature, or the path of the module ('layer1.0'); a second run of a module is 'name_1'.
        module: The module.
        run: Which of the module's runs this is; 0 is the first.
        shape: Of its output for one image, without the batch: (C, h, w) for maps; None if it is no single tensor.
        channels_last: Whether the module itself gives its maps as (h, w, C), as transformers with windows do.
    """

    name: str
    module: nn.Module
    run: int
    shape: tuple[int, ...] | None
    channels_last: bool = False


@dataclass(eq=False)
class _Call:
    """One run of a module, and the runs of other modules inside it."""

    module: nn.Module
    inside: list["_Call"] = field(default_factory=list)
    run: int = 0
    shape: tuple[int, ...] | None = None

    @property
    def leaves(self) -> int:
        return sum(call.leaves for call in self.inside) or 1


def layers_of(module: nn.Module, images: Tensor) -> list[Layer]:
    """The layers of a network in the order in which they run, found by running it once.

    What is listed is a *layer* or a *block*: an `nn.Sequential` is opened up, and so is a module in which more than
    half of the network happens, such as a backbone inside a wrapper; a residual block stays one layer. What does not
    run (an auxiliary head, a layer that is left over) is not listed. Dropout, flatten and identity layers are left out.

    AlexNet and VGG are numbered as in their papers (`conv1`, `relu3_2`, `pool5`, `fc6`), and so is SqueezeNet (`conv1`,
    `fire2` …). In every other network a layer's name is its module's path.

    Args:
        module: The bare classifier.
        images: Its input, `(N, C, S, S)`, normalised; squares, so that maps (C, h, w) and (h, w, C) can be told apart.
    """
    top = _recorded(module, images)
    calls = [call for call in _opened(top, top.leaves) if not isinstance(call.module, _SILENT)]
    names = _names(module, calls)
    return [_layer(name, call) for name, call in zip(names, calls, strict=True)]


def _layer(name: str, call: _Call) -> Layer:
    shape = call.shape
    last = shape is not None and len(shape) == 3 and shape[0] == shape[1] != shape[2]  # the image was a square
    return Layer(name, call.module, call.run, (shape[2], *shape[:2]) if last else shape, last)


# --- what ran -------------------------------------------------------------------------------------------------------


@torch.no_grad()
def _recorded(module: nn.Module, images: Tensor) -> _Call:
    """One forward pass as a tree of calls."""
    top = _Call(module)
    stack, runs, owner = [top], Counter(), get_ident()

    def enter(called: nn.Module, *_: object) -> None:
        if get_ident() == owner:
            stack.append(_Call(called))

    def leave(called: nn.Module, _: object, output: object) -> None:
        if get_ident() == owner and stack[-1].module is called:
            call = stack.pop()
            call.run, call.shape = runs[called], tuple(output.shape[1:]) if isinstance(output, Tensor) else None
            runs[called] += 1
            stack[-1].inside.append(call)

    handles = []
    try:
        for part in module.modules():
            if part is not module:
                handles += [part.register_forward_pre_hook(enter), part.register_forward_hook(leave)]
        module(images)
    finally:
        for handle in handles:
            handle.remove()
    return top


def _opened(call: _Call, total: int) -> Iterator[_Call]:
    """The calls inside a call, with the containers among them opened, in the order in which they ended."""
    for inner in call.inside:
        sequence = type(inner.module).forward is nn.Sequential.forward
        holds_blocks = type(inner.module) is nn.Sequential or any(part.inside for part in inner.inside)
        most = 2 * inner.leaves > total
        if inner.inside and (inner.shape is None or (sequence and holds_blocks) or most):
            yield from _opened(inner, total)
        else:
            yield inner


# --- names ----------------------------------------------------------------------------------------------------------


def _names(module: nn.Module, calls: list[_Call]) -> list[str]:
    family, layers = type(module).__name__, [call.module for call in calls]
    names = []
    if family in ("VGG", "AlexNet"):
        names = _counted(layers, blocks=family == "VGG")
    elif family == "SqueezeNet":
        names = _squeezenet(layers)
    if len(set(names)) == len(calls) and not any(call.run for call in calls):
        return names
    cut = "features." if family == "DenseNet" else ""
    paths: dict[nn.Module, list[str]] = {}
    for path, part in module.named_modules(remove_duplicate=False):
        paths.setdefault(part, []).append(path.removeprefix(cut))
    runs = Counter(call.module for call in calls)
    return [
        paths[call.module][call.run]
        if len(paths[call.module]) == runs[call.module]  # held in as many places as it runs
        else paths[call.module][0] + (f"_{call.run}" if call.run else "")
        for call in calls
    ]


def _kind(layer: nn.Module) -> str:
    return _KINDS.get(type(layer), type(layer).__name__.lower())


def _counted(layers: Iterable[nn.Module], blocks: bool) -> list[str]:
    """The names conv1 … conv5, pool5, fc6 … fc8; with `blocks`, conv1_1, relu1_1, conv1_2, relu1_2, pool1, conv2_1 …"""
    names, block, number, here = [], 1, 0, ""
    for layer in layers:
        kind = _kind(layer)
        if kind == "conv":
            number += 1
            here = f"{block}_{number}" if blocks else f"{number}"
        elif kind == "fc":
            here = f"{block if blocks else number + 1}"
            block, number = block + 1, number + 1
        if kind == "pool":
            names.append(f"pool{block if blocks else number}")
            block, number = block + 1, 0 if blocks else number
        else:
            names.append(kind if kind == "avgpool" else kind + here)
    return names


def _squeezenet(layers: Iterable[nn.Module]) -> list[str]:
    """The names conv1, relu1, pool1, fire2 …, conv10, relu10, avgpool."""
    names, number = [], 0
    for layer in layers:
        kind = _kind(layer)
        number += kind in ("conv", "fire")
        names.append(kind if kind == "avgpool" else f"{kind}{number}")
    return names
