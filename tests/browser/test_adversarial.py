"""Notebook 10 in JupyterLab: epsilon is dragged until the answer changes, and a running attack obeys its sliders."""

import numpy as np
from notebook_page import LiveRun, NotebookPage

SAME, ANOTHER = (88, 172, 169), (221, 119, 132)  # the bar of the first answer, and of a new one, on white


def bar(picture: np.ndarray, color: tuple[int, int, int]) -> float:
    """The share of this colour in the upper bar below the changed image, at the right."""
    height, width = picture.shape[:2]
    scale = 1.34 if width > 900 else 1  # explorers draw more densely than runs
    upper = picture[height - round(110 * scale) : height - round(85 * scale), 2 * width // 3 + 3 :].astype(int)
    return (np.abs(upper - color).max(2) < 25).mean()


def drag(notebook: NotebookPage, css_class: str, places: float) -> None:
    """Move a slider's handle with the mouse by a part of its width, slowly."""
    slider = notebook.nth(css_class, 0)
    handle = slider.locator(".noUi-handle").first
    handle.scroll_into_view_if_needed()
    box, track = handle.bounding_box(), slider.locator(".noUi-target").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    notebook.page.mouse.move(x, y)
    notebook.page.mouse.down()
    notebook.page.mouse.move(x + places * track["width"], y, steps=8)
    notebook.page.mouse.up()


def test_epsilon_is_dragged_and_the_answer_changes(open_cells):
    notebook = open_cells("10_adversarial_examples", "panels.adversarial_step(")
    notebook.explorers_drawn(1)

    fooled = notebook.picture(0)
    assert bar(fooled, ANOTHER) > 0.1 > bar(fooled, SAME), "two levels change the answer"
    drag(notebook, "vizlib-epsilon", -1)
    readout = notebook.nth("vizlib-epsilon", 0).locator(".widget-readout")
    notebook.until(lambda: readout.inner_text() == "0/255", "it is dragged to the left end")

    def clean() -> bool:
        picture = notebook.picture(0)
        middle = slice(picture.shape[1] // 3 + 10, 2 * picture.shape[1] // 3 - 10)
        unchanged = picture[150:250, middle].std() < 1
        return unchanged and bar(picture, SAME) > 0.1 > bar(picture, ANOTHER)

    notebook.until(clean, "the first answer is back, and no change is shown in the middle")
    notebook.changes(0, lambda: drag(notebook, "vizlib-epsilon", 0.6), "a longer step")
    notebook.until(lambda: bar(notebook.picture(0), ANOTHER) > 0.05, "it has another answer")
    assert notebook.errors() == []
    notebook.screenshot("10_one_step")


def test_a_running_attack_obeys(open_cells):
    notebook = open_cells(
        "10_adversarial_examples", "panels.adversarial_attack(", replace={"steps=400": "steps=100_000"}
    )
    run = LiveRun(notebook)
    run.until(lambda: bar(run.pixels(), ANOTHER) > 0.3, "the attack reaches its target")
    run.goes_on()
    run.press("vizlib-epsilon", "Home")
    run.until(lambda: bar(run.pixels(), SAME) > 0.1, "in a smaller ball the first answer is back")
    run.stop()
    assert notebook.errors() == []
    notebook.screenshot("10_attack")
