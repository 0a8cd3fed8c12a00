"""The harness itself: it sees a slider move, a picture change, and an exception; its kernels know of no other."""

import lab_server
import numpy as np
import pytest
from notebook_page import BUSY

SLIDER = """\
import io
import ipywidgets as widgets
import numpy as np
from PIL import Image

def grey(value):
    file = io.BytesIO()
    Image.fromarray(np.full((20, 30, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()

slider = widgets.IntSlider(value=10, min=0, max=200, step=10)
picture = widgets.Image(value=grey(10), width=60)
slider.add_class("test-slider")
picture.add_class("test-picture")
slider.observe(lambda change: setattr(picture, "value", grey(change["new"])), "value")
widgets.VBox([slider, picture])"""


def test_keys_move_the_slider_and_the_picture_follows(open_notebook, tmp_path):
    notebook = open_notebook("slider", [SLIDER, "print(slider.value)"])
    notebook.run_all()
    assert notebook.outputs(1)[0]["text"] == "10\n"
    before = notebook.pixels("img.test-picture")
    assert before.shape == (20, 30, 3)
    assert np.unique(before) == [10]

    notebook.press("test-slider", "ArrowRight", "ArrowRight", "ArrowRight")
    notebook.until(lambda: notebook.pixels("img.test-picture").max() == 40, "the kernel draws what the slider says")
    notebook.run_cell(1)
    assert notebook.outputs(1)[0]["text"] == "40\n"
    assert notebook.errors() == []


def test_what_goes_wrong_is_reported(open_notebook):
    notebook = open_notebook("wrong", ["1 / 0", "print('not reached')"])
    notebook.run_all()
    assert notebook.errors() == ["cell 0: ZeroDivisionError: division by zero"]
    assert notebook.outputs(1) == []

    notebook.page.evaluate("console.error('from the page')")
    notebook.page.evaluate("setTimeout(() => { throw new Error('thrown'); })")
    notebook.until(lambda: len(notebook.errors()) == 3, "the page's errors arrive")
    assert notebook.errors()[1:] == ["console: from the page", "page: thrown"]


def test_a_kernel_is_new_and_can_be_interrupted(open_notebook):
    for _ in range(2):
        notebook = open_notebook("new", ["import os; print(os.getpid(), 'seen' in globals())\nseen = True"])
        notebook.run_all()
        assert notebook.outputs(0)[0]["text"].split()[1] == "False"
    waiting = notebook.page.evaluate_handle(
        "[notebook.sessionContext.session.kernel.requestExecute({code: 'import time; time.sleep(60)'}).done]"
    )
    notebook.until(lambda: notebook.page.evaluate(BUSY), "the kernel is busy")
    notebook.page.evaluate("notebook.sessionContext.session.kernel.interrupt()")
    assert notebook.page.evaluate("async ([done]) => (await done).content.ename", waiting) == "KeyboardInterrupt"


def test_what_a_cell_says_in_the_kernel_is_read(open_notebook):
    notebook = open_notebook("value", ["answer = 42"])
    notebook.run_all()
    assert notebook.value("answer") == "42"
    assert notebook.value("question") == "NameError: name 'question' is not defined"


def test_run_all_waits_for_slow_cells(open_notebook):
    notebook = open_notebook("slow", ["import time; time.sleep(0.5)", "time.sleep(0.3); print('done')"])
    notebook.run_all()
    assert notebook.outputs(1)[0]["text"] == "done\n"


def test_a_condition_that_never_holds_fails(open_notebook):
    notebook = open_notebook("pigs", ["print('two pigs')", "assert 2 == 1, '2 is not 1'"])
    notebook.run_all()
    with pytest.raises(AssertionError, match="not within 0.2 s: pigs fly.*errors.*2 is not 1.*shows.*two pigs"):
        notebook.until(lambda: False, "pigs fly", seconds=0.2)


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_no_chromium_is_a_skip_and_in_ci_a_failure(ci, outcome, monkeypatch):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(lab_server, "MAC_CHROME", "missing")
    with pytest.raises(outcome, match="no Chromium found"):
        lab_server.find_chromium()


def test_a_whole_notebook_fits_on_a_screenshot(open_notebook, monkeypatch, tmp_path):
    monkeypatch.setenv("VIZLIB_SCREENSHOTS", str(tmp_path / "pictures"))
    notebook = open_notebook("long", ["for i in range(100):\n    print(i)"])
    notebook.run_all()
    path = notebook.screenshot("long", whole=True)
    assert path == tmp_path / "pictures" / "long.png"
    assert path.stat().st_size > 10_000
