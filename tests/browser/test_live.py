"""A running optimisation in JupyterLab: it grows, obeys its sliders and buttons, and leaves the kernel free."""

import time

import numpy as np
import pytest
from notebook_page import NotebookPage

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

def paint():
    "Red grows with the steps; green is what the step found the knob at."
    for i in range(1, knobs.steps + 1):
        time.sleep(0.05)
        image = torch.zeros(1, 3, 64, 64)
        image[:, 0], image[:, 1] = i / knobs.steps, knobs.green
        yield Step(i, image, {"loss": 1 / i})"""
RUN = """\
green = W.FloatSlider(value=0.2, min=0, max=1, step=0.2, description="green")
green.add_class("test-green")
run = live.run(paint, knobs, alt="a colour", key="colour", green=green)"""
FAILS = """\
def fails():
    yield Step(1, torch.zeros(1, 3, 64, 64), {"loss": 1.0})
    raise ValueError("a deliberate mistake")

broken = live.run(fails, knobs, alt="a colour", key="broken")"""
CELLS = [SETUP, RUN, "print(run.step.iteration)", "await run\nprint(run.state)", FAILS, "print('free')"]


@pytest.fixture
def notebook(open_notebook) -> NotebookPage:
    notebook = open_notebook("live", CELLS)
    notebook.run_cell(0)
    notebook.run_cell(1)
    notebook.until(lambda: notebook.page.locator("img.vizlib-live-picture").is_visible(), "there is a picture")
    return notebook


def color(notebook: NotebookPage) -> np.ndarray:
    return notebook.pixels("img.vizlib-live-picture")[32, 32] / 255


def text(notebook: NotebookPage) -> str:
    return notebook.page.locator(".vizlib-live-text").first.inner_text()


def step(notebook: NotebookPage) -> int:
    """How many steps were taken; 0 while it waits."""
    words = text(notebook).split()
    return int(words[1]) if words[0] == "step" else 0


def click(notebook: NotebookPage, button: str) -> None:
    notebook.page.locator(f".vizlib-live-{button}").click()


def test_it_grows_obeys_and_lets_other_cells_run(notebook):
    red, at = color(notebook)[0], step(notebook)
    notebook.until(lambda: step(notebook) > at + 10 and color(notebook)[0] > red + 0.01, "the picture moves by itself")
    notebook.press("test-green", "ArrowRight", "ArrowRight", "ArrowRight")
    begun = time.monotonic()
    notebook.until(lambda: abs(color(notebook)[1] - 0.8) < 0.05, "a step saw the new value")
    assert time.monotonic() - begun < 3

    notebook.run_cell(2)
    assert at < int(notebook.outputs(2)[0]["text"]) < 600, "another cell ran meanwhile, and saw the run"

    click(notebook, "pause")
    notebook.until(lambda: "paused" in text(notebook), "it says that it is paused")
    notebook.page.wait_for_timeout(300)
    held = step(notebook)
    notebook.page.wait_for_timeout(700)
    assert step(notebook) == held
    click(notebook, "pause")
    notebook.until(lambda: step(notebook) > held + 5, "it goes on")
    click(notebook, "reset")
    notebook.until(lambda: step(notebook) < held, "it begins again")

    click(notebook, "stop")
    notebook.until(lambda: "stopped" in text(notebook), "it stops", 3)
    kept = step(notebook)
    notebook.page.wait_for_timeout(500)
    assert step(notebook) == kept < 600
    kinds = [kind for output in notebook.outputs(1) for kind in output.get("data", {})]
    assert {"image/png", "image/jpeg"} & set(kinds), "what a still page shows"
    assert notebook.errors() == []


def test_running_the_cell_again_replaces_the_run(notebook):
    notebook.until(lambda: step(notebook) > 120, "it is well under way", 30)
    notebook.run_cell(1)
    notebook.until(lambda: 0 < step(notebook) < 120, "a new run has begun")
    assert notebook.page.locator(".vizlib-live-stop").count() == 1
    click(notebook, "stop")
    notebook.until(lambda: "stopped" in text(notebook), "it stops")
    assert notebook.errors() == []


def test_interrupt_stops_it_and_an_exception_is_shown(notebook):
    notebook.until(lambda: step(notebook) > 5, "it is under way")
    notebook.page.evaluate("notebook.sessionContext.session.kernel.interrupt()")
    notebook.until(lambda: "stopped" in text(notebook), "the idle kernel's interrupt stops it")
    notebook.run_cell(3)
    assert notebook.outputs(3)[0]["text"] == "stopped\n"

    notebook.run_cell(4)
    message = notebook.page.get_by_text("a deliberate mistake").first
    notebook.until(message.is_visible, "the exception is shown in the panel")
    notebook.run_cell(5)
    assert notebook.outputs(5)[0]["text"] == "free\n"
    assert notebook.errors() == []
