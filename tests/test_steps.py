"""What all optimizations share: steps, the last of them, knobs, and how steps are divided into stages."""

import dataclasses
from collections import Counter
from weakref import WeakSet

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vizlib.optimize import Knobs, OptimizerKnobs, Step, expect, last, stage
from vizlib.optimize.optimizers import OPTIMIZERS
from vizlib.synthesis.adversarial import AttackKnobs
from vizlib.synthesis.ascent import AscentKnobs
from vizlib.synthesis.deepdream import DreamKnobs
from vizlib.synthesis.dream_zoom import ZoomKnobs
from vizlib.synthesis.inversion import InversionKnobs
from vizlib.synthesis.style import StyleKnobs
from vizlib.synthesis.texture import TextureKnobs

KNOBS = [
    OptimizerKnobs(),
    AscentKnobs(),
    AttackKnobs(),
    AttackKnobs(norm="L2"),
    DreamKnobs(layer="conv1"),
    DreamKnobs(layer="conv1", normalize=False),
    InversionKnobs(layer="conv1"),
    StyleKnobs(),
    TextureKnobs(),
    ZoomKnobs(layer="conv1"),
]

# --- steps ----------------------------------------------------------------------------------------------------------


def test_a_step_cannot_be_changed_but_replaced():
    step = Step(1, torch.zeros(1, 3, 2, 2), {"loss": 0.5})
    assert step.origin is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        step.iteration = 2
    later = dataclasses.replace(step, iteration=2)
    assert (step.iteration, later.iteration) == (1, 2) and later.image is step.image


def test_steps_are_compared_by_identity():
    """Tensors have no single answer to ==, and a step must be fit for a set."""
    image = torch.zeros(1, 3, 2, 2)
    one, other = (Step(1, image, {}) for _ in range(2))
    assert one == one and one != other and len({one, other}) == 2


# --- the last one ---------------------------------------------------------------------------------------------------


def test_last_of_any_iterable():
    assert last(iter(range(5))) == 4 == last([4]) and last([0, None]) is None


def test_last_holds_no_more_than_the_one_before():
    class Result:
        pass

    alive, most = WeakSet(), []

    def results():
        for _ in range(6):
            result = Result()
            alive.add(result)
            most.append(len(alive))
            yield result

    last(results())
    assert max(most) == 2, "the one that was just made, and the one before it"


def test_no_step_at_all_is_named():
    with pytest.raises(ValueError, match="knobs.steps|empty"):
        last([])


def test_what_an_iterator_raises_comes_through():
    def results():
        yield 1
        raise ArithmeticError("diverged")

    with pytest.raises(ArithmeticError, match="diverged"):
        last(results())


# --- knobs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("knobs", KNOBS, ids=lambda knobs: type(knobs).__name__)
def test_every_techniques_knobs_are_knobs_that_minimize_understands(knobs):
    assert isinstance(knobs, Knobs)
    assert knobs.steps >= 1 and knobs.optimizer in OPTIMIZERS and knobs.learning_rate > 0


def test_what_has_no_learning_rate_is_no_knobs():
    assert not isinstance(object(), Knobs)
    assert not isinstance(dataclasses.make_dataclass("Half", ["steps", "optimizer"])(1, "adam"), Knobs)


@pytest.mark.parametrize(("value", "found"), [(-0.1, "-0.1"), (1.5, "1.5"), (float("nan"), "nan")])
def test_a_knob_out_of_range_is_named_with_its_value_and_its_range(value, found):
    knobs = AscentKnobs(clip_small=value)
    with pytest.raises(ValueError, match=f"clip_small.*{found}.*0 to 1"):
        expect(knobs, 0, 1, "l2", "clip_small")


def test_a_knob_without_an_upper_bound_is_still_finite():
    expect(AscentKnobs(l2=1e30), 0, float("inf"), "l2")
    with pytest.raises(ValueError, match=r"\bl2\b.*inf.*from 0"):
        expect(AscentKnobs(l2=float("inf")), 0, float("inf"), "l2")


# --- stages ---------------------------------------------------------------------------------------------------------


@given(st.integers(1, 300), st.integers(1, 9))
def test_stages_share_the_steps_evenly_and_the_last_always_comes(steps, stages):
    order = [stage(done, steps, stages) for done in range(steps)]
    counts = Counter(order)
    assert order == sorted(order) and order[-1] == stages - 1 == stage(steps, steps, stages)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert list(counts) == list(range(max(0, stages - steps), stages)), "with too few steps the first are left out"


def test_a_hundred_and_twenty_steps_in_three_stages():
    assert Counter(stage(done, 120, 3) for done in range(120)) == {0: 40, 1: 40, 2: 40}
