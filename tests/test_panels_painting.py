"""The panels of notebooks 12 to 15: each draws, follows its controls, and keeps what belongs to it."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from vizlib import models
from vizlib.models import Network
from vizlib.synthesis import fast_style
from vizlib.synthesis.fast_style import StyleNet
from vizlib.widgets import Explorer, live, panels

pytestmark = pytest.mark.slow  # all panels together take minutes

RUNS = {  # what makes it, a slider with a value for it, and an input with one
    "style_transfer": (lambda net: panels.style_transfer(net, size=128), ("style_weight", 100), ("begin", "noise")),
    "fast_style_training": (
        lambda net: panels.fast_style_training(net, beginner),
        ("style_weight", 10),
        ("painting.choice", "mosaic"),
    ),
    "deepdream": (lambda net: panels.deepdream(net, size=128), ("layer.slider", "conv3"), ("photo.choice", "rocket")),
    "guided_dream": (lambda net: panels.guided_dream(net, size=128), ("aim", "layer"), ("guide.choice", "flower")),
    "dream_flight": (lambda net: panels.dream_flight(net, []), ("per_frame", 2), ("photo.choice", "rocket")),
    "texture_growth": (lambda net: panels.texture_growth(steps=500), ("window", 5), ("part", 32)),
    "texture_synthesis": (
        lambda net: panels.texture_synthesis(net, size=(96, 96)),
        ("weight1", 0),
        ("sample.choice", "glass"),
    ),
}
EXPLORERS = {  # what makes it, and the control that is changed to a value
    "style_weights": (lambda net: panels.style_weights(net, weights=(1, 100)), "painting.choice", "mosaic"),
    "style_layers": (lambda net: panels.style_layers(net), "layers", 1),
    "style_blend": (lambda net: panels.style_blend(net), "mix", 0.9),
    "style_scales": (lambda net: panels.style_scales(net), "scales", 1),
    "fast_style": (lambda net: panels.fast_style(fast_style.load("many_styles", "cpu")), "style", "wave"),
    "fast_style_blend": (lambda net: panels.fast_style_blend(fast_style.load("many_styles", "cpu")), "share", 0.9),
    "fast_style_camera": (lambda net: panels.fast_style_camera(fast_style.load("many_styles", "cpu")), "share", 0.3),
    "fast_style_contrast": (
        lambda net: panels.fast_style_contrast({(norm, 0): beginner(norm) for norm in ("instance", "batch")}),
        "contrast",
        0.8,
    ),
    "fast_style_sizes": (lambda net: panels.fast_style_sizes(beginner(), size=64), "size", 96),
    "fast_style_checkerboard": (lambda net: panels.fast_style_checkerboard(upsample), "kernel", 4),
    "dream_channels": (lambda net: panels.dream_channels(net), "layer.slider", "conv2"),
    "dream_parts": (lambda net: panels.dream_parts(net, {"strength": strength}), "octaves", 1),
    "texture_quilt": (lambda net: panels.texture_quilt(), "seams", "not cut"),
    "texture_grams": (lambda net: panels.texture_grams(net), "block", 8),
}


def beginner(norm: str = "instance") -> StyleNet:
    torch.manual_seed(0)
    return StyleNet(["whirls"], width=4, blocks=1, norm=norm).eval()


def upsample(maps: Tensor, kernel: int, transposed: bool, seed: int) -> Tensor:
    return torch.full((1, 3, 64, 64), kernel / 10 + transposed / 5)


def strength(change: Tensor) -> float:
    return change.abs().mean().item()


@pytest.fixture(scope="module")
def net() -> Network:
    return models.load("minivgg", "cpu")


@pytest.fixture(autouse=True)
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
    make: Callable[[Network], live.Run], slider: tuple[str, object], given: tuple[str, object], net: Network
):
    async def watch() -> None:
        run = make(net)
        await run.reach(2)
        turn(run._sliders, *slider)
        await until(lambda: getattr(run.knobs, slider[0].split(".")[0]) == slider[1])
        await run.reach(run.taken + 2)
        name, before = given[0].split(".")[0], run.inputs
        turn(run._inputs, *given)
        await until(lambda: run.inputs[name] is not before[name])  # a picture is read on another thread
        await run.reach(2)
        assert run.error is None and run.inputs[name] is run._inputs[name].value is not before[name]
        assert run.frame.width >= 96
        run.close()

    asyncio.run(watch())


@pytest.mark.parametrize(("make", "control", "value"), EXPLORERS.values(), ids=EXPLORERS)
def test_an_explorer_draws_and_follows_its_controls(
    make: Callable[[Network], Explorer], control: str, value: object, net: Network
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


def test_the_frames_of_a_flight_are_those_since_it_began(net: Network):
    film = [torch.zeros(1, 3, 4, 4)]

    async def watch() -> None:
        run = panels.dream_flight(net, film)
        await run.reach(2)
        run.stop()
        await run
        assert len(film) == run.taken and film[-1] is run.step.image
        run.close()

    asyncio.run(watch())


def test_blocks_are_shuffled_and_none_is_lost():
    image = torch.arange(3 * 36.0).view(1, 3, 6, 6)
    mixed = panels.texture.shuffled(image, 2)
    assert mixed.shape == image.shape and not mixed.equal(image)
    assert mixed.flatten().sort().values.equal(image.flatten().sort().values)
