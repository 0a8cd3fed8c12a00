"""An image of phases alone keeps its magnitudes, and remembers where gradient arrived."""

import pytest
import torch

from vizlib import models
from vizlib.optimize import OptimizerKnobs, last, minimize
from vizlib.optimize.parametrizations import color_matrix
from vizlib.optimize.phases import Phases, magnitudes
from vizlib.synthesis import ascent


def phases(n: int = 1, height: int = 32, width: int = 32) -> Phases:
    return Phases(n, height, width, torch.Generator().manual_seed(0))


def spectrum(image: torch.Tensor) -> torch.Tensor:
    """The magnitudes of an image in decorrelated colours, as an independent reference computes them."""
    values = torch.einsum("ij,njhw->nihw", torch.linalg.inv(color_matrix()), image.logit())
    return torch.fft.fft2(values - values.mean((2, 3), keepdim=True), norm="ortho").abs()


def test_optimising_moves_the_image_and_leaves_every_magnitude():
    picture = phases()
    before = picture.image().detach()
    goal = torch.rand(before.shape, generator=torch.Generator().manual_seed(1))
    steps = minimize(lambda image, step: {"l": (image - goal).square().mean()}, picture, OptimizerKnobs(8, "adam", 0.3))
    after = last(steps).image
    assert (after - before).abs().mean() > 0.02
    assert after.min() > 0 and after.max() < 1
    inner = slice(1, 16)  # without the frequencies whose phase can only be 0 or pi
    change = (spectrum(after) - spectrum(before))[:, :, inner, inner].abs().max()
    assert change < 2e-2 * spectrum(before)[:, :, inner, inner].max()


def test_magnitudes_fall_with_the_frequency_and_do_not_depend_on_the_size_of_the_image():
    small, large = magnitudes(64, 64), magnitudes(128, 128)
    assert (small[:, 0, 1:].diff(dim=1) < 0.05 * small[:, 0, 1:2]).all() and small[:, 0, 1].min() > small[
        :, 0, 32
    ].max()
    assert torch.allclose(large[:, 0, 1:30] / 2, small[:, 0, 1:30], rtol=1e-4)  # per cycle of the image
    assert (small[:, 0, 0] == 0).all()


def test_an_ascent_of_phases_reaches_its_class_and_remembers_where_gradient_arrived():
    net = models.load()
    picture = Phases(1, 64, 64, torch.Generator().manual_seed(0))
    knobs = ascent.AscentKnobs(30, learning_rate=0.3)
    image = last(ascent.ascend(net, picture, ascent.logit(net, "lemon"), knobs)).image
    assert ascent.verdict(net, image, "lemon").probability > 0.9
    assert picture.importance.shape == (1, 64, 64) and (picture.importance > 0).all()


def test_bad_sizes_and_pixel_work_are_errors():
    with pytest.raises(ValueError, match="n = 0, 8x8"):
        Phases(0, 8, 8)
    with pytest.raises(ValueError, match="n = 1, 1x8"):
        Phases(1, 1, 8)
    with pytest.raises(ValueError, match="not on Phases"):
        phases().change(lambda image, gradient: image)
