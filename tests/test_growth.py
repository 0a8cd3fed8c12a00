"""Growing, quilting and comparing textures: against slow and plain versions of the same."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vizlib import images
from vizlib.images import ImageError
from vizlib.optimize import last
from vizlib.synthesis import growth, pieces
from vizlib.synthesis.growth import GrowthKnobs, grow
from vizlib.synthesis.quilting import QuiltKnobs, quilt, seam


@pytest.fixture(scope="module")
def sample():
    return images.resize(images.style("ink_waves"), 144)[:, :, 40:88, 40:88].contiguous()


def stripes(height: int, width: int, period: int = 6) -> torch.Tensor:
    columns = (torch.arange(width) % period < period // 2).float()
    return columns.expand(1, 3, height, width).contiguous()


# --- growing --------------------------------------------------------------------------------------------------------


def test_distances_are_those_of_a_loop():
    generator = torch.Generator().manual_seed(0)
    sample, around = torch.rand(1, 3, 9, 8, generator=generator), torch.rand(3, 5, 5, generator=generator)
    known = (torch.rand(5, 5, generator=generator) < 0.6).float()
    library = growth.Library(sample, 5)
    distances = library.distances(around, known)
    weight = library.weight * known
    for index, (row, column) in enumerate(product(range(5), range(4))):
        window = sample[0, :, row : row + 5, column : column + 5]
        expected = ((window - around).square().sum(0) * weight).sum() / weight.sum()
        assert distances[index].item() == pytest.approx(expected.item(), abs=1e-5)
        assert library.middle(index) == (row + 2, column + 2)


def test_every_pixel_is_one_of_the_sample(sample):
    steps = list(grow(sample, GrowthKnobs(steps=5, window=5), (20, 30)))
    final = steps[-1]
    assert final.image.shape == (1, 3, 20, 30) and final.origin.min() >= 0
    assert torch.equal(final.image[0], sample[0][:, final.origin[..., 0], final.origin[..., 1]])
    grown = [(step.origin[..., 0] >= 0).sum().item() for step in steps]
    assert [step.iteration for step in steps] == [1, 2, 3, 4, 5]
    assert all(abs(b - a - (600 - 9) / 5) <= 1 for a, b in zip([9, *grown], grown, strict=False)) and grown[-1] == 600
    for earlier, later in zip(steps, steps[1:], strict=False):
        there = earlier.origin[..., 0] >= 0
        assert torch.equal(earlier.origin[there], later.origin[there]), "what has grown stays"
    assert (steps[0].image[0, :, steps[0].origin[..., 0] < 0] == 1).all(), "the rest is white"


def test_it_grows_outwards_from_the_middle(sample):
    first = next(grow(sample, GrowthKnobs(steps=16, window=5), (40, 40)))
    rows, columns = (first.origin[..., 0] >= 0).nonzero().T
    assert rows.min() >= 10 and rows.max() < 30 and columns.min() >= 10 and columns.max() < 30


def test_stripes_go_on():
    """Where a window sees the whole period, exactly one continuation is right."""
    final = last(grow(stripes(32, 32), GrowthKnobs(steps=2, window=9), (24, 24)))
    red = final.image[0, 0]
    assert (red == red[:1]).all(), "the stripes are straight"
    changes = (red[0, 1:] != red[0, :-1]).nonzero()[:, 0]
    assert (changes.diff() == 3).all(), "and as wide as in the sample"


def test_small_windows_lose_the_structure_and_large_ones_copy(sample):
    found = [last(grow(sample, GrowthKnobs(steps=1, window=window), (40, 40), seed=2)) for window in (3, 9, 21)]
    small, middle, large = (pieces.copied_share(step.origin) for step in found)
    assert small < 0.3 < middle - 0.1 and middle < large + 0.1 and large > 0.7
    apart = [pieces.patch_distance(step.image, sample) for step in found]
    assert apart[0] > 1.5 * apart[1]


def test_the_window_may_change_while_it_grows(sample):
    knobs = GrowthKnobs(steps=6, window=3)
    steps = grow(sample, knobs, (32, 32))
    next(steps)
    for knobs.window in (21, 5, 11, 3):
        next(steps)
    final = next(steps)
    assert final.origin.min() >= 0 and next(steps, None) is None


def test_seeds(sample):
    def grown(seed: int) -> torch.Tensor:
        return last(grow(sample, GrowthKnobs(steps=1, window=5), (16, 16), seed)).image

    assert torch.equal(grown(1), grown(1)) and not torch.equal(grown(1), grown(2))


@pytest.mark.parametrize("size", [(3, 3), (3, 50), (17, 3)])
def test_the_smallest_sizes(sample, size):
    assert last(grow(sample, GrowthKnobs(steps=3, window=5), size)).image.shape == (1, 3, *size)


@pytest.mark.parametrize(
    ("sample_size", "window", "size", "error", "message"),
    [
        ((8, 30), 11, (16, 16), ImageError, "8x30.*11x11"),
        ((1, 30), 11, (16, 16), ImageError, "1x30.*3x3"),
        ((30, 30), 10, (16, 16), ValueError, r"window.*\b10\b.*odd.*from 3"),
        ((30, 30), 1, (16, 16), ValueError, r"window.*\b1\b.*odd.*from 3"),
        ((30, 30), 5, (1, 16), ValueError, "size.*1x16.*3x3"),
    ],
)
def test_what_growth_refuses(sample_size, window, size, error, message):
    with pytest.raises(error, match=message):
        next(grow(torch.rand(1, 3, *sample_size), GrowthKnobs(window=window), size))


@pytest.mark.parametrize("tolerance", [-1, float("nan"), float("inf")])
def test_a_tolerance_out_of_range_is_named_by_both(sample, tolerance):
    for steps in (grow(sample, GrowthKnobs(tolerance=tolerance)), quilt(sample, QuiltKnobs(tolerance=tolerance))):
        with pytest.raises(ValueError, match=f"tolerance.*{tolerance}.*from 0"):
            next(steps)


def test_two_samples_are_refused():
    with pytest.raises(ImageError, match=r"sample.*\b2\b.*\bone\b"):
        next(grow(torch.rand(2, 3, 32, 32), GrowthKnobs()))


# --- quilting -------------------------------------------------------------------------------------------------------


def cheapest(error: torch.Tensor) -> float:
    """The smallest sum over all paths, one after the other."""
    height, width = error.shape
    paths = (
        path
        for path in product(range(width), repeat=height)
        if all(abs(a - b) <= 1 for a, b in zip(path, path[1:], strict=False))
    )
    return min(sum(error[i, j].item() for i, j in enumerate(path)) for path in paths)


@given(arrays("float64", st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(0, 10, width=16)))
@settings(max_examples=150, deadline=None)
def test_the_seam_is_the_cheapest_of_all_paths(array):
    error = torch.from_numpy(array)
    path = seam(error)
    assert path.shape == (len(error),) and path.min() >= 0 and path.max() < error.shape[1]
    assert (path.diff().abs() <= 1).all()
    assert error[torch.arange(len(error)), path].sum().item() == pytest.approx(cheapest(error), abs=1e-9)


def test_the_seam_follows_a_free_path():
    error = torch.ones(30, 12)
    way = [5, 6, 7, 7, 6, 5, 4, 3, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11, 10, 9, 8, 7, 6, 5, 5, 5]
    error[torch.arange(30), way] = 0
    assert seam(error).tolist() == way


def test_no_error_no_seam():
    with pytest.raises(ValueError, match=r"\(h, w\).*\(0, 3\)"):
        seam(torch.zeros(0, 3))


def test_a_quilt_is_made_of_the_sample(sample):
    steps = list(quilt(sample, QuiltKnobs(block=16), (50, 70)))
    final = steps[-1]
    assert final.image.shape == (1, 3, 50, 70) and final.origin.min() >= 0
    assert torch.equal(final.image[0], sample[0][:, final.origin[..., 0], final.origin[..., 1]])
    assert [step.iteration for step in steps] == list(range(1, 4 * 6 + 1)), "4 rows of 6 blocks, 12 pixels apart"
    assert (steps[0].image[0, :, 16:, 16:] == 1).all(), "the rest is white"


def test_cutting_hides_the_seams(sample):
    def roughness(cut: bool) -> float:
        """How much neighbours differ that are none in the sample, over several quilts."""
        total, count = 0.0, 0
        for seed in range(4):
            final = last(quilt(sample, QuiltKnobs(block=16, cut=cut), (96, 96), seed))
            joint = (final.origin[:, 1:] - final.origin[:, :-1] != torch.tensor([0, 1])).any(-1)
            steps = (final.image[0, :, :, 1:] - final.image[0, :, :, :-1]).square().sum(0)
            total, count = total + steps[joint].sum().item(), count + joint.sum().item()
        return total / count

    assert roughness(cut=True) < 0.8 * roughness(cut=False)


def test_stripes_are_sewn_without_a_trace():
    final = last(quilt(stripes(32, 32), QuiltKnobs(block=16), (40, 60)))
    red = final.image[0, 0]
    assert (red == red[:1]).all()
    assert ((red[0, 1:] != red[0, :-1]).nonzero()[:, 0].diff() == 3).all()


@pytest.mark.parametrize("size", [(1, 1), (5, 100), (16, 16)])
def test_quilts_of_any_size(sample, size):
    assert last(quilt(sample, QuiltKnobs(block=16), size)).image.shape == (1, 3, *size)


def test_no_overlap_and_a_sample_of_one_block(sample):
    assert last(quilt(sample, QuiltKnobs(block=16, overlap=0), (32, 32))).origin.min() >= 0
    assert pieces.copied_share(last(quilt(sample[:, :, :16, :16], QuiltKnobs(block=16), (16, 16))).origin) == 1


@pytest.mark.parametrize(
    ("knobs", "size", "error", "message"),
    [
        (QuiltKnobs(block=64), (80, 80), ImageError, "48x48.*64x64"),
        (QuiltKnobs(block=2), (80, 80), ValueError, r"block.*\b2\b.*\b4\b"),
        (QuiltKnobs(overlap=0.7), (80, 80), ValueError, r"overlap.*0\.7.*0 to 0\.5"),
        (QuiltKnobs(), (0, 80), ValueError, "size.*0x80.*1x1"),
    ],
)
def test_what_quilting_refuses(sample, knobs, size, error, message):
    with pytest.raises(error, match=message):
        next(quilt(sample, knobs, size))


def test_a_sample_one_pixel_high():
    with pytest.raises(ImageError, match="1x60.*24x24"):
        next(quilt(torch.rand(1, 3, 1, 60), QuiltKnobs()))


# --- comparing ------------------------------------------------------------------------------------------------------


def test_windows():
    image = torch.arange(2 * 3 * 5 * 4.0).view(2, 3, 5, 4)[:1]
    found = pieces.windows(image, 2, 3)
    assert found.shape == (4, 2, 3, 2, 3)
    assert torch.equal(found[3, 1], image[0, :, 3:5, 1:4])


def test_copied_share():
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(10), indexing="ij")
    plain = torch.stack([rows, columns], -1)
    assert pieces.copied_share(plain + 3) == 1
    assert pieces.copied_share(plain.flip(1)) == pytest.approx(7 * 10 / (7 * 10 + 8 * 9)), "only up and down"
    halves = torch.cat([plain[:, :5], plain[:, :5]], 1)
    assert pieces.copied_share(halves) == pytest.approx(1 - 8 / (7 * 10 + 8 * 9)), "all but one column of neighbours"
    with pytest.raises(ValueError, match=r"\(1, 1, 2\).*\(H, W, 2\)"):
        pieces.copied_share(plain[:1, :1])


def test_patch_distance_against_one_that_is_known():
    """Two plain pictures: a projection of a patch is its colour times the sum of the direction."""
    gray, white = torch.full((1, 3, 20, 20), 0.5), torch.ones(1, 3, 20, 20)
    directions = torch.randn(256, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    sums = directions.flatten(1).sum(1) / directions.flatten(1).norm(dim=1)
    assert pieces.patch_distance(gray, white) == pytest.approx(0.5 * sums.square().mean().sqrt().item(), rel=1e-4)


def test_patch_distance_forgets_positions(sample):
    tiled = sample.repeat(1, 1, 1, 2)
    flipped = pieces.patch_distance(sample.flip(2), sample)
    noise = pieces.patch_distance(torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0)), sample)
    assert pieces.patch_distance(sample, sample) == 0
    assert pieces.patch_distance(tiled, sample) < 0.1 * noise
    assert flipped < 0.5 * noise
    with pytest.raises(ValueError, match="7x48.*8x8"):
        pieces.patch_distance(sample[:, :, :7], sample)
