"""Notebook 15 in JupyterLab: a style for an upload, a blend by the slider, a training that obeys its sliders."""

import numpy as np
from notebook_page import LiveRun

from vizlib import images


def test_an_upload_is_painted_at_once(open_cells, tmp_path):
    notebook = open_cells("15_fast_style_transfer", "panels.fast_style(")
    plain = images.load("coffee") * 0 + images.load("coffee").mean((2, 3), keepdim=True)  # one plain colour
    path = images.save(plain[:, :, :90, :131], tmp_path / "plain.png")
    picture = notebook.changes(0, lambda: notebook.upload(path), "the upload is painted")
    color = (plain[0, :, 0, 0] * 255).round().numpy()
    share = (np.abs(picture - color).max(2) < 4).mean()
    assert 0.2 < share < 0.6, "the upload's colour fills its own place, and not that of the painted picture"

    photo = images.save(images.load("flower"), tmp_path / "flower.jpg")
    notebook.changes(0, lambda: notebook.upload(photo), "a photo is painted")
    button = notebook.page.get_by_role("radio", name="woodcut").first
    painted = notebook.changes(0, button.click, "another style paints it")
    notebook.screenshot("15_upload")

    (tmp_path / "empty.png").write_bytes(b"")
    notebook.upload(tmp_path / "empty.png")
    message = notebook.page.get_by_text("empty.png").first
    notebook.until(message.is_visible, "the empty file is named")
    assert np.array_equal(notebook.picture(0), painted), "and changes nothing"
    assert notebook.errors() == []


def test_the_slider_blends_two_styles(open_cells):
    notebook = open_cells("15_fast_style_transfer", "panels.fast_style_blend(")
    blend = notebook.changes(0, lambda: notebook.press("vizlib-share", "Home"), "the second style alone")
    width = blend.shape[1] // 3
    middle, right = blend[:, width : 2 * width], blend[:, -width:]
    one = notebook.changes(0, lambda: notebook.press("vizlib-share", "End"), "the first style alone")
    assert one.shape == blend.shape
    change = np.abs(one[:, width : 2 * width].astype(int) - middle).mean()
    assert change > 10, "the middle turns into another picture"
    assert np.abs(one[:, -width:].astype(int) - right).mean() < 1, "and its neighbour stays as it was"
    notebook.screenshot("15_blend")
    assert notebook.errors() == []


def test_a_training_obeys_its_sliders(open_cells):
    notebook = open_cells("15_fast_style_transfer", "panels.fast_style_training(")
    run = LiveRun(notebook)
    before = run.pixels()
    run.until(lambda: (run.pixels() != before).any(), "it learns")
    run.press("vizlib-style-weight", "Home")
    run.until(lambda: run.part("style") == 0, "a step saw the new weight")
    run.stop()
    assert notebook.errors() == []
