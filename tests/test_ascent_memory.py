"""Five hundred steps of gradient ascent through a network leave nothing behind: no graph, no tensor, no hook."""

import gc

import psutil
import pytest
import torch
from torch import nn

from vizlib import models
from vizlib.models import Network
from vizlib.optimize import objectives
from vizlib.synthesis.ascent import AscentKnobs, ascend, blank


@pytest.fixture
def net() -> Network:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 8, 7, 2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1))
    return models.wrap(nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 4)), (0.5,) * 3, (0.25,) * 3, input_size=32)


def living_tensors() -> int:
    gc.collect()
    return sum(type(thing) is torch.Tensor for thing in gc.get_objects())


@pytest.mark.slow
@pytest.mark.parametrize("fourier", [False, True])
def test_nothing_is_left_of_500_steps(net, fourier):
    knobs = AscentKnobs(530, l2=1, total_variation=1, jitter=2, scale=0.1, rotate=5, warm_up=10)
    if not fourier:
        knobs.blur, knobs.clip_small, knobs.clip_gradient = 0.5, 0.1, 0.1
    run = ascend(net, blank(net, 2, fourier=fourier), objectives.channel("2", 1), knobs)
    for _ in range(30):
        step = next(run)
    tensors, memory = living_tensors(), psutil.Process().memory_info().rss
    for _ in range(500):
        step = next(run)
    assert living_tensors() <= tensors and step.image.grad_fn is None
    assert psutil.Process().memory_info().rss - memory < 20e6  # 500 forgotten graphs are 40 MB
    assert next(run, None) is None
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())
