"""Running optimisations without a browser: an asyncio loop stands for the kernel's."""

import asyncio
import io
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import ipywidgets
import pytest
import torch
from PIL import Image

from vizlib import images
from vizlib.optimize import Step
from vizlib.widgets import live


@dataclass
class Knobs:
    steps: int = 400
    speed: float = 0.0


class Painter:
    """An optimisation that paints grey: every step is `pace` seconds, and brightens by what the speed knob says."""

    def __init__(self, knobs: Knobs, pace: float = 0.004, fail_at: int | None = None):
        self.knobs, self.pace, self.fail_at = knobs, pace, fail_at
        self.started, self.closed, self.speeds, self.steps = 0, 0, [], []

    def start(self) -> Iterator[Step]:
        self.started += 1
        try:
            for i in range(1, self.knobs.steps + 1):
                threading.Event().wait(self.pace)
                if i == self.fail_at:
                    raise ValueError("a <big> mistake")
                self.speeds.append(self.knobs.speed)
                self.steps.append(self.knobs.steps)
                yield Step(i, torch.full((1, 3, 8, 8), i / 400), {"loss": 1 / i, "tv": 0.5})
        finally:
            self.closed += 1


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(live.Run, "_newest", {})
    monkeypatch.setattr(live.Run, "_turn", None)
    monkeypatch.setattr(live, "FRAMES_PER_SECOND", 50)
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list:
    """What is put into the output of the cell, and how it is updated later."""
    outputs = []

    def display(thing, **options):
        outputs.append(thing)
        return SimpleNamespace(update=outputs.append)

    monkeypatch.setattr(live, "display", display)
    monkeypatch.setattr(live, "show_widget", lambda widget, alt: outputs.append(widget))
    return outputs


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_the_picture_grows_and_the_curve_and_the_bar_with_it(shown):
    painter = Painter(Knobs(60))

    async def watch():
        run = live.run(painter.start, painter.knobs, "gray")
        await until(lambda: run.picture.value != b"")
        first = run.picture.value
        await until(lambda: run.picture.value != first)
        assert 0 < run.bar.value <= run.bar.max == 60 and "left; loss" in run.text.value
        assert await run is run and run.state == "done" and run.result().iteration == 60
        assert "<svg" in run.curve.value and run.text.value.startswith("step 60 of 60")
        assert len(run.history["loss"]) == 60 and all(run.buttons[name].disabled for name in ("Stop", "Pause"))

    asyncio.run(watch())
    last = Image.open(io.BytesIO(shown[-1].data))
    assert last.format == "PNG" and last.convert("RGB").getpixel((3, 3))[0] == round(255 * 60 / 400)
    assert shown[-1].metadata == {"alt": "gray"} and shown[-1].width == 256 and painter.closed == 1


def test_a_slider_acts_on_the_next_step(shown):
    painter, slider = Painter(Knobs()), ipywidgets.FloatSlider(value=1, min=0, max=9)

    async def watch():
        run = live.run(painter.start, painter.knobs, "gray", speed=slider)
        await until(lambda: run.step is not None)
        slider.value = 7
        at = len(painter.speeds)
        await until(lambda: len(painter.speeds) > at + 2)
        assert painter.speeds[0] == 1 and painter.speeds[at + 2] == 7
        run.stop()
        await run

    asyncio.run(watch())


def test_stop_pause_resume_and_reset(shown):
    painter = Painter(Knobs())

    async def watch():
        run = live.run(painter.start, painter.knobs, "gray")
        await until(lambda: run.step is not None and run.step.iteration > 5)
        run.buttons["Pause"].click()
        await until(lambda: run.state == "paused")
        await asyncio.sleep(0.05)
        held = run.step.iteration
        await asyncio.sleep(0.1)
        assert run.step.iteration == held and run.buttons["Pause"].description == "Resume"
        run.buttons["Pause"].click()
        await until(lambda: run.step.iteration > held + 3)

        run.buttons["Reset"].click()
        await until(lambda: painter.started == 2 and run.step.iteration < held)
        assert len(run.history["loss"]) <= run.step.iteration + 1 and painter.closed == 1

        run.buttons["Stop"].click()
        await run
        assert run.state == "stopped" and run.result().iteration < 400 and painter.closed == 2

    asyncio.run(watch())


def test_a_run_that_has_ended_begins_again_by_reset_and_by_a_control_that_says_so(shown):
    painter, slider = Painter(Knobs(20)), ipywidgets.FloatSlider(value=1, min=0, max=9)

    async def watch():
        run = live.run(painter.start, painter.knobs, "gray", anew=["speed"], speed=slider)
        await run
        assert run.state == "done" and painter.started == 1
        run.buttons["Reset"].click()
        await until(lambda: painter.started == 2)
        await run
        assert run.state == "done" and run.result().iteration == 20 and len(run.history["loss"]) == 20
        slider.value = 3
        await until(lambda: painter.started == 3)
        await run
        assert painter.speeds[-1] == 3 and painter.closed == 3 and run.buttons["Stop"].disabled

    asyncio.run(watch())


def test_a_control_that_begins_anew_must_be_there():
    painter = Painter(Knobs())
    with pytest.raises(ValueError, match="'photo'.*speed"):
        live.run(painter.start, painter.knobs, "gray", anew=["photo"], speed=ipywidgets.FloatSlider())


def test_running_the_cell_again_replaces_the_run_and_others_wait_their_turn(shown):
    first, second, other = (Painter(Knobs()) for _ in range(3))

    async def watch():
        old = live.run(first.start, first.knobs, "gray", key="a")
        await until(lambda: old.step is not None)
        waiting = live.run(other.start, other.knobs, "gray", key="b")
        await asyncio.sleep(0.05)
        assert waiting.state == "waiting" and waiting.step is None and "Waiting" in waiting.text.value
        with pytest.raises(RuntimeError, match="taken no step yet: write `await run`"):
            waiting.result()
        new = live.run(second.start, second.knobs, "gray", key="a")
        await until(lambda: waiting.step is not None)
        assert old.state == "stopped" and first.closed == 1 and new.step is None
        waiting.stop()
        await until(lambda: new.step is not None)
        new.stop()
        await new

    asyncio.run(watch())


def test_an_exception_is_shown_in_the_panel_and_raised_where_the_result_is_wanted(shown):
    painter = Painter(Knobs(), fail_at=4)

    async def watch():
        run = live.run(painter.start, painter.knobs, "gray")
        with pytest.raises(ValueError, match="a <big> mistake"):
            await run
        assert run.state == "failed" and run.step.iteration == 3
        assert "a &lt;big&gt; mistake" in run.text.value and "Traceback" in run.text.value
        with pytest.raises(ValueError, match="mistake"):
            run.result()

    asyncio.run(watch())
    assert Image.open(io.BytesIO(shown[-1].data)).getpixel((0, 0)) == (round(255 * 3 / 400),) * 3, (
        "the last good one stays"
    )


def test_headless_a_bounded_number_of_steps_leaves_the_picture(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    pictures = []
    monkeypatch.setattr(live, "display", lambda picture: pictures.append(picture))
    painter = Painter(Knobs(), pace=0)
    run = live.run(painter.start, painter.knobs, "gray", quick=12, speed=ipywidgets.FloatSlider(value=3))
    assert run.result().iteration == 12 and painter.closed == 1 and painter.speeds[0] == 3
    assert painter.steps == [12] * 12, "what a technique shares out over its steps comes to its end"
    assert painter.knobs.steps == 400, "and the knobs are the reader's again"
    still = Image.open(io.BytesIO(pictures[0].data))
    assert still.convert("RGB").getpixel((0, 0))[0] == round(255 * 12 / 400)
    assert pictures[0].metadata == {"alt": "gray"} and still.format == pictures[0].format.upper()

    async def later_cell():
        return await run

    assert asyncio.run(later_cell()) is run


def test_headless_an_exception_is_raised_in_the_cell(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    painter = Painter(Knobs(), pace=0, fail_at=3)
    with pytest.raises(ValueError, match="mistake"):
        live.run(painter.start, painter.knobs, "gray")
    with pytest.raises(ValueError, match="took no step"):
        live.run(Painter(Knobs(0)).start, Knobs(0), "gray")


def test_on_colab_all_steps_run_inside_the_cell_and_interrupt_keeps_the_picture(monkeypatch, shown):
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    painter = Painter(Knobs(40), pace=0.001)
    assert live.run(painter.start, painter.knobs, "gray").result().iteration == 40
    assert shown[-1].metadata == {"alt": "gray"} and len(shown) > 2

    def interrupted() -> Iterator[Step]:
        yield Step(1, torch.full((1, 3, 8, 8), 0.5), {"loss": 1.0})
        raise KeyboardInterrupt

    run = live.run(interrupted, Knobs(9), "gray")
    assert run.state == "stopped" and run.result().iteration == 1
    assert Image.open(io.BytesIO(shown[-1].data)).format == "PNG"


def test_saving_a_picture_and_how_it_grew(shown, tmp_path):
    painter = Painter(Knobs(30))

    async def watch():
        run = live.run(painter.start, painter.knobs, "gray", key="my-run")
        await run
        run.buttons["Save picture"].click()
        assert "my-run.png" in run.saved.value
        run.buttons["Animation"].click()
        assert "my-run.webp" in run.saved.value
        assert run.save("grown.gif") == run.save("grown.gif")
        with pytest.raises(images.ImageError, match="ends in '.txt'"):
            run.save("grown.txt")
        run.key = "no/such/folder"
        run.buttons["Save picture"].click()
        assert "not saved" in run.saved.value

    asyncio.run(watch())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grown.gif", "my-run.png", "my-run.webp"]
    assert images.load(tmp_path / "my-run.png").shape == (1, 3, 8, 8)
    for name in ("grown.gif", "my-run.webp"):
        with Image.open(tmp_path / name) as animation:
            assert animation.n_frames > 2, name


def test_the_animation_is_thinned_out_instead_of_growing(shown, monkeypatch):
    monkeypatch.setattr(live, "KEPT_FRAMES", 8)
    run = live.Run(lambda: iter(()), Knobs(), {}, "a", "gray", 3, live.sheet)
    for i in range(100):
        run._keep(bytes([i]))
    assert len(run._frames) <= 8 and run._frames[0] == b"\x00"
    gaps = {b[0] - a[0] for a, b in zip(run._frames, run._frames[1:], strict=False)}
    assert gaps == {16}


def test_several_images_are_shown_side_by_side():
    step = Step(1, torch.rand(3, 3, 10, 12), {})
    assert live.sheet(step).shape == (1, 3, 14, 44)


def test_a_comm_that_would_answer_late_is_freed():
    widget = SimpleNamespace(comm=SimpleNamespace(_reply_subshell_id="x", other=1))
    live.answer_at_once(widget)
    assert vars(widget.comm) == {"other": 1}
    live.answer_at_once(SimpleNamespace(comm=None))


def test_a_control_without_a_knob_is_a_mistake():
    with pytest.raises(ValueError, match="'sped'.*steps, speed"):
        live.run(lambda: iter(()), Knobs(), "gray", sped=ipywidgets.FloatSlider())


def test_an_error_of_a_step_that_is_begun_anew_is_forgotten():
    """A layer picker follows the network picker first: a step may see the new layer with the old network."""
    begun = []

    def start() -> Iterator[Step]:
        begun.append(True)
        yield Step(1, torch.zeros(1, 3, 8, 8), {"loss": 1.0})
        if len(begun) == 1:
            run._reset = True  # as another thread does while the step is under way
            raise LookupError("a layer of the other network")

    run = live.Run(start, Knobs(), {}, "a", "gray", 3, live.sheet)
    assert [step.iteration for step in run._take(start())] == [1, 1]
    assert run.error is None


def test_a_part_of_the_loss_that_is_switched_off_counts_as_nothing():
    """And one that is switched on late belongs to the later steps."""

    def start() -> Iterator[Step]:
        for iteration, losses in enumerate([{"a": 1.0}, {"a": 2.0, "b": 3.0}, {"b": 4.0}], 1):
            yield Step(iteration, torch.zeros(1, 3, 8, 8), losses)

    run = live.Run(start, Knobs(), {}, "a", "gray", 3, live.sheet)
    list(run._take(start()))
    assert run.history == {"a": [1.0, 2.0, 0.0], "b": [0.0, 3.0, 4.0]}


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_of_a_picture_that_grew_has_one_size(tmp_path, monkeypatch, suffix):
    """Also where nobody watches: the first frame and the last are kept at least."""
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    monkeypatch.setattr(live, "display", lambda picture: None)

    def start() -> Iterator[Step]:
        for iteration, side in enumerate((8, 16, 32), 1):
            threading.Event().wait(0.03)
            yield Step(iteration, torch.full((1, 3, side, side), iteration / 4), {"a": 1.0})

    run = live.run(start, Knobs(), "gray")
    with Image.open(run.save(tmp_path / f"film{suffix}")) as film:
        assert film.size == (32, 32) and film.n_frames >= 2
        assert abs(film.convert("RGB").getpixel((16, 16))[0] - 255 / 4) < 4


def test_steps_may_come_from_any_iterator(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    monkeypatch.setattr(live, "display", lambda picture: None)
    run = live.run(lambda: iter([Step(1, torch.zeros(1, 3, 8, 8), {"a": 1.0})]), Knobs(), "gray")
    assert run.result().iteration == 1
