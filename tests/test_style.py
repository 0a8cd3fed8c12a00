"""Style transfer: units, weights, colours, sizes, and what it says of bad input."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vizlib import images, models, optimize
from vizlib.hooks import read
from vizlib.optimize import regularizers
from vizlib.synthesis import style

SMALL = style.StyleKnobs(steps=6, size=108, scales=1)


@pytest.fixture(scope="module")
def net():
    return models.load("minivgg", device="cpu")


@pytest.fixture(scope="module")
def photo():
    return images.resize(images.load("chelsea"), 72)


@pytest.fixture(scope="module")
def painting():
    return images.resize(images.style("whirls"), 72)


def last(net, photo, paintings, knobs, seed=0):
    return optimize.last(style.transfer(net, photo, paintings, knobs, seed))


def test_the_photo_has_content_0_and_style_1_and_the_painting_style_0(net, photo, painting):
    square = images.center_crop(photo, 72)
    targets = style.Targets(net, square, [painting])
    content, by_style = targets.measure(square, SMALL)
    assert content == 0 and by_style == pytest.approx(1, abs=1e-5)
    content, by_style = targets.measure(painting, SMALL)
    assert content > 0.5 and by_style == pytest.approx(0, abs=1e-5)


def test_an_image_of_the_channel_means_would_have_content_1(net, photo):
    layer = "relu4"
    features = read(net, photo, [layer])[layer]
    target = style.Targets(net, photo, [photo]).at(tuple(photo.shape[2:]), replace(SMALL, content_layers=[layer]))
    flat = {**read(net, photo, list(target.grams)), layer: features.mean((2, 3), keepdim=True).expand_as(features)}
    assert style.compare(flat, target)[0].item() == pytest.approx(1, abs=1e-5)


def test_descent_takes_style_and_gives_up_little_content(net, photo, painting):
    knobs = replace(SMALL, steps=20)
    targets = style.Targets(net, photo, [painting])
    content, by_style = targets.measure(last(net, photo, [painting], knobs).image, knobs)
    assert by_style < 0.6 and 0 < content < 1.5


def test_the_losses_of_a_step_are_the_weighted_parts(net, photo, painting):
    knobs = replace(SMALL, content_weight=2.0, style_weight=3.0, total_variation=4.0)
    start = images.resize(photo, (72, 108))
    targets = style.Targets(net, photo, [painting])
    parts = targets.losses(start, knobs)
    content, by_style = targets.measure(start, knobs)
    assert parts["content"].item() == pytest.approx(2 * content, abs=1e-5)
    assert parts["style"].item() == pytest.approx(3 * by_style, rel=1e-5)
    assert parts["TV"].item() == pytest.approx(4 * regularizers.total_variation(start).item())


def test_same_seed_same_picture_and_the_network_is_as_it_was(net, photo, painting):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    noise = replace(SMALL, begin="noise", steps=3)
    first, again, other = (last(net, photo, [painting], noise, seed).image for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_it_grows_through_its_sizes_and_takes_a_new_one_while_it_runs(net, photo, painting):
    knobs = style.StyleKnobs(steps=9, size=200, scales=3)
    sizes = []
    for step in style.transfer(net, photo, [painting], knobs):
        sizes.append(max(step.image.shape[2:]))
        if step.iteration == 7:
            knobs.size = 128
    assert sizes == [100] * 3 + [141] * 3 + [200] * 1 + [128] * 2 and len(set(sizes)) == 4


def test_a_mix_is_the_mix_of_gram_matrices(net, photo, painting):
    other = images.resize(images.style("mosaic"), 72)
    targets = style.Targets(net, photo, [painting, other])
    size = tuple(photo.shape[2:])
    ends = [targets.at(size, replace(SMALL, mix=mix)).grams for mix in (0.0, 1.0)]
    blended = targets.at(size, replace(SMALL, mix=0.25)).grams
    for layer, gram in blended.items():
        assert torch.allclose(gram, 0.75 * ends[0][layer] + 0.25 * ends[1][layer], rtol=1e-4, atol=1e-6)


def test_a_spectrum_takes_fewer_steps_of_lbfgs_than_pixels(net, photo, painting):
    found = {}
    for parametrization in ("pixels", "spectrum"):
        knobs = replace(SMALL, steps=20, optimizer="lbfgs", learning_rate=1.0, parametrization=parametrization)
        *_, found[parametrization] = (
            sum(step.losses.values()) for step in style.transfer(net, photo, [painting], knobs)
        )
    assert found["spectrum"] < 0.8 * found["pixels"]


def test_a_spectrum_grows_through_its_sizes(net, photo, painting):
    knobs = replace(SMALL, size=200, steps=6, scales=3, optimizer="lbfgs", parametrization="spectrum")
    sizes = [tuple(step.image.shape[2:]) for step in style.transfer(net, photo, [painting], knobs)]
    assert len(set(sizes)) == 3 and max(sizes[-1]) == 200


def test_style_size_shows_the_painting_larger(net, photo, painting):
    targets = style.Targets(net, photo, [painting])
    shown = targets._style(0, (72, 108), replace(SMALL, style_size=2.0))
    assert tuple(shown.shape[2:]) == (216, 216)
    tiny = style.Targets(net, photo, [images.resize(painting, 20)])
    assert tuple(tiny._style(0, (72, 108), replace(SMALL, style_size=0.1)).shape[2:]) == (64, 64), "stated fallback"


def test_luminance_keeps_the_colours_of_the_photo(net, photo, painting):
    image = last(net, photo, [painting], replace(SMALL, size=108, colors="luminance", steps=4)).image
    original = images.resize(photo, tuple(image.shape[2:]))
    inside = ((image > 0) & (image < 1)).all(1, keepdim=True)
    difference = image - original
    assert ((difference - difference.mean(1, keepdim=True)).abs() * inside).max() < 1e-5


@given(st.integers(0, 1000))
def test_matched_colours_have_the_mean_and_covariance_of_the_other(seed):
    generator = torch.Generator().manual_seed(seed)
    picture, colors = (0.5 + 0.05 * torch.randn(1, 3, 20, 30, generator=generator) for _ in range(2))
    colors = torch.einsum("ij,njhw->nihw", 0.3 * torch.rand(3, 3, generator=generator), colors)
    matched = style.match_colors(picture, colors).flatten(2)[0].double()
    wanted = colors.flatten(2)[0].double()
    clamped = (matched <= 0).any() or (matched >= 1).any()
    if not clamped:
        assert torch.allclose(matched.mean(1), wanted.mean(1), atol=1e-5)
        assert torch.allclose(torch.cov(matched), torch.cov(wanted), atol=2e-4)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"content_weight": 0, "style_weight": 0}, r"content.weight 0\b.*style.weight 0\b"),
        ({"style_weight": -1}, "style.weight -1"),
        ({"size": 48}, r"72x108.*size 48\b.*minivgg.*\b96\b"),
        ({"mix": 0.5}, r"mix.*0\.5.*two"),
        ({"mix": 1.5}, r"mix.*1\.5.*\b0\b.*\b1\b"),
        ({"begin": "nowhere"}, "begin.*'nowhere'.*'content'.*'noise'"),
        ({"colors": "loud"}, "colors.*'loud'.*style, luminance, histogram"),
        ({"parametrization": "waves"}, "parametrization.*'waves'.*'pixels' or 'spectrum'"),
        ({"scales": 0}, r"scales.*\b0\b.*at least 1"),
        ({"style_layers": ["relu99"]}, "'relu99'.*minivgg.*conv1"),
        ({"content_layers": ["fc8"]}, "'fc8'.*before"),
        ({"content_weight": float("nan")}, "content.weight nan"),
        ({"total_variation": -1}, "total_variation.*-1.*at least 0"),
        ({"style_size": 0}, r"style_size.*\b0\b.*\b8\b"),
        ({"style_size": 256}, r"style_size.*\b256\b.*\b8\b"),
    ],
)
def test_bad_knobs(net, photo, painting, changes, message):
    knobs = replace(style.StyleKnobs(steps=2, size=128), **changes)
    with pytest.raises((ValueError, LookupError), match=message):
        last(net, photo, [painting], knobs)
    assert not any(module._forward_hooks for module in net.modules())


def test_bad_pictures(net, photo, painting):
    with pytest.raises(ValueError, match=r"1x300.*size 128\b.*minivgg"):
        last(net, torch.rand(1, 3, 1, 300), [painting], style.StyleKnobs(size=128))
    with pytest.raises(ValueError, match="style 1.*4x300.*crop"):
        last(net, photo, [torch.rand(1, 3, 4, 300)], SMALL)
    with pytest.raises(ValueError, match=r"one.*two.*\b0\b"):
        last(net, photo, [], SMALL)
    with pytest.raises(images.ImageError, match=r"style 1.*\b2\b.*\bone\b"):
        last(net, photo, [torch.cat([painting, painting])], SMALL)
    with pytest.raises(images.ImageError, match=r"content.*\b2\b.*\bone\b"):
        last(net, torch.cat([photo, photo]), [painting], SMALL)


def test_a_style_image_smaller_than_the_network_takes_is_enlarged(net, photo, painting):
    tiny = images.resize(painting, (20, 30))
    assert max(last(net, photo, [tiny], SMALL).image.shape[2:]) == 108
    shown = style.Targets(net, photo, [tiny])._style(0, (40, 60), style.StyleKnobs())
    assert min(shown.shape[2:]) == net.min_size


def test_a_photo_of_forty_megapixels_is_reduced_to_the_size_asked_for(net, painting):
    huge = torch.rand(1, 3, 1, 1).expand(1, 3, 5000, 8000)  # of which memory holds three numbers
    assert max(last(net, huge, [painting], SMALL).image.shape[2:]) == 108


def test_with_fewer_steps_than_scales_the_picture_still_has_its_size(net, photo, painting):
    found = list(style.transfer(net, photo, [painting], style.StyleKnobs(steps=2, size=128, scales=4)))
    assert max(found[-1].image.shape[2:]) == 128
