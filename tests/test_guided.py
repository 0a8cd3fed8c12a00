"""Gradients of one neuron: which neuron is meant, what is left behind, and the numbers behind the pictures."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vizlib import hooks, images, models
from vizlib.analysis import guided
from vizlib.analysis.receptive_field import receptive_field
from vizlib.images import Box

RULES = list(hooks.RELU_RULES)


@pytest.fixture(scope="module")
def net() -> models.Network:
    return models.load("minivgg", device="cpu")


@pytest.fixture(scope="module")
def photos() -> Tensor:
    return torch.cat([images.prepare(images.load(name), 80) for name in ("chelsea", "coffee", "flower")])


# --- which neuron ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("cell", ["strongest", "sum", (2, 3), [(0, 0), (4, 1), (2, 2)]])
def test_a_batch_gives_what_each_image_gives_alone(net, photos, cell, rule):
    channels = [20, 7, 149]
    together = guided.gradient(net, photos, "relu6", channels, cell, rule)
    assert together.shape == photos.shape
    for i, channel in enumerate(channels):
        one = cell[i] if isinstance(cell, list) else cell
        alone = guided.gradient(net, photos[i : i + 1], "relu6", channel, one, rule)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-6)


def test_the_strongest_cell_is_where_the_map_has_its_maximum(net, photos):
    maps = hooks.read(net, photos, ["conv5"])["conv5"][:, 11]
    cells = guided.strongest_cells(net, photos, "conv5", 11)
    assert [maps[i, row, column] for i, (row, column) in enumerate(cells)] == list(maps.amax((1, 2)))
    named = guided.gradient(net, photos, "conv5", 11, cells)
    assert torch.equal(named, guided.gradient(net, photos, "conv5", 11, "strongest"))
    assert not torch.equal(named, guided.gradient(net, photos, "conv5", 11, (0, 0)))


def test_plain_gradients_of_the_cells_add_up_to_that_of_the_map(net, photos):
    size = hooks.read(net, photos, ["conv7"])["conv7"].shape[2:]
    cells = [(row, column) for row in range(size[0]) for column in range(size[1])]
    total = sum(guided.gradient(net, photos, "conv7", 3, cell, "backprop") for cell in cells)
    torch.testing.assert_close(guided.gradient(net, photos, "conv7", 3, "sum", "backprop"), total, atol=1e-5, rtol=1e-4)


def test_a_layer_of_plain_numbers_is_one_cell_and_none_means_the_logits(net, photos):
    by_name = guided.gradient(net, photos, "fc8", 5, (0, 0))
    assert by_name.abs().max() > 0
    assert torch.equal(by_name, guided.gradient(net, photos, None, torch.tensor(5)))


def test_the_rule_holds_for_the_neurons_own_relu(net, photos):
    """A neuron that does not fire: its gradient is zero by backprop and guided, but deconvnet never asks."""
    maps = hooks.read(net, photos[:1], ["relu6"])["relu6"][0]
    channel, row, column = (maps == 0).nonzero()[0].tolist()
    sizes = {r: guided.gradient(net, photos[:1], "relu6", channel, (row, column), r).abs().max() for r in RULES}
    assert sizes["backprop"] == sizes["guided"] == 0 < sizes["deconvnet"]


def test_a_rule_of_ones_own(net, photos):
    named = guided.gradient(net, photos, "conv5", 0, rule="guided")
    own = guided.gradient(net, photos, "conv5", 0, rule=lambda gradient, x: gradient.clamp(min=0) * (x > 0))
    assert torch.equal(named, own)
    assert guided.gradient(net, photos, "conv5", 0, rule=lambda gradient, x: gradient * 0).abs().max() == 0


def test_nothing_is_left_behind(net, photos):
    def state() -> list:
        return [(len(m._forward_hooks), len(m._forward_pre_hooks), m.training) for m in net.modules()]

    before, logits, image = state(), net(photos), photos.clone()
    with torch.no_grad():
        guided.gradient(net, image, "relu5", 0)
        assert not torch.is_grad_enabled()
    with pytest.raises(ValueError):
        guided.gradient(net, image, "relu5", 999)
    assert state() == before and torch.equal(net(photos), logits)
    assert torch.equal(image, photos) and not image.requires_grad and image.grad is None
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("relu9", 0), LookupError, "'relu9'.*minivgg.*conv1"),
        (("relu6", 256), ValueError, "channel 256.*'relu6'.*255"),
        (("relu6", -1), ValueError, "channel -1.*'relu6'.*255"),
        (("relu6", 1.5), ValueError, r"channel 1\.5.*whole number"),
        (("relu6", [1, 2]), ValueError, r"channel.*\b2\b.*\b3 images"),
        (("relu6", 0, (10, 0)), ValueError, r"\(10, 0\).*10 rows and 10 columns"),
        (("relu6", 0, (0, -1)), ValueError, r"\(0, -1\).*10 rows and 10 columns"),
        (("relu6", 0, "weakest"), ValueError, "'weakest'.*'strongest'.*'sum'"),
        (("relu6", 0, 3), ValueError, r"cell\b.*\b3\b.*\(row, column\)"),
        (("relu6", 0, [(0, 0), (1, 1)]), ValueError, r"\(1, 1\).*\b3 images"),
        (("relu6", 0, (0, 0), "guide"), LookupError, "'guide'.*backprop, deconvnet, guided"),
    ],
)
def test_bad_arguments(net, photos, arguments, error, message):
    with pytest.raises(error, match=message):
        guided.gradient(net, photos, *arguments)


def test_a_layer_that_gives_neither_maps_nor_numbers():
    class Tokens(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(2)

    class Mean(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean(2)

    net = models.wrap(torch.nn.Sequential(Tokens(), Mean()), name="tokens")
    with pytest.raises(ValueError, match=r"'0'.*\(1, 3, 64\).*\(N, C, h, w\)"):
        guided.gradient(net, torch.rand(1, 3, 8, 8), "0", 0)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("name", "layer"), [("minivgg", "conv5"), ("squeezenet1_1", "fire3"), ("resnet18", "layer1.1")]
)
def test_all_energy_lies_in_the_receptive_field(name, layer, rule):
    """Not nearly all: a pixel outside has a gradient of exactly zero."""
    network = models.load(name, device="cpu", weights="trained" if name == "minivgg" else "untrained")
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    row, column = guided.strongest_cells(network, image, layer, 3)[0].tolist()
    box = receptive_field(network, layer, (row, column), 96, channel=3)
    assert (box.height, box.width) != (96, 96)
    gradient = guided.gradient(network, image, layer, 3, (row, column), rule)
    assert guided.energy_inside(gradient, box).item() == pytest.approx(1, abs=1e-6)
    box.of(gradient).zero_()
    assert not gradient.any()


# --- numbers --------------------------------------------------------------------------------------------------------


def test_energy_inside_a_box():
    gradient = torch.zeros(2, 3, 6, 8)
    gradient[0, 1, 2, 3], gradient[0, 0, 5, 7] = 3.0, -4.0
    assert guided.energy_inside(gradient, Box(0, 4, 0, 5)).tolist() == pytest.approx([9 / 25, 0])
    assert guided.energy_inside(gradient, Box(0, 6, 0, 8)).tolist() == [1, 0]  # the second has no energy at all


def test_concentration_counts_pixels():
    gradient = torch.zeros(3, 3, 10, 10)
    gradient[0, 2, 4, 4] = -5.0  # everything in one pixel of a hundred
    gradient[1] = 1.0
    assert guided.concentration(gradient).tolist() == pytest.approx([0.01, 0.9, 0])
    assert guided.concentration(gradient, 0.25).tolist() == pytest.approx([0.01, 0.25, 0])
    for share in (0, 1.1):
        with pytest.raises(ValueError, match=rf"share.*\b{share}\b.*0.*1"):
            guided.concentration(gradient, share)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 100), share=st.floats(0.05, 1))
def test_numbers_do_not_depend_on_strength_or_order(seed, factor, share):
    generator = torch.Generator().manual_seed(seed)
    gradient = torch.randn(2, 3, 7, 9, generator=generator) ** 3
    counted = guided.concentration(gradient, share)
    assert ((counted > 0) & (counted <= 1)).all()
    torch.testing.assert_close(guided.concentration(factor * gradient.flip(3), share), counted, atol=1 / 63, rtol=0)
    assert (guided.concentration(gradient, share / 2) <= counted).all()
    torch.testing.assert_close(guided.agreement(gradient, factor * gradient), torch.ones(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(guided.agreement(gradient, -gradient), -torch.ones(2), atol=1e-5, rtol=0)
    parts = [Box(0, 7, 0, 4), Box(0, 3, 4, 9), Box(3, 7, 4, 9)]
    whole = sum(guided.energy_inside(gradient, part) for part in parts)
    torch.testing.assert_close(whole, torch.ones(2), atol=1e-5, rtol=0)


def test_agreement_is_the_cosine_and_zero_for_a_gradient_of_zeros():
    first, second = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    first[0, 0, 0, 0] = second[0, 0, 0, 0] = second[0, 1, 1, 1] = 2.0
    assert guided.agreement(first, second).tolist() == pytest.approx([0.5**0.5, 0])
    with pytest.raises(ValueError, match=r"\(2, 3, 4, 4\).*\(1, 3, 4, 4\)"):
        guided.agreement(first, first[:1])


def test_guided_backprop_hardly_tells_classes_apart(net, photos):
    """What the notebook says of it: the maps of the most and the least probable class are nearly the same picture."""
    order = net(photos).argsort(1)
    ends = [order[:, -1], order[:, 0]]
    agreement = {r: guided.agreement(*(guided.gradient(net, photos, None, c, rule=r) for c in ends)) for r in RULES}
    assert agreement["guided"].min() > 0.7
    assert agreement["backprop"].max() < 0.3
