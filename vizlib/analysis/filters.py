"""The weights of convolutions as images, and how far they are from noise (Krizhevsky et al. 2012, figure 3)."""

import copy
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vizlib import assets, images
from vizlib.hooks import read
from vizlib.models import Network


def convolutions(net: nn.Module) -> dict[str, nn.Conv2d]:
    """Every convolution of a network by layer name (or else module path), in the order in which the module has them."""
    inner = getattr(net, "module", net)
    fields = {id(module): name for name, module in getattr(net, "layers", {}).items()}
    return {
        fields.get(id(module), path): module for path, module in inner.named_modules() if isinstance(module, nn.Conv2d)
    }


def filters(net: nn.Module, layer: str | None = None) -> Tensor:
    """A copy of the weights of one convolution, float32 on the CPU.

    Args:
        layer: A name in `convolutions(net)`; None takes the first, whose filters are applied to the image itself.

    Returns:
        `(filters, input channels, height, width)`; the input channels of the first layer are R, G and B.

    Raises:
        LookupError: The layer is not a convolution of this network.
    """
    layers = convolutions(net)
    if layer is None and layers:
        layer = next(iter(layers))
    if layer not in layers:
        some = ", ".join(list(layers)[:12]) or "none"
        raise LookupError(f"layer {layer!r} is not a convolution of this network; its convolutions are {some}")
    return layers[layer].weight.detach().float().cpu().clone()


def as_images(weights: Tensor) -> Tensor:
    """Filters scaled to [0, 1], each by its own largest absolute weight; a weight of zero becomes grey (0.5).

    Args:
        weights: `(F, C, h, w)`, any range.

    Returns:
        `(F, C, h, w)` in [0, 1]; with C = 3 they are images.
    """
    largest = weights.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    return 0.5 + 0.5 * weights / largest


def pictured(name: str = "squeezenet1_0", size: int = 7) -> Tensor:
    """The first-layer filters of a published network, `(F, 3, size, size)` in [0, 1], from a picture in `data/filters`.

    `scripts/make_filter_sheet.py` made it with `as_images`, so the sizes of the weights are lost; directions are not.

    Args:
        name: The network; the picture of SqueezeNet 1.0, trained on ImageNet, comes with vizlib.
        size: The height and width of its filters in pixels.

    Raises:
        AssetError: There is no picture of this network.
    """
    sheet = images.load(assets.data_path(f"filters/{name}.png"))[0]
    tiles = sheet.unfold(1, size, size).unfold(2, size, size)  # (3, rows, columns, size, size)
    return tiles.permute(1, 2, 0, 3, 4).flatten(0, 1).contiguous()


def fourier_share(weights: Tensor, modes: int = 3) -> Tensor:
    """The share of each filter's energy in its strongest 2-D Fourier modes: near 1 for stripes, low for noise.

    With F the discrete Fourier transform of a filter w, the energy at frequency k is E(k) = sum over channels of
    |F_c(k)|^2. A real filter has E(k) = E(-k), so each such pair counts as one mode; the constant is a mode by itself.

    Args:
        weights: `(F, C, h, w)`.
        modes: How many of the strongest modes to count.

    Returns:
        `(F,)`, each from 0 to 1; 0 for a filter of zeros.

    Raises:
        ValueError: `weights` does not have four dimensions, or `modes` is less than 1.
    """
    if weights.ndim != 4 or modes < 1:
        shape = tuple(weights.shape)
        raise ValueError(f"expected weights (F, C, h, w) and at least 1 mode, got shape {shape} and modes = {modes}")
    height, width = weights.shape[2:]
    energy = torch.fft.fft2(weights).abs().square().sum(1)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    mode, mirrored = rows * width + columns, (-rows % height) * width + (-columns % width)
    pair = torch.minimum(mode, mirrored).flatten()
    by_mode = torch.zeros(len(weights), height * width).index_add_(1, pair, energy.flatten(1))
    total = by_mode.sum(1)
    strongest = by_mode.topk(min(modes, by_mode.shape[1]), dim=1).values.sum(1)
    return torch.where(total > 0, strongest / total.clamp(min=1e-30), torch.zeros_like(total))


def edge_filter(net: Network, size: int = 64) -> int:
    """The filter of the first layer that responds most to a vertical edge, dark on its left.

    What counts is how far it rises above what a flat image and a horizontal edge give the filter.

    Args:
        size: The height and width of the drawn edges, in pixels.
    """
    columns = (torch.arange(size) >= size // 2).float()
    vertical = (0.2 + 0.6 * columns).expand(1, 3, size, size)
    drawn = torch.cat(
        [vertical, vertical.transpose(2, 3), torch.full_like(vertical, 0.2), torch.full_like(vertical, 0.8)]
    )
    layer = next(iter(convolutions(net)))
    peaks = read(net, drawn, [layer])[layer][..., 2:-2, 2:-2].amax((2, 3))  # without what the padding gives
    return int((peaks[0] - peaks[1:].amax(0)).argmax())


def renumbered(net: Network, seed: int = 0) -> tuple[Network, tuple[str, str]]:
    """A copy of a network in which the channels between two convolutions have other numbers; it computes the same.

    The first pair of neighbouring convolutions is taken where nothing else reads the channels between them.

    Args:
        seed: Of the new numbering.

    Returns:
        The copy, and the names of the two convolutions.

    Raises:
        ValueError: In no pair of neighbours does the second alone read the first.
    """
    probe = torch.rand(2, 3, net.input_size, net.input_size, generator=torch.Generator().manual_seed(seed))
    expected = net(probe)
    for one, two in pairwise(convolutions(net)):
        twin = copy.deepcopy(net)
        below, above = (convolutions(twin)[name] for name in (one, two))
        order = torch.randperm(len(below.weight), generator=torch.Generator().manual_seed(seed)).to(net.device)
        if above.weight.shape[1] != len(order):
            continue
        modules = list(twin.modules())
        for module in modules[modules.index(below) : modules.index(above)]:  # also a norm between them
            for values in (*module.parameters(False), *module.buffers(False)):
                if values.ndim and len(values) == len(order):
                    values.data = values.data[order]
        above.weight.data = above.weight.data[:, order]
        if (twin(probe) - expected).abs().max() < 1e-4 * expected.abs().max():
            return twin, (one, two)
    raise ValueError(f"{net.name} has no two neighbouring convolutions of which the second alone reads the first")


class Matches(NamedTuple):
    """The k best matches of F filters: `patches` `(F, k, 3, h, w)` in [0, 1] and `cosines` `(F, k)` in [-1, 1]."""

    patches: Tensor
    cosines: Tensor


@torch.no_grad()
def best_matches(net: Network, photos: Tensor, k: int = 5, stride: int = 4) -> Matches:
    """The image patches that look most like each filter of the first layer.

    A filter w and a normalised patch x are compared by the cosine of the angle between them, (w . x) / (|w| |x|). By
    the Cauchy-Schwarz inequality it is at most 1, and equals 1 only if x is a positive multiple of w: a filter is its
    own best match.

    Args:
        photos: `(N, 3, H, W)` in [0, 1].
        k: How many patches for each filter.
        stride: The distance in pixels between the patches that are tried.

    Raises:
        ValueError: The images are smaller than a filter, or do not have four dimensions.
    """
    weights = filters(net)
    size = weights.shape[2:]
    if photos.ndim != 4 or photos.shape[2] < size[0] or photos.shape[3] < size[1]:
        shape, smallest = tuple(photos.shape), f"{size[0]}x{size[1]}"
        raise ValueError(f"photos: expected (N, 3, H, W) of at least {smallest} pixels, got shape {shape}")
    inputs = nn.functional.unfold(net.normalize(photos).cpu(), size, stride=stride).transpose(1, 2).flatten(0, 1)
    pixels = nn.functional.unfold(photos.cpu(), size, stride=stride).transpose(1, 2).flatten(0, 1)
    cosines = nn.functional.normalize(weights.flatten(1)) @ nn.functional.normalize(inputs).T
    best = cosines.topk(k, dim=1)
    return Matches(pixels[best.indices].unflatten(-1, (3, *size)), best.values)
