"""The panels of notebooks 07 and 09 to 11: each draws, follows its controls, and begins where it is told to."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from vizlib import models
from vizlib.analysis import biases
from vizlib.images import galleries
from vizlib.models import Network
from vizlib.widgets import Explorer, live, panels

pytestmark = pytest.mark.slow  # all panels together take minutes

PATCHES = galleries.patches().subset(range(0, 708, 60))
RUNS = {  # what makes it, a slider with a value for it, and an input with one
    "climb": (lambda net: panels.climb(net, "lemon", noise=0.3), ("optimizer", "sign"), ("target", "teapot")),
    "gradient_ascent": (lambda net: panels.gradient_ascent(net, jitter=3), ("l2", 200), ("made_of", "pixels")),
    "channels": (lambda net: panels.channels(net, first=200), ("jitter", 8), ("layer.slider", "relu1")),
    "facets": (lambda net: panels.facets(net, images=3), ("diversity", 0), ("channel.slider", 3)),
    "inversion_search": (
        lambda net: panels.inversion_search(net, made_of="pixels"),
        ("layer.slider", "relu1"),
        ("photo.choice", "rocket"),
    ),
    "inversion_seeds": (lambda net: panels.inversion_seeds(net), ("mirror", True), ("photo.choice", "rocket")),
    "adversarial_attack": (
        lambda net: panels.adversarial_attack(net, level=5),
        ("target", ""),
        ("photo.choice", "rocket"),
    ),
    "adversarial_noise": (lambda net: panels.adversarial_noise(net), ("epsilon", 1.0), ("net.choice", "miniresnet")),
}
EXPLORERS = {  # what makes it, and the control that is changed to a value
    "inversion_depths": (lambda net: panels.inversion_depths(net, count=2, steps=2), "way", "pixels alone"),
    "inversion_parts": (lambda net: panels.inversion_parts(net, steps=2), "layer.slider", "relu3"),
    "adversarial_step": (lambda net: panels.adversarial_step(net, target="teapot"), "epsilon", 12 / 255),
    "adversarial_line": (lambda net: panels.adversarial_line(net, furthest=4), "norm", "L2"),
    "adversarial_file": (lambda net: panels.adversarial_file(net), "quality", 30),
    "adversarial_rates": (lambda net: panels.adversarial_rates(net, PATCHES), "attack", "random"),
    "saliency_classes": (lambda net: panels.saliency_classes(net), "rank", 2),
    "saliency_methods": (lambda net: panels.saliency_methods(net), "method", "Grad-CAM"),
    "saliency_smoothgrad": (lambda net: panels.saliency_smoothgrad(net, samples=5), "noise", 0.5),
    "saliency_segmentation": (lambda net: panels.saliency_segmentation(net, method="gradient"), "sure", 0.3),
    "saliency_cheat": (lambda net: panels.saliency_cheat([net], biases.digits()[1]), "tag", "without"),
    "saliency_randomized": (lambda net: panels.saliency_randomized(net), "layer.slider", "conv1"),
}


@pytest.fixture(scope="module")
def net() -> Network:
    return models.load("minivgg", "cpu")


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    monkeypatch.setattr(live, "display", lambda *_, **__: SimpleNamespace(update=lambda *_: None))


def turn(controls: dict, name: str, value: object) -> None:
    """Set a control, or the part of it that a person clicks."""
    name, *inner = name.split(".")
    (getattr(controls[name], inner[0]) if inner else controls[name]).value = value


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("make", "slider", "given"), RUNS.values(), ids=RUNS)
def test_a_run_obeys_its_sliders_and_begins_anew_with_another_input(
    make: Callable[[Network], live.Run],
    slider: tuple[str, object],
    given: tuple[str, object],
    net: Network,
    watched: None,
):
    async def watch() -> None:
        run = make(net)
        await run.reach(2)
        turn(run._sliders, *slider)
        await until(lambda: getattr(run.knobs, slider[0].split(".")[0]) == slider[1])
        await run.reach(run.taken + 2)
        name, before = given[0].split(".")[0], run.inputs
        turn(run._inputs, *given)
        await run.reach(2)
        assert run.error is None and run.inputs[name] is run._inputs[name].value is not before[name]
        assert run.frame.width >= 400
        run.close()

    asyncio.run(watch())


@pytest.mark.parametrize(("make", "control", "value"), EXPLORERS.values(), ids=EXPLORERS)
def test_an_explorer_draws_and_follows_its_controls(
    make: Callable[[Network], Explorer], control: str, value: object, net: Network, watched: None
):
    async def watch() -> None:
        explorer = make(net)

        def drawn(times: int, before: bytes = b"") -> bool:
            """Whether there is another picture, and it comes of the latest drawing, ended or not."""
            assert explorer.error is None
            latest = explorer._job is None or (explorer._drawn is not None and explorer._drawn[0] == times)
            return latest and explorer.picture.content not in (b"", before)

        await until(lambda: drawn(1))
        first = explorer.picture.content
        turn(explorer._controls, control, value)
        await until(lambda: drawn(2, first))
        explorer.close()

    asyncio.run(watch())


def test_another_network_takes_its_own_layer_and_its_classes_are_proposed(net: Network, watched: None):
    async def watch() -> None:
        run = panels.inversion_search(net, steps=100)
        await run.reach(2)
        turn(run._inputs, "net.choice", "miniresnet")
        await until(lambda: run.inputs["net"].name == "miniresnet")
        await run.reach(2)
        assert run.error is None and run.knobs.layer in run.inputs["net"].layers
        run.close()

    asyncio.run(watch())
    networks = panels.controls.NetworkPicker([net])
    box = panels.controls.class_box(networks, "teapot")
    assert box.options == tuple(net.classes) and box.value == "teapot"


def test_what_cannot_be_chosen_is_named(net: Network):
    with pytest.raises(ValueError, match="made of: expected one of frequencies, pixels, got 'paint'"):
        panels.gradient_ascent(net, made_of="paint")
    with pytest.raises(ValueError, match="norm: expected one of Linf, L2, got 'L1'"):
        panels.adversarial_line(net, norm="L1")
