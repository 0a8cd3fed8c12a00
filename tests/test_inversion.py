"""Feature inversion: what it makes small, knobs while it runs, how much comes back, and clear mistakes."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio
from torchvision.transforms.v2.functional import gaussian_blur

from vizlib import images, models, optimize
from vizlib.hooks import read
from vizlib.models import Network
from vizlib.optimize import Pixels, regularizers
from vizlib.synthesis import inversion
from vizlib.synthesis.inversion import InversionKnobs, invert, noise


@pytest.fixture(scope="module")
def net() -> Network:
    return models.load("minivgg", device="cpu")


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return images.prepare(images.load("coffee"), 64)


def last(net: Network, photo: torch.Tensor, knobs: InversionKnobs, **begin) -> torch.Tensor:
    return optimize.last(invert(net, photo, noise(net, photo, **begin), knobs)).image


@pytest.mark.parametrize(
    ("optimizer", "rate", "fourier"),
    [
        ("adam", 0.02, False),
        ("adam", 0.02, True),
        ("lbfgs", 1.0, False),
        ("lbfgs", 1.0, True),
        ("normalized", 0.01, False),
    ],
)
def test_every_optimiser_and_start_brings_the_features_closer(net, photo, optimizer, rate, fourier):
    knobs = InversionKnobs(layer="relu3", steps=15, optimizer=optimizer, learning_rate=rate, total_variation=0.5)
    begin = noise(net, photo, fourier=fourier).image().detach()
    found = last(net, photo, knobs, fourier=fourier)
    before, after = (inversion.feature_distance(net, image, photo, "relu3") for image in (begin, found))
    assert after < 0.5 * before and 0 <= found.min() <= found.max() <= 1


def test_it_is_the_search_of_the_lesson(net, photo):
    knobs = InversionKnobs(layer="relu4", total_variation=5, steps=20, optimizer="adam", learning_rate=0.02)
    image = noise(net, photo, fourier=False, contrast=0.1).image().detach().requires_grad_()
    target, optimizer = read(net, photo, ["relu4"])["relu4"], torch.optim.Adam([image], 0.02)
    for _ in range(knobs.steps):
        features = read(net, image, ["relu4"], grad=True)["relu4"]
        distance = (features - target).square().sum() / target.square().sum()
        down, across = image[:, :, 1:] - image[:, :, :-1], image[..., 1:] - image[..., :-1]
        (image.grad,) = torch.autograd.grad(distance + 5 * (down.square().mean() + across.square().mean()), image)
        optimizer.step()
        image.data.clamp_(0, 1)
    assert (last(net, photo, knobs, fourier=False, contrast=0.1) - image).abs().max() < 0.02


def test_deeper_layers_bring_back_less(net, photo):
    depths = ["relu1", "relu3", "relu5", "relu6"]
    values = [inversion.psnr(last(net, photo, InversionKnobs(layer=layer, steps=30)), photo).item() for layer in depths]
    assert all(a > b + 1 for a, b in zip(values, values[1:], strict=False)), values


def test_total_variation_helps_where_the_layer_does_not_look(net, photo):
    def value(weight: float) -> float:
        knobs = InversionKnobs(layer="relu5", steps=30, total_variation=weight)
        return inversion.psnr(last(net, photo, knobs, fourier=False, contrast=0.2), photo).item()

    assert value(5) > value(0) + 1


def test_a_step_reports_the_parts_of_the_loss_where_it_began(net, photo):
    knobs = InversionKnobs(layer="relu4", total_variation=3, l2=0.5)
    picture = noise(net, photo, fourier=False)
    image = picture.image().detach().clone()
    step = next(invert(net, photo, picture, knobs))
    down, across = image.diff(dim=2).square().mean(), image.diff(dim=3).square().mean()
    assert step.losses["features"] == pytest.approx(inversion.feature_distance(net, image, photo, "relu4").item(), 1e-5)
    assert step.losses["TV"] == pytest.approx(3 * (down + across).item(), 1e-5)
    assert step.losses["L2"] == pytest.approx(0.5 * (image - net.mean).square().mean().item(), 1e-5)


def test_another_layer_or_weight_acts_on_the_next_step(net, photo):
    knobs = InversionKnobs(layer="relu1", total_variation=0)
    run = invert(net, photo, noise(net, photo), knobs)
    image = [next(run) for _ in range(8)][-1].image
    knobs.layer, knobs.total_variation = "relu6", 4
    step = next(run)
    assert step.losses["features"] == pytest.approx(inversion.feature_distance(net, image, photo, "relu6").item(), 1e-4)
    assert step.losses["TV"] > 0
    begin = step.losses["features"]
    for _ in range(25):
        step = next(run)
    assert step.losses["features"] < 0.6 * begin, "the optimiser goes on for the new layer"


def test_mirrored_features_are_matched(net, photo):
    knobs = InversionKnobs(layer="relu2", mirror=True, total_variation=0)
    target = read(net, photo, ["relu2"])["relu2"].flip(-1)
    image = noise(net, photo, fourier=False).image().detach()
    expected = (read(net, image, ["relu2"])["relu2"] - target).square().sum() / target.square().sum()
    loss = inversion.mismatch(net, photo, knobs)(image, 1)["features"]
    assert loss.item() == pytest.approx(expected.item(), 1e-5)
    knobs.layer = "fc8"
    step = inversion.mismatch(net, photo, knobs)(photo, 1)
    assert step["features"] < 1e-10, "a linear layer has no left and right"


def test_a_batch_inverts_the_same_features_from_different_noise(net, photo):
    knobs = InversionKnobs(layer="relu2", steps=12, optimizer="adam", learning_rate=0.02)
    four = last(net, photo, knobs, n=4, fourier=False)
    assert four.shape == (4, 3, 64, 64) and not torch.equal(four[0], four[1])
    first = Pixels(noise(net, photo, n=4, fourier=False).image()[:1].detach())
    alone = optimize.last(invert(net, photo, first, knobs)).image
    assert (alone - four[:1]).abs().max() < 0.02, "with Adam each goes its own way"


def test_the_same_seed_gives_the_same_image_twice(net, photo):
    knobs = InversionKnobs(layer="relu3", steps=5)
    assert torch.equal(last(net, photo, knobs, seed=1), last(net, photo, knobs, seed=1))
    assert not torch.equal(last(net, photo, knobs, seed=1), last(net, photo, knobs, seed=2))


def test_the_network_is_left_as_it_was_even_when_stopped_in_the_middle(net, photo):
    before = copy.deepcopy(net.state_dict())
    run = invert(net, photo, noise(net, photo), InversionKnobs(layer="relu5"))
    next(run)
    run.close()
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


@pytest.mark.parametrize("arch", ["squeezenet1_0", "resnet18"])
def test_it_works_on_other_networks_and_on_photos_that_are_not_square(arch):
    net = models.load(arch, weights="untrained", device="cpu")
    photo = images.resize(images.load("china"), (64, 96))
    knobs = InversionKnobs(layer=list(net.layers)[4], steps=12)
    steps = list(invert(net, photo, noise(net, photo), knobs))
    assert steps[-1].losses["features"] < 0.8 * steps[0].losses["features"]


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"layer": "relu9"}, LookupError, "'relu9'.*minivgg.*conv1"),
        ({"total_variation": -1}, ValueError, "total_variation.*-1.*at least 0"),
        ({"l2": -0.5}, ValueError, r"\bl2\b.*-0\.5.*at least 0"),
        ({"optimizer": "sgd"}, ValueError, "'sgd'.*adam, lbfgs"),
    ],
)
def test_wrong_knobs_are_named_at_the_first_step(net, photo, change, error, message):
    with pytest.raises(error, match=message):
        next(invert(net, photo, noise(net, photo), InversionKnobs(**({"layer": "relu2"} | change))))


def test_wrong_photos_are_named(net, photo):
    knobs = InversionKnobs(layer="relu2")
    small = images.prepare(photo, 32)
    with pytest.raises(ValueError, match=r"\b64\b.*32x32"):
        next(invert(net, small, noise(net, small), knobs))
    with pytest.raises(ValueError, match="32x32.*64x64"):
        next(invert(net, photo, noise(net, small), knobs))
    with pytest.raises(ValueError, match=r"photo.*\b2\b.*\bone\b"):
        next(invert(net, photo.repeat(2, 1, 1, 1), noise(net, photo), knobs))
    with pytest.raises(images.ImageError, match="photo.*1 to 248.*divide by 255"):
        next(invert(net, (photo * 255).round(), noise(net, photo), knobs))
    with pytest.raises(ValueError, match=r"two.*\b1\b"):
        inversion.agreement(photo)


# --- how much came back ---------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.floats(0.001, 0.5))
def test_psnr_is_that_of_scikit_image(seed, size):
    generator = torch.Generator().manual_seed(seed)
    photo = torch.rand(1, 3, 9, 7, generator=generator)
    image = (photo + size * torch.randn(2, 3, 9, 7, generator=generator)).clamp(0, 1)
    for value, one in zip(inversion.psnr(image, photo).tolist(), image, strict=True):
        expected = peak_signal_noise_ratio(photo[0].double().numpy(), one.double().numpy(), data_range=1)
        assert value == pytest.approx(expected, abs=1e-3)


def test_psnr_of_the_same_image_is_infinite(photo):
    assert inversion.psnr(photo, photo).item() == math.inf


def test_the_parts_add_up_and_compare_as_they_should(photo):
    layout, detail, color = inversion.split(photo)
    assert torch.allclose(layout + detail, images.luminance(photo)) and layout.shape == (1, 1, 64, 64)
    assert images.luminance(color).abs().max() < 1e-5, "colour holds no luminance"
    whole = inversion.kept(photo, photo)
    assert min(whole) > 0.9999
    gray = images.luminance(photo).expand(-1, 3, -1, -1)
    without = inversion.kept(gray, photo)
    assert without.layout > 0.999 and without.detail > 0.999 and abs(without.color) < 0.01
    assert abs(inversion.kept(regularizers.blur(photo, 5.0), photo).layout) > 0.8
    assert inversion.kept(1 - photo, photo).layout < -0.999


def test_the_parts_are_those_of_the_lesson():
    photo, gray = images.prepare(images.load("coffee"), 96), torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    smooth = gaussian_blur(photo, [19, 19], [3.0, 3.0])
    light, layout = ((picture * gray).sum(1, keepdim=True) for picture in (photo, smooth))
    for ours, part in zip(inversion.split(photo), (layout, light - layout, smooth - layout), strict=True):
        assert torch.allclose(ours, part, atol=1e-5)


def test_agreement_is_the_mean_correlation_of_the_pairs():
    pictures = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    pictures[1] = 0.5 * pictures[0] + 0.2  # correlates perfectly
    correlations = pictures.flatten(1).corrcoef()
    expected = (correlations[0, 1] + correlations[0, 2] + correlations[1, 2]) / 3
    assert inversion.agreement(pictures).item() == pytest.approx(expected.item(), abs=1e-5)
    assert inversion.agreement(pictures[:2]).item() == pytest.approx(1, abs=1e-5)
