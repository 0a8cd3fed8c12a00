"""Does a saliency map depend on what the network has learned? Randomise the layers from the top down and compare.

A map that hardly changes when the weights become random cannot say much about them, however sharp it looks: it may just
trace the edges in the image (Adebayo et al. 2018, "Sanity Checks for Saliency Maps", section 4.1).
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vizlib.models import Network
from vizlib.optimize import last

Method = Callable[[Network, Tensor, Tensor], Tensor]
WINDOW = 5  # the side of SSIM's window in pixels, as in the paper's code


def layers_from_top(net: Network) -> list[str]:
    """The layers that have weights, the last one first: the order in which they are randomised."""
    return [name for name, module in reversed(net.layers.items()) if any(True for _ in module.parameters())]


def randomized(net: Network, fresh: Network, layer: str) -> Network:
    """A copy of a network in which `layer` and every layer after it have untrained weights.

    Args:
        net: The trained network; it is not changed.
        fresh: A network of the same architecture with untrained weights, such as
            `models.load(name, weights="untrained")`.
        layer: One of `layers_from_top(net)`.

    Raises:
        LookupError: The layer has no weights or does not exist.
        ValueError: `fresh` has another architecture.
    """
    layers = layers_from_top(net)
    if layer not in layers:
        raise LookupError(
            f"layer {layer!r} of {net.name} has no weights to randomise; from the top: {', '.join(layers)}"
        )
    damaged = copy.deepcopy(net)
    for name in layers[: layers.index(layer) + 1]:
        try:
            damaged.layers[name].load_state_dict(fresh.layers[name].state_dict())
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"{fresh.name} is not {net.name} untrained: layer {name!r} does not fit") from error
    return damaged


# --- how alike two maps are -----------------------------------------------------------------------------------------


def rank_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Spearman's rank correlation of each of N pairs of maps `(N, H, W)`, `(N,)` in [-1, 1].

    It is 1 if both maps rank the pixels in the same order. A constant map has no order and gives 0.

    Raises:
        ValueError: The maps do not have the same shape `(N, H, W)`.
    """
    from scipy.stats import spearmanr  # not with the module: it takes seconds

    _same_shape(a, b)
    flat = zip(a.flatten(1).cpu().numpy(), b.flatten(1).cpu().numpy(), strict=True)
    return torch.tensor([spearmanr(x, y).statistic if np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0 for x, y in flat])


def structure(a: Tensor, b: Tensor) -> Tensor:
    """The structural similarity (SSIM, Wang et al. 2004) of each of N pairs of maps `(N, H, W)` with values in [0, 1].

    Returns:
        `(N,)`, at most 1; 1 if the maps are equal.

    Raises:
        ValueError: The maps do not have the same shape `(N, H, W)`, or are smaller than SSIM's window.
    """
    from skimage.metrics import structural_similarity

    _same_shape(a, b)
    if min(a.shape[1:]) < WINDOW:
        raise ValueError(f"maps of {a.shape[1]}x{a.shape[2]} pixels are smaller than SSIM's window of {WINDOW}")
    pairs = zip(a.cpu().numpy(), b.cpu().numpy(), strict=True)
    return torch.tensor([structural_similarity(x, y, win_size=WINDOW, data_range=1.0) for x, y in pairs])


def _same_shape(a: Tensor, b: Tensor) -> None:
    if a.ndim != 3 or a.shape != b.shape:
        raise ValueError(f"expected two sets of maps (N, H, W) of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")


# --- the whole cascade ----------------------------------------------------------------------------------------------


class Cascade(NamedTuple):
    """How similar each method's maps remain to those of the trained network as more and more layers are randomised.

    Attributes:
        layers: The layers randomised so far, in this order; each one in addition to those before it.
        rank: method -> the rank correlation after each of these layers, averaged over the images.
        ssim: method -> the structural similarity, likewise.
        done, total: How many layers have been randomised, and how many there are.
    """

    layers: list[str]
    rank: dict[str, list[float]]
    ssim: dict[str, list[float]]
    done: int
    total: int


def cascading(net: Network, fresh: Network, images: Tensor, methods: Mapping[str, Method]) -> Iterator[Cascade]:
    """The results of randomising one more layer at a time, from the top down, and comparing the maps each time.

    Args:
        net, fresh: The trained and the untrained network, as in `randomized`.
        images: `(N, 3, H, W)` in [0, 1].
        methods: By name, functions of a network, images and classes `(N,)` that return maps `(N, H, W)`, not negative.
            The classes are those that the trained network predicts, and stay the same throughout.

    Yields:
        A `Cascade` after each layer.

    Raises:
        ValueError: `fresh` has another architecture.
    """
    with torch.no_grad():
        target = net(images).argmax(1)
    before = {name: method(net, images, target) for name, method in methods.items()}
    layers = layers_from_top(net)
    rank: dict[str, list[float]] = {name: [] for name in methods}
    ssim: dict[str, list[float]] = {name: [] for name in methods}
    for done, layer in enumerate(layers, 1):
        damaged = randomized(net, fresh, layer)
        for name, method in methods.items():
            after = method(damaged, images, target)
            rank[name].append(rank_correlation(before[name], after).mean().item())
            ssim[name].append(structure(_unit(before[name]), _unit(after)).mean().item())
        yield Cascade(layers[:done], copy.deepcopy(rank), copy.deepcopy(ssim), done, len(layers))


def cascade(net: Network, fresh: Network, images: Tensor, methods: Mapping[str, Method]) -> Cascade:
    """The complete cascade, over all layers: the last result of `cascading`, which explains the arguments."""
    return last(cascading(net, fresh, images, methods))


def _unit(maps: Tensor) -> Tensor:
    """Each map scaled to [0, 1], as it would be drawn; 1 is its 99th percentile, so that a few dots do not dominate."""
    return (maps / maps.flatten(1).quantile(0.99, 1).clamp(min=1e-12)[:, None, None]).clamp(0, 1)
