"""A faster gradient with respect to the pixels, for networks whose first convolution has a stride above 1.

In the backward pass of a convolution with three input channels, the CPU library pads them to sixteen, so most of its
work is wasted: in SqueezeNet this one layer took a third of the time of a gradient ascent step. But a convolution of
stride s is also a convolution of stride 1 on an image whose s x s blocks of pixels have become channels. There are
3 s^2 of these, so little padding is needed. The forward pass is unchanged; the gradient is the same up to rounding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


def pixel_gradient(gradient: Tensor, weight: Tensor, stride: int, padding: int, size: tuple[int, int]) -> Tensor:
    """The gradient with respect to the input of `conv2d(input, weight, stride=stride, padding=padding)`.

    Args:
        gradient: The gradient with respect to the convolution's output, `(N, O, h, w)`.
        weight: `(O, C, k, k)`.
        stride, padding: Those of the convolution, the same in both directions.
        size: The height H and width W of the input.

    Returns:
        `(N, C, H, W)`.
    """
    blocks = F.pixel_unshuffle(F.pad(weight, (0, -weight.shape[3] % stride, 0, -weight.shape[2] % stride)), stride)
    padded = F.pixel_shuffle(F.conv_transpose2d(gradient, blocks.to(gradient.dtype)), stride)
    right, below = size[1] + padding - padded.shape[3], size[0] + padding - padded.shape[2]
    return F.pad(padded, (-padding, right, -padding, below))  # cuts off the padding; pixels in no window get 0


class _Strided(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.stride, ctx.padding, ctx.size, ctx.dtype = stride, padding, image.shape[2:], image.dtype
        return F.conv2d(image, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        pixels = pixel_gradient(gradient, *ctx.saved_tensors, ctx.stride, ctx.padding, ctx.size)
        return pixels.to(ctx.dtype), None, None, None, None


def worth_it(module: nn.Module) -> bool:
    """Whether a network has a large, strided convolution on RGB, so that intercepting every call pays off."""
    convolutions = (layer for layer in module.modules() if isinstance(layer, nn.Conv2d))
    return any(c.in_channels == 3 and min(c.stride) > 1 and min(c.kernel_size) > 3 for c in convolutions)


class QuickPixelGradients(TorchFunctionMode):
    """Inside the `with`, a frozen, strided convolution on RGB images on the CPU has a faster backward pass."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is F.conv2d and len(args) == 7 and (geometry := _strides_over_pixels(*args)):
            return _Strided.apply(*args[:3], *geometry)
        return function(*args, **(kwargs or {}))


def _strides_over_pixels(
    image: Tensor, weight: Tensor, bias: Tensor | None, stride: object, padding: object, dilation: object, groups: int
) -> tuple[int, int] | None:
    """The stride and padding of a call of `F.conv2d` to speed up, with the arguments as `nn.Conv2d` passes them.

    It is None for any call that has to run as usual.
    """
    square = all(isinstance(pair, tuple) and len(set(pair)) == 1 for pair in (stride, padding, dilation))
    frozen = not any(parameter is not None and parameter.requires_grad for parameter in (weight, bias))
    pixels = image.requires_grad and image.ndim == 4 and image.shape[1] == 3 and image.device.type == "cpu"
    if not (square and frozen and pixels) or stride[0] < 2 or dilation[0] != 1 or groups != 1:
        return None
    return stride[0], padding[0]
