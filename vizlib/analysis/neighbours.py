"""Which images are alike: nearest neighbours in pixel space and feature space (Krizhevsky et al. 2012, figure 4)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vizlib.models.choosing import as_integer

TOGETHER = 1024  # queries: with 10,000 images all their distances take 80 MB


class Neighbours(NamedTuple):
    """The k nearest neighbours of each query, nearest first: `indices` into the gallery and `distances`, `(Q, k)`."""

    indices: Tensor
    distances: Tensor


def nearest(values: Tensor, queries: Tensor, k: int = 5, leave_out: Tensor | None = None) -> Neighbours:
    """The k rows of `values` nearest to each query, by Euclidean distance: sqrt(sum over d of (v_d - q_d)^2).

    Args:
        values: `(N, D)`, a row of pixels or features for each image of a gallery.
        queries: `(Q, D)`.
        k: How many neighbours.
        leave_out: Booleans `(Q, N)`, true for an image that must not be found: the query itself, or an image that
            shares pixels with it.

    Raises:
        ValueError: The shapes do not match, a value is not finite, k is less than 1, or some query has fewer than k
            images left.
    """
    _check(values, queries, k, leave_out)
    k = as_integer(k)
    left_out = torch.zeros(len(queries), len(values), dtype=torch.bool) if leave_out is None else leave_out.cpu()
    left = len(values) - int(left_out.sum(1).max())
    if left < k:
        raise ValueError(f"k = {k}: only {left} images are left to be found; choose a smaller k")
    gallery, asked = values.detach().cpu().double(), queries.detach().cpu().double()
    found = []
    for some, without in zip(asked.split(TOGETHER), left_out.split(TOGETHER), strict=True):
        distances = torch.cdist(some, gallery).masked_fill(without, torch.inf)
        found.append(distances.topk(k, largest=False))
    distances, indices = map(torch.cat, zip(*found, strict=True))
    return Neighbours(indices, distances.float())


def precision_at_k(values: Tensor, labels: Tensor, k: int = 5, leave_out: Tensor | None = None) -> float:
    """The share of the k nearest neighbours that have the query's label, 0 to 1; every image is the query once.

    Args:
        values: `(N, D)`.
        labels: `(N,)`.
        k: How many neighbours.
        leave_out: Booleans `(N, N)`, as in `nearest`; None leaves out only the query itself.

    Raises:
        ValueError: As in `nearest`.
    """
    leave_out = torch.eye(len(values), dtype=torch.bool) if leave_out is None else leave_out
    found = labels[nearest(values, values, k, leave_out).indices]
    return (found == labels[:, None]).float().mean().item()


def shift(image: Tensor, pixels: int) -> Tensor:
    """The image shifted to the right: the left edge is repeated, and what leaves on the right is lost.

    Args:
        image: `(N, 3, H, W)`.
        pixels: How far, 0 to W - 1.

    Raises:
        ValueError: `pixels` is out of range.
    """
    if not 0 <= pixels < image.shape[3]:
        raise ValueError(f"pixels = {pixels}: expected 0 to {image.shape[3] - 1}, one less than the image's width")
    return nn.functional.pad(image, (pixels, 0, 0, 0), mode="replicate")[..., : image.shape[3]]


def kept_share(before: Tensor, after: Tensor) -> float:
    """The share, 0 to 1, of the neighbours `(Q, k)` found before that are found again after."""
    return (before[:, :, None] == after[:, None, :]).any(2).float().mean().item()


def _check(values: Tensor, queries: Tensor, k: int, leave_out: Tensor | None) -> None:
    if values.ndim != 2 or queries.ndim != 2 or values.shape[1] != queries.shape[1]:
        shapes = f"{tuple(values.shape)} and {tuple(queries.shape)}"
        raise ValueError(f"expected values (N, D) and queries (Q, D) with the same D, got shapes {shapes}")
    if (as_integer(k) or 0) < 1:
        raise ValueError(f"k = {k!r}: expected a whole number of at least 1")
    if leave_out is not None and leave_out.shape != (len(queries), len(values)):
        raise ValueError(f"leave_out: expected ({len(queries)}, {len(values)}), got {tuple(leave_out.shape)}")
    if not (_finite(values) and _finite(queries)):
        raise ValueError("values and queries must be finite: there is a NaN or an infinity among them")


def _finite(rows: Tensor) -> bool:
    """Whether all values are finite. A finite sum proves it 30 times as fast; a sum may overflow, so then check all."""
    return bool(rows.sum().isfinite() or rows.isfinite().all())
