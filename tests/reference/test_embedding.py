"""PCA against the singular value decomposition, the affinities and the divergence against scikit-learn's own t-SNE."""

import pytest
import torch
from scipy.spatial.distance import squareform
from sklearn.manifold import TSNE
from sklearn.manifold._t_sne import _joint_probabilities

from vizlib import models
from vizlib.analysis import embedding, features
from vizlib.images import galleries


@pytest.fixture(scope="module")
def rows() -> torch.Tensor:
    digits = galleries.digits()
    return digits.batch(range(0, len(digits), 4), 8)[:, 0].flatten(1)


def test_pca_is_the_singular_value_decomposition(rows):
    centered = (rows - rows.mean(0)).double()
    _, s, vt = torch.linalg.svd(centered, full_matrices=False)
    projection = embedding.pca(rows, 5)
    expected = centered @ vt[:5].T
    signs = (expected * projection.points).sum(0).sign()
    assert torch.allclose(projection.points.double(), expected * signs, atol=1e-4)
    assert torch.allclose(projection.explained.double(), (s.square() / s.square().sum())[:5], atol=1e-6)


@pytest.mark.parametrize("perplexity", [5, 30])
def test_affinities_are_scikit_learns(rows, perplexity):
    squared = torch.cdist(rows, rows).square().numpy()
    expected = squareform(_joint_probabilities(squared, perplexity, verbose=0))
    assert abs(embedding.affinities(rows, perplexity).numpy() - expected).max() < 1e-6


def test_divergence_is_what_scikit_learn_reports_for_its_layout(rows):
    run = TSNE(2, perplexity=20, init="pca", max_iter=400, random_state=0, method="exact")
    plane = torch.from_numpy(run.fit_transform(rows[:200].numpy()))
    assert embedding.divergence(embedding.affinities(rows[:200], 20), plane) == pytest.approx(
        run.kl_divergence_, rel=1e-3
    )


def test_early_layers_lose_the_digits_by_averaging_over_positions():
    digits, net = galleries.digits().subset(range(0, 1797, 5)), models.load("minivgg")

    def right(layer: str | None, pool: bool) -> float:
        values = features.features(net, digits, layer, pool=pool, cached=False).values
        return embedding.neighbour_accuracy(values, digits.labels)

    early, early_in_place, late = right("relu2", True), right("relu2", False), right(None, True)
    pixels = embedding.neighbour_accuracy(digits.batch(range(len(digits)), 8)[:, 0].flatten(1), digits.labels)
    print(f"right: relu2 averaged {early:.3f}, in place {early_in_place:.3f}; last {late:.3f}; pixels {pixels:.3f}")
    assert early + 0.15 < late < pixels
    assert early_in_place > late - 0.01
