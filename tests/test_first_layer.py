"""The gradient at the pixels through a first convolution with stride: the same as autograd's, and out of the way."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vizlib import hooks, models
from vizlib.models import first_layer
from vizlib.models.first_layer import QuickPixelGradients, worth_it


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The stride of every convolution whose gradient took the quick way."""
    strides, slow = [], first_layer.pixel_gradient

    def count(gradient: Tensor, weight: Tensor, stride: int, *geometry: object) -> Tensor:
        strides.append(stride)
        return slow(gradient, weight, stride, *geometry)

    monkeypatch.setattr(first_layer, "pixel_gradient", count)
    return strides


def at_pixels(net: nn.Module, images: Tensor) -> Tensor:
    images = images.clone().requires_grad_()
    return torch.autograd.grad(net(images).square().sum(), images)[0]


@pytest.mark.parametrize(("name", "stride"), [("alexnet", 4), ("squeezenet1_0", 2), ("resnet18", 2)])
def test_a_networks_gradient_is_what_it_would_be_without(name, stride, caught):
    net = models.load(name, "cpu", "untrained")
    images = torch.rand(2, 3, 97, 80, generator=torch.Generator().manual_seed(0))
    quick = at_pixels(net, images)
    assert caught == [stride]
    plain = at_pixels(lambda images: net.module(net.normalize(images)), images)
    assert caught == [stride] and plain.any() and (quick - plain).norm() < 1e-5 * plain.norm()
    with torch.no_grad():
        assert torch.equal(net(images), net.module(net.normalize(images)))


def test_it_works_with_bfloat16_relu_rules_and_activations_of_the_layer_itself(caught):
    net = models.load("squeezenet1_0", "cpu", "untrained")
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16), hooks.relu_rule(net, "guided"):
        with hooks.recording(net, ["conv1"]) as activations:
            score = net(image).float().mean()
    below, above = torch.autograd.grad(score, [image, activations["conv1"]])
    assert below.dtype == torch.float32 and below.any() and above.any() and caught == [2]


def test_its_gradient_has_a_gradient():
    image = torch.rand(1, 3, 9, 11, dtype=torch.float64, requires_grad=True)
    layer = nn.Conv2d(3, 4, 5, 2, 1, dtype=torch.float64).requires_grad_(False)

    def act(image: Tensor) -> Tensor:
        with QuickPixelGradients():
            return layer(image).square()

    assert torch.autograd.gradcheck(act, image) and torch.autograd.gradgradcheck(act, image)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 4, 3),
        nn.Conv2d(3, 4, 3, (2, 3)),
        nn.Conv2d(3, 4, 3, 2, dilation=2),
        nn.Conv2d(3, 3, 3, 2, groups=3),
        nn.Conv2d(3, 4, 3, 2, padding=(1, 0)),
    ],
    ids=str,
)
def test_other_convolutions_are_left_alone(layer, caught):
    with QuickPixelGradients():
        at_pixels(layer.requires_grad_(False), torch.rand(1, 3, 16, 16))
    assert caught == []


def test_weights_that_learn_keep_their_gradient(caught):
    layer = nn.Conv2d(3, 4, 3, 2)
    with QuickPixelGradients():
        layer(torch.rand(1, 3, 16, 16, requires_grad=True)).sum().backward()
        F.conv2d(torch.rand(1, 3, 16, 16, requires_grad=True), weight=layer.weight.detach()).sum().backward()
    assert caught == [] and layer.weight.grad.any()


def test_it_is_only_switched_on_where_it_pays():
    def begins_with(*geometry: int) -> bool:
        return worth_it(nn.Sequential(nn.Conv2d(*geometry), nn.ReLU()))

    assert begins_with(3, 8, 7, 2) and begins_with(3, 8, 11, 4)
    assert not (begins_with(3, 8, 3, 1) or begins_with(3, 8, 3, 2) or begins_with(8, 8, 7, 2))
