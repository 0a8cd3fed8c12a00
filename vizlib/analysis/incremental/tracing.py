"""torch.fx's trace of a module, made so that other threads may run and trace networks meanwhile."""

from collections.abc import Callable
from threading import Lock, get_ident

from torch import fx, nn

_lock = Lock()  # two traces at a time would undo each other's patches in the wrong order


class _ThisThreadsTracer(fx.Tracer):
    """A tracer replaces `nn.Module.__call__` for the whole process; this one leaves other threads' calls alone."""

    def __init__(self) -> None:
        super().__init__()
        self._owner = get_ident()

    def call_module(self, m: nn.Module, forward: Callable, args: tuple, kwargs: dict[str, object]) -> object:
        if get_ident() != self._owner:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: object, parameter_proxy_cache: dict[str, fx.Proxy]) -> object:
        return attr_val if get_ident() != self._owner else super().getattr(attr, attr_val, parameter_proxy_cache)


def symbolic_trace(module: nn.Module) -> fx.GraphModule:
    """As `torch.fx.symbolic_trace`; it raises whatever the module's forward does when it is given a symbol."""
    with _lock:
        tracer = _ThisThreadsTracer()
        graph = tracer.trace(module)
        return fx.GraphModule(tracer.root, graph, type(module).__name__)
