"""On demand, `make try-colab`: in a stand-in for Colab, where no update arrives once a cell has ended.

The stand-in is a kernel in which `google.colab` can be imported, in JupyterLab. What only Colab itself could show, such
as its own page around the widgets, is not tried.
"""

import time

from lesson_cells import slice_of

COLAB = """\
import sys, types
sys.modules["google"] = types.ModuleType("google")
sys.modules["google.colab"] = types.ModuleType("google.colab")
sys.modules["google.colab"].output = types.SimpleNamespace(enable_custom_widget_manager=lambda: None)
print("a stand-in for Colab")"""


def test_a_long_run_shows_its_progress_ends_in_time_and_says_how_to_go_on(open_notebook):
    cells = [COLAB, *slice_of("09_gradient_ascent", "panels.gradient_ascent("), "run.go_on()\nprint(run.taken)"]
    notebook = open_notebook("colab", cells)
    for index in range(len(cells) - 2):
        notebook.run_cell(index)
    live = len(cells) - 2
    began = time.monotonic()
    notebook.start_cell(live)
    page = notebook.page
    page.get_by_text("this cell ends in").wait_for(timeout=20_000)
    notebook.until(lambda: page.locator(".jp-OutputArea img").first.is_visible(), "a picture while it runs", 20)
    shown = page.locator(".jp-Cell").nth(live).locator(".jp-OutputArea-output").last
    assert "step" in shown.inner_text() and "of 3000" in shown.inner_text()
    page.wait_for_function("window.outcome == 'done'", timeout=60_000)
    assert time.monotonic() - began < 45, "the cell ends in time"
    assert "run.go_on()" in shown.inner_text() and "change the values in this cell" in shown.inner_text()
    taken = int(notebook.value("run.taken"))
    notebook.run_cell(live + 1, 60)
    assert int(notebook.value("run.taken")) > taken, "and goes on where it ended"
    notebook.screenshot("colab_run")
    assert notebook.errors() == []


def test_an_explorer_with_steps_shows_itself_first_and_hides_what_cannot_act(open_notebook):
    cells = [COLAB, *slice_of("06_occlusion", "panels.occlusion_map(")]
    notebook = open_notebook("colab", cells)
    for index in range(len(cells) - 1):
        notebook.run_cell(index)
    notebook.start_cell(len(cells) - 1)
    notebook.page.locator(".vizlib-explorer").wait_for(timeout=20_000)
    notebook.explorers_drawn(1)
    assert not notebook.page.locator(".vizlib-stop").first.is_visible()
    notebook.screenshot("colab_explorer")
    assert notebook.errors() == []
