"""DeepDream: each part by hand or by a closed form, knobs while it runs, and clear mistakes."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from vizlib import images, models
from vizlib.hooks import read
from vizlib.models import Network
from vizlib.optimize import last
from vizlib.synthesis import deepdream
from vizlib.synthesis.deepdream import DreamKnobs, dream


@pytest.fixture(scope="module")
def net() -> Network:
    return models.load("minivgg", device="cpu")


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return images.resize(images.load("coffee"), 96)


def energy(net: Network, image: torch.Tensor, layer: str) -> float:
    return 0.5 * read(net, image, [layer])[layer].square().mean().item()


# --- the dream ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["conv3", "relu6", "conv7"])
def test_the_layer_responds_more_and_the_image_stays_within_its_distance(net, photo, layer):
    knobs = DreamKnobs(layer=layer, steps=12, octaves=3, reach=0.03)
    steps = list(dream(net, photo, knobs))
    for step in steps:
        k = 1 + (step.iteration - 1) // 4
        original = images.resize(photo, tuple(step.image.shape[2:]))
        assert deepdream.distance(step.image, original) <= 0.03 * k + 1e-5
    assert steps[-1].image.shape == photo.shape
    assert energy(net, steps[-1].image, layer) > 2 * energy(net, photo, layer)


def test_a_step_reports_the_energy_where_it_began(net, photo):
    knobs = DreamKnobs(layer="relu5", octaves=1, jitter=0)
    step = next(dream(net, photo, knobs))
    assert step.losses == {"activation": pytest.approx(-energy(net, photo, "relu5"), 1e-4)}


def test_a_normalised_step_is_as_long_as_it_says_and_goes_up_the_gradient(net, photo):
    knobs = DreamKnobs(layer="conv4", octaves=1, jitter=0, smoothing=0, learning_rate=0.002, reach=1)
    image = (0.5 + 0.2 * (photo - 0.5)).requires_grad_()  # away from black and white, so nothing is cut off
    (gradient,) = torch.autograd.grad(read(net, image, ["conv4"], grad=True)["conv4"].square().mean() / 2, image)
    moved = next(dream(net, image.detach(), knobs)).image - image.detach()
    assert moved.square().mean().sqrt().item() == pytest.approx(0.002, rel=1e-3)
    assert torch.allclose(moved, 0.002 * gradient / gradient.square().mean().sqrt(), atol=1e-5)


def test_an_octave_is_the_loop_of_the_notebook(net, photo):
    """Rolled by a random shift, its gradient smoothed and normalised, and held within its distance of the photo."""
    knobs, generator = DreamKnobs(layer="conv7", octaves=1, steps=6, reach=0.04), torch.Generator().manual_seed(0)
    image = photo
    for step in dream(net, photo, knobs):
        pixels = image.clone().requires_grad_()
        rolled = pixels.roll(deepdream.shift(16, generator), (2, 3))
        energy = read(net, rolled, ["conv7"], grad=True)["conv7"].square().mean() / 2
        (gradient,) = torch.autograd.grad(energy, pixels)
        gradient = deepdream.smooth(gradient, 1.0)
        image = (image + 0.015 * gradient / gradient.square().mean().sqrt()).clamp(0, 1)
        distance = (image - photo).square().mean().sqrt()
        image = photo + (image - photo) * (0.04 / distance).clamp(max=1)
        torch.testing.assert_close(step.image, image, atol=1e-3, rtol=0)


def test_a_plain_step_is_the_gradient_times_the_rate(net, photo):
    knobs = DreamKnobs(layer="conv4", octaves=1, jitter=0, smoothing=0, normalize=False, learning_rate=0.5, reach=1)
    image = (0.5 + 0.2 * (photo - 0.5)).requires_grad_()
    (gradient,) = torch.autograd.grad(read(net, image, ["conv4"], grad=True)["conv4"].square().mean() / 2, image)
    moved = next(dream(net, image.detach(), knobs)).image - image.detach()
    assert torch.allclose(moved, 0.5 * gradient, atol=1e-6)


def test_the_same_seed_dreams_the_same_twice(net, photo):
    def run(seed: int) -> torch.Tensor:
        return last(dream(net, photo, DreamKnobs(layer="relu6", steps=4, octaves=2), seed=seed)).image

    assert torch.equal(run(0), run(0)) and not torch.equal(run(0), run(1))


def test_knobs_turned_while_it_runs_act_on_the_next_step(net, photo):
    knobs = DreamKnobs(layer="conv3", steps=6, octaves=1, jitter=0)
    run = dream(net, photo, knobs)
    next(run)
    image = next(run).image
    knobs.layer = "conv7"
    assert next(run).losses["activation"] == pytest.approx(-energy(net, image, "conv7"), 1e-3)
    knobs.octaves, knobs.octave_scale, knobs.steps = 2, 2.0, 16
    small = [next(run).image.shape for _ in range(2)][-1]
    assert small == (1, 3, 64, 96), "no octave is smaller than what the network takes"


@pytest.mark.parametrize("aim", deepdream.AIMS)
def test_every_aim_is_reached_and_the_network_is_left_as_it_was(net, photo, aim):
    before, guide = copy.deepcopy(net.state_dict()), images.load("chelsea")
    knobs = DreamKnobs(layer="relu6", aim=aim, channel=[3, 9], steps=8, octaves=2)
    seek = deepdream.seeker(net, guide)(knobs)
    dreamt = last(dream(net, photo, knobs, guide)).image
    start, end = (seek.score(read(net, image, ["relu6"])).mean() for image in (photo, dreamt))
    assert end > 1.5 * start
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_several_channels_are_their_mean(net, photo):
    one = [deepdream.seeker(net, None)(DreamKnobs(layer="relu4", aim="channel", channel=c)) for c in (2, [5], [2, 5])]
    scores = [objective.score(read(net, photo, ["relu4"])).item() for objective in one]
    assert scores[2] == pytest.approx((scores[0] + scores[1]) / 2, rel=1e-5)


def test_a_guide_pulls_towards_its_own_features(net, photo):
    cat, flower = (images.load(name) for name in ("chelsea", "flower"))
    knobs = DreamKnobs(layer="relu7", aim="guide", steps=12, octaves=2)
    ends = [last(dream(net, photo, knobs, guide)).image for guide in (cat, flower)]
    for own, guide in enumerate((cat, flower)):
        match = deepdream.guided("relu7", deepdream.guide_features(net, guide, "relu7"))
        scores = [match.score(read(net, end, ["relu7"])).item() for end in ends]
        assert scores[own] > 1.2 * scores[1 - own]


def test_the_guided_objective_is_the_mean_of_the_best_dot_products(net, photo):
    features = deepdream.guide_features(net, images.load("chelsea"), "relu6")
    acts = read(net, photo, ["relu6"])
    places = acts["relu6"][0].flatten(1).T.numpy()
    products = -cdist(places, features.numpy(), lambda a, b: -float(a @ b))
    score = deepdream.guided("relu6", features).score(acts)
    assert score.item() == pytest.approx(products.max(1).mean(), rel=1e-4)


def test_a_large_guide_is_thinned_out(net):
    features = deepdream.guide_features(net, images.load("chelsea"), "relu1")
    count = math.prod(read(net, images.resize(images.load("chelsea"), net.input_size), ["relu1"])["relu1"].shape[2:])
    assert count > deepdream.PLACES >= len(features) > deepdream.PLACES / 2


# --- its parts ------------------------------------------------------------------------------------------------------


def test_octaves_share_the_steps_and_end_at_the_photo(net):
    photo, knobs = torch.zeros(1, 3, 200, 300), DreamKnobs(layer="conv7", steps=8, octaves=4, octave_scale=1.5)
    assert [deepdream.octave(knobs, done) for done in range(9)] == [0, 0, 1, 1, 2, 2, 3, 3, 3]
    sizes = [deepdream.octave_size(net, photo, knobs, done) for done in (0, 2, 4, 6)]
    assert sizes == [(64, 96), (89, 133), (133, 200), (200, 300)]


def test_detail_is_carried_to_the_next_size_and_the_photo_taken_afresh():
    photo = images.resize(images.load("chelsea"), 64)
    detail = deepdream.Detail(photo)
    detail.resize(32, 48)
    small = detail.image().detach()
    assert torch.allclose(small, images.resize(photo, (32, 48)), atol=1e-6)
    detail.change(lambda image, gradient: image + 0.1)
    detail.resize(*photo.shape[2:])
    # what was not cut off at white came back as 0.1 on the sharp photo
    inner = photo < 0.85
    assert (detail.image().detach() - photo)[inner].sub(0.1).abs().mean() < 0.01


def test_a_constant_stays_where_it_is_within_its_ball():
    photo, image = torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), 0.8)
    assert torch.allclose(deepdream.within(image, photo, 0.1), torch.full_like(photo, 0.6))
    assert torch.equal(deepdream.within(image, photo, 0.5), image)
    assert torch.equal(deepdream.within(photo, photo, 0.1), photo)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.5])
def test_smoothing_is_the_mean_of_three_gaussians(sigma):
    gradient = torch.randn(1, 3, 40, 50, generator=torch.Generator().manual_seed(0))
    expected = sum(
        gaussian_filter(gradient.numpy(), (0, 0, s, s), radius=max(1, round(3 * s)), mode="mirror")
        for s in (0.5 * sigma, sigma, 2 * sigma)
    )
    np.testing.assert_allclose(deepdream.smooth(gradient, sigma), expected / 3, atol=1e-5)
    assert deepdream.smooth(gradient, 0) is gradient


def test_shifts_are_even_over_their_range():
    generator = torch.Generator().manual_seed(0)
    shifts = np.array([deepdream.shift(2, generator) for _ in range(2000)])
    assert set(shifts.ravel()) == {-2, -1, 0, 1, 2} and abs(shifts.mean()) < 0.1
    assert deepdream.shift(0, generator) == (0, 0)


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"layer": "conv99"}, "'conv99'.*conv1"),
        ({"aim": "channel", "channel": 9999}, "9999.*255"),
        ({"aim": "all"}, "aim.*'all'.*layer, channel, guide"),
        ({"aim": "guide"}, "guide.*image"),
        ({"aim": "channel", "channel": []}, r"channel \[\].*whole number"),
        ({"aim": "channel", "channel": 1.5}, r"channel 1\.5.*whole number"),
        ({"octaves": 0}, r"octaves.*\b0\b.*1 to 99"),
        ({"octaves": float("inf")}, "octaves.*inf.*1 to 99"),
        ({"jitter": 2.5}, r"jitter.*2\.5.*whole number"),
        ({"smoothing": float("nan")}, "smoothing.*nan.*at least 0"),
        ({"reach": float("nan")}, "reach.*nan.*above 0"),
        ({"octave_scale": 1.0}, r"octave_scale.*1\.0.*above 1"),
        ({"jitter": -1}, "jitter.*-1.*at least 0"),
        ({"smoothing": -0.5}, r"smoothing.*-0\.5.*at least 0"),
        ({"reach": 0}, r"reach.*\b0\b.*above 0"),
        ({"learning_rate": 0}, r"learning_rate.*\b0\b.*above 0"),
    ],
)
def test_bad_knobs(net, photo, knobs, message):
    with pytest.raises((ValueError, LookupError), match=message):
        next(dream(net, photo, DreamKnobs(**({"layer": "conv5"} | knobs))))


def test_a_bad_photo(net, photo):
    with pytest.raises(images.ImageError, match=r"photo.*\(3, 64, 64\).*\(N, 3, H, W\)"):
        next(dream(net, torch.rand(3, 64, 64), DreamKnobs(layer="conv5")))
    with pytest.raises(images.ImageError, match=r"photo.*\b2\b.*\bone\b"):
        next(dream(net, torch.cat([photo, photo]), DreamKnobs(layer="conv5")))


def test_a_guide_is_looked_at_where_there_are_places(net, photo):
    with pytest.raises(ValueError, match=r"'fc8'.*\(1, 200\).*before"):
        next(dream(net, photo, DreamKnobs(layer="fc8", aim="guide"), photo))


def test_with_fewer_steps_than_octaves_the_last_one_still_has_the_photos_size(net, photo):
    knobs = DreamKnobs(layer="conv3", steps=2, octaves=5)
    assert last(dream(net, photo, knobs)).image.shape == photo.shape
    assert [deepdream.octave(knobs, done) for done in range(3)] == [3, 4, 4]


def test_a_wide_smoothing_of_a_small_image_is_cut_off(net):
    small = images.resize(images.load("coffee"), 64)
    assert next(dream(net, small, DreamKnobs(layer="conv3", octaves=1, smoothing=30))).image.isfinite().all()


# --- the bare loop over octaves -------------------------------------------------------------------------------------


def test_over_octaves_grows_to_the_photo_and_carries_the_detail_alone(photo):
    plain = photo * 0 + 0.5
    steps = list(deepdream.over_octaves(plain, lambda image: image + 0.1, octaves=3, octave_scale=2, steps=2))
    height, width = photo.shape[2:]
    assert [step.iteration for step in steps] == [1, 2, 3, 4, 5, 6]
    assert [tuple(step.image.shape[2:]) for step in steps[1::2]] == [
        (round(height / n), round(width / n)) for n in (4, 2, 1)
    ]
    assert [step.image.mean().item() for step in steps[:4]] == pytest.approx([0.6, 0.7, 0.8, 0.9], abs=1e-4)


def test_over_octaves_keeps_the_photo_sharp(photo):
    last_step = last(deepdream.over_octaves(photo, lambda image: image, octaves=4, octave_scale=1.5, steps=1))
    assert torch.allclose(last_step.image, photo, atol=1e-5), "what changes nothing gives the photo itself"


@pytest.mark.parametrize("wrong", [{"octaves": 0}, {"octave_scale": 1.0}, {"steps": 0}])
def test_over_octaves_says_what_it_expects(photo, wrong):
    with pytest.raises(ValueError, match="expected at least one octave"):
        next(deepdream.over_octaves(photo, lambda image: image, **wrong))
