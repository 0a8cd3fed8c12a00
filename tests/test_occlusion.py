"""Occlusion maps: where the occluder goes, what it shows, how the map is refined, and what cannot be asked for."""

import warnings
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from vizlib import hooks, images, models
from vizlib.analysis import occlusion
from vizlib.models import Network
from vizlib.optimize import last


@pytest.fixture(scope="module")
def net() -> Network:
    return models.load("minivgg", "cpu")


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return images.prepare(images.load("coffee"), 64)


def naive(net: Network, image: Tensor, shows: Tensor, result: occlusion.Map) -> Tensor:
    """The logits with the occluder at every position, `(h, w, K)`, one forward each."""
    with torch.inference_mode():
        logits = [net(occlusion.cover(image, shows, *at))[0] for at in product(result.rows, result.columns)]
    return torch.stack(logits).unflatten(0, (len(result.rows), len(result.columns)))


# --- exactness ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fill", [*occlusion.FILLS, (0.9, 0.2, 0.4)])
def test_every_fill_gives_the_logits_of_whole_forwards(net, photo, fill):
    result = occlusion.occlusion(net, photo, "espresso", 17, 11, fill)
    expected = naive(net, photo, occlusion.shown(net, photo, fill), result)[..., result.target]
    assert (result.heat - expected).abs().max() < 1e-4
    assert abs(result.clean - net(photo)[0, result.target].item()) < 1e-4
    assert result.tried.all() and result.done == result.total == result.heat.numel()


@pytest.mark.parametrize(("height", "width", "size", "stride"), [(64, 71, 5, 9), (77, 64, 64, 13), (65, 66, 33, 32)])
def test_odd_sizes_wide_strides_and_cut_off_occluders(net, height, width, size, stride):
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    result = occlusion.occlusion(net, image, 3, size, stride, "black", "probability")
    expected = naive(net, image, torch.zeros_like(image), result).softmax(-1)[..., 3]
    assert (result.heat - expected).abs().max() < 1e-5


def test_an_image_as_fill(net, photo):
    other = images.prepare(images.load("chelsea"), 64)
    result = occlusion.occlusion(net, photo, 3, 64, 1, other)
    assert result.heat.shape == (1, 1)
    assert result.heat.item() == pytest.approx(net(other)[0, 3].item(), abs=1e-4)


# --- networks that are not what they seem ---------------------------------------------------------------------------


class Changing(nn.Module):
    """Two convolutions, and between them a function that changes what it is given."""

    def __init__(self, between):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.last, self.between = nn.Linear(8, 3), between

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.between(self.first(x))).mean((2, 3)))


def function(y):
    torch.relu_(y)  # the value is dropped: y itself has changed
    return y


def method(y):
    y.clamp_(min=0)
    return y


def alias(y):
    z = y
    z *= 2
    return y


def out(y):
    torch.mul(y, 2, out=y)
    return y


def data(y):
    y.data.mul_(2)
    return y


def view(y):
    torch.relu_(y.flatten(1))
    return y


def own(y):
    """Nobody else reads what it changes, so it can be followed."""
    z = y + 1
    return torch.relu_(z)


@pytest.mark.parametrize("between", [function, method, alias, out, data, view])
def test_a_value_that_is_changed_in_place_and_read_again(between):
    net, image = models.wrap(Changing(between), input_size=32), torch.rand(1, 3, 32, 32)
    with pytest.warns(UserWarning, match="whole forward pass.*exact but slow"):
        found = occlusion.occlusion(net, image, 1, 8, 8)
    plain = naive(net, image, occlusion.shown(net, image), found)[..., 1]
    assert (found.heat - plain).abs().max() < 1e-4 and found.clean == pytest.approx(net(image)[0, 1].item(), abs=1e-5)
    assert found.note and plain.max() - plain.min() > 1e-3


@pytest.mark.parametrize("between", [own, nn.ReLU(inplace=True), nn.functional.relu_])
def test_a_value_that_is_changed_in_place_and_not_read_again_is_no_reason_to_be_slow(between, recwarn):
    net, image = models.wrap(Changing(between), input_size=32), torch.rand(1, 3, 32, 32)
    found = occlusion.occlusion(net, image, 1, 8, 8)
    assert (found.heat - naive(net, image, occlusion.shown(net, image), found)[..., 1]).abs().max() < 1e-5
    assert not found.note and not len(recwarn)


class Mixing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean((0, 2, 3), keepdim=True)


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(8, track_running_stats=False), Mixing()])
def test_layers_that_mix_the_images_of_a_batch_get_one_image_at_a_time(layer):
    body = nn.Sequential(nn.Conv2d(3, 8, 3), layer, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    net, image = models.wrap(body, input_size=32), torch.rand(1, 3, 32, 32)
    with pytest.warns(UserWarning, match="one batch change each other"):
        found = occlusion.occlusion(net, image, 1, 8, 8, score="probability")
    plain = naive(net, image, occlusion.shown(net, image), found).softmax(-1)[..., 1]
    assert (found.heat - plain).abs().max() < 1e-6


def body(channels: int = 3, classes: int = 3) -> nn.Sequential:
    norm = nn.BatchNorm2d(8)
    norm.running_mean.uniform_(-1, 1), norm.running_var.uniform_(0.5, 2)
    first, second = nn.Conv2d(channels, 8, 3), nn.Conv2d(8, 8, 3)
    return nn.Sequential(
        first, norm, nn.ReLU(), nn.Dropout(), second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)
    )


def test_a_network_in_the_middle_of_its_training():
    module, image = body(), torch.rand(1, 3, 32, 32)
    net = models.wrap(module, input_size=32)
    module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    steps = occlusion.refining(net, image, 1, 8, 4)
    first = next(steps)
    assert all(part.training for part in module.modules()), "also while the map is not complete"
    assert all(parameter.requires_grad for parameter in module.parameters())
    found = last([first, *steps])
    plain = naive(net, image, occlusion.shown(net, image), found)[..., 1]
    assert (found.heat - plain).abs().max() < 1e-5 and not found.note
    assert occlusion.saving(net, image, 1, 8, 4) > 1
    assert all(part.training for part in module.modules())
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


@pytest.mark.parametrize("fill", ["mean", "blur"])
def test_a_network_that_takes_grey_images(fill):
    net, image = models.wrap(body(1), mean=(0.4,), std=(0.2,), input_size=32), torch.rand(1, 3, 32, 32)
    found = occlusion.occlusion(net, image, 1, 8, 8, fill)
    plain = naive(net, image, occlusion.shown(net, image, fill), found)[..., 1]
    assert (found.heat - plain).abs().max() < 1e-5 and not found.note


@pytest.mark.parametrize(("dtype", "within"), [(torch.float16, 0.01), (torch.bfloat16, 0.05), (torch.float64, 1e-6)])
def test_other_types_of_numbers(dtype, within):
    module, image = body().to(dtype), torch.rand(1, 3, 32, 32)
    module[0].bias.data += 100  # so that a sum over a map is beyond the largest number of half precision
    module[1].running_mean += 100
    net = models.wrap(module, input_size=32)
    found = occlusion.occlusion(net, image, 1, 8, 8)
    plain = naive(net, image, occlusion.shown(net, image), found)[..., 1]
    assert found.heat.dtype == torch.float32 and found.heat.isfinite().all() and not found.note
    assert (found.heat - plain).abs().max() < within * plain.abs().max()


def test_a_network_with_one_output_has_the_probability_of_yes():
    net, image = models.wrap(body(3, 1), input_size=32), torch.rand(1, 3, 32, 32)
    found = occlusion.occlusion(net, image, None, 8, 8, score="probability")
    shows = occlusion.shown(net, image)
    assert torch.allclose(found.heat, naive(net, image, shows, found).sigmoid()[..., 0], atol=1e-6)
    curve = occlusion.deletion(net, image, found, [0, 1], shows)
    assert curve[0].item() == pytest.approx(net(image).sigmoid().item(), abs=1e-6)


class Outputs(nn.Module):
    def __init__(self, inner: nn.Module, change):
        super().__init__()
        self.inner, self.change = inner, change

    def forward(self, x: Tensor) -> object:
        return self.change(self.inner(x))


@pytest.mark.parametrize(
    "change", [lambda y: y[:, :, None, None], lambda y: SimpleNamespace(logits=y), lambda y: y[:, 0]]
)
@pytest.mark.parametrize("score", occlusion.SCORES)
def test_whatever_the_network_accepts_as_logits(change, score):
    net, image = models.wrap(Outputs(body(), change), input_size=32), torch.rand(1, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = occlusion.occlusion(net, image, 0, 8, 8, score=score)
    plain = naive(net, image, occlusion.shown(net, image), found)
    plain = plain if score == "logit" else net.probabilities(plain.flatten(0, 1)).unflatten(0, plain.shape[:2])
    assert (found.heat - plain[..., 0]).abs().max() < 1e-5


def test_what_is_done_to_the_layers_is_part_of_the_network():
    net, image = models.wrap(body(), input_size=32), torch.rand(1, 3, 32, 32)
    untouched = occlusion.occlusion(net, image, 1, 8, 8)
    with hooks.override(net, {"0": lambda maps: -maps}), pytest.warns(UserWarning, match="hooks"):
        found = occlusion.occlusion(net, image, 1, 8, 8)
        plain = naive(net, image, occlusion.shown(net, image), found)[..., 1]
    assert (found.heat - plain).abs().max() < 1e-5 < (found.heat - untouched.heat).abs().max()


def test_odd_convolutions(uneven):
    image = torch.rand(1, 3, 37, 53)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    net = models.wrap(nn.Sequential(uneven, *head))
    found = occlusion.occlusion(net, image, 1, 9, 7)
    plain = naive(net, image, occlusion.shown(net, image), found)[..., 1]
    assert torch.allclose(found.heat, plain, atol=1e-5)


# --- numbers that say nothing ---------------------------------------------------------------------------------------


def test_covering_a_constant_image_with_its_own_colour_costs_nothing(net):
    image = torch.full((1, 3, 64, 64), 0.5)
    found = occlusion.occlusion(net, image, 3, 16, 16, "gray")
    assert found.drop.abs().max() < 1e-5 and found.pixels().isfinite().all()


def test_a_saturated_probability_is_finite_and_drops_by_nothing():
    module, image = body(), torch.rand(1, 3, 32, 32)
    module[-1].bias.data[:] = torch.tensor([0.0, 1000.0, 0.0])
    net = models.wrap(module, input_size=32)
    found = occlusion.occlusion(net, image, 1, 8, 8, score="probability")
    assert found.clean == 1 and found.drop.abs().max() == 0
    assert occlusion.occlusion(net, image, 1, 8, 8).drop.abs().max() > 0, "the logit still tells"


# --- the grid -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 70))
def test_positions_reach_the_border_and_stay_inside(length, size, stride):
    if size > length:
        with pytest.raises(ValueError, match=rf"size.*\b{size}\b.*\b{length}\b.*smaller"):
            occlusion.positions(length, size, stride)
        return
    spans = occlusion.positions(length, size, stride)
    assert spans[0] == (0, size)
    assert [first for first, _ in spans] == [i * stride for i in range(len(spans))]
    assert all(first < end == min(length, first + size) for first, end in spans)
    assert len(spans) == 1 or spans[-2][1] < length, "one position too many"
    assert spans[-1][1] == length or spans[-1][0] + stride >= length, "one too few"


def test_sizes_of_any_library_are_whole_numbers():
    expected = occlusion.positions(64, 16, 8)
    for kind in (np.int64, np.uint8, torch.tensor):
        assert occlusion.positions(64, kind(16), kind(8)) == expected


@given(st.integers(1, 40), st.integers(1, 40))
def test_coarse_first_takes_every_position_once(height, width):
    seen = [pair for rows, columns in occlusion._coarse_first(height, width) for pair in product(rows, columns)]
    assert sorted(seen) == list(product(range(height), range(width)))
    rows, columns = next(occlusion._coarse_first(height, width))
    assert len(rows) <= occlusion.COARSEST and len(columns) <= occlusion.COARSEST


def test_pixels_average_the_occluders_that_cover_them():
    heat = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    spans = [(0, 2), (1, 3)]
    result = occlusion.Map(heat, torch.ones(2, 2, dtype=torch.bool), 5.0, spans, spans, 0)
    assert torch.equal(result.drop, torch.tensor([[4.0, 3.0], [2.0, 1.0]]))
    assert torch.equal(result.pixels(), torch.tensor([[4.0, 3.5, 3.0], [3.0, 2.5, 2.0], [2.0, 1.5, 1.0]]))
    assert result.peak == ((0, 2), (0, 2))


def test_pixels_that_no_occluder_covers_are_zero():
    heat, spans = torch.zeros(1, 2), [(0, 1), (3, 4)]
    result = occlusion.Map(heat, torch.ones(1, 2, dtype=torch.bool), 1.0, [(0, 1)], spans, 0)
    assert result.pixels().tolist() == [[1, 0, 0, 1]]


# --- refining -------------------------------------------------------------------------------------------------------


def test_maps_get_finer_and_each_stays_as_it_was(net, photo):
    steps = list(occlusion.refining(net, photo, 3, 8, 4))
    kept = [(step.heat.clone(), step.tried.clone()) for step in steps]
    counts = [step.done for step in steps]
    assert counts == sorted(set(counts)) and counts[0] <= 16 and counts[-1] == steps[-1].total == 225
    last = steps[-1]
    assert (last.heat - occlusion.occlusion(net, photo, 3, 8, 4).heat).abs().max() < 1e-5, "the order does not matter"
    for step, (heat, tried) in zip(steps, kept, strict=True):
        assert torch.equal(step.heat, heat) and torch.equal(step.tried, tried)
        assert torch.equal(step.heat[tried], last.heat[tried]), "a score that is known does not change"
        assert not step.heat.isnan().any()
        places = tried.nonzero().float()
        for i, j in (~tried).nonzero().tolist()[::17]:
            far = (places - torch.tensor([float(i), float(j)])).norm(dim=1)
            nearest = places[far == far.min()].long()
            assert step.heat[i, j] in step.heat[nearest[:, 0], nearest[:, 1]]


def test_stopping_keeps_the_map_and_leaves_the_network_as_it_was(net, photo):
    before = net(photo)
    weights = {name: value.clone() for name, value in net.state_dict().items()}
    steps = occlusion.refining(net, photo, 3, 8, 4)
    first = next(steps)
    heat = first.heat.clone()
    steps.close()
    assert 0 < first.done < first.total and torch.equal(first.heat, heat)
    assert torch.equal(net(photo), before)
    assert all(torch.equal(weights[name], value) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert not net.training and torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_the_callers_grad_mode_is_not_changed_between_steps(net, photo):
    for _ in occlusion.refining(net, photo, 3, 32, 16):
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_noise_is_the_same_for_the_same_seed(net, photo):
    shows = [occlusion.shown(net, photo, "noise", seed) for seed in (1, 1, 2)]
    assert torch.equal(shows[0], shows[1]) and not torch.equal(shows[0], shows[2])


def test_what_the_occluder_shows(net, photo):
    assert net.normalize(occlusion.shown(net, photo, "mean")).abs().max() < 1e-6
    assert occlusion.shown(net, photo, "gray").unique().tolist() == [0.5]
    assert occlusion.shown(net, photo, "black").unique().tolist() == [0]
    blurred = occlusion.shown(net, photo, "blur")
    assert blurred.shape == photo.shape and blurred.std() < photo.std()
    assert blurred.mean().item() == pytest.approx(photo.mean().item(), abs=0.03)


# --- numbers --------------------------------------------------------------------------------------------------------


def test_deletion_covers_more_and_more(net, photo):
    result, shows = occlusion.occlusion(net, photo, 3, 32, 32), occlusion.shown(net, photo, "black")
    curve = occlusion.deletion(net, photo, result, range(result.total), shows)
    assert curve.shape == (5,)
    ends = [net(image).softmax(1)[0, 3].item() for image in (photo, torch.zeros_like(photo))]
    assert curve[[0, -1]].tolist() == pytest.approx(ends, abs=1e-6)


def test_saving_counts_multiply_adds(net, photo):
    assert occlusion.saving(net, photo, 3, 64, 1) == pytest.approx(1)
    few, many = occlusion.saving(net, photo, 3, 4, 4), occlusion.saving(net, photo, 3, 32, 4)
    assert few > many > 1


# --- what cannot be asked for ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"size": 65}, ValueError, r"size.*\b65\b.*\b64\b.*smaller"),
        ({"size": 0}, ValueError, r"size.*\b0\b.*at least 1"),
        ({"size": 8.0}, ValueError, r"size.*8\.0.*whole number"),
        ({"stride": 0}, ValueError, r"stride.*\b0\b.*at least 1"),
        ({"target": 200}, ValueError, r"\b200\b.*minivgg.*\b199\b"),
        ({"target": -1}, ValueError, r"-1\b.*minivgg.*\b199\b"),
        ({"target": "expresso"}, LookupError, "'expresso'.*'espresso'"),
        ({"fill": "pink"}, ValueError, "fill.*mean, blur, gray, black, noise.*'pink'"),
        ({"fill": (1, 2, 3)}, ValueError, r"fill.*\[0, 1\].*\(1, 2, 3\)"),
        ({"fill": torch.zeros(1, 3, 9, 9)}, ValueError, r"fill.*\(1, 3, 64, 64\).*\(1, 3, 9, 9\)"),
        ({"score": "loss"}, ValueError, "score.*logit, probability.*'loss'"),
        ({"image": torch.rand(2, 3, 64, 64)}, ValueError, r"image\b.*\b2\b.*\bone\b"),
        ({"image": torch.rand(3, 64, 64)}, ValueError, r"\(3, 64, 64\).*\(N, 3, H, W\)"),
        ({"image": 255 * torch.ones(1, 3, 64, 64)}, ValueError, r"\b255\b.*\[0, 1\]"),
    ],
)
def test_bad_input_is_refused_before_the_work_begins(net, photo, arguments, error, message):
    with pytest.raises(error, match=message):
        occlusion.refining(**{"net": net, "image": photo, "target": 3} | arguments)
