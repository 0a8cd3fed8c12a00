"""Does a saliency map depend on what the network has learned? Destroy that from the top down, and watch the maps.

A map that hardly changes when the weights become random cannot say much about them, however sharp it looks: it may
just draw the image's edges (Adebayo et al. 2018, "Sanity Checks for Saliency Maps", section 4.1).
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import Tensor

from vizlib.models import Network
from vizlib.optimize import last

Method = Callable[[Network, Tensor, Tensor], Tensor]
WINDOW = 5  # pixels, of the SSIM, as in the paper's code


def layers_from_top(net: Network) -> list[str]:
    """The layers that have weights, last first: the order in which they are randomised."""
    return [name for name, module in reversed(net.layers.items()) if any(True for _ in module.parameters())]


def randomized(net: Network, fresh: Network, layer: str) -> Network:
    """A copy of a network in which `layer` and everything above it has the weights of an untrained one.

    Args:
        net: The trained network; it stays as it is.
        fresh: The same architecture with the weights it would begin its training with, such as
            `models.load(name, weights="untrained")` gives.
        layer: One of `layers_from_top(net)`.

    Raises:
        LookupError: Not one of these.
        ValueError: `fresh` is of another architecture.
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
    """Spearman's rank correlation of each of N pairs of maps `(N, H, W)`: 1 where they put pixels in the same order.

    A map that is the same everywhere has no order: that gives 0.
    """
    _same_shape(a, b)
    flat = zip(a.flatten(1).cpu().numpy(), b.flatten(1).cpu().numpy(), strict=True)
    return torch.tensor([spearmanr(x, y).statistic if np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0 for x, y in flat])


def structure(a: Tensor, b: Tensor) -> Tensor:
    """The structural similarity of N pairs of maps `(N, H, W)` in [0, 1], 1 where equal (SSIM, Wang et al. 2004)."""
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
    """How alike each method's maps are to those of the trained network, mean over the images, layer by layer.

    `layers` were randomised in this order, each on top of those before; `rank` and `ssim` have, for each method, a
    number for each of them. `done` of `total` layers are there.
    """

    layers: list[str]
    rank: dict[str, list[float]]
    ssim: dict[str, list[float]]
    done: int
    total: int


def cascading(net: Network, fresh: Network, images: Tensor, methods: Mapping[str, Method]) -> Iterator[Cascade]:
    """Randomise one layer more at a time, from the top down, and compare all maps with the trained network's.

    Args:
        net, fresh: As for `randomized`.
        images: `(N, 3, H, W)` in [0, 1].
        methods: By name, from (network, images, classes `(N,)`) to maps `(N, H, W)`, not negative. The classes are
            those that the trained network predicts, and stay the same throughout.

    Yields:
        A `Cascade`, longer by one layer each time.
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
    """The last of `cascading`: all layers."""
    return last(cascading(net, fresh, images, methods))


def _unit(maps: Tensor) -> Tensor:
    """Each map between 0 and 1, as it would be drawn: 1 is its 99th percentile, so that a few dots do not decide."""
    return (maps / maps.flatten(1).quantile(0.99, 1).clamp(min=1e-12)[:, None, None]).clamp(0, 1)
