"""What an optimisation makes small (distances, style, roughness), and what it makes large (activations).

Losses take tensors and give one number for the whole batch, ready for `backward`. Objectives name the layers that they
look at, and give one number for each image: the higher, the better. They add up and take weights:
`channel("relu5", 3) + 0.5 * channel("relu5", 7)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Activations = Mapping[str, Tensor]


# --- losses ---------------------------------------------------------------------------------------------------------


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """How far features are from those of another image, relative to their size: |f - t|^2 / |t|^2, 0 when equal.

    The division makes one weight mean the same on every layer and network.

    Args:
        features, target: `(N, C, h, w)`; a target of one image serves all N.

    Paper: Mahendran and Vedaldi 2015, eq. 2.
    """
    _same_maps(features, target)
    return (features - target).square().sum() / (target.square().sum() * len(features) / len(target)).clamp(min=1e-12)


def gram_matrix(features: Tensor) -> Tensor:
    """How often channels fire together, wherever that is: G[i, j] = mean over positions of f_i * f_j.

    Args:
        features: `(N, C, h, w)`.

    Returns:
        `(N, C, C)` in float32, symmetric and positive semidefinite.

    Paper: Gatys et al. 2015, eq. 1 (divided by h * w here, so that the size of the image does not matter).
    """
    if features.ndim != 4:
        raise ValueError(f"features: expected (N, C, h, w), got shape {tuple(features.shape)}")
    flat = features.float().flatten(2)
    return _Products.apply(flat) / flat.shape[2]


class _Products(torch.autograd.Function):
    """All products of rows, F F^T. Its gradient (g + g^T) F is one product; autograd on its own would make two."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        return rows @ rows.mT

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        (rows,) = ctx.saved_tensors
        return (gradient + gradient.mT) @ rows


def style_loss(features: Tensor, target_gram: Tensor) -> Tensor:
    """How far the Gram matrix of features is from a target one, relative to its size: |G - T|^2 / |T|^2.

    Args:
        features: `(N, C, h, w)`.
        target_gram: `(N or 1, C, C)`, as `gram_matrix` gives it.

    Paper: Gatys et al. 2016, eq. 4.
    """
    gram = gram_matrix(features)
    if gram.shape[1:] != target_gram.shape[1:]:
        have, want = tuple(gram.shape), tuple(target_gram.shape)
        raise ValueError(f"the features' Gram matrix has shape {have} and the target {want}: are they of one layer?")
    return (gram - target_gram).square().sum() / (target_gram.square().sum() * len(gram) / len(target_gram)).clamp(
        min=1e-12
    )


def total_variation(image: Tensor) -> Tensor:
    """How rough an image is: the mean squared difference of neighbouring pixels, down and across.

    Args:
        image: `(N, 3, H, W)` of at least 2x2 pixels.

    Paper: Mahendran and Vedaldi 2015, eq. 4 with beta = 2.
    """
    if image.ndim != 4 or min(image.shape[2:]) < 2:
        raise ValueError(f"image: expected (N, 3, H, W) of at least 2x2 pixels, got shape {tuple(image.shape)}")
    down, across = image[:, :, 1:] - image[:, :, :-1], image[..., 1:] - image[..., :-1]
    return down.square().mean() + across.square().mean()


def l2_norm(image: Tensor, centre: Tensor | float = 0.0) -> Tensor:
    """The mean squared distance of the pixels from `centre`, which a `Network` takes for zero when it is its mean.

    Paper: Simonyan et al. 2014, eq. 1.
    """
    return (image - centre).square().mean()


def _same_maps(features: Tensor, target: Tensor) -> None:
    if features.shape[1:] != target.shape[1:]:
        have, want = tuple(features.shape), tuple(target.shape)
        raise ValueError(f"features have shape {have} and the target {want}: expected the same layer and image size")


# --- objectives -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Objective:
    """Something to maximise: which layers it looks at, and the score `(N,)` of N images from their activations."""

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


def channel(layer: str, index: int | Tensor) -> Objective:
    """The mean activation of a channel over its map, or a class's logit (Olah et al. 2017).

    Args:
        index: One channel for all images, or `(N,)`, one for each: a whole contact sheet in one batch.
    """
    return Objective(
        f"{layer}[{_short(index)}]", frozenset([layer]), lambda acts: _channels(acts, layer, index).mean(1)
    )


def neuron(layer: str, index: int | Tensor, row: int | None = None, column: int | None = None) -> Objective:
    """One cell of a channel's map, the middle one unless said otherwise (Erhan et al. 2009)."""

    def score(acts: Activations) -> Tensor:
        height, width = acts[layer].shape[2:] if acts[layer].ndim == 4 else (1, 1)
        r, c = height // 2 if row is None else row, width // 2 if column is None else column
        if not (0 <= r < height and 0 <= c < width):
            raise ValueError(f"cell ({r}, {c}) is outside the {height}x{width} map of layer {layer!r}")
        return _channels(acts, layer, index).unflatten(1, (height, width))[:, r, c]

    return Objective(f"{layer}[{_short(index)}] at one cell", frozenset([layer]), score)


def energy(layer: str) -> Objective:
    """Half the mean squared activation of a layer: whatever is there becomes more (DeepDream, Mordvintsev 2015)."""
    return Objective(
        f"energy of {layer}", frozenset([layer]), lambda acts: 0.5 * acts[layer].square().flatten(1).mean(1)
    )


def indices(index: int | Sequence[int] | Tensor) -> Tensor:
    """One channel or several as a tensor `(n,)` of int64.

    Raises:
        ValueError: Something that is no whole number, or none at all.
    """
    chosen = torch.as_tensor([] if isinstance(index, str) else index).reshape(-1)
    if not len(chosen) or chosen.dtype == torch.bool or chosen.is_floating_point():
        raise ValueError(f"channel {index!r}: expected a whole number from 0 on, or several of them")
    return chosen.long()


def map_of(acts: Activations, layer: str) -> Tensor:
    """A layer's output `(N, C, h, w)`.

    Raises:
        ValueError: It has no places, as after a linear layer.
    """
    if acts[layer].ndim != 4:
        shape = tuple(acts[layer].shape)
        raise ValueError(f"layer {layer!r} has no map, its output is {shape}: choose one before the last pooling")
    return acts[layer]


def _short(index: int | Tensor) -> str:
    chosen = indices(index)
    return str(chosen.item()) if len(chosen) == 1 else f"{len(chosen)} channels"


def _channels(acts: Activations, layer: str, index: int | Tensor) -> Tensor:
    """The chosen channel of each image, flattened to `(N, h * w)`; after a linear layer `(N, 1)`."""
    activation = acts[layer]
    n, count = activation.shape[:2]
    chosen = indices(index).to(activation.device)
    if chosen.min() < 0 or chosen.max() >= count:
        raise ValueError(
            f"channel {_outside(chosen, count)} is not in layer {layer!r}, whose channels are 0 … {count - 1}"
        )
    if len(chosen) not in (1, n):
        raise ValueError(f"{len(chosen)} channels for {n} images: give one, or one for each image")
    return activation[torch.arange(n, device=activation.device), chosen.expand(n)].reshape(n, -1)


def _outside(chosen: Tensor, count: int) -> int:
    return int(chosen[(chosen < 0) | (chosen >= count)][0])
