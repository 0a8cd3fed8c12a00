"""Notebooks 00, 01 and 04 as a person uses them in JupyterLab: the sliders move by keyboard, the pictures change."""

import base64
import io
import re

import nbformat
import numpy as np
import PIL.Image
import pytest
from lab_server import ROOT
from notebook_page import NotebookPage

from vizlib import images

FILTER = "panels.filter_response("


def test_every_cell_of_a_whole_lesson_runs_as_a_person_opens_it(open_notebook):
    """With the usual kernel, and everything between the title and the last exercise."""
    notebook = open_notebook("00_start_here")
    notebook.run_all()
    assert notebook.errors() == []
    notebook.explorers_drawn(2)
    notebook.screenshot("00_start_here", whole=True)


def test_the_first_screen_shows_the_picture_how_to_begin_and_all_that_it_needs(open_notebook):
    notebook = open_notebook("00_start_here")
    notebook.page.set_viewport_size({"width": 1280, "height": 720})
    picture = notebook.page.locator(".jp-MarkdownOutput img[alt^='A cat; the one channel']")
    notebook.until(
        lambda: picture.evaluate("image => image.complete && image.naturalWidth > 0"), "the picture is there"
    )
    begin = notebook.page.locator(".jp-MarkdownOutput p", has_text="Shift+Enter").first
    for part in (picture, begin):
        box = part.bounding_box()
        assert box["y"] > 0 and box["y"] + box["height"] < 720 - 30, "without scrolling, above the status bar"
    assert picture.bounding_box()["width"] > 600
    notebook.screenshot("00_first_screen")
    notebook.page.set_viewport_size({"width": 1280, "height": 1000})


def test_the_photo_and_its_prediction_change_with_the_picker_and_the_upload(open_cells, tmp_path):
    notebook = open_cells("00_start_here", "panels.predictions(")
    select = notebook.nth("vizlib-image", 0).locator("select")
    notebook.changes(0, lambda: select.select_option("rocket"), "another photo is drawn")

    photo = images.load("coffee") * 0 + images.load("coffee").mean((2, 3), keepdim=True)  # one plain colour
    path = images.save(photo[:, :, :80, :80], tmp_path / "plain.png")
    picture = notebook.changes(0, lambda: notebook.upload(path), "the upload is drawn")
    color = (photo[0, :, 0, 0] * 255).round().numpy()
    left = picture[:, : picture.shape[1] // 3]
    assert (np.abs(left - color).max(2) < 3).mean() > 0.3, "the uploaded colour fills the photo's place"
    assert select.input_value() == "plain.png"

    broken = tmp_path / "broken.png"
    broken.write_bytes(path.read_bytes()[:60])
    notebook.upload(broken)
    message = notebook.page.get_by_text(re.compile(r"broken\.png: "))
    notebook.until(lambda: message.count() == 1, "the broken file is named")
    assert np.array_equal(notebook.picture(0), picture)
    assert notebook.errors() == []


@pytest.fixture
def filters(open_cells) -> NotebookPage:
    return open_cells("01_filters", FILTER, "panels.filter_modes(", "panels.filter_weights(")


def test_the_filter_sliders_show_other_filters(filters):
    filters.explorers_drawn(3)
    filter_readout = filters.nth("vizlib-filter", 0).locator(".widget-readout")
    following = str(int(filter_readout.inner_text()) + 1)
    filters.changes(0, lambda: filters.press("vizlib-filter", "ArrowRight"), "the next filter is drawn")
    filters.until(lambda: filter_readout.inner_text() == following, f"the slider says {following}")
    filters.changes(1, lambda: filters.press("vizlib-layer", "ArrowRight"), "conv5 is drawn")
    network = filters.nth("vizlib-network", 1).locator("select")
    filters.changes(2, lambda: network.select_option("minivgg"), "trained filters replace untrained ones")
    layer_readout = filters.nth("vizlib-layer", 0).locator(".widget-readout")
    filters.until(lambda: layer_readout.inner_text() == "conv5", "the slider says conv5")
    assert filters.errors() == []


def test_the_committed_picture_is_the_explorers_first(open_cells):
    """What a page shows that runs nothing is what the same cell draws with its controls."""
    committed = nbformat.read(ROOT / "notebooks" / "01_filters.ipynb", as_version=4)
    cell = next(cell for cell in committed.cells if FILTER in cell.source)
    pictures = [output.data[kind] for output in cell.outputs for kind in output.data if kind.startswith("image/")]
    assert len(pictures) == 1
    live = open_cells("01_filters", FILTER).picture(0).astype(int)
    still = np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(pictures[0]))).convert("RGB"))
    drawn = PIL.Image.fromarray(live.astype(np.uint8)).resize(still.shape[1::-1])  # it is drawn more densely
    assert abs(still.shape[0] / still.shape[1] - live.shape[0] / live.shape[1]) < 0.01
    assert np.abs(still - np.asarray(drawn).astype(int)).mean() < 8


def test_the_layer_slider_walks_through_the_network(open_cells):
    notebook = open_cells(
        "04_activations",
        "panels.activation_map(",
        "panels.activation_channel(",
        "panels.activation_grid(",
        "panels.activation_region(",
    )
    notebook.explorers_drawn(4)
    channel, region, map_ = 0, 1, 2  # the explorers' places on the page
    readout = notebook.nth("vizlib-layer", map_).locator(".widget-readout")
    notebook.until(lambda: readout.inner_text() == "relu4", "the slider is on its first layer")
    for expected in ("pool4", "conv5", "relu5"):
        notebook.changes(
            map_,
            lambda: notebook.press("vizlib-layer", "ArrowRight", index=map_),
            f"the map of {expected} is drawn",
        )
        notebook.until(lambda layer=expected: readout.inner_text() == layer, f"the slider says {expected}")
    notebook.changes(map_, lambda: notebook.press("vizlib-channel", "ArrowRight", index=1), "channel 1 is drawn")
    notebook.changes(channel, lambda: notebook.press("vizlib-channel", "ArrowRight"), "channel 21 is drawn")

    # the frame of the region, drawn in cyan, moves with its slider
    def frame() -> float:
        picture = notebook.picture(region)
        cyan = (picture[..., 0] < 60) & (picture[..., 1] > 200) & (picture[..., 2] > 200)
        return np.argwhere(cyan)[:, 0].mean()

    top = frame()
    rows = notebook.nth("vizlib-rows", 0).locator(".noUi-handle").last
    rows.focus()
    notebook.changes(region, lambda: [rows.press("ArrowRight") for _ in range(10)], "the frame grows")
    notebook.until(lambda: frame() > top + 10, "the frame reaches further down")
    assert notebook.errors() == []
