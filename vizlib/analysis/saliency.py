"""Which pixels matter for a class, by gradient: one backward pass through the network (Simonyan et al. 2014).

The pixel methods return signed *attributions* `(N, 3, H, W)`; `importance` turns them into maps. A plain gradient is in
units of the class score (the logit) per unit of brightness, the others are in units of the score. `METHODS` offers all
of them, and the class activation maps, in one form: functions of a network, images and a target that return maps
`(N, H, W)`, not negative and larger where a pixel matters more.

Gradients are with respect to the image in [0, 1], not the normalised one. A target is a class by name or index, one for
each image, or None for the class that the network predicts; see `Network.class_indices`. Gradients are those of the
logit, not of the probability, because a probability also rises when the other classes fall.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from vizlib.hooks import recording
from vizlib.models import Network, Target, stages
from vizlib.optimize import last

_ROOM = (-0.5, 1.5)  # the range that a Network accepts, for images with something added to them


# --- the class and its score ----------------------------------------------------------------------------------------


@torch.no_grad()
def predicted(net: Network, images: Tensor) -> Tensor:
    """The index of the class with the highest logit for each image `(N, 3, H, W)`, `(N,)` int64."""
    return net(images).argmax(1)


def class_scores(net: Network, images: Tensor, target: Target = None) -> Tensor:
    """The logit of the target class for each image, `(N,)`.

    Raises:
        LookupError, ValueError: The target is not a class of this network; see `Network.class_indices`.
    """
    logits = net(images)
    return logits[range(len(logits)), net.class_indices(target, logits)]


# --- attributions of pixels -----------------------------------------------------------------------------------------


def gradient(net: Network, images: Tensor, target: Target = None) -> Tensor:
    """The gradient dS/dx of the class score S with respect to each value of the image.

    Args:
        images: `(N, 3, H, W)` in [0, 1].
        target: A class by name or index, one for each image, or None for the predicted class.

    Returns:
        `(N, 3, H, W)`, signed. Neither the images nor the network's parameters keep a gradient.

    Raises:
        LookupError, ValueError: The target is not a class of this network; see `Network.class_indices`.

    Paper: Simonyan et al. 2014, section 3.
    """
    x = images.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        score = class_scores(net, x, target).sum()  # an image's score depends on no other image of the batch
    return torch.autograd.grad(score, x)[0]


def gradient_times_input(net: Network, images: Tensor, target: Target = None) -> Tensor:
    """The gradient times the input, dS/dx * x, `(N, 3, H, W)` in units of the score.

    If the score were linear, this would be what each value contributes to it compared with a black image.

    Paper: Shrikumar et al. 2016, section 2.2.
    """
    return gradient(net, images, target) * images


class Smoothed(NamedTuple):
    """The mean gradient `(N, 3, H, W)` over the first `done` of `total` noisy copies."""

    attributions: Tensor
    done: int
    total: int


def smoothing(
    net: Network, images: Tensor, target: Target = None, samples: int = 16, noise: float = 0.2, seed: int = 0
) -> Iterator[Smoothed]:
    """The mean gradient over noisy copies of the image, sample by sample: 1/n sum of dS/dx at x + N(0, noise^2).

    Args:
        samples: n, the number of copies.
        noise: The standard deviation of the noise, in units of [0, 1]. Copies are clipped to [-0.5, 1.5], which has
            almost no effect for noise up to 0.1.
        seed: The seed of the noise, which is the same on every device.

    Yields:
        A `Smoothed` after each sample: the mean over the samples so far, signed.

    Raises:
        ValueError: `samples` is less than 1, or `noise` is negative.

    Paper: Smilkov et al. 2017.
    """
    if samples < 1 or noise < 0:
        raise ValueError(f"samples = {samples}, noise = {noise}: expected at least 1 sample and noise of at least 0")
    target = predicted(net, images) if target is None else target
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros_like(images)
    for done in range(1, samples + 1):
        added = noise * torch.randn(images.shape, generator=generator).to(images.device)
        total = total + gradient(net, (images + added).clamp(*_ROOM), target)
        yield Smoothed(total / done, done, samples)


def smoothgrad(
    net: Network, images: Tensor, target: Target = None, samples: int = 16, noise: float = 0.2, seed: int = 0
) -> Tensor:
    """SmoothGrad, the mean gradient `(N, 3, H, W)` over all noisy copies: the last result of `smoothing`."""
    return last(smoothing(net, images, target, samples, noise, seed)).attributions


def integrated_gradients(
    net: Network, images: Tensor, target: Target = None, steps: int = 32, baseline: Tensor | float = 0.0
) -> Tensor:
    """What each value contributes to the score along the straight line from a baseline b to the image x.

    It is (x - b) * integral over a from 0 to 1 of dS/dx at b + a (x - b), computed by the midpoint rule. The
    contributions add up to S(x) - S(b) ("completeness"), apart from an error that falls with `steps`.

    Args:
        steps: The number of gradients that approximate the integral.
        baseline: An image `(1 or N, 3, H, W)`, or the grey level of a uniform image; 0 is black.

    Returns:
        `(N, 3, H, W)`, signed, in units of the score.

    Raises:
        ValueError: `steps` is less than 1.

    Paper: Sundararajan et al. 2017, eq. 1 and proposition 1.
    """
    if steps < 1:
        raise ValueError(f"steps = {steps}: expected at least 1")
    target = predicted(net, images) if target is None else target
    way = images - baseline
    total = torch.zeros_like(images)
    for step in range(steps):
        total = total + gradient(net, baseline + (step + 0.5) / steps * way, target)
    return way * total / steps


def importance(attributions: Tensor) -> Tensor:
    """The map `(N, H, W)` of attributions `(N, 3, H, W)`: the largest absolute value of a pixel's three channels."""
    return attributions.abs().amax(1)


# --- class activation maps ------------------------------------------------------------------------------------------


class _End(TorchFunctionMode):
    """Inside the `with`, keeps the last maps `(N, C, h, w)` of a forward pass, and what its last linear layer did.

    It sees every call of torch, so it does not matter whether a layer is a module or is written out in `forward`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maps: deque[Tensor] = deque(maxlen=8)
        self.linear: tuple[Tensor, Tensor, Tensor] | None = None  # its input, weight and output

    def __torch_function__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        if function is F.linear:
            x, weight = [*args, *(kwargs or {}).values()][:2]
            self.linear = x, weight, output
        elif isinstance(output, Tensor) and output.ndim == 4 and not isinstance(output, nn.Parameter):
            self.maps.append(output)
        return output

    def weighted(self, logits: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Maps and the weights `(K, C)` of a linear layer that takes their means and gives the logits.

        The weights are the identity for maps whose means are the logits.
        """
        heads = [(logits, torch.eye(logits.shape[1]).to(logits))]
        if self.linear is not None and _same(self.linear[2], logits, logits.abs().max()):
            heads.append(self.linear[:2])
        for maps in self.maps:
            wide = maps.to(torch.promote_types(maps.dtype, torch.float32))
            for means, weight in heads:
                if _same(wide.mean((2, 3)), means, wide.abs().mean((2, 3)).max()):
                    yield wide, weight.to(wide.dtype)


def _same(a: Tensor, b: Tensor, size: Tensor) -> bool:
    """Whether two tensors agree up to rounding, for numbers of this size."""
    eps = max(torch.finfo(tensor.dtype).eps for tensor in (a, b))
    return a.shape == b.shape and bool((a - b).abs().max() <= eps**0.5 * size)


@torch.no_grad()
def class_activation_map(net: Network, images: Tensor, target: Target = None) -> Tensor:
    """CAM: where the evidence for a class is, in a network that ends in global average pooling and one linear layer.

    With the last feature maps f_k and the weights w_k of the class, CAM is the sum over k of w_k f_k(i, j). Its mean
    over positions, plus the bias of the class, is the logit; maps and weights are found by this, however the pooling is
    written. Where a convolution makes one map for each class, as in SqueezeNet, CAM is that map.

    Returns:
        `(N, h, w)`, the size of the last feature maps, signed, in units of the score.

    Raises:
        ValueError: The network does not end like this.
        LookupError, ValueError: The target is not a class of this network; see `Network.class_indices`.

    Paper: Zhou et al. 2016, eq. 2.
    """
    with _End() as end:
        logits = net(images)
    largest = max((maps.shape[2:].numel() for maps in end.maps), default=0)
    found = [pair for pair in end.weighted(logits) if pair[0].shape[2:].numel() > 1 or largest == 1]
    if not found:  # or only what has been pooled already
        raise ValueError(f"{net.name} does not end in global average pooling and one linear layer: use grad_cam")
    maps, weight = found[-1]
    return torch.einsum("nchw,nc->nhw", maps, weight[net.class_indices(target, logits)])


def grad_cam(net: Network, images: Tensor, target: Target = None, layer: str | None = None) -> Tensor:
    """Grad-CAM: the positive part of a sum of feature maps, each weighted by the mean gradient of the score over it.

    It is relu(sum over k of a_k f_k(i, j)), where a_k is the mean over positions of dS/df_k(i, j).

    Args:
        layer: A name in `net.layers` whose output is `(N, C, h, w)`; None takes `stages.last_maps(net)`.

    Returns:
        `(N, h, w)`, the size of the layer's feature maps, not negative.

    Raises:
        LookupError: The layer does not exist or does not run, or there is no class of this name.
        ValueError: The layer has no feature maps, the score does not depend on it, or the target is not a class of
            this network.

    Paper: Selvaraju et al. 2017, eq. 1 and 2.
    """
    layer = stages.last_maps(net) if layer is None else layer
    x = images.detach().clone().requires_grad_(True)
    with torch.enable_grad(), recording(net, [layer]) as activations:
        score = class_scores(net, x, target).sum()
    if layer not in activations:
        raise LookupError(f"layer {layer!r} was not run in the forward pass of {net.name}: choose another layer")
    maps = activations[layer]
    if maps.ndim != 4:
        raise ValueError(
            f"layer {layer!r} gives shape {tuple(maps.shape)}, not maps (N, C, h, w): choose an earlier one"
        )
    joined = score.requires_grad and maps.requires_grad  # not so behind a detach()
    gradient = torch.autograd.grad(score, maps, allow_unused=True)[0] if joined else None
    if gradient is None:
        raise ValueError(f"layer {layer!r}: the class score of {net.name} does not depend on it; choose another layer")
    wide = torch.promote_types(maps.dtype, torch.float32)
    weights = gradient.mean((2, 3), keepdim=True, dtype=wide)
    return (weights * maps.detach()).sum(1).relu()


# --- all in one form ------------------------------------------------------------------------------------------------


def resized(maps: Tensor, images: Tensor) -> Tensor:
    """Maps `(N, h, w)` resized bilinearly to the height and width of the images: `(N, H, W)`."""
    return F.interpolate(maps[:, None], images.shape[2:], mode="bilinear", align_corners=False)[:, 0]


Method = Callable[[Network, Tensor, Target], Tensor]

METHODS: dict[str, Method] = {
    "gradient": lambda net, images, target=None: importance(gradient(net, images, target)),
    "gradient x input": lambda net, images, target=None: importance(gradient_times_input(net, images, target)),
    "SmoothGrad": lambda net, images, target=None: importance(smoothgrad(net, images, target)),
    "integrated gradients": lambda net, images, target=None: importance(integrated_gradients(net, images, target)),
    "Grad-CAM": lambda net, images, target=None: resized(grad_cam(net, images, target), images),
    "CAM": lambda net, images, target=None: resized(class_activation_map(net, images, target).relu(), images),
}


def rescaled(maps: Tensor, quantile: float = 0.99) -> Tensor:
    """Maps `(N, H, W)`, not negative, scaled to [0, 1] for display: 1 is the `quantile` of each map.

    Where that is 0, because few pixels have a value at all, 1 is the maximum. A map of zeros stays one.
    """
    flat = maps.flatten(1)
    top = flat.quantile(quantile, dim=1)
    top = torch.where(top > 0, top, flat.amax(1))[:, None, None]
    return torch.where(top > 0, maps / top, 0.0).clamp(0, 1)
