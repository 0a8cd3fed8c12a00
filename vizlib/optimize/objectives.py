"""Objectives for an optimisation to maximise: activations of channels, neurons and layers.

An objective names the layers that it reads, and gives one score for each image: the higher, the better. Objectives can
be weighted and added: `channel("relu5", 3) + 0.5 * channel("relu5", 7)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from vizlib.models.choosing import one_for_each, whole_numbers

Activations = Mapping[str, Tensor]


@dataclass(frozen=True)
class Objective:
    """Something to maximise.

    Attributes:
        name: What it is called, such as 'relu5[3]'.
        layers: The layers whose activations it reads.
        score: A function from activations, layer -> `(N, C, h, w)` or `(N, K)`, to the scores `(N,)` of the N images.
    """

    name: str
    layers: frozenset[str]
    score: Callable[[Activations], Tensor]

    def __add__(self, other: Objective) -> Objective:
        return Objective(
            f"{self.name} + {other.name}", self.layers | other.layers, lambda acts: self.score(acts) + other.score(acts)
        )

    def __mul__(self, weight: float) -> Objective:
        return Objective(f"{weight:g} * {self.name}", self.layers, lambda acts: weight * self.score(acts))

    __rmul__ = __mul__


def channel(layer: str, index: int | Sequence[int] | Tensor) -> Objective:
    """The mean activation of a channel over its feature map, or the logit of a class (Olah et al. 2017).

    Args:
        layer: The layer's name.
        index: One channel for all images, or `(N,)`, one for each image, so that one batch can show many channels.

    Raises:
        ValueError: `index` is not made of whole numbers. The score raises it if the layer has no such channel.
    """
    return Objective(
        f"{layer}[{_short(index)}]", frozenset([layer]), lambda acts: _channels(acts, layer, index).mean(1)
    )


def neuron(
    layer: str, index: int | Sequence[int] | Tensor, row: int | None = None, column: int | None = None
) -> Objective:
    """The activation at one cell of a channel's feature map (Erhan et al. 2009).

    Args:
        layer: The layer's name.
        index: One channel for all images, or `(N,)`, one for each image.
        row, column: The cell; None takes the middle of the map.

    Raises:
        ValueError: `index` is not made of whole numbers. The score raises it if there is no such channel or cell.
    """

    def score(acts: Activations) -> Tensor:
        height, width = acts[layer].shape[2:] if acts[layer].ndim == 4 else (1, 1)
        r, c = height // 2 if row is None else row, width // 2 if column is None else column
        if not (0 <= r < height and 0 <= c < width):
            raise ValueError(f"cell ({r}, {c}) is outside the {height}x{width} map of layer {layer!r}")
        return _channels(acts, layer, index).unflatten(1, (height, width))[:, r, c]

    return Objective(f"{layer}[{_short(index)}] at one cell", frozenset([layer]), score)


def energy(layer: str) -> Objective:
    """Half the mean squared activation of a layer, which amplifies whatever fires (DeepDream, Mordvintsev 2015)."""
    return Objective(
        f"energy of {layer}", frozenset([layer]), lambda acts: 0.5 * acts[layer].square().flatten(1).mean(1)
    )


def map_of(acts: Activations, layer: str) -> Tensor:
    """The output of a layer, if it consists of feature maps `(N, C, h, w)`.

    Raises:
        ValueError: It does not, as after a linear layer.
    """
    if acts[layer].ndim != 4:
        shape = tuple(acts[layer].shape)
        raise ValueError(f"layer {layer!r} has no map, its output is {shape}: choose one before the global pooling")
    return acts[layer]


def _short(index: int | Sequence[int] | Tensor) -> str:
    chosen = whole_numbers(index, "channel")
    return str(chosen.item()) if len(chosen) == 1 else f"{len(chosen)} channels"


def _channels(acts: Activations, layer: str, index: int | Sequence[int] | Tensor) -> Tensor:
    """The chosen channel of each image, flattened to `(N, h * w)`, or `(N, 1)` after a linear layer."""
    n, count = acts[layer].shape[:2]
    if acts[layer].ndim not in (2, 4):
        shape = tuple(acts[layer].shape)
        raise ValueError(f"layer {layer!r} gives {shape}, expected (N, C, h, w) or (N, C): choose another layer")
    chosen = one_for_each(index, n, count, "channel", f"layer {layer!r}")
    return acts[layer][range(n), chosen].reshape(n, -1)
