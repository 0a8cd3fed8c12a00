"""Running optimisations without a browser: an asyncio loop stands for the kernel's."""

import asyncio
import base64
import gc
import io
import re
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import ipywidgets
import pytest
import torch
from PIL import Image

from vizlib import images, optimize
from vizlib.optimize import Step
from vizlib.widgets import engine, live, page, turn
from vizlib.widgets.names import owned
from vizlib.widgets.run_panel import RunPanel, curve, told


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
    monkeypatch.setattr(live, "still_hint", lambda: None)
    monkeypatch.setattr(live, "show_widget", lambda widget, alt: outputs.append(widget))
    return outputs


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def picture_in(page: str) -> Image.Image:
    """The picture in a piece of HTML."""
    return Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", page)[1]))).convert("RGB")


def test_the_panel_is_drawn_once_for_each_frame_and_not_for_each_step(shown, monkeypatch):
    drawn, frames = [], []
    monkeypatch.setattr(live, "FRAMES_PER_SECOND", 10)
    monkeypatch.setattr("vizlib.widgets.run_panel.curve", lambda history: drawn.append(1) or "")
    painter = Painter(Knobs(200), pace=0.005)

    async def watch():
        run = live.run(painter.start, painter.knobs, "a gray")
        paint = run._paint
        monkeypatch.setattr(run, "_paint", lambda *args, **options: frames.append(1) or paint(*args, **options))
        await run
        run.close()

    asyncio.run(watch())
    assert 0 < len(drawn) <= len(frames) + 4, "besides, once for each state"


def test_the_picture_grows_and_the_curve_and_the_bar_with_it(shown):
    painter = Painter(Knobs(60))

    async def watch():
        run = live.run(painter.start, painter.knobs, "a <gray>")
        panel = run.panel
        await until(lambda: panel.picture.content != b"")
        first = panel.picture.content
        await until(lambda: panel.picture.content != first)
        assert 'max="60"' in panel.progress.value and "left<br>loss" in panel.progress.value
        assert 'alt="a &lt;gray&gt;"' in panel.picture.value
        assert await run is run and run.state == "done" and run.result().iteration == 60
        await until(lambda: "step 60 of 60" in panel.progress.value and "done" in panel.progress.value)
        assert "<svg" in panel.curve.value and len(run.history["loss"]) == 60
        assert panel.buttons["stop"].disabled and panel.buttons["go"].description == "Go on"
        live_picture = picture_in(panel.picture.value)
        run.close()
        await until(lambda: painter.closed == 1)
        return live_picture

    live_picture = asyncio.run(watch())
    kept = [page.data for page in shown if "vizlib-still" in str(getattr(page, "data", ""))][-1]
    for picture in (live_picture, picture_in(kept)):  # on the page, and in the notebook's file
        assert abs(picture.getpixel((3, 3))[0] - 255 * 60 / 400) < 3
    assert 'alt="a &lt;gray&gt;"' in kept


def test_a_slider_acts_on_the_next_step(shown):
    painter, slider = Painter(Knobs()), ipywidgets.FloatSlider(value=1, min=0, max=9)

    async def watch():
        run = live.run(painter.start, painter.knobs, "gray", sliders={"speed": slider})
        await until(lambda: run.step is not None)
        slider.value = 7
        at = len(painter.speeds)
        await until(lambda: len(painter.speeds) > at + 2)
        assert painter.speeds[0] == 1 and painter.speeds[at + 2] == 7
        run.stop()
        await run

    asyncio.run(watch())


def test_the_first_step_that_has_read_a_slider_is_shown_without_waiting_for_the_next_frame(shown, monkeypatch):
    painted = []
    monkeypatch.setattr(live, "FRAMES_PER_SECOND", 0.001)

    def picture(step, knobs):
        painted.append((step.iteration, knobs.speed))
        return step.image

    async def watch():
        painter, speed = Painter(Knobs(2000)), ipywidgets.FloatSlider(0.0)
        run = live.run(painter.start, painter.knobs, "gray", sliders={"speed": speed}, picture=picture)
        await run.reach(5)
        for value in (1.0, 2.0):
            speed.value = value
            await until(lambda value=value: painted[-1][1] == value)
        await run.reach(run.taken + 5)
        firsts = [painter.speeds.index(value) + 1 for value in (0.0, 1.0, 2.0)]
        assert painted == list(zip(firsts, (0.0, 1.0, 2.0), strict=True))
        run.close()

    asyncio.run(watch())


def test_stop_pause_resume_go_on_and_reset(shown):
    painter = Painter(Knobs())

    async def watch():
        run = live.run(painter.start, painter.knobs, "gray")
        buttons = run.panel.buttons
        await until(lambda: run.step is not None and run.step.iteration > 5)
        buttons["go"].click()
        await until(lambda: run.state == "paused" and buttons["go"].description == "Resume")
        held = run.step.iteration
        await asyncio.sleep(0.1)
        assert run.step.iteration == held
        buttons["go"].click()
        await until(lambda: run.step.iteration > held + 3)

        buttons["reset"].click()
        await until(lambda: painter.started == 2 and run.step.iteration < held)
        assert len(run.history["loss"]) <= run.step.iteration + 1 and painter.closed == 1

        buttons["stop"].click()
        assert "Stopping" in run.panel.note.value
        await run
        stopped = run.result().iteration
        assert run.state == "stopped" and stopped < 400
        await until(lambda: buttons["go"].description == "Go on")
        buttons["go"].click()
        await until(lambda: run.step.iteration > stopped + 2)
        assert painter.started == 2, "it goes on from where it stopped"
        run.close()
        await until(lambda: painter.closed == 2)

    asyncio.run(watch())


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.05, 0.15])
def test_a_reset_soon_after_a_stop_is_obeyed(shown, pause):
    painter = Painter(Knobs(), pace=0.03)

    async def watch():
        run = live.run(painter.start, painter.knobs, "gray")
        await until(lambda: run.step is not None)
        for begun in range(2, 5):
            run.stop()
            await asyncio.sleep(pause)
            run.reset()
            await until(lambda begun=begun: painter.started == begun and run.state == "running")
        run.close()

    asyncio.run(watch())


def test_a_finished_run_goes_on_where_it_ended_and_says_so_when_it_is_steered(shown):
    painter, slider = Painter(Knobs(20)), ipywidgets.FloatSlider(value=1, min=0, max=9)

    async def watch():
        run = live.run(painter.start, painter.knobs, "gray", sliders={"speed": slider})
        await run
        await until(lambda: run.panel.buttons["go"].description == "Go on")
        assert run.panel.note.value == ""
        slider.value = 5
        await until(lambda: "Go on" in run.panel.note.value and "Reset" in run.panel.note.value)
        assert run.step.iteration == 20
        run.panel.buttons["go"].click()
        await until(lambda: run.state == "done" and run.step.iteration == 40)
        assert painter.speeds[-1] == 5 and painter.started == 1
        run.reset()
        await run
        assert run.step.iteration == 20 and painter.knobs.steps == 20 and painter.started == 2

    # what divides its steps into stages stays in its last one, because it is granted one step more at a time
    painter.start = lambda knobs=painter.knobs: _stages(painter, knobs)
    asyncio.run(watch())
    assert set(painter.steps[20:40]) == {"last"}


def _stages(painter: Painter, knobs: Knobs) -> Iterator[Step]:
    painter.started, i = painter.started + 1, 0
    while i < knobs.steps:
        painter.steps.append("last" if optimize.stage(i, knobs.steps, 4) == 3 else "earlier")
        painter.speeds.append(knobs.speed)
        i += 1
        yield Step(i, torch.zeros(1, 3, 8, 8), {"loss": 1.0})


def test_a_changed_input_begins_anew_with_all_inputs_as_they_are(shown):
    begun = []
    a, b = ipywidgets.IntSlider(1), ipywidgets.IntSlider(10)
    a.observe(lambda change: setattr(b, "value", 10 * change["new"]), "value")  # as a layer picker follows a network

    def start(first, second):
        begun.append((first, second))
        for i in range(400):
            threading.Event().wait(0.004)
            yield Step(i + 1, torch.zeros(1, 3, 8, 8), {"loss": 1.0})

    async def watch():
        run = live.run(start, Knobs(), "gray", inputs={"first": a, "second": b})
        await until(lambda: run.step is not None)
        for value in range(2, 9):
            a.value = value
            await asyncio.sleep(0.01)
        await until(lambda: run.inputs == {"first": 8, "second": 80})
        assert all(second == 10 * first for first, second in begun), "no run began with half a change"
        run.stop()
        await run
        a.value = 9
        await until(lambda: run.state == "running" and run.inputs["first"] == 9)
        run.close()
        a.value = 3
        assert not a._trait_notifiers["value"]["change"][1:], "a closed run hears of nothing any more"

    asyncio.run(watch())


@pytest.mark.parametrize("end", ["paused", "done"])
def test_who_waits_after_a_change_gets_steps_of_the_changed_run(shown, end):
    def start(gray):
        for i in range(400 if end == "paused" else 30):
            threading.Event().wait(0.004)
            yield Step(i + 1, torch.full((1, 3, 8, 8), gray / 10), {"loss": 1.0})

    async def watch():
        gray = ipywidgets.IntSlider(1)
        run = live.run(start, Knobs(), "gray", inputs={"gray": gray})
        await run.reach(20)
        if end == "paused":
            run.pause()
        await until(lambda: run.state == end)
        with turn.computing():  # another panel is in the middle of a long step
            gray.value = 2
            waiting = asyncio.create_task(run.reach(2))
            await until(lambda: run._job.served_all)
            await asyncio.sleep(0.1)
            assert not waiting.done(), "all the steps that there are come of the run before the change"
        step = await waiting
        assert run.inputs["gray"] == 2 and step.image.mean().item() == pytest.approx(0.2)
        run.close()

    asyncio.run(watch())


def test_a_job_never_tells_of_an_order_before_its_state_is_of_that_order():
    """Whatever the other threads do in between: whoever sees the number of an order sees no earlier end."""
    seen = []

    class Watched(engine.Job):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if name in ("served", "state") and getattr(self, "served", 0):
                seen.append((self.served, self.state))

    async def watch():
        job = Watched("watched", asyncio.get_running_loop(), lambda _: None, lambda: None)
        for number in (1, 2, 3):
            assert job.begin(lambda: iter([1])) == number
            await until(lambda n=number: job.served == n and job.state == "done")
        job.close()

    asyncio.run(watch())
    firsts = dict(reversed(seen))
    assert firsts == {1: "waiting", 2: "waiting", 3: "waiting"}


def test_a_picture_gets_the_inputs_that_it_names(shown):
    seen = []

    def picture(step, level, knobs):
        seen.append((level, knobs))
        return step.image

    async def watch():
        painter = Painter(Knobs(5))
        level = ipywidgets.IntSlider(3)
        run = live.run(lambda level: painter.start(), painter.knobs, "gray", inputs={"level": level}, picture=picture)
        await run
        assert (3, painter.knobs) in seen
        run.close()

    asyncio.run(watch())


def test_the_same_key_replaces_the_run_and_others_wait_their_turn(shown, monkeypatch):
    monkeypatch.setattr(turn, "FIRST_LOOK", 60)
    first, second, other = (Painter(Knobs()) for _ in range(3))

    async def watch():
        old = live.run(first.start, first.knobs, "gray", key="a", title="the first")
        await until(lambda: old.step is not None)
        waiting = live.run(other.start, other.knobs, "gray", key="b")
        await until(lambda: "Waiting for the first" in waiting.panel.note.value)
        assert waiting.state == "waiting" and waiting.step is None
        assert waiting.panel.buttons["now"].layout.display is None, "it offers to go first"
        with pytest.raises(RuntimeError, match="taken no step yet: write `await run`"):
            waiting.result()
        new = live.run(second.start, second.knobs, "gray", key="a")
        await until(lambda: waiting.step is not None)
        assert first.closed == 1 and new.step is None and old.step is not None
        await until(lambda: "Waiting for b" in new.panel.note.value)
        waiting.stop()
        await until(lambda: new.step is not None)
        new.close(), waiting.close()

    asyncio.run(watch())


def test_a_waiting_run_is_let_in_by_its_button_and_stop_is_seen(shown, monkeypatch):
    monkeypatch.setattr(turn, "FIRST_LOOK", 60)
    one, two = Painter(Knobs()), Painter(Knobs())

    async def watch():
        first = live.run(one.start, one.knobs, "gray", key="a")
        await until(lambda: first.step is not None)
        second = live.run(two.start, two.knobs, "gray", key="b")
        await until(lambda: second.panel.buttons["now"].layout.display is None)
        second.panel.buttons["now"].click()
        await until(lambda: second.state == "running" and first.state == "waiting")
        first.panel.buttons["stop"].click()
        await until(lambda: first.state == "stopped" and "stopped" in first.panel.progress.value)
        first.close(), second.close()

    asyncio.run(watch())


def test_a_run_that_nobody_touches_makes_room(shown, monkeypatch):
    monkeypatch.setattr(turn, "FIRST_LOOK", 0.1)
    monkeypatch.setattr(turn, "SLICE", 0.2)
    painters = [Painter(Knobs(10_000)) for _ in range(3)]

    async def watch():
        runs = [live.run(p.start, p.knobs, "gray", key=str(i)) for i, p in enumerate(painters)]
        await until(lambda: all(run.taken > 5 for run in runs))
        counts = [run.taken for run in runs]
        await until(lambda: all(run.taken > count + 20 for run, count in zip(runs, counts, strict=True)))
        for run in runs:
            run.close()

    asyncio.run(watch())


def test_an_exception_is_shown_with_the_last_picture_and_raised_where_the_result_is_wanted(shown):
    painter = Painter(Knobs(), fail_at=4)

    async def watch():
        run = live.run(painter.start, painter.knobs, "gray")
        with pytest.raises(ValueError, match="a <big> mistake"):
            await run
        assert run.state == "failed" and run.step.iteration == 3
        note = run.panel.note
        await until(lambda: "ValueError: a &lt;big&gt; mistake" in note.value and "Traceback" in note.value)
        assert abs(picture_in(run.panel.picture.value).getpixel((0, 0))[0] - 255 * 3 / 400) < 2
        with pytest.raises(ValueError, match="mistake"):
            run.result()
        painter.fail_at = None
        run.reset()
        await until(lambda: run.state == "running" and run.panel.note.value == "")
        run.close()

    asyncio.run(watch())


def broken_picture(step):
    if step.iteration > 3:
        raise ZeroDivisionError("in the picture")
    return step.image


def nan_later(step):
    image = torch.full((1, 3, 8, 8), float("nan")) if step > 3 else torch.zeros(1, 3, 8, 8)
    return Step(step, image, {"loss": 1.0})


@pytest.mark.parametrize(
    ("start", "picture", "words"),
    [
        (lambda: 1 / 0, live.sheet, "ZeroDivisionError"),
        (lambda: map(nan_later, range(1, 9)), live.sheet, "step 4: the picture is no longer finite"),
        (lambda: Painter(Knobs(50), 0.03).start(), broken_picture, "ZeroDivisionError: in the picture"),
    ],
)
def test_a_failure_wherever_it_comes_from_is_told_and_loses_nothing(shown, start, picture, words):
    async def watch():
        run = live.run(start, Knobs(), "gray", picture=picture)
        await until(lambda: run.state == "failed" and words in run.panel.note.value)
        assert run.step is None or run.panel.picture.content
        run.close()

    asyncio.run(watch())


def test_a_run_without_a_number_of_steps_says_how_many_it_took(shown):
    async def watch():
        run = live.run(Painter(Knobs(12)).start, SimpleNamespace(speed=1), "gray")
        await run
        await until(lambda: "done" in run.panel.progress.value)
        assert "step 12, " in run.panel.progress.value and "step 12 of" not in run.panel.progress.value
        assert "-" not in run.panel.progress.value.split("<br>")[0].split("</progress>")[1]
        run.close()

    asyncio.run(watch())


def test_a_cell_may_wait_for_some_steps_or_for_the_end(shown):
    async def watch():
        painter = Painter(Knobs(60))
        run = live.run(painter.start, painter.knobs, "gray")
        step = await run.reach(20)
        assert 20 <= step.iteration < 60 and "waiting for gray" in "".join(str(getattr(s, "data", "")) for s in shown)
        run.reset()
        assert (await run).step.iteration == 60, "it waits for the run that was asked for last"
        assert (await run.reach(1000)).iteration == 60
        run.close()

    asyncio.run(watch())


def test_a_closed_run_is_forgotten_with_its_widgets_and_its_thread(shown):
    """What a cell made before stays neither on the page nor in memory (jupyter-widgets/ipywidgets 1345, 3544)."""
    threads = threading.active_count()

    async def watch():
        refs, counts = [], []
        for _ in range(6):
            painter = Painter(Knobs(20))
            run = live.run(painter.start, painter.knobs, "gray", sliders={"speed": ipywidgets.FloatSlider(1.0)})
            await run
            refs.append(weakref.ref(run))
            panel = weakref.ref(run.panel.widget)
            del run
            shown.clear()
            gc.collect()
            counts.append(len(widgets_alive()))
        assert sum(ref() is not None for ref in refs) == 1
        assert counts[-1] == counts[1], f"widgets alive after each run: {counts}"
        assert panel() is not None
        refs[-1]().close()
        await until(lambda: threading.active_count() <= threads)

    asyncio.run(watch())


def widgets_alive() -> list:
    return [t for t in gc.get_objects() if issubclass(type(t), ipywidgets.Widget) and t.comm is not None]


def test_names_of_the_notebook_may_be_used_again():
    """Two sections may both call their knobs `knobs` and their function `start`."""
    names = {"__name__": "__main__", "Knobs": Knobs, "Step": Step, "torch": torch}
    code = (
        "knobs = Knobs(3)\ndef level(): return knobs.steps\ndef start():\n    yield Step(level(), torch.zeros(1), {})"
    )
    exec(code, names)
    start = owned(names["start"])
    names["knobs"] = Knobs(77)
    assert next(names["start"]()).iteration == 77
    assert next(start()).iteration == 3
    assert owned(test_names_of_the_notebook_may_be_used_again) is test_names_of_the_notebook_may_be_used_again


def test_headless_a_bounded_number_of_steps_leaves_the_picture(monkeypatch, shown):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    painter, slider = Painter(Knobs(), pace=0), ipywidgets.FloatSlider(value=3)
    run = live.run(painter.start, painter.knobs, "gray", quick=12, sliders={"speed": slider})
    assert run.result().iteration == 12 and painter.closed == 1 and painter.speeds[0] == 3
    assert painter.steps == [12] * 12, "what a technique shares out over its steps comes to its end"
    assert painter.knobs.steps == 400, "and the knobs are the reader's again"
    (picture,) = shown
    still = Image.open(io.BytesIO(picture.data))
    assert abs(still.convert("RGB").getpixel((0, 0))[0] - 255 * 12 / 400) < 2
    assert picture.metadata == {"alt": "gray"} and still.format == picture.format.upper() and picture.width == 400

    async def later_cell():
        return await run

    assert asyncio.run(later_cell()) is run and asyncio.run(run.reach(5)).iteration == 12


def test_headless_an_exception_is_raised_in_the_cell(monkeypatch, shown):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    painter = Painter(Knobs(), pace=0, fail_at=3)
    with pytest.raises(ValueError, match="mistake"):
        live.run(painter.start, painter.knobs, "gray")
    with pytest.raises(ValueError, match="took no step"):
        live.run(Painter(Knobs(0)).start, Knobs(0), "gray")


def test_on_colab_the_steps_run_inside_the_cell_with_progress_and_end_in_time(monkeypatch, shown):
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    painter = Painter(Knobs(40), pace=0.001)
    assert live.run(painter.start, painter.knobs, "gray").result().iteration == 40
    assert 'alt="gray"' in shown[-1].data and len(shown) > 2 and "step 40 of 40, done" in shown[-1].data

    monkeypatch.setattr(live, "COLAB_SECONDS", 0.2)
    painter = Painter(Knobs(400), pace=0.01)
    run = live.run(painter.start, painter.knobs, "gray")
    assert run.state == "stopped" and 5 < run.result().iteration < 40
    assert "run.go_on()" in shown[-1].data and "change the values in this cell" in shown[-1].data
    assert any("this cell ends in" in str(getattr(page, "data", "")) for page in shown)
    before = run.result().iteration
    run.go_on()
    assert run.result().iteration > before + 5 and painter.started == 1

    def interrupted() -> Iterator[Step]:
        yield Step(1, torch.full((1, 3, 8, 8), 0.5), {"loss": 1.0})
        raise KeyboardInterrupt

    run = live.run(interrupted, Knobs(9), "gray")
    assert run.state == "stopped" and run.result().iteration == 1 and picture_in(shown[-1].data)


def test_the_picture_is_computed_once_for_each_frame_on_the_runs_own_thread(shown):
    threads, painter = [], Painter(Knobs(30))

    def picture(step):
        threads.append(threading.get_ident())
        return step.image

    async def watch():
        run = live.run(painter.start, painter.knobs, "gray", picture=picture)
        await run
        assert len(threads) <= run._painted + 1, "once for a frame, and once for the picture that stays"
        run.close()

    asyncio.run(watch())
    assert threading.get_ident() not in threads


def test_saving_keeps_nobody_waiting(shown, monkeypatch):
    slow = threading.Event()

    def save(*arguments):
        assert slow.wait(5)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(images, "save_animation", save)

    async def watch():
        run = live.run(Painter(Knobs(5)).start, Knobs(5), "gray", key="film")
        await run
        run.panel.buttons["film"].click()
        assert "saving film.webp" in run.panel.saved.value, "the callback has returned"
        slow.set()
        await until(lambda: "not saved" in run.panel.saved.value and "No space left" in run.panel.saved.value)
        run.close()

    asyncio.run(watch())


def test_saving_a_picture_and_how_it_grew(shown, tmp_path):
    painter = Painter(Knobs(30))

    async def watch():
        run = live.run(painter.start, painter.knobs, "gray", key="my-run")
        await run
        run.panel.buttons["save"].click()
        await until(lambda: "my-run.png" in run.panel.saved.value and "saved as" in run.panel.saved.value)
        run.panel.buttons["film"].click()
        await until(lambda: "my-run.webp" in run.panel.saved.value and "saved as" in run.panel.saved.value)
        assert run.save("grown.gif") == run.save("grown.gif")
        with pytest.raises(images.ImageError, match="ends in '.txt'"):
            run.save("grown.txt")
        run.key = "no/such/folder"
        run.panel.buttons["save"].click()
        await until(lambda: "not saved" in run.panel.saved.value)
        run.close()

    asyncio.run(watch())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grown.gif", "my-run.png", "my-run.webp"]
    assert images.load(tmp_path / "my-run.png").shape == (1, 3, 8, 8)
    for name in ("grown.gif", "my-run.webp"):
        with Image.open(tmp_path / name) as animation:
            assert animation.n_frames > 2, name


def unstarted(start=lambda: iter(())) -> live.Run:
    return live.Run(start, Knobs(), live.sheet, "gray", "a", ({}, {}))


def test_the_animation_is_thinned_out_instead_of_growing(monkeypatch):
    monkeypatch.setattr(live, "KEPT_FRAMES", 8)
    run = unstarted()
    for i in range(100):
        run._keep(bytes([i]))
    assert len(run._frames) <= 8 and run._frames[0] == b"\x00"
    gaps = {b[0] - a[0] for a, b in zip(run._frames, run._frames[1:], strict=False)}
    assert gaps == {16}


def test_several_images_are_shown_side_by_side():
    step = Step(1, torch.rand(3, 3, 10, 12), {})
    assert live.sheet(step).shape == (1, 3, 14, 44)


def test_a_comm_that_would_answer_late_is_freed():
    child = SimpleNamespace(comm=SimpleNamespace(_reply_subshell_id="x", other=1))
    page.answer_at_once(SimpleNamespace(comm=None, children=[child]))
    assert vars(child.comm) == {"other": 1}


def test_controls_that_do_not_fit_are_a_mistake():
    slider = ipywidgets.FloatSlider()
    with pytest.raises(ValueError, match="'sped'.*steps, speed"):
        live.run(lambda: iter(()), Knobs(), "gray", sliders={"sped": slider})
    with pytest.raises(ValueError, match="'net': start takes photo"):
        live.run(lambda photo: iter(()), Knobs(), "gray", inputs={"net": slider})
    with pytest.raises(ValueError, match="start expects 'photo'"):
        live.run(lambda photo: iter(()), Knobs(), "gray")
    with pytest.raises(ValueError, match="shown names 'x'"):
        RunPanel(unstarted(), None, "beside", ["x"], {}, {"speed": slider})
    with pytest.raises(ValueError, match="'below', expected 'beside' or 'above'"):
        RunPanel(unstarted(), None, "below", [], {}, {})


def test_what_matters_is_in_sight_and_the_rest_is_folded(shown):
    sliders = {
        name: ipywidgets.FloatSlider(description=name) for name in ("one", "two", "three", "four", "five", "six")
    }
    panel = RunPanel(unstarted(), None, "beside", ["two", "six"], {}, sliders)
    column = panel.widget.children[1]
    status, steering, folded, _ = column.children
    *in_sight, button = steering.children
    assert in_sight[1:] == [sliders["two"], sliders["six"]] and list(panel.buttons.values())[0] not in in_sight
    assert folded.layout.display == "none" and set(folded.children[0].children) >= {sliders["one"], sliders["five"]}
    button.value = True
    assert folded.layout.display is None


def test_a_part_of_the_loss_that_is_switched_off_counts_as_nothing():
    """And one that is switched on late belongs to the later steps."""
    run = unstarted()
    for iteration, losses in enumerate([{"a": 1.0}, {"a": 2.0, "b": 3.0}, {"b": 4.0}], 1):
        run._took(Step(iteration, torch.zeros(1, 3, 8, 8), losses))
    assert run.history == {"a": [1.0, 2.0, 0.0], "b": [0.0, 3.0, 4.0]}


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_of_a_picture_that_grew_has_one_size(tmp_path, monkeypatch, shown, suffix):
    """Also where nobody watches: the first frame and the last are kept at least."""
    monkeypatch.setenv("VIZLIB_LIVE", "0")

    def start() -> Iterator[Step]:
        for iteration, side in enumerate((8, 16, 32), 1):
            threading.Event().wait(0.03)
            yield Step(iteration, torch.full((1, 3, side, side), iteration / 4), {"a": 1.0})

    run = live.run(start, Knobs(), "gray")
    with Image.open(run.save(tmp_path / f"film{suffix}")) as film:
        assert film.size == (32, 32) and film.n_frames >= 2
        assert abs(film.convert("RGB").getpixel((16, 16))[0] - 255 / 4) < 4


def test_steps_may_come_from_any_iterator(monkeypatch, shown):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    run = live.run(lambda: iter([Step(1, torch.zeros(1, 3, 8, 8), {"a": 1.0})]), Knobs(), "gray")
    assert run.result().iteration == 1


def test_what_shall_grow_is_told_with_its_own_sign_and_other_losses_as_a_sum():
    assert told({"activation": -104.0}) == "activation 104"
    assert told({"activation": -104.0, "L2": 0.5, "TV": 0.25}) == "activation 104; costs: L2 0.5, TV 0.25"
    assert told({"content": 0.5, "style": 0.0}) == "loss 0.5 = content 0.5 + style 0"
    assert told({"loss": 0.5}) == "loss 0.5" and told({}) == ""
    assert "activation: 1 at step 1, 3 now" in curve({"activation": [-1.0, -2.0, -3.0]})
    assert "activation minus costs: 1 at step 1, 2 now" in curve({"activation": [-1.0, -3.0], "TV": [0.0, 1.0]})
    rising = re.search('points="([^"]+)"', curve({"activation": [-1.0, -2.0, -3.0]}))[1]
    heights = [float(point.split(",")[1]) for point in rising.split()]
    assert heights == sorted(heights, reverse=True)  # up is a smaller y
    assert "loss: 3 at step 1, 2 now" in curve({"content": [1.0, 1.5], "style": [2.0, 0.5]})
