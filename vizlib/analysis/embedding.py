"""A gallery's features in a plane, by PCA or t-SNE (van der Maaten and Hinton 2008), and how far to trust it."""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vizlib import assets

WIDE = 50  # t-SNE reduces wider features to 50 principal components first: faster, and as good or better
ITERATIONS = 750


class Projection(NamedTuple):
    """N rows in k dimensions: `points` `(N, k)`, and each axis's share of the variance, `explained` `(k,)`, falling."""

    points: Tensor
    explained: Tensor


def pca(values: Tensor, k: int = 2) -> Projection:
    """Rows of numbers projected onto the k directions in which they vary most (Pearson 1901).

    Args:
        values: `(N, D)`, N at least 3.
        k: The number of directions, at most the smaller of N and D.

    Raises:
        ValueError: The rows are fewer than 3, not finite or all the same, or k is out of range.
    """
    from sklearn.decomposition import PCA  # not with the module: it takes seconds

    _check_rows(values)
    if not 1 <= k <= min(values.shape):
        raise ValueError(f"k = {k}: expected 1 to {min(values.shape)}, the smaller of {tuple(values.shape)}")
    fitted = PCA(k, svd_solver="full").fit(rows := values.cpu().double().numpy())
    points = fitted.transform(rows)
    return Projection(torch.from_numpy(points).float(), torch.from_numpy(fitted.explained_variance_ratio_).float())


def tsne(values: Tensor, perplexity: float = 30, seed: int = 0, start: str = "pca", cached: bool = True) -> Tensor:
    """Points in a plane, `(N, 2)`, that keep near rows near each other; large distances in the plane mean little.

    Args:
        values: `(N, D)`, N at least 3.
        perplexity: About how many neighbours each row tries to keep; at least 1 and less than N.
        seed: The seed of everything that is random.
        start: 'pca' starts from the first two principal components, so that a run can be repeated; 'random' starts
            from noise.
        cached: Whether to keep the result on disk, and to reuse a stored result of the same arguments.

    Raises:
        ValueError: The rows are fewer than 3, not finite or all the same, the perplexity is out of range, or `start`
            is unknown, or is 'pca' although D is 1.
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
    from sklearn.manifold import TSNE  # after what is stored: that needs no scikit-learn

    centered = values.cpu().double() - values.cpu().double().mean(0)
    rows = (centered / centered.abs().max()).float()  # the scale does not matter, except to rounding errors
    rows = pca(rows, WIDE).points if min(rows.shape) > WIDE else rows
    run = TSNE(2, perplexity=perplexity, init=start, max_iter=ITERATIONS, random_state=seed)
    points = torch.from_numpy(run.fit_transform(rows.cpu().numpy())).float()
    if cached:
        assets.store_array(path, points.numpy())
    return points


def is_cached(values: Tensor, perplexity: float = 30, seed: int = 0, start: str = "pca") -> bool:
    """Whether the result of `tsne` with these arguments is stored, so that it is available at once."""
    return assets.stored_array(_cache_path(values, perplexity, seed, start)) is not None


def aligned(points: Tensor, onto: Tensor) -> Tensor:
    """Points turned, mirrored, scaled and moved so that they lie as near as possible to their partners (Procrustes).

    Two runs of t-SNE may give one layout at two angles, for nothing in its loss says which way is up. Only what is left
    after this is a difference of layouts.

    Args:
        points: `(N, d)`.
        onto: `(N, d)`: row i is where row i of `points` should lie.

    Returns:
        `(N, d)`: the similarity of `points` with the smallest sum of squared distances (Schoenemann 1966).

    Raises:
        ValueError: The shapes differ, or the points are all in one place.
    """
    from scipy.linalg import orthogonal_procrustes

    if points.shape != onto.shape or points.ndim != 2:
        raise ValueError(f"expected two (N, d) of one shape, got {tuple(points.shape)} and {tuple(onto.shape)}")
    middle, target = points.double().mean(0), onto.double().mean(0)
    moved, wanted = points.double() - middle, onto.double() - target
    if not (size := moved.square().sum()) > 0:
        raise ValueError("points: all are in one place, so there is nothing to turn")
    turn, stretch = orthogonal_procrustes(moved.numpy(), wanted.numpy())
    return (moved @ torch.from_numpy(turn) * (stretch / size) + target).to(onto.dtype)


# --- how far to trust it --------------------------------------------------------------------------------------------


def trustworthiness(values: Tensor, points: Tensor, k: int = 5) -> float:
    """How far neighbours in the plane were already neighbours in feature space (Venna and Kaski 2001).

    Args:
        values: The features, `(N, D)`.
        points: Their places in the plane, `(N, 2)`.
        k: The number of nearest neighbours that count; less than N / 2.

    Returns:
        0 to 1; 1 if the k nearest neighbours of every point are among the k nearest in feature space.

    Raises:
        ValueError: There are not as many points as rows, or k is out of range.
    """
    from sklearn.manifold import trustworthiness

    if len(points) != len(values) or not 1 <= k < len(values) / 2:
        raise ValueError(
            f"expected as many points as rows and k from 1 to less than half of them, got {len(points)} points, "
            f"{len(values)} rows and k = {k}"
        )
    return float(trustworthiness(values.cpu().numpy(), points.cpu().numpy(), n_neighbors=k))


def neighbour_accuracy(points: Tensor, labels: Tensor, k: int = 5) -> float:
    """The share of points whose label is the most frequent among their k nearest neighbours, 0 to 1.

    If several labels are equally frequent, the smallest counts.

    Args:
        points: `(N, d)`.
        labels: `(N,)`, whole numbers of at least 0.
        k: The number of neighbours, less than N.

    Raises:
        ValueError: There is not one label for each point, or k is out of range.
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
    """The affinities p[i, j] that t-SNE tries to reproduce in the plane, `(N, N)`: symmetric, with a sum of 1.

    p(j | i) falls with distance as a Gaussian, exp(-beta_i |x_i - x_j|^2). Its beta_i is chosen for each i so that 2 to
    the power of its entropy in bits equals the perplexity. Then p[i, j] = (p(j | i) + p(i | j)) / 2N.

    Args:
        values: `(N, D)`, N at least 3.
        perplexity: At least 1 and less than N.

    Raises:
        ValueError: The rows are fewer than 3, not finite or all the same, or the perplexity is out of range.

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
    """The loss that t-SNE minimises: KL(P || Q), where q[i, j] is proportional to 1 / (1 + |y_i - y_j|^2).

    Args:
        p: The affinities of the features, `(N, N)`.
        points: The y_i in the plane, `(N, 2)`.

    Raises:
        ValueError: `p` does not have a row and a column for each point.

    Paper: van der Maaten and Hinton 2008, eq. 4 and 5.
    """
    if p.shape != (len(points), len(points)):
        raise ValueError(f"p: expected {(len(points),) * 2}, a row for each point, got shape {tuple(p.shape)}")
    closeness = (1 / (1 + torch.cdist(points.double(), points.double()).square())).fill_diagonal_(0)
    q = (closeness / closeness.sum()).clamp(min=1e-15)
    return torch.where(p > 0, p * (p.clamp(min=1e-300) / q).log(), 0).sum().item()


# --- thumbnails without overlap -------------------------------------------------------------------------------------


def snap_to_grid(points: Tensor, columns: int | None = None) -> Tensor:
    """A grid cell of its own for each point, chosen so that the points move as little as possible in total.

    The points are first stretched over the grid. Then the cells are assigned so that the sum of squared distances is as
    small as possible (optimal assignment; Kuhn 1955).

    Args:
        points: `(N, 2)`, x to the right and y down.
        columns: The number of columns of the grid; None makes it as square as possible.

    Returns:
        `(N, 2)` whole numbers: each point's row and column, counted from 0.

    Raises:
        ValueError: There are no points, they are not finite or not `(N, 2)`, or `columns` is less than 1.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

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
        raise ValueError(f"perplexity = {perplexity}: expected at least 1 and less than {n}, the number of rows")


# --- on disk --------------------------------------------------------------------------------------------------------


def _cache_path(values: Tensor, perplexity: float, seed: int, start: str) -> Path:
    settings = f"{float(perplexity)} {seed} {start} {ITERATIONS} {WIDE}"
    recipe = f"{settings} {version('scikit-learn')} {values.dtype} {tuple(values.shape)}"
    digest = hashlib.sha256(recipe.encode() + values.contiguous().cpu().numpy().tobytes()).hexdigest()
    return assets.cache_folder() / "tsne" / f"{digest}.npy"
