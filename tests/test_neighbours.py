"""Neighbours, precision and shifts on cases that can be worked out by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from vizlib.analysis import neighbours

POINTS = torch.tensor([[0.0, 0], [1, 0], [0, 2], [5, 5]])


def test_nearest_first_with_their_distances():
    found = neighbours.nearest(POINTS, torch.tensor([[0.0, 0.5]]), k=3)
    assert found.indices.tolist() == [[0, 1, 2]]
    assert found.distances[0].tolist() == pytest.approx([0.5, 1.25**0.5, 1.5])


def test_what_is_left_out_is_not_found():
    left_out = torch.tensor([[True, False, True, False], [False, False, False, False]])
    found = neighbours.nearest(POINTS, torch.zeros(2, 2), k=2, leave_out=left_out)
    assert found.indices.tolist() == [[1, 3], [0, 1]]


@given(seed=st.integers(0, 1000), k=st.integers(1, 4), n=st.integers(8, 20))
def test_leaving_out_is_the_same_as_not_having_them(seed, k, n):
    generator = torch.Generator().manual_seed(seed)
    values, query = torch.randn(n, 3, generator=generator), torch.randn(1, 3, generator=generator)
    left_out = torch.zeros(1, n, dtype=torch.bool)
    left_out[0, torch.randperm(n, generator=generator)[: n - 5]] = True
    kept = (~left_out[0]).nonzero()[:, 0]
    expected = kept[neighbours.nearest(values[kept], query, k).indices]
    assert torch.equal(neighbours.nearest(values, query, k, left_out).indices, expected)


@pytest.mark.parametrize("scale", [1, 1e-3, 1e4])
def test_the_same_are_found_as_by_scikit_learn(scale, monkeypatch):
    monkeypatch.setattr(neighbours, "TOGETHER", 64)  # 150 queries: two full parts and the rest
    generator = torch.Generator().manual_seed(0)
    values, queries = (scale * torch.randn(n, 40, generator=generator) for n in (300, 150))
    found = neighbours.nearest(values, queries, 7)
    search = NearestNeighbors(n_neighbors=7, algorithm="brute").fit(values.numpy())
    distances, indices = search.kneighbors(queries.numpy())
    assert found.indices.tolist() == indices.tolist()
    assert found.distances.numpy() == pytest.approx(distances, rel=1e-6)


def test_precision_counts_equal_labels_and_never_the_query():
    labels = torch.tensor([0, 0, 1, 1])
    values = torch.tensor([[0.0], [1], [1.5], [9]])  # nearest: 1, 2, 1, 2
    assert neighbours.precision_at_k(values, labels, k=1) == 0.5  # right for 0 and 3
    assert neighbours.precision_at_k(values, torch.zeros(4).long(), k=3) == 1
    assert neighbours.precision_at_k(values, torch.arange(4), k=3) == 0


def test_large_numbers_are_finite_although_their_sum_is_not():
    values = torch.tensor([[3e38, 3e38], [0.0, 0.0]])
    assert neighbours.nearest(values, torch.zeros(1, 2), 1).indices.tolist() == [[1]]


def test_shift_moves_right_and_repeats_the_edge():
    image = torch.arange(12.0).reshape(1, 1, 2, 6).repeat(1, 3, 1, 1)
    assert neighbours.shift(image, 2)[0, 0].tolist() == [[0, 0, 0, 1, 2, 3], [6, 6, 6, 7, 8, 9]]
    assert torch.equal(neighbours.shift(image, 0), image)


def test_kept_share_ignores_the_order():
    before, after = torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([[3, 1, 9], [7, 8, 9]])
    assert neighbours.kept_share(before, after) == pytest.approx(2 / 6)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: neighbours.nearest(POINTS, torch.zeros(1, 3), 1), r"\(4, 2\).*\(1, 3\)"),
        (lambda: neighbours.nearest(POINTS, POINTS, 0), r"\bk\b.*\b0\b.*\b1\b"),
        (lambda: neighbours.nearest(POINTS, POINTS, 5), r"\bk\b.*\b5\b.*\b4\b.*smaller"),
        (lambda: neighbours.precision_at_k(POINTS, torch.zeros(4), 4), r"\bk\b.*\b4\b.*\b3\b.*smaller"),
        (lambda: neighbours.nearest(POINTS, POINTS * torch.nan, 1), "finite.*NaN"),
        (lambda: neighbours.nearest(POINTS, POINTS, 1, torch.eye(3).bool()), r"leave_out.*\(4, 4\).*\(3, 3\)"),
        (lambda: neighbours.shift(torch.rand(1, 3, 4, 4), 4), r"pixels.*\b4\b.*0 to 3"),
    ],
)
def test_mistakes_are_named(act, message):
    with pytest.raises(ValueError, match=message):
        act()
