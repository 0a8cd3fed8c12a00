"""Notebook 10 in JupyterLab: epsilon is dragged until the answer changes, and a running attack obeys its sliders."""

import numpy as np
from notebook_page import NotebookPage
from test_live import step, text
from test_notebooks import PICTURE, assert_changes, explorers, nth

ONE_STEP = 0  # the explorer's place on the page
SAME, ANOTHER = (88, 172, 169), (221, 119, 132)  # the bar of the first answer, and of a new one, on white
LIVE = "img.vizlib-live-picture >> nth={}"


def bar(picture: np.ndarray, color: tuple[int, int, int]) -> float:
    """The share of this colour in the upper bar below the changed image, at the right."""
    height, width = picture.shape[:2]
    upper = picture[height - 110 : height - 85, 2 * width // 3 + 3 :].astype(int)
    return (np.abs(upper - color).max(2) < 25).mean()


def drag(notebook: NotebookPage, css_class: str, index: int, places: float) -> None:
    """Move a slider's handle with the mouse by a part of its width, slowly."""
    slider = nth(notebook, css_class, index)
    handle = slider.locator(".noUi-handle").first
    handle.scroll_into_view_if_needed()
    box, track = handle.bounding_box(), slider.locator(".noUi-target").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    notebook.page.mouse.move(x, y)
    notebook.page.mouse.down()
    notebook.page.mouse.move(x + places * track["width"], y, steps=8)
    notebook.page.mouse.up()


def settled(notebook: NotebookPage) -> np.ndarray:
    """The picture when it has stayed the same for a second."""
    now = notebook.pixels(PICTURE.format(ONE_STEP))
    while True:
        notebook.page.wait_for_timeout(1000)
        before, now = now, notebook.pixels(PICTURE.format(ONE_STEP))
        if np.array_equal(before, now):
            return now


def test_epsilon_is_dragged_and_a_running_attack_obeys(open_notebook):
    notebook = open_notebook("10_adversarial_examples")
    notebook.run_to('key="attack"')
    notebook.execute("knobs.steps = 100_000")  # more than the test takes
    assert notebook.errors() == []
    notebook.until(lambda: explorers(notebook) >= 1, "the explorers are on the page", 30)
    notebook.until(lambda: notebook.pixels(PICTURE.format(ONE_STEP)).std() > 10, "the first has drawn", 60)

    fooled = notebook.pixels(PICTURE.format(ONE_STEP))
    assert bar(fooled, ANOTHER) > 0.1 > bar(fooled, SAME), "two levels change the answer"
    drag(notebook, "vizlib-epsilon", 0, -1)
    readout = nth(notebook, "vizlib-epsilon", 0).locator(".widget-readout")
    notebook.until(lambda: readout.inner_text() == "0/255", "it is dragged to the left end")
    notebook.until(lambda: bar(notebook.pixels(PICTURE.format(ONE_STEP)), SAME) > 0.1, "the first answer is back")
    clean = settled(notebook)
    assert bar(clean, SAME) > 0.1 > bar(clean, ANOTHER)
    middle = slice(clean.shape[1] // 3 + 10, 2 * clean.shape[1] // 3 - 10)
    assert clean[100:200, middle].std() < 1, "no change is shown in the middle"
    assert_changes(notebook, ONE_STEP, lambda: drag(notebook, "vizlib-epsilon", 0, 0.6), "a longer step")
    notebook.until(lambda: bar(notebook.pixels(PICTURE.format(ONE_STEP)), ANOTHER) > 0.05, "it has another answer")

    live = LIVE.format(0)
    notebook.until(lambda: bar(notebook.pixels(live), ANOTHER) > 0.5, "the attack reaches its target", 60)
    at = step(notebook)
    notebook.until(lambda: step(notebook) > at, "it goes on")
    nth(notebook, "vizlib-epsilon", 1).locator(".noUi-handle").first.press("Home")
    notebook.until(lambda: bar(notebook.pixels(live), SAME) > 0.1, "in a smaller ball the first answer is back", 20)
    click_first(notebook, "stop")
    notebook.until(lambda: "stopped" in text(notebook), "it stops")
    assert notebook.errors() == []
    notebook.screenshot("10_adversarial_examples", whole=True)


def click_first(notebook: NotebookPage, button: str) -> None:
    notebook.page.locator(f".vizlib-live-{button}").first.click()
