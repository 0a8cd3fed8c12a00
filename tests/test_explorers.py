"""Explorers and long computations without a browser: an asyncio loop stands for the kernel's."""

import asyncio
import io
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import NamedTuple

import ipywidgets
import PIL.Image
import pytest
import torch
from matplotlib.figure import Figure

from vizlib import images, models, plot, widgets
from vizlib.analysis import activations
from vizlib.optimize import Step
from vizlib.widgets import explorer as explorers
from vizlib.widgets import page, progress
from vizlib.widgets.explorer import DENSITY, Explorer, Progress


@pytest.fixture(scope="module")
def other() -> models.Network:
    return models.load("squeezenet1_1", weights="untrained", device="cpu")


# --- explorers ------------------------------------------------------------------------------------------------------


def explorer_of(draw: Callable, controls: dict[str, ipywidgets.Widget]) -> Explorer:
    explorer = Explorer(draw, "a <figure>", controls)
    explorer.redraw()
    return explorer


def figure_of(value: float) -> Figure:
    return plot.bars(["a"], [value], "share")


def test_an_explorer_draws_at_once_and_at_every_change():
    drawn = []

    def draw(a, b):
        drawn.append((a, b))
        return figure_of(a / 10)

    a, b = ipywidgets.IntSlider(3, 0, 10), ipywidgets.IntSlider(5, 0, 10)
    explorer = explorer_of(draw, {"a": a, "b": b})
    first = explorer.picture.content
    assert drawn == [(3, 5)] and first[:4] == b"\x89PNG"
    a.value = 7
    assert drawn == [(3, 5), (7, 5)] and explorer.picture.content != first
    explorer.redraw()
    assert len(drawn) == 2  # nothing changed, nothing drawn


def test_one_change_upstream_draws_each_state_once_and_never_a_wrong_one(other):
    networks = widgets.NetworkPicker([other])
    layers = widgets.LayerPicker(networks, activations.map_shapes, first="fire9")
    channels = widgets.ChannelPicker(networks, layers, activations.map_shapes)
    channels.slider.value = 500
    drawn = []

    def draw(net, layer, channel):
        assert channel < activations.map_shapes(net)[layer][0]
        drawn.append((net.name, layer, channel))
        return figure_of(0.5)

    explorer_of(draw, {"net": networks, "layer": layers, "channel": channels})
    networks.choice.value = "minivgg"
    assert drawn[-1][0] == "minivgg" and len(drawn) == len(set(drawn)) <= 3


def test_a_callback_that_fails_is_raised_headless_and_said_in_a_browser(monkeypatch):
    def draw(a):
        if a > 5:
            raise ValueError("a <big> mistake")
        return figure_of(a / 10)

    monkeypatch.setenv("VIZLIB_LIVE", "0")
    slider = ipywidgets.IntSlider(3, 0, 10)
    explorer = explorer_of(draw, {"a": slider})
    with pytest.raises(ValueError, match="mistake"):
        slider.value = 6
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    slider = ipywidgets.IntSlider(3, 0, 10)
    explorer = explorer_of(draw, {"a": slider})
    kept = explorer.picture.content
    monkeypatch.setenv("VIZLIB_LIVE", "0")  # a callback's own request looks as if nobody was there
    slider.value = 7
    assert "<b>ValueError</b>: a &lt;big&gt; mistake" in explorer.message.value
    assert explorer.picture.content == kept
    slider.value = 4
    assert explorer.message.value == "" and explorer.picture.content != kept


def test_headless_the_first_picture_is_shown_and_no_widget(monkeypatch):
    shown = []
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    monkeypatch.setattr(plot.figure, "display", shown.append)
    monkeypatch.setattr(page, "display", lambda *a, **k: pytest.fail("a widget was displayed"))
    monkeypatch.setattr(explorers, "still_hint", lambda: None)
    explorer = widgets.explore(lambda a: figure_of(a / 10), "one bar", a=ipywidgets.IntSlider(3, 0, 10))
    assert shown[0].data == explorer.picture.content and shown[0].format == explorer.picture.format == "png"


def photo_of(level: float) -> Figure:
    return plot.pictures([(0.7 + 0.3 * level) * images.prepare(images.load("chelsea"), 128)])


@pytest.mark.parametrize(
    ("live", "draw", "format"), [("1", figure_of, "jpeg"), ("0", figure_of, "png"), ("0", photo_of, "jpeg")]
)
def test_a_picture_that_follows_a_slider_is_jpeg_and_a_stored_one_what_is_smaller(monkeypatch, live, draw, format):
    monkeypatch.setenv("VIZLIB_LIVE", live)
    explorer = explorer_of(lambda a: draw(a / 10), {"a": ipywidgets.IntSlider(3, 0, 10)})
    assert explorer.picture.format == format
    assert PIL.Image.open(io.BytesIO(explorer.picture.content)).format == format.upper()


def test_a_live_picture_keeps_its_colours(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    explorer = explorer_of(photo_of, {"level": ipywidgets.FloatSlider(1, min=0, max=1)})
    picture = PIL.Image.open(io.BytesIO(explorer.picture.content))
    assert len(picture.getcolors(2**24)) > 10_000, "a palette would have 256"


def test_watched_the_widget_is_shown_with_a_fallback(monkeypatch):
    shown = []
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    monkeypatch.setattr(page, "display", lambda *a, **k: shown.append((a, k)))
    explorer = widgets.explore(lambda a: figure_of(a / 10), "one <bar>", a=ipywidgets.IntSlider(3, 0, 10))
    (data,), options = shown[0]
    assert options == {"raw": True}
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.widget.model_id
    assert "one &lt;bar&gt;" in data["text/html"]


# --- drawing in steps -----------------------------------------------------------------------------------------------


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds, at most ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_headless_a_generator_is_run_to_its_end_and_its_last_figure_shown(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "0")

    def draw(a):
        yield figure_of(0.1)
        yield Progress(1, 2, figure_of(a / 10))
        yield Progress(2, 2)

    explorer = explorer_of(draw, {"a": ipywidgets.IntSlider(3, 0, 10)})
    assert explorer.picture.content == plot.encode(figure_of(0.3))[0]


def test_a_generator_without_a_figure_is_a_mistake(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    with pytest.raises(ValueError, match="draw yielded no figure"):
        explorer_of(lambda a: (Progress(i, 2) for i in range(2)), {"a": ipywidgets.IntSlider(3, 0, 10)})


class Stage:
    """A drawing generator that takes each step when the test says so, and remembers where it ran and how it ended."""

    def __init__(self):
        self.go, self.closed, self.threads = threading.Semaphore(0), [], set()

    def draw(self, a: int) -> Iterator[Progress]:
        try:
            for i in range(1, 4):
                assert self.go.acquire(timeout=10)
                self.threads.add(threading.get_ident())
                yield Progress(i, 3, figure_of(a / 10 + i / 100))
        finally:
            self.closed.append((a, threading.get_ident()))


def picture_of(value: float) -> bytes:
    """The file that a person who watches is shown."""
    figure = figure_of(value)
    figure.set_dpi(DENSITY)
    return plot.encode(figure, quickly=True)[0]


def test_each_figure_replaces_the_one_before_while_the_loop_stays_free(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    stage = Stage()

    async def watch():
        explorer = explorer_of(stage.draw, {"a": ipywidgets.IntSlider(3, 0, 10)})
        assert explorer.picture.content == b""  # the first step has not been taken, and nobody waited for it
        for i in range(1, 4):
            stage.go.release()
            await until(lambda i=i: explorer.picture.content == picture_of(0.3 + i / 100))
            await until(lambda i=i: f'value="{i}" max="3"' in explorer.bar.value or i == 3)
        await until(lambda: explorer.running.layout.visibility == "hidden")
        assert explorer.message.value == ""

    asyncio.run(watch())
    assert threading.get_ident() not in stage.threads
    assert stage.closed == [(3, *stage.threads)], "the generator ends on the thread that ran it"


def test_stop_keeps_the_picture_and_the_drawing_can_go_on(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    stage = Stage()

    async def watch():
        explorer = explorer_of(stage.draw, {"a": ipywidgets.IntSlider(3, 0, 10)})
        stage.go.release()
        await until(lambda: explorer.picture.content == picture_of(0.31))
        assert explorer.running.layout.visibility == "visible"
        explorer.stop_button.click()
        stage.go.release()  # the step that was under way
        await until(lambda: explorer.message.value.startswith("Stopped"))
        assert explorer.picture.content in (picture_of(0.31), picture_of(0.32))
        assert explorer.stop_button.disabled and explorer.now_button.layout.display is None
        stage.go.release(3)
        explorer.now_button.click()
        await until(lambda: explorer.picture.content == picture_of(0.33))
        await until(lambda: explorer.running.layout.visibility == "hidden")

    asyncio.run(watch())
    assert [a for a, _ in stage.closed] == [3]


def test_a_closed_explorer_ends_its_drawing_and_hears_nothing_more(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    stage = Stage()

    async def watch():
        slider = ipywidgets.IntSlider(3, 0, 10)
        explorer = explorer_of(stage.draw, {"a": slider})
        stage.go.release()
        await until(lambda: explorer.picture.content == picture_of(0.31))
        explorer.close()
        stage.go.release()
        await until(lambda: len(stage.closed) == 1)
        slider.value = 8
        assert explorer.picture.content == picture_of(0.31)

    asyncio.run(watch())


def test_a_drawing_that_is_abandoned_never_overwrites_the_new_one(monkeypatch):
    """Neither its picture nor its error, even if its step ends after the new picture was shown."""
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    slow = threading.Event()

    def steps():
        yield figure_of(0.2)
        slow.wait(5)
        yield figure_of(0.4)
        raise ValueError("late")

    async def watch():
        slider = ipywidgets.IntSlider(3, 0, 10)
        explorer = explorer_of(lambda a: steps() if a == 3 else figure_of(a / 10), {"a": slider})
        await until(lambda: explorer.picture.content == picture_of(0.2))
        slider.value = 7
        assert explorer.picture.content == picture_of(0.7)
        slow.set()
        await asyncio.sleep(0.3)
        assert explorer.picture.content == picture_of(0.7) and explorer.message.value == ""
        explorer.close()

    asyncio.run(watch())


def test_a_change_abandons_the_drawing_and_only_the_new_one_is_shown(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    stage = Stage()

    async def watch():
        slider = ipywidgets.IntSlider(3, 0, 10)
        explorer = explorer_of(stage.draw, {"a": slider})
        stage.go.release()
        await until(lambda: explorer.picture.content == picture_of(0.31))
        monkeypatch.setenv("VIZLIB_LIVE", "0")  # a callback's own request looks as if nobody was there
        slider.value = 7
        assert explorer.picture.content == picture_of(0.31)
        stage.go.release(4)  # one for the step of the old drawing that may be under way
        await until(lambda: explorer.picture.content == picture_of(0.73))
        await until(lambda: len(stage.closed) == 2)

    asyncio.run(watch())
    assert {a for a, _ in stage.closed} == {3, 7}


def test_an_error_in_a_step_is_said_above_the_picture_that_stays(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "1")

    def draw(a):
        yield figure_of(0.2)
        raise ValueError("a <big> mistake")

    async def watch():
        explorer = explorer_of(draw, {"a": ipywidgets.IntSlider(3, 0, 10)})
        await until(lambda: "<b>ValueError</b>: a &lt;big&gt; mistake" in explorer.message.value)
        assert explorer.picture.content == picture_of(0.2)
        assert explorer.running.layout.visibility == "hidden"

    asyncio.run(watch())


def test_on_colab_the_steps_are_taken_inside_the_cell(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    stage = Stage()
    stage.go.release(3)

    async def watch():
        explorer = explorer_of(stage.draw, {"a": ipywidgets.IntSlider(3, 0, 10)})
        assert explorer.picture.content == picture_of(0.33)

    asyncio.run(watch())
    assert stage.threads == {threading.get_ident()}


# --- a long computation in a cell -----------------------------------------------------------------------------------


class Partial(NamedTuple):
    done: int
    total: int


def counting(total: int, interrupt_at: int | None = None) -> Iterator[Partial]:
    for i in range(1, total + 1):
        if i == interrupt_at:
            raise KeyboardInterrupt
        yield Partial(i, total)


def test_finish_gives_the_last_result_and_says_nothing_headless(monkeypatch, capsys):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    monkeypatch.setattr(progress, "display", lambda *a, **k: pytest.fail("something was displayed"))
    assert widgets.finish(counting(5), "counting") == Partial(5, 5)
    assert capsys.readouterr() == ("", "")


def test_finish_shows_a_bar_and_an_interrupt_keeps_what_is_done(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    shown = []
    monkeypatch.setattr(progress, "display", lambda *a, **k: SimpleNamespace(update=lambda page: shown.append(page)))
    assert widgets.finish(counting(5, interrupt_at=4), "<counting>") == Partial(3, 5)
    assert re.search('&lt;counting&gt; <progress value="3" max="5" .*</progress> 3 of 5, stopped in', shown[-1].data)


def test_finish_counts_the_steps_of_an_optimisation(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    shown = []
    monkeypatch.setattr(progress, "display", lambda *a, **k: SimpleNamespace(update=lambda page: shown.append(page)))
    steps = [Step(i, torch.zeros(1), {}) for i in (1, 2, 3)]
    assert widgets.finish(steps, "climbing", total=3) is steps[-1]
    assert "3 of 3, done in" in shown[-1].data
    widgets.finish(steps, "climbing")
    assert "step 3, done in" in shown[-1].data


def test_finish_without_any_result(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    with pytest.raises(ValueError, match="counting: there was nothing to do"):
        widgets.finish(iter([]), "counting")
    with pytest.raises(KeyboardInterrupt):
        widgets.finish(counting(5, interrupt_at=1), "counting")


def climbing(length: int, at_work: set | None = None, fails: type[BaseException] | None = None) -> Iterator[Step]:
    for i in range(1, length + 1):
        if at_work is not None:
            at_work.add(threading.get_ident())
            time.sleep(0.02)
        if fails and i == 2:
            raise fails(f"at step {i}")
        yield Step(i, torch.full((1,), i), {})


@pytest.mark.parametrize("threads", [1, 2])
def test_finish_all_gives_the_last_step_of_each_and_shares_out_the_cores(threads, monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    monkeypatch.setattr(progress, "default_device", lambda: torch.device("cpu"))
    at_work, before = set(), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = widgets.finish_all({n: climbing(n, at_work) for n in (7, 3, 5, 4)}, "climbing")
    finally:
        torch.set_num_threads(before)
    assert list(found) == [7, 3, 5, 4] and [step.iteration for step in found.values()] == [7, 3, 5, 4]
    assert len(at_work) == threads


def test_finish_all_counts_what_has_ended(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    shown = []
    monkeypatch.setattr(progress, "display", lambda *a, **k: SimpleNamespace(update=lambda page: shown.append(page)))
    widgets.finish_all({n: climbing(n) for n in (1, 2, 3)}, "climbing")
    assert "3 of 3, done in" in shown[-1].data


@pytest.mark.parametrize("interrupted", ["a", "b", "c"])
def test_finish_all_when_interrupted_gives_one_step_of_what_had_not_begun(interrupted, monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    monkeypatch.setattr(progress, "default_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(progress, "in_order", lambda run, runs: (press(run, name) for name in runs))

    def press(run, name):
        if name == interrupted:
            raise KeyboardInterrupt
        return run(name)

    found = widgets.finish_all({name: climbing(5) for name in "abc"}, "climbing")
    assert [step.iteration for step in found.values()] == [5 if name < interrupted else 1 for name in "abc"]


def test_finish_all_when_interrupted_between_two_steps_keeps_what_was_reached(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    monkeypatch.setattr(progress, "in_order", map)
    found = widgets.finish_all({"a": climbing(4), "b": interrupted_at(3), "c": climbing(4)}, "climbing")
    assert [step.iteration for step in found.values()] == [4, 2, 1]
    with pytest.raises(KeyboardInterrupt):
        widgets.finish_all({"a": climbing(4), "b": interrupted_at(1)}, "climbing")


def interrupted_at(number: int) -> Iterator[Step]:
    for step in climbing(5):
        if step.iteration == number:
            raise KeyboardInterrupt
        yield step


def test_finish_all_says_what_went_wrong(monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    with pytest.raises(ArithmeticError, match="at step 2"):
        widgets.finish_all({"good": climbing(3), "bad": climbing(3, fails=ArithmeticError)}, "climbing")
    with pytest.raises(ValueError, match="no step"):
        widgets.finish_all({"empty": climbing(0)}, "climbing")


# --- is somebody there? ---------------------------------------------------------------------------------------------


def shell_with(metadata: dict, **content: object) -> SimpleNamespace:
    return SimpleNamespace(kernel=object(), get_parent=lambda: {"metadata": metadata, "content": content})


def test_watched_looks_at_the_request(monkeypatch):
    monkeypatch.delenv("VIZLIB_LIVE", raising=False)
    for shell, expected in [
        (None, False),
        (SimpleNamespace(), False),  # IPython in a terminal
        (shell_with({}, allow_stdin=False), False),  # nbval, nbclient
        (shell_with({"cellId": "a"}), True),  # JupyterLab
        (shell_with({}, allow_stdin=True), True),  # classic Notebook
    ]:
        monkeypatch.setattr(page, "get_ipython", lambda shell=shell: shell)
        assert widgets.watched() is expected
    monkeypatch.setattr(page, "get_ipython", lambda: shell_with({}, allow_stdin=False))
    monkeypatch.setenv("VOILA_REQUEST_URL", "http://localhost:8866/voila/render/a.ipynb")
    assert widgets.watched() is True
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    assert widgets.watched() is False


def test_a_collection_of_garbage_looks_through_few_of_the_libraries_objects():
    code = "import vizlib.widgets, gc; print(gc.get_freeze_count(), len(gc.get_objects()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    frozen, left = map(int, done.stdout.split())
    assert frozen > 50_000 and left < frozen / 10
