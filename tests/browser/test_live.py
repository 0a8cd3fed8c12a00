"""A running optimisation in JupyterLab: it grows, obeys its sliders and buttons, and leaves the kernel free."""

import numpy as np
import pytest
from notebook_page import LiveRun, NotebookPage

SETUP = """\
import time
from dataclasses import dataclass
import ipywidgets as W
import torch
from vizlib import widgets
from vizlib.widgets import live
from vizlib.optimize import Step

@dataclass
class Knobs:
    steps: int = 600
    green: float = 0.2

knobs = Knobs()
found = []  # what each step found the knob at

def paint():
    "Red grows with the steps; green is what the step found the knob at."
    for i in range(1, knobs.steps + 1):
        time.sleep(0.05)
        found.append(knobs.green)
        image = torch.zeros(1, 3, 64, 64)
        image[:, 0], image[:, 1] = i / knobs.steps, knobs.green
        yield Step(i, image, {"loss": 1 / i})"""
RUN = """\
green = W.FloatSlider(value=0.2, min=0, max=1, step=0.2, description="green")
green.add_class("test-green")
heard = []  # how many steps had been taken when the kernel heard of each change
green.observe(lambda change: heard.append(len(found)), "value")
run = live.run(paint, knobs, alt="a colour", key="colour", sliders={"green": green})"""
BUSY = """\
for _ in range(600):  # what runs in this cell's thread otherwise has to wait
    time.sleep(0.05)
    if max(found) > 0.7:
        break
print("a step saw", max(found))"""
FAILS = """\
def fails():
    yield Step(1, torch.zeros(1, 3, 64, 64), {"loss": 1.0})
    raise ValueError("a deliberate mistake")

broken = live.run(fails, knobs, alt="a colour", key="broken")"""
CELLS = [SETUP, RUN, "print(run.step.iteration)", "await run\nprint(run.state)", FAILS, "print('free')", BUSY]


@pytest.fixture
def notebook(open_notebook) -> NotebookPage:
    notebook = open_notebook("live", CELLS)
    notebook.run_cell(0)
    notebook.run_cell(1)
    return notebook


def color(run: LiveRun) -> np.ndarray:
    return run.pixels()[32, 32] / 255


def test_it_grows_obeys_and_lets_other_cells_run(notebook):
    run = LiveRun(notebook)
    red, at = color(run)[0], run.step()
    run.until(lambda: run.step() > at + 10 and color(run)[0] > red + 0.01, "the picture moves by itself")
    notebook.press("test-green", "ArrowRight", "ArrowRight", "ArrowRight")
    run.until(lambda: abs(color(run)[1] - 0.8) < 0.05, "a step with the new value is shown")
    late = "next(i for i, value in enumerate(found) if value > 0.7) - heard[-1]"
    assert 0 <= int(notebook.value(late)) <= 1, "the step under way, or the next one, saw the new value"

    notebook.run_cell(2)
    assert at < int(notebook.outputs(2)[0]["text"]) < 600, "another cell ran meanwhile, and saw the run"

    held = run.pause()
    run.click("pause")
    run.until(lambda: run.step() > held + 5, "it goes on")
    run.click("reset")
    run.until(lambda: run.step() < held, "it begins again")

    run.stop()
    taken = notebook.value("len(found)")
    notebook.execute("time.sleep(0.3)")
    assert notebook.value("len(found)") == taken, "no step was taken after it had said that it stopped"
    assert run.step() < 600
    kept = [output["data"].get("text/html", "") for output in notebook.outputs(1)]
    assert any("vizlib-still" in page and "<img" in page for page in kept), "what a still page shows"
    assert not notebook.page.locator(".vizlib-still").first.is_visible(), "it is hidden while the panel is there"
    assert notebook.page.locator(run.picture).get_attribute("alt") == "a colour"
    assert notebook.errors() == []


def test_it_obeys_while_a_cell_is_busy(notebook):
    run = LiveRun(notebook)
    notebook.start_cell(6)
    notebook.press("test-green", "ArrowRight", "ArrowRight", "ArrowRight")
    notebook.until(lambda: notebook.outputs(6) != [], "the busy cell ends", 60)
    assert notebook.outputs(6)[0]["text"] == "a step saw 0.8\n"
    run.stop()
    assert notebook.errors() == []


def test_running_the_cell_again_replaces_the_run(notebook):
    run = LiveRun(notebook)
    run.until(lambda: run.step() > 40, "it is well under way")
    notebook.run_cell(1)
    run.until(lambda: 0 < run.step() < 40, "a new run has begun")
    assert notebook.page.locator(".vizlib-live-stop").count() == 1
    run.stop()
    assert notebook.errors() == []


def test_interrupt_stops_it_and_an_exception_is_shown(notebook):
    run = LiveRun(notebook)
    run.until(lambda: run.step() > 5, "it is under way")
    notebook.page.evaluate("notebook.sessionContext.session.kernel.interrupt()")
    run.until(lambda: "stopped" in run.text(), "the idle kernel's interrupt stops it")
    notebook.run_cell(3)
    assert notebook.outputs(3)[0]["text"] == "stopped\n"

    notebook.run_cell(4)
    message = notebook.page.get_by_text("a deliberate mistake").first
    notebook.until(message.is_visible, "the exception is shown in the panel")
    notebook.run_cell(5)
    assert notebook.outputs(5)[0]["text"] == "free\n"
    assert notebook.errors() == []
