"""A tiny run of the benchmark: its contenders compute the same losses, and all are timed."""

import re
from argparse import Namespace

import pytest
import torch

from benchmarks import style as benchmark
from vizlib import images, models
from vizlib.synthesis import style

LAYERS = (["relu3_1"], ["relu1_1", "relu2_1"])
OPTIONS = Namespace(steps=1, rounds=1, size=48, clock="process")


@pytest.fixture(scope="module")
def net():
    return models.load("vgg16", "cpu", "untrained")


@pytest.fixture(scope="module")
def pair() -> list[torch.Tensor]:
    return [images.prepare(images.load(name), 48) for name in ("chelsea", "whirls")]


def test_it_times_every_contender_after_they_agreed(net, pair, capsys):
    seconds = benchmark.compare(net, *pair, "two layers", *LAYERS, OPTIONS)
    assert len(seconds) == 5
    printed = capsys.readouterr().out
    assert "losses of vizlib and of tutorial differ by" in printed
    assert "two layers: milliseconds per iteration" in printed


def test_a_contender_that_computes_something_else_is_refused(net, pair):
    knobs = style.StyleKnobs(1, size=48, scales=1, content_layers=LAYERS[0], style_layers=LAYERS[1])
    other = benchmark.Hooked(net, *pair, *LAYERS)
    with pytest.raises(AssertionError, match="wrong"):
        benchmark.agree(net, *pair, knobs, {"wrong": lambda image: [1.01 * part for part in other(image)]})


def test_the_tutorials_way_lowers_its_loss(net, pair):
    """So that a step of it is a real one."""
    model, seen = benchmark.Tutorial(net, *pair, *LAYERS).requires_grad_(False), []
    model.register_forward_hook(lambda _m, _i, parts: seen.append((parts[0] + 10 * parts[1]).item()))
    benchmark.by_lbfgs(model, pair[0], 8)
    assert len(seen) == 8 and seen[0] == pytest.approx(10) and min(seen) < 9  # it goes up, too


def test_one_pass_is_compared_with_the_optimisation_that_comes_as_far(capsys):
    net, photo = models.load("minivgg", "cpu"), images.prepare(images.load("chelsea"), 96)
    benchmark.one_pass(net, photo, 10, OPTIONS)
    printed = capsys.readouterr().out
    assert "96 px, content + 10 style by minivgg" in printed and "one pass" in printed
    assert int(re.search(r"optimised in (\d+) steps", printed)[1]) > 1
