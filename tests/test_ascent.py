"""Gradient ascent: its regularisers by hand, its knobs while it runs, and a network left as it was."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize
from torchvision.transforms.v2.functional import gaussian_blur

from vizlib import models
from vizlib.hooks import read
from vizlib.models import Network
from vizlib.optimize import Diverged, last, objectives, regularizers
from vizlib.synthesis import ascent
from vizlib.synthesis.ascent import AscentKnobs, ascend, blank


@pytest.fixture(scope="module")
def net() -> Network:
    return models.load("minivgg", device="cpu")


def test_the_score_rises_and_the_network_agrees(net):
    steps = list(ascend(net, blank(net), objectives.channel("fc8", 1), AscentKnobs(steps=12, learning_rate=0.02)))
    scores = [-step.losses["activation"] for step in steps]
    assert scores[-1] > scores[0] + 10 and net.predict(steps[-1].image, 1)[0][0].index == 1
    assert steps[-1].image.shape == (1, 3, 64, 64) and 0 <= steps[-1].image.min() <= steps[-1].image.max() <= 1


def test_plain_ascent_is_the_loop_of_the_lesson(net):
    image = net.mean.cpu().expand(1, 3, 64, 64).clone()
    knobs = AscentKnobs(steps=8, optimizer="normalized", learning_rate=0.02)
    for step in ascend(net, blank(net), ascent.logit(net, 1), knobs):
        image.requires_grad_()
        (gradient,) = torch.autograd.grad(net(image)[0, 1], image)
        image = (image.detach() + 0.02 * gradient / gradient.square().mean().sqrt()).clamp(0, 1)
        assert (image - step.image).abs().max() < 0.01


def test_the_regularisers_are_those_of_the_lesson(net):
    knobs = AscentKnobs(steps=6, optimizer="normalized", learning_rate=0.03, l2=100, blur=0.5, blur_every=2)
    knobs.clip_small = knobs.clip_gradient = 0.25
    image = blank(net, contrast=0.1).image().detach()
    for step in ascend(net, blank(net, contrast=0.1), ascent.logit(net, 1), knobs):
        image.requires_grad_()
        score = net(image)[0, 1] - 100 * (image - net.mean).square().mean()
        (gradient,) = torch.autograd.grad(score, image)
        image = image.detach() + 0.03 * gradient / gradient.square().mean().sqrt()
        value = image.clamp(0, 1) - net.mean
        if step.iteration % 2 == 0:
            value = gaussian_blur(value, [5, 5], 0.5)
        strength = value.abs().amax(1, keepdim=True)
        value = value * (strength >= strength.quantile(0.25))
        gain = (gradient * value).sum(1, keepdim=True).abs()
        image = (value * (gain >= gain.quantile(0.25)) + net.mean).clamp(0, 1)
    assert (image - step.image).abs().mean() < 0.002


def test_likeness_is_the_mean_cosine_of_the_gram_matrices():
    features = torch.randn(3, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    unit = normalize(torch.einsum("nchw,ndhw->ncd", features, features).flatten(1))
    cosines = (unit @ unit.T)[~torch.eye(3, dtype=torch.bool)].unflatten(0, (3, 2))
    assert torch.allclose(ascent.likeness(features), cosines.mean(1), atol=1e-6)


def test_several_channels_at_once_are_each_on_its_own(net):
    chosen = torch.tensor([3, 8])
    picture, objective = blank(net, 2, contrast=0.05), objectives.channel("relu4", chosen)
    both = last(ascend(net, picture, objective, AscentKnobs(steps=6)))
    start = blank(net, 2, contrast=0.05).image().detach()
    before, after = (objective.score(read(net, image, ["relu4"])) for image in (start, both.image))
    assert (after > before).all()


@pytest.mark.parametrize("preset", list(ascent.PRESETS))
def test_every_preset_reaches_its_class(net, preset):
    knobs = replace(ascent.PRESETS[preset], steps=25)
    picture = blank(net, fourier="Fourier" in preset)
    step = last(ascend(net, picture, objectives.channel("fc8", 20), knobs))
    assert net(step.image).softmax(1)[0, 20] > 0.9


def test_the_same_seed_gives_the_same_image_twice(net):
    def run(seed: int) -> torch.Tensor:
        knobs = AscentKnobs(steps=4, jitter=4, scale=0.1, rotate=5)
        return last(ascend(net, blank(net, fourier=True), objectives.channel("fc8", 1), knobs, seed)).image

    assert torch.equal(run(0), run(0)) and not torch.equal(run(0), run(1))


def test_knobs_turned_while_it_runs_act_on_the_next_step(net):
    knobs = AscentKnobs(steps=6)
    run = ascend(net, blank(net), objectives.channel("fc8", 1), knobs)
    assert set(next(run).losses) == {"activation"}
    knobs.l2 = 10
    knobs.total_variation = 1
    assert set(next(run).losses) == {"activation", "L2", "TV"}
    knobs.clip_small = 0.5
    image = next(run).image
    still = ((image - net.mean).abs().amax(1) < 1e-6).float().mean()
    assert still >= 0.49


def test_blur_keeps_the_mean_and_removes_the_highest_frequency():
    board = (torch.arange(16)[:, None] + torch.arange(16)).remainder(2).float() * 2 - 1
    value = board.repeat(1, 3, 1, 1)
    assert regularizers.blur(value, 1.0)[..., 4:-4, 4:-4].abs().max() < 0.01
    flat = torch.full((1, 3, 16, 16), 0.3)
    assert torch.allclose(regularizers.blur(flat, 1.0), flat, atol=1e-5)


def test_clip_puts_the_smallest_to_zero_image_by_image():
    value = torch.arange(1.0, 9.0).reshape(2, 1, 2, 2).repeat(1, 3, 1, 1)
    kept = regularizers.clip(value, value.abs().amax(1, keepdim=True), 0.5)
    assert kept[:, 0].flatten(1).tolist() == [[0, 0, 3, 4], [0, 0, 7, 8]]


def test_a_dead_neuron_wakes_up_during_the_warm_up():
    """A channel whose bias keeps it off on a grey image: only the warm-up gives it a gradient."""
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    nn.init.constant_(module[0].bias, -0.3)
    net = models.wrap(module, (0.5,) * 3, (0.25,) * 3, input_size=16)
    objective = objectives.channel("1", 0)

    def end(warm_up: int) -> float:
        steps = ascend(net, blank(net), objective, AscentKnobs(steps=12, warm_up=warm_up))
        return -last(steps).losses["activation"]

    with pytest.raises(ValueError, match=r"1\[0\] has no slope at the start"):
        end(0)
    assert end(12) > 0.05


def test_awake_lets_the_gradient_of_a_score_through_a_relu_that_is_off_and_changes_no_other(net):
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2), nn.ReLU())
    nn.init.constant_(module[3].bias, -9)
    for network, target, dead in (
        (models.wrap(module, (0.5,) * 3, (0.25,) * 3, input_size=16), 0, True),
        (net, 1, False),
    ):
        image = blank(network).image().detach().requires_grad_()
        (plain,) = torch.autograd.grad(network(image)[0, target], image)
        with ascent.awake(network):
            (woken,) = torch.autograd.grad(network(image)[0, target], image)
        assert plain.any() != dead and woken.any() and (dead or torch.equal(woken, plain))


def test_the_network_is_left_as_it_was_even_when_stopped_in_the_middle(net):
    before = copy.deepcopy(net.state_dict())
    run = ascend(net, blank(net), objectives.channel("relu6", 3), AscentKnobs(steps=9, jitter=2))
    next(run)
    run.close()
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize(
    ("objective", "side", "error", "message"),
    [
        (objectives.channel("relu9", 1), 64, LookupError, "'relu9'.*minivgg.*conv1"),
        (objectives.channel("relu5", 256), 64, ValueError, "256.*'relu5'.*255"),
        (objectives.channel("fc8", 1), 32, ValueError, "64.*32x32"),
        (objectives.neuron("relu5", 1, 99, 0), 64, ValueError, r"\(99, 0\).*8x8"),
        (objectives.neuron("fc8", 1, 1, 0), 64, ValueError, r"\(1, 0\).*1x1"),
    ],
)
def test_mistakes_are_named_at_the_first_step(net, objective, side, error, message):
    with pytest.raises(error, match=message):
        next(ascend(net, blank(net, side=side), objective, AscentKnobs()))


def test_a_network_that_gives_nan_ends_it_clearly(net):
    broken = models.load("minivgg", device="cpu")
    broken.module.fc8.bias.data[:] = torch.nan
    with pytest.raises(Diverged, match=r"not finite at step 1\b.*before anything was changed.*weights"):
        next(ascend(broken, blank(broken), objectives.channel("fc8", 1), AscentKnobs()))


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"l2": -1}, r"\bl2\b.*-1.*at least 0"),
        ({"total_variation": float("nan")}, "total_variation.*nan.*at least 0"),
        ({"diversity": float("inf")}, "diversity.*inf.*at least 0"),
        ({"blur": -1}, r"\bblur\b.*-1.*at least 0"),
        ({"blur": 1, "blur_every": 0}, r"blur_every.*\b0\b.*at least 1"),
        ({"clip_small": 1.5}, r"clip_small.*1\.5.*0 to 1"),
        ({"clip_gradient": -0.1}, r"clip_gradient.*-0\.1.*0 to 1"),
        ({"scale": 1}, r"scale.*\b1\b.*0 to 0\.9"),
    ],
)
def test_knobs_out_of_range_are_named_and_the_picture_stays(net, knobs, message):
    picture = blank(net, contrast=0.1)
    before = picture.image().detach().clone()
    with pytest.raises(ValueError, match=message):
        next(ascend(net, picture, objectives.channel("fc8", 1), AscentKnobs(**knobs)))
    assert torch.equal(picture.image(), before)


def test_a_blur_wider_than_the_image_is_cut_off():
    assert regularizers.blur(torch.rand(1, 3, 8, 12), 30).isfinite().all()


def test_a_verdict_on_a_class_that_is_not_there(net):
    with pytest.raises(ValueError, match="999.*199"):
        ascent.verdict(net, torch.rand(1, 3, 64, 64), 999)
