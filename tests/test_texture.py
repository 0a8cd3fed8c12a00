"""Textures from Gram matrices: what they forget, that the loss falls, what the knobs do, and what is refused."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vizlib import images, models
from vizlib.images import ImageError
from vizlib.optimize import Step, last, losses
from vizlib.synthesis import pieces, quilting, texture
from vizlib.synthesis.pieces import patch_distance
from vizlib.synthesis.texture import Match, TextureKnobs, synthesize

LAYERS = ["relu1", "relu2", "relu3", "relu4"]


@pytest.fixture(scope="module")
def net():
    return models.load("minivgg")


@pytest.fixture(scope="module")
def sample():
    return images.resize(images.style("ink_waves"), 256)[:, :, :96, :96].contiguous()


@pytest.fixture(scope="module")
def result(net, sample) -> list[Step]:
    return list(synthesize(net, sample, TextureKnobs(steps=40), (96, 128), LAYERS))


# --- Gram matrices --------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 1000), down=st.integers(-9, 9), across=st.integers(-9, 9))
@settings(max_examples=40, deadline=None)
def test_rolling_the_features_leaves_the_gram_matrix(seed, down, across):
    features = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(seed))
    rolled = features.roll((down, across), (2, 3))
    assert torch.allclose(losses.gram_matrix(rolled), losses.gram_matrix(features), atol=1e-5)


def test_so_does_any_other_order_of_the_positions_and_nothing_else():
    features = torch.randn(1, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    shuffled = features.flatten(2)[:, :, torch.randperm(42)].view_as(features)
    assert torch.allclose(losses.gram_matrix(shuffled), losses.gram_matrix(features), atol=1e-5)
    apart = torch.stack([channel.roll(i, 1) for i, channel in enumerate(features[0])])[None]
    assert not torch.allclose(losses.gram_matrix(apart), losses.gram_matrix(features), atol=1e-2)


def test_the_gram_matrices_of_a_network(net, sample):
    grams = texture.gram_matrices(net, sample, LAYERS)
    assert list(grams) == LAYERS
    assert [tuple(gram.shape) for gram in grams.values()] == [(1, c, c) for c in (64, 64, 128, 128)]
    assert all(gram.diagonal(dim1=1, dim2=2).min() >= 0 for gram in grams.values())


def test_style_distances(net, sample):
    assert max(texture.style_distances(net, sample, sample, LAYERS).values()) == 0
    moved = texture.style_distances(net, sample.roll((16, 16), (2, 3)), sample, LAYERS)
    other = texture.style_distances(net, images.style("glass")[:, :, :96, :96].contiguous(), sample, LAYERS)
    assert all(moved[layer] < 0.1 * other[layer] for layer in LAYERS)


# --- the loss -------------------------------------------------------------------------------------------------------


def test_the_loss_is_the_weighted_mean_of_the_style_losses(net, sample):
    noise = torch.rand(1, 3, 80, 96, generator=torch.Generator().manual_seed(0))
    knobs = TextureKnobs(weight1=3, weight2=1, total_variation=0, levels=1)
    parts = Match(net, sample, LAYERS[:2], knobs)(noise, 1)
    apart = texture.style_distances(net, noise, sample, LAYERS[:2])
    assert parts["relu1"].item() == pytest.approx(0.75 * apart["relu1"], rel=1e-5)
    assert parts["relu2"].item() == pytest.approx(0.25 * apart["relu2"], rel=1e-5)


def test_levels_average_over_sizes_that_the_network_takes(net, sample):
    large = images.resize(sample, 160)
    noise = torch.rand(1, 3, 128, 160, generator=torch.Generator().manual_seed(0))
    match = Match(net, large, ["relu1"], TextureKnobs(levels=5, total_variation=0))
    assert len(match.targets) == 2, "160 and 80 pixels; 40 would be below the network's 64"
    half = torch.nn.functional.avg_pool2d
    expected = sum(
        texture.style_distances(net, small(noise), small(large), ["relu1"])["relu1"] / 2
        for small in (lambda x: x, lambda x: half(x, 2))
    )
    assert match(noise, 1)["relu1"].item() == pytest.approx(expected, rel=1e-4)


def test_the_gradient_is_that_of_finite_differences(net, sample):
    double = models.wrap(net.module, mean=net.mean.flatten().tolist(), std=net.std.flatten().tolist()).double()
    try:
        match = Match(double, sample.double(), ["conv1"], TextureKnobs(levels=1))
        picture = torch.rand(1, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        direction = torch.randn(picture.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        leaf = picture.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(sum(match(leaf, 1).values()), leaf)
        ahead, behind = (sum(match(picture + h * direction, 1).values()) for h in (1e-3, -1e-3))
        assert (gradient * direction).sum().item() == pytest.approx((ahead - behind).item() / 2e-3, rel=0.01)
    finally:
        net.float()


def test_the_result_is_as_good_as_a_piece_of_the_same_texture(net, sample, result):
    noise = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    far, near = (texture.style_distances(net, x, sample, LAYERS) for x in (noise, result[-1].image))
    crops = [sample[:, :, :64, :64], sample[:, :, -64:, -64:]]
    own = [texture.style_distances(net, crop, sample, LAYERS) for crop in crops]
    assert all(near[layer] < 0.05 * far[layer] for layer in LAYERS)
    assert sum(near.values()) < sum(sum(distances.values()) for distances in own) / 2
    assert patch_distance(result[-1].image, sample) < 0.4 * patch_distance(noise, sample)


def test_it_grows_and_counts(result):
    assert [step.iteration for step in result] == list(range(1, 41))
    assert {tuple(step.image.shape) for step in result} == {(1, 3, 96, 128)}, "half of it would be below 64 pixels"
    assert list(result[0].losses) == [*LAYERS, "TV"]
    totals = [sum(step.losses.values()) for step in result]
    assert totals[-1] < 0.1 * totals[0]


def test_small_sizes_come_first(net, sample):
    large = images.resize(sample, 128)
    steps = list(synthesize(net, large, TextureKnobs(steps=6, stages=3), (128, 192), ["relu1"]))
    assert [tuple(step.image.shape[2:]) for step in steps] == [(64, 96)] * 3 + [(128, 192)] * 3
    assert [step.iteration for step in steps] == [1, 2, 3, 4, 5, 6]


def test_stages_get_equal_shares_of_the_steps():
    """Counted on a network of one convolution, which takes pictures of any size."""
    torch.manual_seed(0)
    small = models.wrap(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), min_size=4)
    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    steps = synthesize(small, picture, TextureKnobs(steps=120, stages=3), (16, 24), ["1"])
    assert Counter(tuple(step.image.shape[2:]) for step in steps) == {(4, 6): 40, (8, 12): 40, (16, 24): 40}


def test_the_knobs_are_read_while_it_runs(net, sample):
    knobs = TextureKnobs(steps=4, total_variation=0)
    steps = synthesize(net, sample, knobs, (64, 64), ["relu1", "relu2"])
    before = next(steps)
    knobs.weight1, knobs.steps = 0.0, 2
    after = next(steps)
    assert before.losses["relu1"] > 0 and after.losses["relu1"] == 0 < after.losses["relu2"]
    assert next(steps, None) is None


def test_the_same_for_the_same_seed(net, sample):
    def run(seed: int) -> torch.Tensor:
        return last(synthesize(net, sample, TextureKnobs(steps=3), (64, 64), ["relu1"], seed)).image

    assert torch.equal(run(1), run(1)) and not torch.equal(run(1), run(2))


def test_an_abandoned_run_leaves_the_network_alone(net, sample):
    steps = synthesize(net, sample, TextureKnobs(), (64, 64), ["relu1"])
    next(steps)
    steps.close()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_another_network(sample):
    net = models.load("squeezenet1_0", weights="untrained")
    totals = [sum(step.losses.values()) for step in synthesize(net, sample, TextureKnobs(steps=30), (64, 64))]
    assert totals[-1] < 0.5 * totals[0]


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"sample": torch.rand(1, 3, 1, 200)}, ValueError, r"sample.*1x200.*minivgg.*\b64\b"),
        ({"sample": torch.rand(1, 3, 40, 40)}, ValueError, r"sample.*40x40.*images\.resize"),
        ({"sample": torch.rand(3, 96, 96)}, ImageError, r"sample.*\(3, 96, 96\).*\(N, 3, H, W\)"),
        ({"size": (64, 10)}, ValueError, r"result.*64x10.*minivgg.*\b64\b"),
        ({"layers": ["relu9"]}, LookupError, "'relu9'.*minivgg.*conv1"),
        ({"layers": ["relu1"] * 7}, ValueError, r"\b7 layers.*1 to 6"),
        ({"knobs": TextureKnobs(weight1=0)}, ValueError, r"weights.*\b0\b.*below 0"),
        ({"knobs": TextureKnobs(weight1=-1)}, ValueError, "weights.*-1.*below 0"),
        ({"knobs": TextureKnobs(weight1=float("nan"))}, ValueError, "weights.*nan.*below 0"),
        ({"knobs": TextureKnobs(total_variation=-1)}, ValueError, "total_variation.*-1.*at least 0"),
        ({"knobs": TextureKnobs(levels=0)}, ValueError, r"levels.*\b0\b.*at least 1"),
        ({"knobs": TextureKnobs(optimizer="sgd")}, ValueError, "'sgd'.*adam, lbfgs"),
    ],
)
def test_what_is_refused(net, sample, change, error, message):
    given_ = {"sample": sample, "knobs": TextureKnobs(), "size": (64, 64), "layers": ["relu1"]} | change
    with pytest.raises(error, match=message):
        next(synthesize(net, **given_))


def test_weights_are_shares():
    assert TextureKnobs(weight1=1, weight2=3).weights(2) == [0.25, 0.75]
    assert TextureKnobs().weights(6) == pytest.approx([1 / 6] * 6)


# --- sources, and one step of quilting -------------------------------------------------------------------------------


def test_a_source_map_is_smooth_where_a_piece_was_copied_and_white_where_there_is_nothing():
    key = pieces.source_map(pieces.places(5, 9), 5, 9)
    assert key.shape == (1, 3, 5, 9) and key.min() >= 0 and key.max() <= 1
    colors = key[0].flatten(1).T
    assert len(torch.unique(colors, dim=0)) == 45, "each place has a colour of its own"
    assert colors[0].tolist() == [0, 0, 1] and colors[-1].tolist() == [1, 1, 0]
    origin = pieces.places(5, 9)[1:3, 2:6].clone()
    origin[0, 0] = -1
    copied = pieces.source_map(origin, 5, 9)
    assert (copied[0, :, 0, 0] == 1).all()
    assert torch.equal(copied[0, :, 1], key[0, :, 2, 2:6])


def test_the_next_block_is_that_of_brute_force():
    dice = torch.Generator().manual_seed(1)
    sample, strip = torch.rand(1, 3, 12, 15, generator=dice), torch.rand(3, 6, 2, generator=dice)
    blocks = [sample[0, :, y : y + 6, x : x + 6] for y in range(7) for x in range(10)]
    best = min(blocks, key=lambda block: (block[..., :2] - strip).square().sum().item())
    path = quilting.seam((strip - best[..., :2]).square().sum(0))
    expected = best.clone()
    for row, column in enumerate(path.tolist()):
        expected[:, row, :column] = strip[:, row, :column]
    assert torch.equal(quilting.next_block(sample, strip, 6), expected)


def test_the_next_block_continues_the_sample_itself():
    sample = torch.rand(1, 3, 12, 15, generator=torch.Generator().manual_seed(2))
    assert torch.equal(quilting.next_block(sample, sample[0, :, 3:9, 4:6], 6), sample[0, :, 3:9, 4:10])


@pytest.mark.parametrize("shape", [(3, 5, 2), (3, 6, 6), (3, 6, 0)])
def test_a_strip_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="strip has shape"):
        quilting.next_block(torch.rand(1, 3, 12, 15), torch.rand(shape), 6)
