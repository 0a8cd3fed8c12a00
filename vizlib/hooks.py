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
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vizlib.assets import did_you_mean

OUTPUT = "(output)"  # what `read` calls the network's own output; no module can have this name

# --- layers by name -------------------------------------------------------------------------------------------------


def find(model: nn.Module, layer: str) -> tuple[nn.Module, int]:
    """The module that `layer` names, and which of its runs in a forward pass is meant (0 is the first).

    Raises:
        LookupError: There is no such layer; the message lists those that exist and suggests the nearest name.
    """
    places = getattr(model, "places", None)
    named = dict(places) if isinstance(places, Mapping) else {}
    if layer in named:
        return named[layer]
    inner = model.module if named else model
    modules = {path: module for path, module in inner.named_modules() if path}
    modules |= {name: module for name, (module, run) in named.items() if run == 0}
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
    """Inside the `with`, call `act(layer, output)` as each layer runs; a tensor that it returns replaces the output.

    Raises:
        LookupError: `model` ran to its end, and a layer did not run at all.
    """
    places = {layer: find(model, layer) for layer in layers if layer != OUTPUT}
    turned = getattr(model, "channels_last", ())
    runs: Counter[nn.Module] = Counter()
    owner, seen, ended = get_ident(), set(), False

    def begin(*_: object) -> None:
        if get_ident() == owner:
            runs.clear()

    def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor | None:
        if get_ident() != owner:
            return None
        place = (module, runs[module])
        runs[module] += 1
        for layer in (name for name, wanted in places.items() if wanted == place):
            seen.add(layer)
            if not isinstance(output, Tensor):
                raise TypeError(
                    f"layer {layer!r} gives a {type(output).__name__}; choose one that gives a single tensor"
                )
            maps = output.permute(0, 3, 1, 2) if layer in turned else output
            if (changed := act(layer, maps)) is not None:
                output = changed.permute(0, 2, 3, 1) if layer in turned else changed
        return output

    def end(*_: object) -> None:
        nonlocal ended
        ended = ended or get_ident() == owner

    handles = [model.register_forward_pre_hook(begin)]
    try:
        handles += [module.register_forward_hook(hook) for module in {module for module, _ in places.values()}]
        handles.append(model.register_forward_hook(end))
        yield
    finally:
        for handle in handles:
            handle.remove()
    if ended and (missing := [layer for layer in places if layer not in seen]):
        raise _not_run(model, missing[0])


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
        layers: Names of layers, in any order; `hooks.OUTPUT` is what the model itself returns.
        grad: Keep the graph, so that gradients flow from the activations to `images`.

    Returns:
        layer name -> output `(N, C, H, W)`, or `(N, K)` after a linear layer, in the order of `layers`. Maps that a
        layer of a `Network` gives as `(N, H, W, C)` are turned.

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
            output = model(images)
            if OUTPUT in layers:
                activations[OUTPUT] = output
                return {layer: activations[layer] for layer in layers}
        except _Enough:
            for layer in layers if grad else ():
                check_graph(images, activations[layer], f"layer {layer!r} of {_name(model)}")
            return {layer: activations[layer] for layer in layers}
    raise _not_run(model, next(layer for layer in layers if layer not in activations))


def check_graph(images: Tensor, output: Tensor, what: str) -> None:
    """Raise if a gradient is wanted, and none can flow from an output to the images that it was computed from.

    Raises:
        ValueError: The forward pass broke the graph, with torch.no_grad, numpy or quantised layers.
    """
    if torch.is_grad_enabled() and images.requires_grad and not output.requires_grad:
        raise ValueError(
            f"{what} lets no gradient through: it does not depend on the image, or the forward pass runs under "
            "torch.no_grad, through numpy or through quantised layers. Take that out of it, or use a method without "
            "gradients, such as occlusion"
        )


def _not_run(model: nn.Module, layer: str) -> LookupError:
    return LookupError(
        f"layer {layer!r} was not run in the forward pass of {_name(model)}: choose one of net.layers, which lists "
        "what runs (a traced or scripted network hides its layers)"
    )


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
    # the gradient with respect to the ReLU's output, its slope at its input (1 or 0) -> the gradient there
    "backprop": lambda gradient, slope: gradient * slope,
    "deconvnet": lambda gradient, slope: gradient * (gradient > 0),  # Zeiler and Fergus 2014
    "guided": lambda gradient, slope: gradient * slope * (gradient > 0),  # Springenberg et al. 2015
}

F = nn.functional
_RELUS = {F.relu, torch.relu, Tensor.relu}
_INPLACE_RELUS = {F.relu_, torch.relu_, Tensor.relu_}
_CLAMPS = {torch.clamp, torch.clamp_min, torch.clip, Tensor.clamp, Tensor.clamp_min, Tensor.clip}
_INPLACE_CLAMPS = {torch.clamp_, torch.clamp_min_, torch.clip_, Tensor.clamp_, Tensor.clamp_min_, Tensor.clip_}
_SMOOTH = {
    F.gelu: "GELU",
    F.silu: "SiLU",
    F.mish: "Mish",
    F.hardswish: "Hardswish",
    F.softplus: "Softplus",
    F.elu: "ELU",
    F.elu_: "ELU",
    F.selu: "SELU",
    F.celu: "CELU",
    F.prelu: "PReLU",
}


class _Rectifier(NamedTuple):
    """A ReLU as it was called: below `low` and above `high` it is flat, or falls with the slope `leak`."""

    x: Tensor
    inplace: bool
    high: float = float("inf")
    leak: float = 0.0


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, rule: ReluRule, inplace: bool, high: float, leak: float) -> Tensor:
        ctx.rule, ctx.high, ctx.leak = rule, high, leak
        ctx.save_for_backward(x.clone() if inplace else x)
        if inplace:
            ctx.mark_dirty(x)
        if leak:
            return (F.leaky_relu_ if inplace else F.leaky_relu)(x, leak)
        return x.clamp_(0, high) if inplace else x.clamp(0, high)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        slope = ((x > 0) & (x < ctx.high)).to(gradient.dtype)
        if ctx.leak:
            slope = slope + ctx.leak * (x <= 0)
        return ctx.rule(gradient, slope), None, None, None, None


class _EveryRelu(TorchFunctionMode):
    """Intercepts each ReLU as it is called, so it does not matter how the model is written.

    Args:
        rule: What the backward pass does.
        caught: Counts the ReLUs, as 'relu'.
        refusing: The name of the network whose smooth activations are an error; '' lets them pass.
    """

    def __init__(self, rule: ReluRule, caught: Counter[str], refusing: str):
        super().__init__()
        self.rule, self.caught, self.refusing = rule, caught, refusing

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.refusing and function in _SMOOTH:
            raise ValueError(
                f"{self.refusing} has {_SMOOTH[function]}, for which no rule but its own gradient is defined: "
                "guided backprop and the deconvnet cut the gradient where a ReLU is closed, and this one never closes; "
                "use 'backprop', or a network with ReLU, ReLU6 or LeakyReLU"
            )
        called = _as_rectifier(function, args, kwargs)
        if called is None:
            return function(*args, **kwargs)
        self.caught["relu"] += 1
        return _Relu.apply(called.x, self.rule, called.inplace, called.high, called.leak)


def _as_rectifier(function: Callable, args: tuple, kwargs: Mapping[str, object]) -> _Rectifier | None:
    """What a call of torch computes, if it is a ReLU, a ReLU6 or a LeakyReLU, however it is written."""
    x = args[0] if args else kwargs.get("input")
    if function in _RELUS | _INPLACE_RELUS:
        inplace = function in _INPLACE_RELUS
        if function is F.relu:
            inplace = bool(kwargs.get("inplace", args[1] if len(args) > 1 else False))
        return _Rectifier(x, inplace)
    if function in _CLAMPS | _INPLACE_CLAMPS:
        high = _upper_bound(*args[1:], **kwargs)
        return None if high is None else _Rectifier(x, function in _INPLACE_CLAMPS, high)
    if function is F.relu6:
        return _Rectifier(x, bool(kwargs.get("inplace", args[1] if len(args) > 1 else False)), 6.0)
    if function in (F.hardtanh, F.hardtanh_):  # what nn.ReLU6 calls, with 0 and 6
        low, high, inplace = _named(args[1:], kwargs, min_val=-1.0, max_val=1.0, inplace=function is F.hardtanh_)
        return _Rectifier(x, bool(inplace), high) if low == 0 else None
    if function in (F.leaky_relu, F.leaky_relu_):
        leak, inplace = _named(args[1:], kwargs, negative_slope=0.01, inplace=function is F.leaky_relu_)
        return _Rectifier(x, bool(inplace), leak=leak) if leak >= 0 else None
    return None


def _named(args: tuple, kwargs: Mapping[str, object], **defaults: object) -> list[object]:
    """The values of the parameters that `defaults` names, in this order, as a call gave them."""
    given = dict(zip(defaults, args, strict=False)) | {name: kwargs[name] for name in defaults if name in kwargs}
    return [given.get(name, value) for name, value in defaults.items()]


def _upper_bound(min: object = None, max: object = None, input: object = None, out: object = None) -> float | None:
    """The upper bound of a clamp whose lower one is 0; None where it is another function."""
    if not isinstance(min, int | float) or min != 0 or out is not None:
        return None
    return float("inf") if max is None else float(max) if isinstance(max, int | float) and max > 0 else None


@contextmanager
def relu_rule(model: nn.Module, rule: str | ReluRule, required: bool = True) -> Iterator[Counter[str]]:
    """Inside the `with`, every ReLU that `model` runs follows `rule` in the backward pass; the forward is unchanged.

    Args:
        model: The network. ReLUs outside its forward pass keep their usual gradient.
        rule: 'backprop', 'deconvnet' or 'guided', or a function `(gradient, slope) -> gradient`. It takes the gradient
            with respect to the ReLU's output and the slope of the ReLU at its input (1 where it is open, 0 where it is
            closed), and returns the gradient with respect to the input; all three have the same shape.
        required: Whether a network without any ReLU is an error; False leaves it its plain gradient.

    This works for `nn.ReLU`, in-place, functional and reused ReLUs and `clamp(min=0)`: the calls are intercepted, and
    nothing in the model is changed. ReLU6 has the slope 0 above 6, too, and LeakyReLU a small one below 0; with these
    slopes the same rules hold: the deconvnet keeps positive gradients, guided backprop their product with the slope.
    The rule applies to forward passes made inside the `with`; the backward pass may come later. What the `with` yields
    counts the ReLUs caught so far, as 'relu'.

    Raises:
        LookupError: The name of the rule is unknown.
        ValueError: Not one ReLU ran in the forward passes, or the network has an activation without a rule (GELU, SiLU
            and other smooth ones), unless the rule is 'backprop' or none is `required`.

    Example:
        >>> with relu_rule(net, "guided"):
        ...     net(photo)[0, 281].backward()
    """
    required = required and rule != "backprop"
    if isinstance(rule, str):
        if rule not in RELU_RULES:
            raise LookupError(
                f"ReLU rule {rule!r} is unknown; choose {', '.join(RELU_RULES)} or pass a function of (gradient, slope)"
            )
        rule = RELU_RULES[rule]
    owner, running, caught, passes = get_ident(), [], Counter(), 0

    def enter(*_: object) -> None:
        if get_ident() == owner:
            running.append(_EveryRelu(rule, caught, _name(model) if required else ""))
            running[-1].__enter__()

    def leave(_: object, __: object, output: object) -> None:
        nonlocal passes
        if get_ident() == owner and running:
            running.pop().__exit__(None, None, None)
            passes += output is not None  # it is None where the forward pass raised an exception

    with ExitStack() as stack:
        stack.callback(model.register_forward_pre_hook(enter).remove)
        stack.callback(model.register_forward_hook(leave, always_call=True).remove)
        yield caught
    if required and passes and not caught["relu"]:
        raise ValueError(
            f"{_name(model)} runs no ReLU that can be seen, so every rule would give its plain gradient: it has "
            "another activation, or was traced or scripted, which hides what it runs; wrap the module as it was before"
        )
