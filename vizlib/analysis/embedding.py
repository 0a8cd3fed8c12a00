"""A gallery's features in a plane: PCA, t-SNE (van der Maaten and Hinton 2008), and how far to trust it."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sklearn
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.manifold import trustworthiness as sklearn_trustworthiness
from torch import Tensor

from vizlib import assets

WIDE = 50  # t-SNE of wider features begins with their 50 principal components: faster, and as good or better
ITERATIONS = 750


class Projection(NamedTuple):
    """N rows in fewer dimensions: `points` `(N, k)`, and each axis's share of the variance, `(k,)`, falling."""

    points: Tensor
    explained: Tensor


def pca(values: Tensor, k: int = 2) -> Projection:
    """The k directions in which rows of numbers vary most (Pearson 1901).

    Args:
        values: `(N, D)`.
        k: At most the smaller of N and D.

    Raises:
        ValueError: Rows that are not finite, or all the same; another k.
    """
    _check_rows(values)
    if not 1 <= k <= min(values.shape):
        raise ValueError(f"k = {k}: expected 1 to {min(values.shape)}, the smaller of {tuple(values.shape)}")
    fitted = PCA(k, svd_solver="full").fit(rows := values.cpu().double().numpy())
    points = fitted.transform(rows)
    return Projection(torch.from_numpy(points).float(), torch.from_numpy(fitted.explained_variance_ratio_).float())


def tsne(values: Tensor, perplexity: float = 30, seed: int = 0, start: str = "pca", cached: bool = True) -> Tensor:
    """Points in a plane, `(N, 2)`, in which near rows stay near; distances between far ones mean little.

    Args:
        values: `(N, D)`.
        perplexity: About how many neighbours each row tries to keep; less than N.
        seed: Of all that is random.
        start: 'pca' begins with the two principal components, so that a run repeats; 'random' with noise.
        cached: Keep the result on disk, and take it from there if the same was asked before.

    Raises:
        ValueError: Rows that are not finite, or all the same; another perplexity or start.
    """
    _check_rows(values)
    _check_perplexity(perplexity, len(values))
    if start not in ("pca", "random"):
        raise ValueError(f"start is {start!r}, expected 'pca' or 'random'")
    if start == "pca" and values.shape[1] < 2:
        raise ValueError("start = 'pca' needs rows of at least 2 numbers, got 1; use start='random'")
    path = _cache_path(values, perplexity, seed, start)
    stored = assets.stored_array(path) if cached else None
    if stored is not None and stored.shape == (len(values), 2):
        return torch.from_numpy(stored)
    centered = values.cpu().double() - values.cpu().double().mean(0)
    rows = (centered / centered.abs().max()).float()  # the result does not depend on the scale, but its arithmetic does
    rows = pca(rows, WIDE).points if min(rows.shape) > WIDE else rows
    run = TSNE(2, perplexity=perplexity, init=start, max_iter=ITERATIONS, random_state=seed)
    points = torch.from_numpy(run.fit_transform(rows.cpu().numpy())).float()
    if cached:
        assets.store_array(path, points.numpy())
    return points


def is_cached(values: Tensor, perplexity: float = 30, seed: int = 0, start: str = "pca") -> bool:
    """Whether `tsne` with these arguments is there at once."""
    return assets.stored_array(_cache_path(values, perplexity, seed, start)) is not None


# --- how far to trust it --------------------------------------------------------------------------------------------


def trustworthiness(values: Tensor, points: Tensor, k: int = 5) -> float:
    """Whether neighbours in the plane were neighbours before: 1 if all of the k nearest were (Venna and Kaski 2001)."""
    if len(points) != len(values) or not 1 <= k < len(values) / 2:
        raise ValueError(
            f"expected as many points as rows and k from 1 to less than half of them, got {len(points)} points, "
            f"{len(values)} rows and k = {k}"
        )
    return float(sklearn_trustworthiness(values.cpu().numpy(), points.cpu().numpy(), n_neighbors=k))


def neighbour_accuracy(points: Tensor, labels: Tensor, k: int = 5) -> float:
    """The share of points whose k nearest others, by majority, have their label; ties go to the smaller label.

    Args:
        points: `(N, d)`.
        labels: `(N,)`, whole numbers from 0.
    """
    if labels.shape != points.shape[:1] or not 1 <= k < len(points):
        raise ValueError(
            f"expected one label for each of the {len(points)} points and k from 1 to {len(points) - 1}, got labels of "
            f"shape {tuple(labels.shape)} and k = {k}"
        )
    distances = torch.cdist(points, points).fill_diagonal_(torch.inf)
    votes = labels[distances.topk(k, largest=False).indices]
    return (torch.nn.functional.one_hot(votes).sum(1).argmax(1) == labels).float().mean().item()


def affinities(values: Tensor, perplexity: float) -> Tensor:
    """How strongly t-SNE wants each pair together: p[i, j], symmetric, summing to 1.

    p(j | i) falls with distance as a Gaussian, exp(-beta_i |x_i - x_j|^2), whose width 1 / beta_i is chosen for each i
    so that 2 to the power of its entropy is the perplexity. Then p[i, j] = (p(j | i) + p(i | j)) / 2N.

    Args:
        values: `(N, D)`.

    Paper: van der Maaten and Hinton 2008, eq. 1.
    """
    _check_rows(values)
    _check_perplexity(perplexity, len(values))
    squared = torch.cdist(values.double(), values.double()).square()
    low, high = torch.zeros(len(values), 1).double(), torch.full((len(values), 1), torch.inf).double()
    beta = 1 / squared.mean(1, keepdim=True)
    for _ in range(60):  # bisection: a narrower Gaussian has less entropy
        logits = (-beta * squared).fill_diagonal_(-torch.inf)
        p = logits.softmax(1)
        too_wide = torch.special.entr(p).sum(1, keepdim=True).exp() > perplexity
        low, high = torch.where(too_wide, beta, low), torch.where(too_wide, high, beta)
        beta = torch.where(high.isinf(), 2 * beta, (low + high) / 2)
    return (p + p.T) / (2 * len(values))


def divergence(p: Tensor, points: Tensor) -> float:
    """What t-SNE makes small: KL(P | Q), with q falling as 1 / (1 + |y_i - y_j|^2) in the plane (eq. 4 and 5)."""
    if p.shape != (len(points), len(points)):
        raise ValueError(f"p: expected {(len(points),) * 2}, a row for each point, got shape {tuple(p.shape)}")
    closeness = (1 / (1 + torch.cdist(points.double(), points.double()).square())).fill_diagonal_(0)
    q = (closeness / closeness.sum()).clamp(min=1e-15)
    return torch.where(p > 0, p * (p.clamp(min=1e-300) / q).log(), 0).sum().item()


# --- thumbnails without overlap -------------------------------------------------------------------------------------


def snap_to_grid(points: Tensor, columns: int | None = None) -> Tensor:
    """A cell of a grid for each point, all different, so that the points move as little as they can in all.

    The points are stretched over the grid; then the sum of squared distances to their cells is as small as possible
    (optimal assignment; Kuhn 1955).

    Args:
        points: `(N, 2)`, x to the right and y down.
        columns: How wide the grid is; None makes it as square as can be.

    Returns:
        `(N, 2)` whole numbers: row and column from 0.

    Raises:
        ValueError: No points, points that are not finite, or a grid without columns.
    """
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"points: expected (N, 2) with at least one point, got shape {tuple(points.shape)}")
    if not points.isfinite().all():
        raise ValueError("points must be finite: there is a NaN or an infinity among them")
    columns = int(np.ceil(np.sqrt(len(points)))) if columns is None else columns
    if columns < 1:
        raise ValueError(f"columns = {columns}: expected at least 1")
    rows = -(-len(points) // columns)
    cells = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1).reshape(-1, 2)
    low, high = points.amin(0), points.amax(0)
    unit = ((points - low) / (high - low).clamp(min=1e-12)).flip(1).numpy()  # row before column
    places = unit * [max(rows - 1, 1), max(columns - 1, 1)]
    order, chosen = linear_sum_assignment(cdist(places, cells, "sqeuclidean"))
    return torch.from_numpy(cells[chosen[np.argsort(order)]])


def _check_rows(values: Tensor) -> None:
    if values.ndim != 2 or len(values) < 3:
        raise ValueError(f"values: expected (N, D) with at least 3 rows, got shape {tuple(values.shape)}")
    if not values.isfinite().all():
        raise ValueError("values must be finite: there is a NaN or an infinity among them")
    if (values == values[0]).all():
        raise ValueError(f"values: all {len(values)} rows are the same, so there is nothing to lay out")


def _check_perplexity(perplexity: float, n: int) -> None:
    if not 1 <= perplexity < n:
        raise ValueError(f"perplexity = {perplexity}: expected 1 up to the number of rows, {n}, less one")


# --- on disk --------------------------------------------------------------------------------------------------------


def _cache_path(values: Tensor, perplexity: float, seed: int, start: str) -> Path:
    settings = f"{float(perplexity)} {seed} {start} {ITERATIONS} {WIDE}"
    recipe = f"{settings} {sklearn.__version__} {values.dtype} {tuple(values.shape)}"
    digest = hashlib.sha256(recipe.encode() + values.contiguous().cpu().numpy().tobytes()).hexdigest()
    return assets.cache_folder() / "tsne" / f"{digest}.npy"
