"""Notebook 13 in JupyterLab: the window slider changes a texture as it grows, the weights one as it is synthesised."""

import numpy as np
from notebook_page import LiveRun


def test_a_growing_texture_follows_its_window_and_begins_anew_with_another_sample(open_cells):
    notebook = open_cells(
        "13_texture_synthesis", "panels.texture_growth(", replace={"window=11)": "window=11, steps=400)"}
    )
    run = LiveRun(notebook)

    def white() -> float:
        return (run.pixels() > 250).all(2).mean()

    before = white()
    run.until(lambda: white() < before - 0.02, "white becomes texture")
    assert notebook.value("run.knobs.window") == "11"
    run.press("vizlib-window", "ArrowRight")
    notebook.until(lambda: notebook.value("run.knobs.window") == "15", "the knob has moved")
    run.goes_on()

    def colorful() -> bool:
        return (np.ptp(run.pixels(), axis=2) > 80).mean() > 0.02

    assert not colorful(), "gravel is grey"
    run.find(".vizlib-image select").first.select_option("glass")
    run.until(colorful, "panes of glass are not")
    assert notebook.errors() == []


def test_the_weights_of_the_layers_turn_a_synthesis(open_cells):
    smaller = {"size=(128, 160), steps=120)": "size=(96, 96), steps=10_000)"}
    notebook = open_cells("13_texture_synthesis", "panels.texture_synthesis(", replace=smaller)
    run = LiveRun(notebook)
    first = run.pixels()
    run.until(lambda: np.abs(run.pixels() - first).mean() > 3, "noise becomes a mosaic")
    assert notebook.value("sorted(run.history)") == "['TV', 'relu1', 'relu2', 'relu3', 'relu4', 'relu5']"
    assert run.part("relu1") > 0
    run.press("vizlib-weight1", "Home")
    run.until(lambda: run.part("relu1") == 0, "a step saw the weight 0")
    run.find(".vizlib-more").click()
    for i in range(2, 6):
        run.press(f"vizlib-weight{i}", "Home")
    run.until(lambda: "nothing to match" in run.text(), "no weight at all is refused in words")
