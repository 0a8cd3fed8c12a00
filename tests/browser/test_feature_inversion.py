"""Notebook 11 in JupyterLab: a running inversion follows its layer and TV sliders, and begins anew with the network."""

import numpy as np
from notebook_page import LiveRun


def halves(run: LiveRun) -> tuple[np.ndarray, np.ndarray]:
    """The photo, and what was found, from the live picture."""
    picture = run.pixels()
    return tuple(np.split(picture[:, : picture.shape[1] // 2 * 2], 2, 1))


def test_a_running_inversion_follows_its_sliders(open_cells):
    notebook = open_cells("11_feature_inversion", "panels.inversion_search(", replace={"steps=600": "steps=100_000"})
    run = LiveRun(notebook)
    begin = halves(run)[1]
    run.goes_on(15)
    run.until(lambda: np.abs(halves(run)[1] - begin).mean() > 4, "the image changes")

    run.until(lambda: run.part("TV") > 0, "total variation is on")
    run.press("vizlib-TV", "Home")
    run.until(lambda: run.part("TV") == 0, "the run reports that it is off")
    run.press("vizlib-TV", "End")
    run.until(lambda: run.part("TV") > 0.01, "and how much it is at 100")
    run.press("vizlib-TV", "Home")

    run.until(lambda: run.part("features") < 0.1, "the features are near")
    near, step = run.part("features"), run.step()
    run.press("vizlib-layer", "Home")
    run.until(lambda: run.part("features") != near and run.step() > step, "conv1 is looked at, by the same run")
    run.until(lambda: run.part("features") < 0.02, "and it finds the features of conv1")
    run.until(lambda: np.abs(np.subtract(*halves(run))).mean() < 16, "which are nearly the photo")

    held = run.pause()
    run.click("pause")
    run.until(lambda: run.step() > held, "it goes on")

    run.find(".vizlib-more").click()
    run.find(".vizlib-network select").first.select_option("miniresnet")
    run.until(lambda: 3 < run.step() < held, "another network begins anew, with a layer of its own")
    run.stop()
    assert notebook.errors() == []
    notebook.screenshot("11_feature_inversion")
