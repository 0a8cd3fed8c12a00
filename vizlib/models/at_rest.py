"""A module as a visualisation needs it while it runs: in eval mode, frozen and not compiled; afterwards as it was."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import Lock

import torch
from torch import nn

_lock = Lock()
_held: dict[int, "_Held"] = {}  # by the module's id, while somebody holds it


@dataclass
class _Held:
    """How many hold a module at rest, and what has to be put back when the last one lets go."""

    count: int = 0
    training: list[nn.Module] = field(default_factory=list)
    learning: list[nn.Parameter] = field(default_factory=list)


@contextmanager
def at_rest(module: nn.Module) -> Iterator[None]:
    """Inside the `with`, a module is in eval mode, its parameters need no gradient, and nothing of it runs compiled.

    So a network that is being trained can be looked at between two steps: no statistics of its batch normalisation
    change, dropout is off, and afterwards each part is in its mode again. Several threads may hold one module.
    """
    with _lock:
        training = [part for part in module.modules() if part.training]
        learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
        held = _held.get(id(module))
        if held is None and (training or learning):
            held = _held[id(module)] = _Held()
        if held is not None:
            held.count += 1
            held.training += training
            held.learning += learning
            for part in training:
                part.training = False
            for parameter in learning:
                parameter.requires_grad_(False)
    try:
        with _not_compiled(module):
            yield
    finally:
        if held is not None:
            with _lock:
                held.count -= 1
                if not held.count:
                    del _held[id(module)]
                    for part in held.training:
                        part.training = True
                    for parameter in held.learning:
                        parameter.requires_grad_(True)


def uncompiled(module: nn.Module) -> nn.Module:
    """The module that `torch.compile` was given, or the module itself."""
    return getattr(module, "_orig_mod", module)


def _not_compiled(module: nn.Module):
    """Inside the `with`, the compiled parts of a module run as they were written, so that hooks see them."""
    compiled = any(
        hasattr(part, "_orig_mod") or getattr(part, "_compiled_call_impl", None) is not None
        for part in module.modules()
    )
    if not compiled:
        return nullcontext()
    if not hasattr(torch.compiler, "set_stance"):  # before torch 2.6
        raise ValueError(
            f"{type(module).__name__} has compiled parts, whose layers this torch ({torch.__version__}) hides: wrap "
            "the network before torch.compile, or update torch"
        )
    return torch.compiler.set_stance("force_eager")
