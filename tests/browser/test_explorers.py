"""An explorer that draws in steps, in JupyterLab: it begins coarse, can be stopped and steered, and freezes nothing."""

import numpy as np
from notebook_page import NotebookPage

SLOW = """\
import time
import ipywidgets as W
import numpy as np
import torch
from vizlib import plot, widgets

calls = []

def draw(grey):
    for step in range(1, 41):
        time.sleep(0.1)
        calls.append((grey, step))
        shade = torch.full((1, 3, 40, 40), (grey * 20 + step) / 255)
        yield widgets.Progress(step, 40, plot.pictures(shade))

slider = W.IntSlider(value=2, min=0, max=10)
slider.add_class("test-slider")
explorer = widgets.explore(draw, alt="a shade of grey", grey=slider)"""


def shade(notebook: NotebookPage) -> float:
    picture = notebook.picture(0)
    return picture[picture.shape[0] // 2, picture.shape[1] // 2, 0]


def test_steps_are_seen_while_other_cells_run_and_the_slider_steers(open_notebook):
    notebook = open_notebook("steps", [SLOW, "print(len(calls))"])
    notebook.run_cell(0)
    notebook.until(lambda: shade(notebook) > 0, "the first step is drawn")
    first = shade(notebook)
    notebook.run_cell(1)  # the kernel is free
    assert int(notebook.outputs(1)[0]["text"]) < 40, "the other cell ran while the picture was being drawn"
    notebook.until(lambda: shade(notebook) > first, "a later step is drawn")

    notebook.press("test-slider", *["ArrowRight"] * 5)
    notebook.until(lambda: 140 < shade(notebook) < 180, "steps for the new value are drawn")
    notebook.until(lambda: shade(notebook) == 180, "the drawing comes to its end")
    notebook.settled()  # Stop goes when there is nothing to stop
    assert notebook.errors() == []


def test_stop_keeps_what_is_shown(open_notebook):
    notebook = open_notebook("stop", [SLOW, "print(calls[-1][1])", "import time; time.sleep(0.5); print(calls[-1][1])"])
    notebook.run_cell(0)
    notebook.until(lambda: shade(notebook) > 0, "the first step is drawn")
    notebook.page.locator(".vizlib-stop").click()
    notebook.until(lambda: notebook.page.get_by_text("Stopped:").count() == 1, "it says that it has stopped")
    kept = notebook.picture(0)
    notebook.run_cell(1)
    notebook.run_cell(2)
    assert notebook.outputs(1)[0]["text"] == notebook.outputs(2)[0]["text"], "no step was taken after Stop"
    assert np.array_equal(notebook.picture(0), kept)
    assert 0 < shade(notebook) - 40 < 40
    assert notebook.errors() == []


LAID_OUT = """\
from vizlib import plot, widgets

def draw(image, columns):
    return plot.pictures(image)

for layout in ("above", "beside"):
    controls = {"image": widgets.ImagePicker(), "columns": widgets.span("columns", (0.32, 0.52))}
    widgets.explore(draw, alt="a photo", layout=layout, **controls)
"""
WIDER = """() => [...document.querySelectorAll('.vizlib-panel, .vizlib-panel *')].filter(
    part => part.clientWidth && part.scrollWidth > part.clientWidth && getComputedStyle(part).overflowX != 'visible'
).map(part => `${part.className}: ${part.scrollWidth} in ${part.clientWidth}`)"""


def test_nothing_scrolls_sideways_and_the_two_buttons_of_an_image_stay_together(open_notebook):
    notebook = open_notebook("layout", [LAID_OUT])
    notebook.run_cell(0)
    notebook.explorers_drawn(2)
    assert notebook.page.evaluate(WIDER) == []
    for index in range(2):
        choice, upload, camera = (
            notebook.nth(f"vizlib-{name}", index).bounding_box() for name in ("image", "upload", "camera")
        )
        assert upload["y"] == camera["y"] and upload["x"] < camera["x"]
        if index == 0:
            assert abs(choice["y"] - camera["y"]) < 10, "with room for them they stand beside the choice"
    assert notebook.errors() == []
