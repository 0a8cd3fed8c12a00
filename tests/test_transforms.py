"""Each transform against the movement that its name says, and all of them together against one after the other."""

import math

import pytest
import torch
from torch.nn import functional as F

from vizlib.optimize import transforms
from vizlib.optimize.transforms import compose, jitter, rotate, scale, warp


@pytest.fixture
def picture() -> torch.Tensor:
    """Smooth enough that resampling it hardly costs anything."""
    noise = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    return F.interpolate(noise, (48, 40), mode="bicubic").clamp(0, 1)


def fixed(matrix: list[list[float]]) -> transforms.Transform:
    return lambda n, generator: torch.tensor(matrix).repeat(n, 1, 1)


def test_a_whole_shift_moves_every_pixel_exactly(picture):
    moved = warp(picture, torch.tensor([[[1.0, 0, 3], [0, 1, -2], [0, 0, 1]]]).repeat(2, 1, 1), 48, 40)
    assert torch.allclose(moved[:, :, :-2, 3:], picture[:, :, 2:, :-3], atol=1e-5)


def test_a_quarter_turn_is_torchs(picture):
    square = picture[:, :, :40]
    quarter = torch.tensor([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]]).repeat(2, 1, 1)  # x to the right becomes y down
    assert torch.allclose(warp(square, quarter, 40, 40), square.rot90(-1, (2, 3)), atol=1e-4)


def test_enlarging_keeps_the_centre_and_what_comes_into_view_is_mirrored(picture):
    double = fixed([[2.0, 0, 0], [0, 2, 0], [0, 0, 1]])
    large = compose([double])(picture)
    assert torch.allclose(F.avg_pool2d(large, 2)[:, :, 6:18, 5:15], picture[:, :, 18:30, 15:25], atol=0.05)
    lower = compose([fixed([[1.0, 0, 0], [0, 1, 4], [0, 0, 1]])])(picture)
    mirrored = torch.cat([picture[:, :, :4].flip(2), picture[:, :, :-4]], 2)
    assert torch.allclose(lower, mirrored, atol=1e-5)


def test_several_at_once_are_one_after_the_other(picture):
    parts = [fixed([[1.0, 0, 2], [0, 1, 1], [0, 0, 1]]), fixed([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])]
    square = picture[:, :, :40]
    together, inside = compose(parts)(square), (slice(None), slice(None), slice(4, -4), slice(4, -4))
    apart = compose(parts[1:])(compose(parts[:1])(square))
    assert torch.allclose(together[inside], apart[inside], atol=1e-4)


def test_what_is_drawn_stays_within_its_limits_and_repeats_with_its_seed():
    def draw(transform):
        return transform(500, torch.Generator().manual_seed(1))

    shifts = draw(jitter(5))[:, :2, 2]
    assert shifts.abs().max() <= 5 and shifts.max() > 4.5 and shifts.min() < -4.5
    factors = draw(scale(0.8, 1.1))[:, 0, 0]
    assert 0.8 <= factors.min() < 0.82 and 1.08 < factors.max() <= 1.1
    angles = torch.atan2(draw(rotate(20))[:, 1, 0], draw(rotate(20))[:, 0, 0]) * 180 / math.pi
    assert angles.abs().max() <= 20.001 and angles.max() > 19 and angles.min() < -19
    assert torch.equal(draw(rotate(20)), draw(rotate(20)))


def test_the_gradient_flows_and_nothing_to_do_costs_nothing(picture):
    image = picture.clone().requires_grad_()
    compose([jitter(3), scale(0.9, 1.1), rotate(5)])(image, torch.Generator().manual_seed(0)).sum().backward()
    assert image.grad.abs().sum() > 0
    assert compose([])(picture) is picture


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jitter(-1), "jitter.*from 0.*-1"),
        (lambda: rotate(math.nan), "rotate.*from 0.*nan"),
        (lambda: scale(0, 1), r"scale.*smallest <= largest.*\b0\b.*\b1\b"),
        (lambda: scale(1.2, 1.1), r"scale.*smallest <= largest.*1\.2.*1\.1"),
    ],
)
def test_impossible_movements_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
