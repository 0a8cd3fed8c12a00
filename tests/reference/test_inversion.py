"""Feature inversion against what is known without it: gradients in double precision, and a network of one layer."""

import pytest
import torch
from torch import nn

from vizlib import models
from vizlib.models import Network
from vizlib.optimize import Pixels, last
from vizlib.synthesis import inversion
from vizlib.synthesis.inversion import InversionKnobs

SIDE = 6


@pytest.fixture(scope="module")
def linear() -> Network:
    """A network of one convolution, without bias, that loses a little more than it keeps: 3x6x6 numbers to 2x6x6."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1, bias=False))
    return models.wrap(module, (0.5,) * 3, (0.25,) * 3, input_size=SIDE, name="linear")


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return 0.35 + 0.3 * torch.rand(1, 3, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def matrix_of(function) -> tuple[torch.Tensor, torch.Tensor]:
    """A linear function of images as matrix and offset, by trying every pixel."""
    zero = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.float64)
    offset = function(zero).flatten()
    basis = torch.eye(zero.numel(), dtype=torch.float64).view(-1, 1, 3, SIDE, SIDE)
    return torch.stack([function(one).flatten() - offset for one in basis], 1), offset


def closed_form(net: Network, photo: torch.Tensor, roughness: float, l2: float) -> torch.Tensor:
    """The image that minimises |A x + a - t|^2 / |t|^2 + w TV(x) + l2 |x - m|^2: normal equations."""
    features, offset = matrix_of(lambda x: net.module((x.float() - 0.5) / 0.25).double())
    down, across = matrix_of(lambda x: x.diff(dim=2))[0], matrix_of(lambda x: x.diff(dim=3))[0]
    target = features @ photo.flatten() + offset
    size, n = target.square().sum(), photo.numel()
    left = features.T @ features / size + roughness * (down.T @ down / len(down) + across.T @ across / len(across))
    left += l2 / n * torch.eye(n, dtype=torch.float64)
    right = features.T @ (target - offset) / size + l2 / n * torch.full((n,), 0.5, dtype=torch.float64)
    return torch.linalg.solve(left, right).view_as(photo)


@pytest.mark.parametrize(("roughness", "l2"), [(0.5, 0.05), (1.0, 0.02), (0.2, 0.5)])
def test_a_linear_network_has_a_closed_form(linear, photo, roughness, l2):
    expected = closed_form(linear, photo, roughness, l2)
    assert 0 < expected.min() < expected.max() < 1, "no pixel is held at the edge, or the closed form would not hold"
    knobs = InversionKnobs(layer="0", steps=150, total_variation=roughness, l2=l2)
    start = Pixels(torch.full((1, 3, SIDE, SIDE), 0.5))
    step = last(inversion.invert(linear, photo.float(), start, knobs))
    assert (step.image - expected).abs().max() < 2e-3


@pytest.mark.parametrize("layer", ["relu1", "relu3", "fc8"])
@pytest.mark.parametrize("mirror", [False, True])
def test_the_gradient_is_that_of_finite_differences(layer, mirror):
    """Along random directions, in double precision; central differences are exact to the third power of the step."""
    net = models.load("minivgg", device="cpu").double()
    generator = torch.Generator().manual_seed(0)
    photo, image = torch.rand(2, 1, 3, 64, 64, dtype=torch.float64, generator=generator)
    knobs = InversionKnobs(layer=layer, total_variation=0.7, l2=0.3, mirror=mirror)
    loss = inversion.mismatch(net, photo, knobs)
    image.requires_grad_()
    (gradient,) = torch.autograd.grad(sum(loss(image, 1).values()), image)
    for _ in range(3):
        direction = torch.randn(image.shape, dtype=torch.float64, generator=generator)
        with torch.no_grad():
            ahead, behind = (sum(loss(image + h * direction, 1).values()) for h in (1e-7, -1e-7))
        assert (gradient * direction).sum().item() == pytest.approx(
            ((ahead - behind) / 2e-7).item(), rel=1e-4, abs=1e-8
        )


def test_without_a_prior_what_the_layer_does_not_see_stays_as_it_began(linear, photo):
    """On a linear network the search moves in the row space of its matrix; the rest of the start is never touched."""
    features, _ = matrix_of(lambda x: linear.module(x.float() / 0.25).double())
    unseen = torch.linalg.svd(features).Vh[len(features) :]
    start = 0.4 + 0.2 * torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    knobs = InversionKnobs(layer="0", steps=100, total_variation=0)
    step = last(inversion.invert(linear, photo.float(), Pixels(start), knobs))
    moved = (step.image - start).double().flatten()
    assert step.losses["features"] < 1e-5 and moved.norm() > 0.1
    assert (unseen @ moved).norm() < 1e-3 * moved.norm()
