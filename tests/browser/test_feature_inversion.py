"""Notebook 11 in JupyterLab: a running inversion follows its layer and TV sliders, and begins anew with the network."""

import re
import time

import numpy as np
from notebook_page import NotebookPage
from test_live import text
from test_notebooks import nth

ONE = "img.vizlib-live-picture >> nth=0"
UNTIL_LIVE = "anew=("  # in the cell that starts the first run


def part(notebook: NotebookPage, name: str) -> float:
    """What the run says that a part of the loss is now; NaN while it waits."""
    found = re.search(rf"{name} ([\d.e+-]+)", text(notebook))
    return float(found[1]) if found else float("nan")


def taken(notebook: NotebookPage) -> int:
    words = text(notebook).split()
    return int(words[1]) if words[0] == "step" else 0


def found(notebook: NotebookPage) -> np.ndarray:
    """The right half of the live picture, without the photo."""
    picture = notebook.pixels(ONE).astype(int)
    return picture[:, picture.shape[1] // 2 :]


def run_to_the_first_run(notebook: NotebookPage) -> None:
    sources = notebook.page.evaluate(
        "notebook.content.widgets.map(c => [c.model.type, c.model.sharedModel.getSource()])"
    )
    last = next(i for i, (kind, source) in enumerate(sources) if kind == "code" and UNTIL_LIVE in source)
    for index in range(2, last + 1):
        if sources[index][0] == "code":
            notebook.run_cell(index, 120)


def test_a_running_inversion_follows_its_sliders(open_notebook):
    notebook = open_notebook("11_feature_inversion")
    run_to_the_first_run(notebook)
    notebook.until(lambda: notebook.page.locator("img.vizlib-live-picture").is_visible(), "there is a picture", 30)
    begin, at = found(notebook), taken(notebook)
    notebook.until(lambda: taken(notebook) > at + 15, "it runs", 60)
    notebook.until(lambda: np.abs(found(notebook) - begin).mean() > 4, "the image changes", 60)

    notebook.until(lambda: part(notebook, "TV") > 0, "total variation is on")
    nth(notebook, "vizlib-TV", 0).locator(".noUi-handle").first.press("Home")
    pressed = time.monotonic()
    notebook.until(lambda: part(notebook, "TV") == 0, "the run reports that it is off", 5)
    assert time.monotonic() - pressed < 3, "within a second, and two more for a busy machine"
    nth(notebook, "vizlib-TV", 0).locator(".noUi-handle").first.press("End")
    notebook.until(lambda: part(notebook, "TV") > 0.01, "and how much it is at 100", 5)
    nth(notebook, "vizlib-TV", 0).locator(".noUi-handle").first.press("Home")

    notebook.until(lambda: part(notebook, "features") < 0.1, "the features are near", 90)
    near, step = part(notebook, "features"), taken(notebook)
    nth(notebook, "vizlib-layer", 0).locator(".noUi-handle").first.press("Home")
    notebook.until(lambda: part(notebook, "features") != near and taken(notebook) > step, "conv1 is looked at", 5)
    assert taken(notebook) > step, "the same run goes on"
    notebook.until(lambda: part(notebook, "features") < 0.02, "and it finds the features of conv1", 90)
    picture = notebook.pixels(ONE).astype(int)
    left, right = np.split(picture[:, : picture.shape[1] // 2 * 2], 2, 1)
    assert np.abs(left - right).mean() < 12, "which are nearly the photo"

    notebook.page.locator(".vizlib-live-pause").first.click()
    notebook.until(lambda: "paused" in text(notebook), "it pauses")
    notebook.page.wait_for_timeout(300)
    held = taken(notebook)
    notebook.page.wait_for_timeout(700)
    assert taken(notebook) == held
    notebook.page.locator(".vizlib-live-pause").first.click()
    notebook.until(lambda: taken(notebook) > held, "it goes on")

    notebook.page.locator(".vizlib-network select").first.select_option("miniresnet")
    notebook.until(lambda: 0 < taken(notebook) < held, "another network begins anew", 30)
    notebook.until(lambda: taken(notebook) > 3, "and it runs with a layer of its own", 30)
    notebook.page.locator(".vizlib-live-stop").first.click()
    notebook.until(lambda: "stopped" in text(notebook), "it stops")
    assert notebook.errors() == []
    notebook.screenshot("11_feature_inversion")
