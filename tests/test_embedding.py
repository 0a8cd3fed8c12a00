"""PCA, t-SNE and their measures on cases with a known answer; the grid of thumbnails."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version
from sklearn.manifold import TSNE

from vizlib import images, widgets
from vizlib.analysis import embedding

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(scope="module")
def blobs() -> tuple[torch.Tensor, torch.Tensor]:
    """Three far groups of 30 points in 8 dimensions, and which is which."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat_interleave(30)
    return torch.randn(90, 8, generator=generator) + 12 * torch.eye(8)[labels], labels


def test_pca_finds_the_line_that_points_lie_on():
    along = torch.linspace(-1, 1, 50)[:, None]
    rows = along @ torch.tensor([[3.0, 4.0]]) + torch.tensor([[7.0, -2.0]])
    projection = embedding.pca(rows, 2)
    assert torch.allclose(projection.points[:, 0].abs(), 5 * along[:, 0].abs(), atol=1e-5)
    assert projection.explained.tolist() == pytest.approx([1, 0], abs=1e-6)


def test_tsne_keeps_groups_together_and_repeats_itself(blobs):
    rows, labels = blobs
    plane = embedding.tsne(rows, 10, cached=False)
    assert plane.shape == (90, 2) and embedding.neighbour_accuracy(plane, labels) == 1
    assert embedding.trustworthiness(rows, plane) > 0.95
    assert torch.equal(embedding.tsne(rows, 10, cached=False), plane)
    noise = embedding.tsne(rows, 10, seed=1, start="random", cached=False)
    assert not torch.allclose(noise, plane) and embedding.neighbour_accuracy(noise, labels) == 1


def test_a_run_is_kept_until_anything_changes(blobs, monkeypatch, cache):
    rows, _ = blobs
    assert not embedding.is_cached(rows, 10)
    plane = embedding.tsne(rows, 10)
    assert embedding.is_cached(rows, 10)
    monkeypatch.setattr("sklearn.manifold.TSNE", lambda *a, **k: pytest.fail("it was computed again"))
    assert torch.equal(embedding.tsne(rows, 10), plane)
    others = [(rows, 11, 0, "pca"), (rows, 10, 1, "pca"), (rows, 10, 0, "random"), (rows + 1e-3, 10, 0, "pca")]
    assert not any(embedding.is_cached(*other) for other in others)
    monkeypatch.undo()
    for file in (cache / "tsne").iterdir():
        file.write_bytes(b"damaged")
    monkeypatch.setenv("VIZLIB_CACHE", str(cache))
    assert torch.equal(embedding.tsne(rows, 10), plane)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
@pytest.mark.parametrize("start", ["pca", "random"])
def test_tsne_does_not_mind_the_scale(blobs, scale, start):
    rows, labels = blobs
    plane = embedding.tsne(rows * scale, 10, start=start, cached=False)
    assert plane.isfinite().all() and embedding.neighbour_accuracy(plane, labels) == 1


def test_tsne_begins_wide_rows_with_their_principal_components(blobs, monkeypatch):
    rows, labels = blobs
    wide = torch.cat([rows, torch.zeros(90, 200)], 1)
    seen = []
    fit_transform = TSNE.fit_transform
    monkeypatch.setattr(TSNE, "fit_transform", lambda self, x: seen.append(x.shape) or fit_transform(self, x))
    assert embedding.neighbour_accuracy(embedding.tsne(wide, 10, cached=False), labels) == 1
    assert seen == [(90, embedding.WIDE)]


def test_neighbour_accuracy_by_hand():
    points, labels = torch.tensor([[0.0], [1], [2], [10], [11], [12]]), torch.tensor([0, 0, 0, 1, 1, 0])
    assert embedding.neighbour_accuracy(points, labels, k=1) == pytest.approx(5 / 6)  # 12 is next to 11
    assert embedding.neighbour_accuracy(points, torch.zeros(6).long(), k=3) == 1


def test_affinities_have_the_perplexity_that_was_asked_for(blobs):
    p = embedding.affinities(blobs[0], 10)
    assert torch.equal(p, p.T) and p.sum() == pytest.approx(1) and p.diagonal().abs().max() == 0
    assert p[0, 1:30].sum() > 100 * p[0, 30:].sum()  # nearly all of it inside the group


def test_divergence_is_zero_only_where_the_plane_says_the_same():
    points = torch.randn(12, 2, generator=torch.Generator().manual_seed(1))
    closeness = (1 / (1 + torch.cdist(points, points).square())).fill_diagonal_(0).double()
    p = closeness / closeness.sum()
    assert embedding.divergence(p, points) == pytest.approx(0, abs=1e-6)
    assert embedding.divergence(p, points.flip(0)) > 0.01


@pytest.mark.parametrize("file", ["pyproject.toml", "environment.yml", "binder/environment.yml"])
def test_the_lowest_scikit_learn_takes_the_arguments_of_tsne(file):
    """TSNE has called its iterations `max_iter` since 1.5; before that it was `n_iter`."""
    (bound,) = re.findall(r"scikit-learn *>= *([\d.]+)", (ROOT / file).read_text(encoding="utf-8"))
    assert Version(bound) >= Version("1.5")


# --- the grid -------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(n=st.integers(1, 40), columns=st.none() | st.integers(1, 12), seed=st.integers(0, 100))
def test_every_point_gets_a_cell_of_its_own(n, columns, seed):
    points = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))
    cells = embedding.snap_to_grid(points, columns)
    columns = columns or int(np.ceil(np.sqrt(n)))
    assert cells.shape == (n, 2) and len({tuple(cell) for cell in cells.tolist()}) == n
    assert cells.min() >= 0 and cells[:, 1].max() < columns and cells[:, 0].max() < -(-n // columns)


@given(seed=st.integers(0, 50))
@settings(deadline=None, max_examples=20)
def test_no_other_assignment_moves_the_points_less(seed):
    points = torch.rand(6, 2, generator=torch.Generator().manual_seed(seed))
    unit = (points - points.amin(0)) / (points.amax(0) - points.amin(0))
    places = unit.flip(1) * torch.tensor([1.0, 2.0])  # 2 rows of 3
    cells = embedding.snap_to_grid(points, 3).float()
    best = min(
        (places - torch.tensor(order, dtype=torch.float32)).square().sum()
        for order in itertools.permutations([(r, c) for r in range(2) for c in range(3)])
    )
    assert (places - cells).square().sum() == pytest.approx(best.item(), abs=1e-5)


def test_points_on_a_grid_stay_where_they_are():
    cells = torch.tensor([[r, c] for r in range(3) for c in range(4)])
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(embedding.snap_to_grid(cells[order].flip(1).float(), 4), cells[order])


@given(seed=st.integers(0, 50), n=st.integers(2, 30))
@settings(deadline=None, max_examples=30)
def test_the_grid_is_never_worse_than_a_greedy_choice(seed, n):
    points = torch.rand(n, 2, generator=torch.Generator().manual_seed(seed))
    columns = int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    unit = (points - points.amin(0)) / (points.amax(0) - points.amin(0)).clamp(min=1e-12)
    places = unit.flip(1) * torch.tensor([rows - 1.0, columns - 1.0]).clamp(min=1)
    free = {(float(r), float(c)) for r in range(rows) for c in range(columns)}
    greedy = 0.0
    for place in places:
        nearest = min(free, key=lambda cell, place=place: ((place - torch.tensor(cell)) ** 2).sum().item())
        free.remove(nearest)
        greedy += ((place - torch.tensor(nearest)) ** 2).sum().item()
    assert (places - embedding.snap_to_grid(points)).square().sum() <= greedy + 1e-4


def test_a_map_is_saved_whole_or_the_reason_is_said(tmp_path):
    canvas = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    button = widgets.SaveButton(lambda: canvas, str(tmp_path / "map.png"))
    button.button.click()
    assert np.array_equal(images.to_array(images.load(tmp_path / "map.png")), canvas)
    assert "40x30 pixels" in button.message.value and str(tmp_path / "map.png") in button.message.value
    lost = widgets.SaveButton(lambda: canvas, str(tmp_path / "no" / "folder" / "map.png"))
    lost.button.click()
    assert "not saved" in lost.message.value and "cannot be written" in lost.message.value
    assert [path.name for path in tmp_path.iterdir()] == ["map.png"]


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: embedding.pca(torch.rand(5, 3), 4), r"\bk\b.*\b4\b.*1 to 3"),
        (lambda: embedding.pca(torch.rand(5), 1), r"\(N, D\).*\(5,\)"),
        (lambda: embedding.pca(torch.rand(5, 3) / 0, 1), "NaN|infinit"),
        (lambda: embedding.tsne(torch.rand(9, 3), 9), r"perplexity.*\b9\b.*rows"),
        (lambda: embedding.tsne(torch.rand(9, 3), 2, start="zero"), "start.*'zero'.*'pca'.*'random'"),
        (lambda: embedding.tsne(torch.rand(9, 1), 2), r"\b2\b.*\b1\b.*start='random'"),
        (lambda: embedding.tsne(torch.ones(9, 3), 2), "9 rows.*same"),  # scikit-learn's would crash
        (lambda: embedding.pca(torch.ones(9, 3)), "9 rows.*same"),
        (lambda: embedding.affinities(torch.rand(9, 3), 9), r"perplexity.*\b9\b"),
        (lambda: embedding.divergence(torch.rand(3, 3), torch.rand(4, 2)), r"\bp\b.*\(4, 4\).*\(3, 3\)"),
        (lambda: embedding.trustworthiness(torch.rand(9, 3), torch.rand(9, 2)), r"\bk\b.*\b5\b"),
        (lambda: embedding.neighbour_accuracy(torch.rand(9, 2), torch.zeros(8)), r"\b9\b.*\(8,\)"),
        (lambda: embedding.neighbour_accuracy(torch.rand(9, 2), torch.zeros(9), 9), r"\bk\b.*1 to 8.*\b9\b"),
        (lambda: embedding.snap_to_grid(torch.rand(0, 2)), r"\(0, 2\)|one point"),
        (lambda: embedding.snap_to_grid(torch.rand(4, 2) / 0), "NaN|infinit"),
        (lambda: embedding.snap_to_grid(torch.rand(4, 2), 0), r"columns.*\b0\b.*\b1\b"),
    ],
)
def test_mistakes_are_named(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def test_a_turned_layout_is_turned_back():
    points = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    angle = torch.tensor(1.7)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    for mirrored in (1.0, -1.0):
        other = 3 * (points * torch.tensor([mirrored, 1.0])) @ turn + torch.tensor([5.0, -2.0])
        assert torch.allclose(embedding.aligned(other, points), points, atol=1e-4)


def test_the_alignment_is_scipy_s():
    from scipy.spatial import procrustes

    one, two = torch.randn(2, 30, 2, generator=torch.Generator().manual_seed(1)).double()
    standard, turned, disparity = procrustes(one.numpy(), two.numpy())
    ours = embedding.aligned(two, torch.from_numpy(standard))
    assert torch.allclose(ours, torch.from_numpy(turned), atol=1e-9)
    assert abs((ours - torch.from_numpy(standard)).square().sum().item() - disparity) < 1e-9


def test_what_cannot_be_aligned():
    with pytest.raises(ValueError, match=r"one shape, got \(3, 2\) and \(4, 2\)"):
        embedding.aligned(torch.zeros(3, 2), torch.zeros(4, 2))
    with pytest.raises(ValueError, match="in one place"):
        embedding.aligned(torch.ones(3, 2), torch.rand(3, 2))
