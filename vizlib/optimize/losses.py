"""Losses for an optimisation to minimise: distances between features and between their Gram matrices.

Each takes tensors and returns one number for the whole batch, ready for `backward`.
"""

from __future__ import annotations

import torch
from torch import Tensor


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """The relative squared distance between features and a target: |f - t|^2 / |t|^2, 0 if they are equal.

    Thanks to the division, a weight of this loss means the same at every layer of every network.

    Args:
        features, target: `(N, C, h, w)`; a target of one image is compared with all N.

    Raises:
        ValueError: Features and target differ in C, h or w.

    Paper: Mahendran and Vedaldi 2015, eq. 2.
    """
    _same_maps(features, target)
    return (features - target).square().sum() / (target.square().sum() * len(features) / len(target)).clamp(min=1e-12)


def alive(target: Tensor, layer: str) -> Tensor:
    """The features `target` of a layer, which relative distances are divided by.

    Raises:
        ValueError: All of them are zero.
    """
    if not target.any():
        raise ValueError(
            f"layer {layer!r} gives nothing but zeros for this image, so no distance can be measured relative to that: "
            "choose another layer or image"
        )
    return target


def gram_matrix(features: Tensor) -> Tensor:
    """The Gram matrix of features, G[i, j] = mean over positions of f_i * f_j: which channels fire together.

    Args:
        features: `(N, C, h, w)`.

    Returns:
        `(N, C, C)` in float32, symmetric and positive semidefinite.

    Raises:
        ValueError: `features` does not have four dimensions.

    Paper: Gatys et al. 2015, eq. 1 (divided by h * w here, so that the size of the image does not matter).
    """
    if features.ndim != 4:
        raise ValueError(f"features: expected (N, C, h, w), got shape {tuple(features.shape)}")
    flat = features.float().flatten(2)
    return _Products.apply(flat) / flat.shape[2]


class _Products(torch.autograd.Function):
    """The product F F^T of all pairs of rows. Its gradient, (g + g^T) F, is one product; autograd would compute two."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        return rows @ rows.mT

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        (rows,) = ctx.saved_tensors
        both = gradient + gradient.mT
        # In memory as the rows are: the layers before take a gradient in another order only slowly.
        return (rows.mT @ both).mT if rows.stride(1) == 1 else both @ rows


def style_loss(features: Tensor, target_gram: Tensor) -> Tensor:
    """The relative squared distance between the Gram matrix of features and a target: |G - T|^2 / |T|^2.

    Args:
        features: `(N, C, h, w)`.
        target_gram: `(N or 1, C, C)`, as `gram_matrix` gives it.

    Raises:
        ValueError: `features` does not have four dimensions, or the two differ in C.

    Paper: Gatys et al. 2016, eq. 4.
    """
    gram = gram_matrix(features)
    if gram.shape[1:] != target_gram.shape[1:]:
        have, want = tuple(gram.shape), tuple(target_gram.shape)
        raise ValueError(f"the features' Gram matrix has shape {have} and the target {want}: expected the same layer")
    return (gram - target_gram).square().sum() / (target_gram.square().sum() * len(gram) / len(target_gram)).clamp(
        min=1e-12
    )


def _same_maps(features: Tensor, target: Tensor) -> None:
    if features.shape[1:] != target.shape[1:]:
        have, want = tuple(features.shape), tuple(target.shape)
        raise ValueError(f"features have shape {have} and the target {want}: expected the same layer and image size")
