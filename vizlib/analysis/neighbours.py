"""Which images are alike? Nearest neighbours in pixel and feature space (Krizhevsky et al. 2012, figure 4)."""

from typing import NamedTuple

import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn


class Neighbours(NamedTuple):
    """The k nearest of each query, nearest first: `indices` `(Q, k)` into the gallery, `distances` `(Q, k)`."""

    indices: Tensor
    distances: Tensor


def nearest(values: Tensor, queries: Tensor, k: int = 5, leave_out: Tensor | None = None) -> Neighbours:
    """The k rows of `values` that are nearest to each query: |v - q| = sqrt(sum over d of (v_d - q_d)^2).

    Args:
        values: `(N, D)`, a row of pixels or features for each image of a gallery.
        queries: `(Q, D)`.
        k: How many.
        leave_out: `(Q, N)` of booleans, true where an image must not be found: the query itself, or one that shows
            the same pixels.

    Raises:
        ValueError: Shapes that do not fit, NaN, or fewer than k images left for a query.
    """
    _check(values, queries, k, leave_out)
    left_out = torch.zeros(len(queries), len(values), dtype=torch.bool) if leave_out is None else leave_out.cpu()
    spare = int(left_out.sum(1).max())
    if len(values) - spare < k:
        raise ValueError(f"k = {k}: only {len(values) - spare} images are left to be found; take a smaller k")
    search = NearestNeighbors(n_neighbors=k + spare, algorithm="brute").fit(values.cpu().numpy())
    distances, indices = (torch.from_numpy(array) for array in search.kneighbors(queries.cpu().numpy()))
    allowed = ~left_out.gather(1, indices)
    places = (allowed & (allowed.cumsum(1) <= k)).nonzero()[:, 1].view(len(queries), k)  # the first k that may be found
    return Neighbours(indices.gather(1, places), distances.gather(1, places).float())


def precision_at_k(values: Tensor, labels: Tensor, k: int = 5, leave_out: Tensor | None = None) -> float:
    """The share of the k nearest neighbours that have the query's label, over all images as queries, 0 to 1.

    Args:
        values: `(N, D)`.
        labels: `(N,)`.
        leave_out: `(N, N)` of booleans; None leaves out each query itself.
    """
    leave_out = torch.eye(len(values), dtype=torch.bool) if leave_out is None else leave_out
    found = labels[nearest(values, values, k, leave_out).indices]
    return (found == labels[:, None]).float().mean().item()


def shift(image: Tensor, pixels: int) -> Tensor:
    """The image moved to the right by so many pixels; its left edge is repeated, what leaves on the right is lost.

    Args:
        image: `(N, 3, H, W)`.
        pixels: From 0 to W - 1.
    """
    if not 0 <= pixels < image.shape[3]:
        raise ValueError(f"pixels = {pixels}: expected 0 to {image.shape[3] - 1}, the image's width less one")
    return nn.functional.pad(image, (pixels, 0, 0, 0), mode="replicate")[..., : image.shape[3]]


def kept_share(before: Tensor, after: Tensor) -> float:
    """How many of the neighbours `(Q, k)` found before are found again after, as a share from 0 to 1."""
    return (before[:, :, None] == after[:, None, :]).any(2).float().mean().item()


def _check(values: Tensor, queries: Tensor, k: int, leave_out: Tensor | None) -> None:
    if values.ndim != 2 or queries.ndim != 2 or values.shape[1] != queries.shape[1]:
        shapes = f"{tuple(values.shape)} and {tuple(queries.shape)}"
        raise ValueError(f"expected values (N, D) and queries (Q, D) of one D, got shapes {shapes}")
    if not isinstance(k, int) or k < 1:
        raise ValueError(f"k = {k!r}: expected a whole number of at least 1")
    if leave_out is not None and leave_out.shape != (len(queries), len(values)):
        raise ValueError(f"leave_out: expected ({len(queries)}, {len(values)}), got {tuple(leave_out.shape)}")
    if not (_finite(values) and _finite(queries)):
        raise ValueError("values and queries must be finite: there is a NaN or an infinity among them")


def _finite(rows: Tensor) -> bool:
    """A finite sum has only finite terms, and is found in a thirtieth of the time; a sum may overflow, so then look."""
    return bool(rows.sum().isfinite() or rows.isfinite().all())
