"""The notebooks as a person uses them: run all in JupyterLab, move the sliders by keyboard, see the pictures change."""

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

PICTURE = "img.vizlib-picture >> nth={}"


def explorers(notebook: NotebookPage) -> int:
    return notebook.page.locator("img.vizlib-picture").count()


def assert_changes(notebook: NotebookPage, index: int, act, what: str, seconds: float = 20) -> np.ndarray:
    """Do `act()` and wait until the `index`-th explorer shows another picture; gives that picture."""
    before = notebook.pixels(PICTURE.format(index))

    def changed() -> bool:
        now = notebook.pixels(PICTURE.format(index))
        return now.shape != before.shape or np.abs(now.astype(int) - before).mean() > 0.5

    act()
    notebook.until(changed, what, seconds)
    return notebook.pixels(PICTURE.format(index))


def nth(notebook: NotebookPage, css_class: str, index: int):
    return notebook.page.locator(f".{css_class}").nth(index)


def press(notebook: NotebookPage, css_class: str, index: int, key: str) -> None:
    """Press a key on the slider of the `index`-th explorer that has one of this class."""
    nth(notebook, css_class, index).locator(".noUi-handle").first.focus()
    notebook.page.keyboard.press(key)


@pytest.mark.parametrize(("name", "count"), [("00_start_here", 1), ("01_filters", 3), ("04_activations", 4)])
def test_every_cell_runs_and_every_explorer_shows_a_picture(open_notebook, name, count):
    notebook = open_notebook(name)
    notebook.run_all()
    assert notebook.errors() == []
    notebook.until(lambda: explorers(notebook) == count, f"{count} explorers are on the page", 30)
    for index in range(count):
        picture = notebook.pixels(PICTURE.format(index))
        assert picture.std() > 10 and picture.shape[1] > 400
    notebook.screenshot(name, whole=True)


def test_the_photo_and_its_prediction_change_with_the_picker_and_the_upload(open_notebook, tmp_path):
    notebook = open_notebook("00_start_here")
    notebook.run_all()
    select = nth(notebook, "vizlib-image", 0).locator("select")
    assert_changes(notebook, 0, lambda: select.select_option("rocket"), "another photo is drawn")

    photo = images.load("coffee") * 0 + images.load("coffee").mean((2, 3), keepdim=True)  # one plain colour
    path = images.save(photo[:, :, :80, :80], tmp_path / "plain.png")
    file_input = notebook.page.locator(".vizlib-upload >> nth=0")
    with notebook.page.expect_file_chooser() as chooser:
        file_input.click()
    picture = assert_changes(notebook, 0, lambda: chooser.value.set_files(path), "the upload is drawn")
    color = (photo[0, :, 0, 0] * 255).round().numpy()
    left = picture[:, : picture.shape[1] // 3]
    assert (np.abs(left - color).max(2) < 3).mean() > 0.3, "the uploaded colour fills the photo's place"
    assert select.input_value() == "plain.png"

    broken = tmp_path / "broken.png"
    broken.write_bytes(path.read_bytes()[:60])
    with notebook.page.expect_file_chooser() as chooser:
        file_input.click()
    chooser.value.set_files(broken)
    message = notebook.page.get_by_text(re.compile(r"broken\.png: "))
    notebook.until(lambda: message.count() == 1, "the broken file is named")
    assert np.array_equal(notebook.pixels(PICTURE.format(0)), picture)
    assert notebook.errors() == []


def test_the_filter_slider_shows_another_filter(open_notebook):
    notebook = open_notebook("01_filters")
    notebook.run_all()
    assert_changes(notebook, 0, lambda: press(notebook, "vizlib-filter", 0, "ArrowRight"), "filter 1 is drawn")
    filter_readout = nth(notebook, "vizlib-filter", 0).locator(".widget-readout")
    notebook.until(lambda: filter_readout.inner_text() == "1", "the slider says 1")
    network = nth(notebook, "vizlib-network", 0).locator("select")
    assert_changes(notebook, 1, lambda: network.select_option("minivgg"), "trained filters replace untrained ones")
    assert_changes(notebook, 2, lambda: press(notebook, "vizlib-layer", 0, "ArrowRight"), "conv2 is drawn")
    layer_readout = nth(notebook, "vizlib-layer", 0).locator(".widget-readout")
    notebook.until(lambda: layer_readout.inner_text() == "conv2", "the slider says conv2")
    assert notebook.errors() == []


def test_the_layer_slider_walks_through_the_network(open_notebook):
    notebook = open_notebook("04_activations")
    notebook.run_all()
    readout = nth(notebook, "vizlib-layer", 0).locator(".widget-readout")
    notebook.until(lambda: readout.inner_text() == "relu4", "the slider is on its first layer")
    for expected in ("pool4", "conv5", "relu5"):
        assert_changes(
            notebook, 0, lambda: press(notebook, "vizlib-layer", 0, "ArrowRight"), f"the map of {expected} is drawn"
        )
        notebook.until(lambda layer=expected: readout.inner_text() == layer, f"the slider says {expected}")
    assert_changes(notebook, 0, lambda: press(notebook, "vizlib-channel", 0, "ArrowRight"), "channel 1 is drawn")

    # the frame of the region, drawn in cyan, moves with its slider
    def frame(picture: np.ndarray) -> float:
        cyan = (picture[..., 0] < 60) & (picture[..., 1] > 200) & (picture[..., 2] > 200)
        return np.argwhere(cyan)[:, 0].mean()

    top = frame(notebook.pixels(PICTURE.format(3)))
    rows = nth(notebook, "vizlib-rows", 0).locator(".noUi-handle").last
    rows.focus()
    picture = assert_changes(notebook, 3, lambda: [rows.press("ArrowRight") for _ in range(10)], "the frame grows")
    notebook.until(lambda: frame(notebook.pixels(PICTURE.format(3))) > top + 10, "the frame reaches further down")
    assert picture.shape[2] == 3
    assert notebook.errors() == []


def test_the_committed_picture_is_the_explorers_first(open_notebook):
    """What a page shows that runs nothing is what the same cell draws with its controls."""
    committed = nbformat.read(ROOT / "notebooks" / "01_filters.ipynb", as_version=4)
    cell = next(i for i, cell in enumerate(committed.cells) if "filter=widgets.integer" in cell.source)
    data = committed.cells[cell].outputs[0]["data"]
    stored = base64.b64decode(next(data[kind] for kind in data if kind.startswith("image/")))
    notebook = open_notebook("01_filters")
    notebook.run_all()
    live = notebook.pixels(PICTURE.format(0)).astype(int)
    still = np.asarray(PIL.Image.open(io.BytesIO(stored)).convert("RGB"))
    assert still.shape == live.shape and np.abs(still - live).mean() < 8
