"""The layers whose windows can be followed: what they do to patches `(B, h, w, C)`, which include their padding."""

import operator
from collections.abc import Callable

import torch
from torch import Tensor, fx, nn
from torch.fx import Node

from vizlib.analysis.incremental.windows import Reach

_POINTWISE = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Sigmoid, nn.Dropout, nn.Identity)
_RELUS = (nn.functional.relu, torch.relu, "relu")  # the last is x.relu()
_ADDS = (operator.add, operator.iadd, torch.add)


class Convolution:
    """A convolution as one matrix product (im2col).

    A row of the left matrix holds the kernel * kernel * C numbers that one output pixel reads; a column of the right
    matrix holds the weights of one output channel. For windows this is faster than the library's convolution, which
    compiles new code for every window size.
    """

    def __init__(self, layer: nn.Conv2d):
        self.layer = layer
        self.matrix = layer.weight.permute(2, 3, 1, 0).flatten(0, 2).contiguous()

    def __call__(self, patches: Tensor) -> Tensor:
        layer = self.layer
        if layer.groups > 1:
            options = layer.stride, 0, layer.dilation, layer.groups
            return _channels_first(nn.functional.conv2d, patches, layer.weight, layer.bias, *options)
        pixels = im2col(patches, layer.kernel_size, layer.stride, layer.dilation)
        rows = pixels.reshape(-1, len(self.matrix))
        outputs = rows @ self.matrix if layer.bias is None else torch.addmm(layer.bias, rows, self.matrix)
        return outputs.view(*pixels.shape[:3], -1)


def im2col(
    patches: Tensor, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1), dilation: tuple[int, int] = (1, 1)
) -> Tensor:
    """The numbers that each output pixel reads, `(B, h', w', kernel, kernel, C)`: a view, so nothing is copied."""
    batch, *sizes, channels = patches.shape
    b, *steps, c = patches.stride()
    out = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)]
    from_pixel = [step * s for step, s in zip(steps, stride, strict=True)]
    in_kernel = [step * d for step, d in zip(steps, dilation, strict=True)]
    return patches.as_strided((batch, *out, *kernel, channels), (b, *from_pixel, *in_kernel, c))


def _channels_first(function: Callable[..., Tensor], patches: Tensor, *options: object) -> Tensor:
    """The result of one of torch's functions for images `(B, C, h, w)` when it is applied to patches."""
    return function(patches.permute(0, 3, 1, 2), *options).permute(0, 2, 3, 1).contiguous()


def max_pooling(layer: nn.MaxPool2d) -> Callable[[Tensor], Tensor]:
    """Max pooling as a function of patches."""
    return lambda patches: _channels_first(
        nn.functional.max_pool2d, patches, layer.kernel_size, layer.stride, 0, layer.dilation
    )


def average_pooling(layer: nn.AvgPool2d) -> Callable[[Tensor], Tensor]:
    """Average pooling as a function of patches."""
    return lambda patches: _channels_first(nn.functional.avg_pool2d, patches, layer.kernel_size, layer.stride)


def normalization(layer: nn.BatchNorm2d) -> Callable[[Tensor], Tensor]:
    """Batch normalisation in eval mode as a function of patches: each channel times a number, plus a number."""
    wide = torch.promote_types(layer.running_var.dtype, torch.float32)  # as torch computes it for half precision
    scale = torch.rsqrt(layer.running_var.to(wide) + layer.eps) * (1 if layer.weight is None else layer.weight)
    shift = (0 if layer.bias is None else layer.bias) - layer.running_mean * scale
    return lambda patches: torch.addcmul(shift, patches, scale).to(patches.dtype)


def concatenation(*patches: Tensor) -> Tensor:
    """Patches of several branches, concatenated along their channels."""
    return torch.cat(patches, -1)


# --- which layer is which? ------------------------------------------------------------------------------------------


def module_of(node: Node, traced: fx.GraphModule) -> nn.Module | None:
    """The module that a node of a traced network calls, or None if it calls none."""
    return traced.get_submodule(node.target) if node.op == "call_module" else None


def reach_of(layer: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) -> tuple[Reach, Reach]:
    """How the layer's outputs depend on its inputs, along rows and along columns."""
    settings = layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1)
    pairs = [(setting, setting) if isinstance(setting, int) else setting for setting in settings]
    return Reach(*(pair[0] for pair in pairs)), Reach(*(pair[1] for pair in pairs))


def pointwise(node: Node, traced: fx.GraphModule) -> Callable[[Tensor], Tensor] | None:
    """The function that a node applies to each number by itself, or None if it does anything else."""
    layer = module_of(node, traced)
    if isinstance(layer, nn.ReLU) or (node.op != "call_module" and node.target in _RELUS):
        return torch.relu
    return layer if isinstance(layer, _POINTWISE) else None


def is_convolution(layer: nn.Module | None) -> bool:
    """Whether the layer is a convolution that can be followed: zero padding, of a given width."""
    return isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def is_max_pooling(layer: nn.Module | None) -> bool:
    """Whether the layer is max pooling that can be followed: it returns the maxima only."""
    return isinstance(layer, nn.MaxPool2d) and not layer.return_indices


def is_average_pooling(layer: nn.Module | None) -> bool:
    """Whether the layer is average pooling that can be followed: every output is the mean of equally many inputs."""
    plain = isinstance(layer, nn.AvgPool2d) and layer.padding in (0, (0, 0)) and not layer.ceil_mode
    return plain and layer.divisor_override is None


def is_normalization(layer: nn.Module | None) -> bool:
    """Whether the layer is batch normalisation that can be followed: it has running statistics."""
    return isinstance(layer, nn.BatchNorm2d) and layer.running_var is not None


def is_sum(node: Node) -> bool:
    """Whether the node adds two feature maps, with no further options."""
    two = len(node.all_input_nodes) == 2 and node.args == tuple(node.all_input_nodes)
    return node.target in _ADDS and two and not node.kwargs


def is_concatenation(node: Node) -> bool:
    """Whether the node concatenates feature maps along their channels."""
    if node.target is not torch.cat or not isinstance(node.args[0], list | tuple):
        return False
    return (node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)) in (1, -3)


def is_mean(node: Node, traced: fx.GraphModule) -> bool:
    """Whether the node averages each whole map to one number, `(N, C, 1, 1)`."""
    layer = module_of(node, traced)
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        return layer.output_size in (1, (1, 1))
    return node.target is nn.functional.adaptive_avg_pool2d and node.args[1:] in (((1, 1),), (1,))
