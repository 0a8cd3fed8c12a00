"""Read, stop at and override the layers of any `nn.Module`, and change the backward rule of its ReLUs.

Everything here takes effect inside a `with` block (or a single call) and is undone at its end, even after an exception:
the network's weights, settings and hooks are never left changed. Only the thread that opened the block is affected, so
two threads may work with one network at the same time.

A layer is named as in `Network.layers` ('conv1') or by its module path ('layer1.0.conv2'). If a module runs several
times in one forward pass, its name means the first run; 'name_1' is the second, 'name_2' the third, as in torchvision's
feature extractor.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from threading import get_ident

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vizlib.assets import did_you_mean

# --- layers by name -------------------------------------------------------------------------------------------------


def find(model: nn.Module, layer: str) -> tuple[nn.Module, int]:
    """The module that `layer` names, and which of its runs in a forward pass is meant (0 is the first).

    Raises:
        LookupError: There is no such layer; the message lists those that exist and suggests the nearest name.
    """
    named = getattr(model, "layers", None)
    named = dict(named) if isinstance(named, Mapping) else {}
    inner = model.module if named else model
    modules = {path: module for path, module in inner.named_modules() if path} | named
    if layer in modules:
        return modules[layer], 0
    repeat = re.fullmatch(r"(.+)_(\d+)", str(layer))
    if repeat and repeat[1] in modules:
        return modules[repeat[1]], int(repeat[2])
    known = list(named or modules)
    listing = f"{known[0]} … {known[-1]}" if len(known) > 12 else ", ".join(known)
    raise LookupError(
        f"layer {layer!r} is not in {_name(model)}; it has {listing} (net.layers){did_you_mean(layer, modules)}"
    )


def _name(model: nn.Module) -> str:
    return getattr(model, "name", None) or type(model).__name__


def _listed(layers: Iterable[str]) -> list[str]:
    """The names as a list. A bare string is refused, because it would be read as a list of letters."""
    if isinstance(layers, str) or not isinstance(layers, Iterable) or not (layers := list(layers)):
        raise TypeError(f"layers: expected a list with at least one name, like ['conv1'], got {layers!r}")
    return layers


@contextmanager
def _on_output(model: nn.Module, layers: Iterable[str], act: Callable[[str, Tensor], Tensor | None]) -> Iterator[None]:
    """Inside the `with`, call `act(layer, output)` as each layer runs; a tensor that it returns replaces the output."""
    places = {layer: find(model, layer) for layer in layers}
    runs: Counter[nn.Module] = Counter()
    owner = get_ident()

    def begin(*_: object) -> None:
        if get_ident() == owner:
            runs.clear()

    def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor | None:
        if get_ident() != owner:
            return None
        place = (module, runs[module])
        runs[module] += 1
        for layer in (name for name, wanted in places.items() if wanted == place):
            if not isinstance(output, Tensor):
                raise TypeError(
                    f"layer {layer!r} gives a {type(output).__name__}; choose one that gives a single tensor"
                )
            changed = act(layer, output)
            output = output if changed is None else changed
        return output

    handles = [model.register_forward_pre_hook(begin)]
    try:
        handles += [module.register_forward_hook(hook) for module in {module for module, _ in places.values()}]
        yield
    finally:
        for handle in handles:
            handle.remove()


# --- reading and overriding -----------------------------------------------------------------------------------------


class _Enough(Exception):
    """Raised inside a forward pass to stop it once every requested layer has been read."""


@contextmanager
def recording(model: nn.Module, layers: Iterable[str]) -> Iterator[dict[str, Tensor]]:
    """Inside the `with`, every forward pass of `model` stores the outputs of `layers` in the dictionary it yields.

    The outputs are part of the graph of that forward pass, so `torch.autograd.grad` of a score with respect to one of
    them works. A later in-place operation (ReLU, `+=`) does not change them.

    Raises:
        LookupError: A layer does not exist.
        TypeError: `layers` is not a list with at least one name, or a layer's output is not a single tensor.

    Example:
        >>> with recording(net, ["relu7"]) as activations:
        ...     score = net(photo)[0, 281]
        >>> (gradient,) = torch.autograd.grad(score, activations["relu7"])
    """
    layers, activations = _listed(layers), {}

    def keep(layer: str, output: Tensor) -> Tensor:
        activations[layer] = output
        return output.clone()  # the network goes on with a copy, so an in-place ReLU cannot overwrite what was read

    with _on_output(model, layers, keep):
        yield activations


def read(model: nn.Module, images: Tensor, layers: Iterable[str], grad: bool = False) -> dict[str, Tensor]:
    """The activations of any set of layers, from one forward pass that stops as soon as all of them are known.

    Args:
        model: A `Network` or any `nn.Module`.
        images: `(N, 3, H, W)` in [0, 1] for a `Network`, else whatever the module takes.
        layers: Names of layers, in any order.
        grad: Keep the graph, so that gradients flow from the activations to `images`.

    Returns:
        layer name -> output `(N, C, H, W)`, or `(N, K)` after a linear layer, in the order of `layers`.

    Raises:
        LookupError: A layer does not exist, or does not run in the forward pass.
        TypeError: `layers` is not a list with at least one name, or a layer's output is not a single tensor.

    Example:
        >>> read(net, photo, ["conv1", "relu5"])["conv1"].shape
        torch.Size([1, 64, 48, 48])
    """
    layers = _listed(layers)
    activations: dict[str, Tensor] = {}

    def keep(layer: str, output: Tensor) -> Tensor:
        activations[layer] = output
        if len(activations) == len(set(layers)):
            raise _Enough
        return output.clone()  # as in recording

    with torch.set_grad_enabled(grad), _on_output(model, layers, keep):
        try:
            model(images)
        except _Enough:
            return {layer: activations[layer] for layer in layers}
    missing = next(layer for layer in layers if layer not in activations)
    raise LookupError(f"layer {missing!r} was not run in the forward pass of {_name(model)}: choose a layer that runs")


@contextmanager
def override(model: nn.Module, changes: Mapping[str, Callable[[Tensor], Tensor]]) -> Iterator[None]:
    """Inside the `with`, replace the output of each named layer by `changes[layer](output)`.

    Raises:
        LookupError: A layer does not exist.
        TypeError: A layer's output is not a single tensor.

    Example:
        >>> with override(net, {"relu3": lambda activation: activation * (activation > 1)}):
        ...     logits = net(photo)
    """
    with _on_output(model, changes, lambda layer, output: changes[layer](output)):
        yield


# --- the backward rule of every ReLU --------------------------------------------------------------------------------

ReluRule = Callable[[Tensor, Tensor], Tensor]

RELU_RULES: dict[str, ReluRule] = {
    # the gradient with respect to the ReLU's output, the ReLU's input x -> the gradient with respect to that input
    "backprop": lambda gradient, x: gradient * (x > 0),
    "deconvnet": lambda gradient, x: gradient * (gradient > 0),  # Zeiler and Fergus 2014
    "guided": lambda gradient, x: gradient * (x > 0) * (gradient > 0),  # Springenberg et al. 2015
}

_RELUS = {nn.functional.relu, torch.relu, Tensor.relu}
_INPLACE_RELUS = {nn.functional.relu_, torch.relu_, Tensor.relu_}
_CLAMPS = {torch.clamp, torch.clamp_min, torch.clip, Tensor.clamp, Tensor.clamp_min, Tensor.clip}
_INPLACE_CLAMPS = {torch.clamp_, torch.clamp_min_, torch.clip_, Tensor.clamp_, Tensor.clamp_min_, Tensor.clip_}


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, rule: ReluRule, inplace: bool) -> Tensor:
        ctx.rule = rule
        ctx.save_for_backward(x.clone() if inplace else x)
        if not inplace:
            return x.clamp(min=0)
        ctx.mark_dirty(x)
        return x.clamp_(min=0)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.rule(gradient, *ctx.saved_tensors), None, None


class _EveryRelu(TorchFunctionMode):
    """Intercepts each ReLU as it is called, so it does not matter how the model is written."""

    def __init__(self, rule: ReluRule):
        super().__init__()
        self.rule = rule

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        clamps = function in _CLAMPS | _INPLACE_CLAMPS and _clamps_at_zero(*args[1:], **kwargs)
        if not clamps and function not in _RELUS | _INPLACE_RELUS:
            return function(*args, **kwargs)
        x = args[0] if args else kwargs["input"]
        inplace = function in _INPLACE_RELUS | _INPLACE_CLAMPS
        if function is nn.functional.relu:
            inplace = bool(kwargs.get("inplace", args[1] if len(args) > 1 else False))
        return _Relu.apply(x, self.rule, inplace)


def _clamps_at_zero(min: object = None, max: object = None, input: object = None, out: object = None) -> bool:
    return isinstance(min, int | float) and min == 0 and max is None and out is None


@contextmanager
def relu_rule(model: nn.Module, rule: str | ReluRule) -> Iterator[None]:
    """Inside the `with`, every ReLU that `model` runs follows `rule` in the backward pass; the forward is unchanged.

    Args:
        model: The network. ReLUs outside its forward pass keep their usual gradient.
        rule: 'backprop', 'deconvnet' or 'guided', or a function `(gradient, x) -> gradient`. It takes the gradient with
            respect to the ReLU's output and the ReLU's input x, and returns the gradient with respect to x; all three
            have the same shape.

    This works for `nn.ReLU`, in-place, functional and reused ReLUs and `clamp(min=0)`: the calls are intercepted, and
    nothing in the model is changed. The rule applies to forward passes made inside the `with`; the backward pass may
    come later.

    Raises:
        LookupError: The name of the rule is unknown.

    Example:
        >>> with relu_rule(net, "guided"):
        ...     net(photo)[0, 281].backward()
    """
    if isinstance(rule, str):
        if rule not in RELU_RULES:
            raise LookupError(
                f"ReLU rule {rule!r} is unknown; choose {', '.join(RELU_RULES)} or pass a function of (gradient, x)"
            )
        rule = RELU_RULES[rule]
    owner, running = get_ident(), []

    def enter(*_: object) -> None:
        if get_ident() == owner:
            running.append(_EveryRelu(rule))
            running[-1].__enter__()

    def leave(*_: object) -> None:
        if get_ident() == owner and running:
            running.pop().__exit__(None, None, None)

    with ExitStack() as stack:
        stack.callback(model.register_forward_pre_hook(enter).remove)
        stack.callback(model.register_forward_hook(leave, always_call=True).remove)
        yield
