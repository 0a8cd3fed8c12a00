"""Notebook 15 in JupyterLab: a style for an upload, a blend by the slider, a training that obeys its sliders."""

import json
from pathlib import Path

import numpy as np
import pytest
from notebook_page import NotebookPage
from test_notebooks import PICTURE as SHOWN
from test_notebooks import assert_changes, nth, press

from vizlib import images

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "15_fast_style_transfer.ipynb"
PICTURE = "img.vizlib-live-picture"


def cells(*words: str) -> list[str]:
    """For each of the words, the source of the first code cell that holds it."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [next(source for source in sources if word in source) for word in words]


@pytest.fixture
def painting(open_notebook) -> NotebookPage:
    """The notebook's first section, and the blends of its second."""
    notebook = open_notebook(
        "painting", cells("fast_style.load(", "widgets.choice(painter.styles", 'description="first"')
    )
    notebook.run_all()
    assert notebook.errors() == []
    return notebook


def test_an_upload_is_painted_at_once(painting, tmp_path):
    plain = images.load("coffee") * 0 + images.load("coffee").mean((2, 3), keepdim=True)  # one plain colour
    path = images.save(plain[:, :, :90, :131], tmp_path / "plain.png")
    with painting.page.expect_file_chooser() as chooser:
        nth(painting, "vizlib-upload", 0).click()
    picture = assert_changes(painting, 0, lambda: chooser.value.set_files(path), "the upload is painted")
    color = (plain[0, :, 0, 0] * 255).round().numpy()
    share = (np.abs(picture - color).max(2) < 4).mean()
    assert 0.2 < share < 0.6, "the upload's colour fills its own place, and not that of the painted picture"

    photo = images.save(images.load("flower"), tmp_path / "flower.jpg")
    with painting.page.expect_file_chooser() as chooser:
        nth(painting, "vizlib-upload", 0).click()
    assert_changes(painting, 0, lambda: chooser.value.set_files(photo), "a photo is painted")
    button = painting.page.get_by_role("button", name="woodcut").first
    assert_changes(painting, 0, button.click, "another style paints it")
    painting.screenshot("15_upload")
    assert painting.errors() == []


def test_an_empty_upload_is_named_and_changes_nothing(painting, tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    before = painting.pixels(SHOWN.format(0))
    with painting.page.expect_file_chooser() as chooser:
        nth(painting, "vizlib-upload", 0).click()
    chooser.value.set_files(tmp_path / "empty.png")
    message = painting.page.get_by_text("empty.png").first
    painting.until(message.is_visible, "the empty file is named")
    assert np.array_equal(painting.pixels(SHOWN.format(0)), before)
    assert painting.errors() == []


def test_the_slider_blends_two_styles(painting):
    blend = assert_changes(painting, 1, lambda: press(painting, "vizlib-share", 0, "Home"), "the second style alone")
    width = blend.shape[1] // 3
    middle, right = blend[:, width : 2 * width], blend[:, -width:]
    one = assert_changes(painting, 1, lambda: press(painting, "vizlib-share", 0, "End"), "the first style alone")
    assert one.shape == blend.shape
    change = np.abs(one[:, width : 2 * width].astype(int) - middle).mean()
    assert change > 10, "the middle turns into another picture"
    assert np.abs(one[:, -width:].astype(int) - right).mean() < 1, "and its neighbour stays as it was"
    painting.screenshot("15_blend")
    assert painting.errors() == []


def test_a_training_obeys_its_sliders(open_notebook):
    sources = cells("fast_style.load(", "net = models.load", "class School", "run = live.run(")
    sources[1] = sources[1].split("student, by_hand")[0]
    notebook = open_notebook("school", [*sources, "print(school.style_weight, run.history['style'][-1])"])
    for index in range(len(sources)):
        notebook.run_cell(index)
    notebook.until(lambda: notebook.page.locator(PICTURE).is_visible(), "there is a picture", 60)
    before = notebook.pixels(PICTURE)
    notebook.until(lambda: (notebook.pixels(PICTURE) != before).any(), "it learns", 60)
    press(notebook, "vizlib-style-weight", 0, "Home")
    notebook.page.wait_for_timeout(2000)
    notebook.run_cell(len(sources))
    weight, loss = notebook.outputs(len(sources))[0]["text"].split()
    assert float(weight) == 0 and float(loss) == 0, "a step saw the new weight"
    notebook.page.locator(".vizlib-live-stop").click()
    assert notebook.errors() == []
