"""Notebook 06 in JupyterLab: the size of the occluder changes the map, Stop keeps a coarse one, windows follow."""

import numpy as np
from notebook_page import NotebookPage
from test_notebooks import PICTURE, assert_changes, explorers, nth, press

MAP, WINDOWS, FILLS = range(3)  # the explorers' places on the page


def settle(notebook: NotebookPage, index: int) -> np.ndarray:
    """Wait until nothing is being drawn any more; gives the finished picture."""
    stop = notebook.page.locator(".vizlib-stop")
    notebook.until(lambda: not any(stop.nth(i).is_visible() for i in range(stop.count())), "all maps are finished", 120)
    return notebook.pixels(PICTURE.format(index))


def test_size_stop_class_and_windows(open_notebook):
    notebook = open_notebook("06_occlusion")
    notebook.run_all(300)
    assert notebook.errors() == []
    notebook.until(lambda: explorers(notebook) == 3, "three explorers are on the page", 30)
    for index in range(3):
        notebook.until(lambda i=index: notebook.pixels(PICTURE.format(i)).std() > 10, f"explorer {index} has drawn", 60)

    middle = settle(notebook, MAP)
    assert_changes(notebook, MAP, lambda: press(notebook, "vizlib-size", 0, "End"), "a larger occluder is drawn")
    large = settle(notebook, MAP)
    assert np.abs(large.astype(int) - middle).mean() > 1, "its map is another one"

    assert_changes(notebook, MAP, lambda: press(notebook, "vizlib-stride", 0, "Home"), "a coarse map is there")
    nth(notebook, "vizlib-stop", 0).click()
    notebook.until(lambda: notebook.page.get_by_text("Stopped:").count() == 1, "it says that it has stopped")
    kept = notebook.pixels(PICTURE.format(MAP))
    assert kept.std() > 10
    notebook.page.wait_for_timeout(1500)
    assert np.array_equal(notebook.pixels(PICTURE.format(MAP)), kept), "what was drawn stays, and nothing more comes"
    assert_changes(notebook, MAP, lambda: press(notebook, "vizlib-stride", 0, "End"), "a change begins anew")

    assert_changes(notebook, WINDOWS, lambda: press(notebook, "vizlib-size", 1, "End"), "larger windows are drawn")
    assert_changes(notebook, WINDOWS, lambda: press(notebook, "vizlib-down", 0, "Home"), "windows at the border")
    assert_changes(notebook, FILLS, lambda: press(notebook, "vizlib-size", 2, "End"), "other fills' maps are drawn")
    settle(notebook, FILLS)
    assert notebook.errors() == []
    notebook.screenshot("06_occlusion", whole=True)
