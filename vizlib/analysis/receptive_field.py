"""Which pixels a cell of a feature map can see: its receptive field, for every cell and channel of any architecture.

A cell takes its input from some cells of the layer before. So the bottom edge of what it sees is the maximum of the
bottom edges of what *they* see, and likewise for the other three edges. Where a convolution adds values, the edges take
a maximum. One forward pass therefore gives the exact box of every cell. With each tensor we carry the four edges of
what its elements see, as `-top, bottom, -left, right`, so that all four only grow. Convolution and pooling become max
pooling of the edges, a sum of branches becomes their maximum, and padding sees nothing.

An operation that is not known here (attention, a global mean, a linear layer) is assumed to see everything that its
inputs see, so a box may be larger than necessary, but never too small.
"""

from collections.abc import Callable, Iterable, Iterator
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vizlib import hooks
from vizlib.images import Box
from vizlib.models.at_rest import at_rest
from vizlib.models.choosing import as_integer


def receptive_field(
    net: nn.Module, layer: str, cell: tuple[int, int], size: int | tuple[int, int], channel: int | None = None
) -> Box:
    """The smallest box of input pixels that one cell of a layer's map depends on, clipped at the image's border.

    Args:
        net: A `Network`, or any module that takes images `(N, 3, H, W)`.
        layer: The layer's name.
        cell: (row, column) in the layer's feature map; (0, 0) for a layer without one, such as a linear layer.
        size: The side of the image in pixels, or (height, width).
        channel: The channel; None takes the box around the receptive fields of all channels. They differ where
            branches with different kernels are concatenated, as in SqueezeNet and GoogLeNet.

    Raises:
        LookupError: The layer does not exist.
        IndexError: The layer has no such cell or channel.
        ValueError: The layer's output is neither `(N, C, h, w)` nor `(N, K)`.

    Example:
        >>> receptive_field(net, "conv2", (0, 5), 64)  # one cell of MiniVGG
        Box(top=0, bottom=6, left=5, right=16)
    """
    boxes = receptive_fields(net, [layer], size)[layer]
    channels, height, width = boxes.shape[:3]
    row, column = cell
    if not (0 <= row < height and 0 <= column < width):
        raise IndexError(f"cell {cell} is not in {layer}: its map has {height}x{width} cells, counted from 0")
    if channel is not None and not 0 <= channel < channels:
        raise IndexError(f"channel {channel} is not in {layer}: it has {channels}, counted from 0")
    here = boxes[:, row, column] if channel is None else boxes[channel, row, column][None]
    (top, left), (bottom, right) = here[:, [0, 2]].amin(0).tolist(), here[:, [1, 3]].amax(0).tolist()
    return Box(top, bottom, left, right)


_known: WeakKeyDictionary[nn.Module, tuple[tuple, dict[tuple, Tensor]]] = WeakKeyDictionary()


def receptive_fields(net: nn.Module, layers: Iterable[str], size: int | tuple[int, int]) -> dict[str, Tensor]:
    """The receptive field of every cell of several layers, from one forward pass.

    The result is remembered for each network and size, until a module of the network or its code is changed.

    Args:
        net: A `Network`, or any module that takes images `(N, 3, H, W)`.
        layers: The layers' names.
        size: The side of the image in pixels, or (height, width).

    Returns:
        layer -> int32 `(C, h, w, 4)`: top, bottom, left and right of what each cell sees, in pixels of the image. A
        layer whose output is `(N, K)` has `(K, 1, 1, 4)`. A cell that sees only padding has four zeros.

    Raises:
        LookupError: A layer does not exist.
        ValueError: A layer's output is neither `(N, C, h, w)` nor `(N, K)`.
    """
    layers, size = list(layers), (size, size) if as_integer(size) else tuple(size)
    made_of = tuple((type(part), getattr(part.forward, "__code__", None), part.extra_repr()) for part in net.modules())
    if _known.get(net, (None,))[0] != made_of:
        _known[net] = made_of, {}
    known = _known[net][1]
    if missing := [layer for layer in layers if (layer, size) not in known]:
        parameter = next(net.parameters(), torch.zeros(()))
        channels = getattr(net, "channels", 3)  # a `Network` may take grey images
        image = torch.zeros(1, channels, *size, dtype=parameter.dtype, device=parameter.device)
        with at_rest(net), _Trace(net, size) as trace:
            image.edges = trace.pixels(channels)
            outputs = hooks.read(net, image, missing)
        known |= {(layer, size): _boxes(layer, trace.edges(output)) for layer, output in outputs.items()}
    return {layer: known[layer, size] for layer in layers}


def _boxes(layer: str, edges: Tensor) -> Tensor:
    if edges.ndim not in (3, 5):
        shape = tuple(edges.shape[1:])
        raise ValueError(f"layer {layer!r} has shape {shape}; expected maps (N, C, h, w) or a vector (N, K)")
    edges = edges[:, 0] if edges.ndim == 5 else edges[:, 0, :, None, None]
    same = bool((edges == edges[:, :1]).all())
    boxes = (edges[:, :1] if same else edges).movedim(0, -1) * torch.tensor([-1.0, 1.0, -1.0, 1.0])
    boxes = boxes.nan_to_num(posinf=0, neginf=0).int()
    return boxes.expand(edges.shape[1], *boxes.shape[1:])


# --- edges that are carried along with the values -------------------------------------------------------------------


class _Trace(TorchFunctionMode):
    """Inside the `with`, every operation's output gets its `edges`, `(4, *output.shape)`; None for a constant."""

    def __init__(self, net: nn.Module, size: tuple[int, int]):
        super().__init__()
        self.size = size
        self.constants = {id(tensor) for tensor in (*net.parameters(), *net.buffers())}

    def pixels(self, channels: int) -> Tensor:
        """The edges of an image, `(4, 1, C, H, W)`: each pixel sees itself."""
        height, width = self.size
        rows, columns = torch.arange(height).float()[:, None], torch.arange(width).float()
        edges = (-rows, rows + 1, -columns, columns + 1)
        return torch.stack([edge.expand(1, channels, height, width) for edge in edges])

    def edges(self, tensor: Tensor) -> Tensor | None:
        """The edges of a tensor, or None for a constant; a tensor of unknown origin sees the whole image."""
        if id(tensor) in self.constants:
            return None
        if not hasattr(tensor, "edges"):
            tensor.edges = self.everything(tensor.shape)
        return tensor.edges

    def everything(self, shape: torch.Size) -> Tensor:
        """The edges of a tensor of this shape whose elements all see the whole image."""
        return _spread(torch.tensor([0.0, self.size[0], 0.0, self.size[1]]), shape)

    def __torch_function__(self, function: Callable, types: object, args: tuple = (), kwargs: dict | None = None):
        kwargs = kwargs or {}
        seen = [edges for tensor in _tensors((args, kwargs)) if (edges := self.edges(tensor)) is not None]
        output = function(*args, **kwargs)
        for tensor, edges in _follow(function, seen, output, args, kwargs):
            tensor.edges = edges
        if function.__name__.endswith("_") and args and output is args[0] and output._base is not None:
            output._base.edges = self.everything(output._base.shape)  # changed through a view
        return output


def _follow(function: Callable, seen: list[Tensor], output: object, args: tuple, kwargs: dict) -> Iterator[tuple]:
    """Each tensor of an output with its edges, which follow from `seen`, the edges of the inputs without constants."""
    name = function.__name__
    outputs = list(_tensors(args[0] if name == "__setitem__" else output))
    plain, image = name.strip("_"), seen[0] if len(seen) == 1 and args and isinstance(args[0], Tensor) else None
    if not seen or name in FACTORIES:  # a tensor made from plain numbers may depend on anything
        constant = name in FACTORIES or next(_tensors((args, kwargs)), None) is not None
        yield from ((tensor, None) for tensor in outputs if constant)
    elif plain in POINTWISE:
        yield from ((tensor, _union(seen, tensor.shape)) for tensor in outputs)
    elif name in LAYOUT and image is not None:
        moved = [list(_tensors(function(edge.contiguous(), *args[1:], **kwargs))) for edge in image]
        yield from ((tensor, torch.stack(four)) for tensor, *four in zip(outputs, *moved, strict=True))
    elif plain in LOCAL and image is not None and image.ndim == 5:
        yield from ((tensor, LOCAL[plain](image, *args[1:], **kwargs)) for tensor in outputs)
    elif name in ("cat", "concat") and len(seen) == len(args[0]):
        dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
        yield from ((tensor, torch.cat(seen, dim + 1 if dim >= 0 else dim)) for tensor in outputs)
    elif outputs:
        everything = torch.stack([edges.reshape(4, -1).amax(1) for edges in seen]).amax(0)
        yield from ((tensor, _spread(everything, tensor.shape)) for tensor in outputs)


def _tensors(thing: object) -> Iterator[Tensor]:
    if isinstance(thing, Tensor):
        yield thing
    elif isinstance(thing, tuple | list | dict):
        for part in thing.values() if isinstance(thing, dict) else thing:
            yield from _tensors(part)


def _spread(four: Tensor, shape: torch.Size) -> Tensor:
    """The same four edges for every element of a tensor of this shape."""
    return four.reshape(4, *[1] * len(shape)).expand(4, *shape)


def _union(seen: list[Tensor], shape: torch.Size) -> Tensor:
    """The outermost edges of the elements of several tensors, broadcast to a shape as the tensors themselves are."""
    spread = [edges.reshape(4, *[1] * (len(shape) + 1 - edges.ndim), *edges.shape[1:]) for edges in seen]
    union = spread[0]
    for edges in spread[1:]:
        union = torch.maximum(union, edges)
    return union.expand(4, *shape)


# --- operations that read a window ----------------------------------------------------------------------------------


def _pair(number: int | tuple[int, ...]) -> tuple[int, int]:
    return (number, number) if isinstance(number, int) else tuple(number) * (2 // len(number))


def _conv2d(edges: Tensor, weight: Tensor, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """The edges after a convolution: every output channel reads a window of all input channels of its group."""
    kernel, dilation = tuple(weight.shape[2:]), _pair(dilation)
    if isinstance(padding, str):
        extra = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)]
    else:
        extra = [2 * p for p in _pair(padding)]
    (above, left), (below, right) = [e // 2 for e in extra], [e - e // 2 for e in extra]
    channels = edges[:, 0, :1] if groups == 1 and edges.stride(2) == 0 else edges[:, 0]
    grouped = channels.unflatten(1, (groups, -1)).amax(2)
    padded = F.pad(grouped, (left, right, above, below), value=float("-inf"))
    windows = F.max_pool2d(padded, kernel, _pair(stride), 0, dilation)
    return windows[:, None, :, None].expand(-1, -1, -1, len(weight) // groups, -1, -1).flatten(2, 3)


def _max_pool2d(edges: Tensor, *args: object, **kwargs: object) -> Tensor:
    """The edges after max pooling of each channel; if all channels see the same, one is computed for all."""
    channels = edges[:, 0, :1] if edges.stride(2) == 0 else edges[:, 0]
    kwargs.pop("return_indices", None)
    pooled = F.max_pool2d(channels, *args[:5], **kwargs)
    return pooled[:, None].expand(-1, -1, edges.shape[2], -1, -1)


def _avg_pool2d(edges: Tensor, kernel_size, stride=None, padding=0, ceil_mode=False, *_, **__) -> Tensor:
    return _max_pool2d(edges, kernel_size, stride, padding, 1, ceil_mode)


def _adaptive_pool2d(edges: Tensor, output_size, *_, **__) -> Tensor:
    return F.adaptive_max_pool2d(edges[:, 0], output_size)[:, None]


def _pad(edges: Tensor, pad, mode="constant", value=None) -> Tensor:
    if mode == "constant":
        return F.pad(edges, pad, value=float("-inf"))
    return F.pad(edges[:, 0], pad, mode)[:, None]


def _batch_norm(edges: Tensor, *args: object, training: bool = False, **_: object) -> Tensor:
    """The edges after batch normalisation: unchanged in eval mode, all that the batch sees in training mode."""
    training = args[4] if len(args) > 4 else training
    return _spread(edges.flatten(1).amax(1), edges.shape[1:]) if training else edges


LOCAL: dict[str, Callable[..., Tensor]] = {
    "conv2d": _conv2d,
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_pool2d,
    "adaptive_max_pool2d": _adaptive_pool2d,
    "pad": _pad,
    "batch_norm": _batch_norm,
}

# Every element of the output is an element of the input, so the edges are moved in the same way.
_MOVERS = """
    __getitem__ chunk split tensor_split narrow select unbind unsqueeze squeeze view reshape flatten unflatten transpose
    permute movedim swapaxes contiguous flip roll channel_shuffle pixel_shuffle pixel_unshuffle
"""

# Every element of the output depends on the inputs' elements at the same place. In-place versions are included.
_POINTWISE = """
    relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish hardswish hardsigmoid hardtanh sigmoid tanh softplus
    softsign logsigmoid threshold dropout dropout2d feature_dropout clamp clamp_min clamp_max clip abs neg exp log log1p
    sqrt rsqrt square pow add sub mul div true_divide iadd isub imul itruediv radd rsub rmul rtruediv truediv addcmul
    addcdiv lerp maximum minimum where clone detach to float double half bfloat16 type_as cpu cuda
"""
_FACTORIES = "zeros ones empty arange linspace eye zeros_like ones_like empty_like new_zeros new_ones"
LAYOUT, POINTWISE = frozenset(_MOVERS.split()), frozenset(_POINTWISE.split())
FACTORIES = frozenset(_FACTORIES.split())
