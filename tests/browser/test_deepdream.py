"""Notebook 12 in JupyterLab: a dream turns with its layer and its smoothing, and a stopped flight keeps its frames."""

import numpy as np
from lesson_cells import slice_of
from notebook_page import LiveRun

from vizlib import images

SIZE = 176  # that the dream begins with


def grain(change: np.ndarray) -> float:
    """How much neighbours differ."""
    return np.abs(np.diff(change, 2, axis=0)).mean()


def test_a_dream_turns_with_its_smoothing_and_its_layer_and_stays_when_stopped(open_cells):
    # a photo and a layer whose numbers are known, and more steps than the test takes
    longer = {'photo="coffee")': 'photo="chelsea", layer="conv7", steps=100_000)'}
    notebook = open_cells("12_deepdream", "panels.deepdream(", replace=longer)
    run = LiveRun(notebook)
    first = run.pixels()
    run.until(lambda: np.abs(run.pixels() - first).mean() > 1, "the picture changes")
    run.until(lambda: run.part("activation") > 6, "the layer responds more strongly")

    run.press("vizlib-octaves", "Home")
    run.until(lambda: run.part("activation") > 18, "one octave, as large as the photo")
    photo = images.resize(images.load("chelsea"), SIZE)[0].permute(1, 2, 0).numpy() * 255
    smooth = grain(run.pixels() - photo)
    run.press("vizlib-smoothing", "Home")
    run.until(lambda: grain(run.pixels() - photo) > 1.1 * smooth, "without smoothing there is more grain")

    before, at = run.pixels(), run.step()
    run.press("vizlib-layer", "Home")
    run.until(lambda: run.part("activation") < 3, "conv1 responds less")
    run.until(lambda: np.abs(run.pixels() - before).mean() > 5, "its stripes take the place of the eyes")
    run.until(lambda: run.step() > at + 50, "they are settled")
    notebook.screenshot("12_deepdream")

    run.stop()
    last = run.pixels()
    kept = notebook.pixels(".vizlib-still img")  # in the notebook's file; it is hidden while the panel is there
    assert np.abs(kept - last).mean() < 0.7 * np.abs(kept - before).mean(), "it is the last picture"
    assert notebook.errors() == []


def test_a_flight_that_is_stopped_keeps_its_frames(open_cells):
    notebook = open_cells(
        "12_deepdream", "panels.dream_flight(", more=slice_of("12_deepdream", "await flight_run")[-1:]
    )
    run = LiveRun(notebook)
    run.until(lambda: run.step() > 6, "it flies")
    run.stop()
    shown = run.step()
    assert shown < 120, "it was stopped before its end"

    show = notebook.cell("await flight_run")
    notebook.run_cell(show)
    frames = int(notebook.value("len(frames)"))
    assert shown <= frames <= shown + 1, "every frame is kept, also one that was under way"
    described = [output.get("metadata", {}) for output in notebook.outputs(show)]
    assert f"A flight of {frames} frames" in str(described), "the frames are shown"
    notebook.screenshot("12_flight")
    assert notebook.errors() == []
