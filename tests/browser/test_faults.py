"""What a person does to a page with panels, and what must not be lost: reload, close, upload, use the keyboard."""

import io

import numpy as np
import pytest
from notebook_page import LiveRun, NotebookPage
from PIL import Image

SETUP = """\
import time
from dataclasses import dataclass
import torch
from matplotlib.figure import Figure
from vizlib import plot, widgets
from vizlib.widgets import live
from vizlib.optimize import Step

@dataclass
class Knobs:
    steps: int = 100_000
    green: float = 0.2

def start(blue, knobs):
    i = 0
    while i < knobs.steps:
        time.sleep(0.03)
        i += 1
        image = torch.zeros(1, 3, 64, 64)
        image[:, 0], image[:, 1], image[:, 2] = min(i / 300, 1), knobs.green, float(blue)
        yield Step(i, image, {"loss": 1 / i})"""
RUN = """\
run = live.run(start, Knobs(), alt="a colour", key="colour", inputs={"blue": widgets.choice(["0", "0.5", "1"], "blue")},
    sliders={"green": widgets.steps("green", [0.2, 0.4, 0.6, 0.8], 0.2)})"""
EXPLORER = """\
def draw(image, rows):
    return plot.pictures([image[0]] * 2, [f"{tuple(image.shape)}", f"{rows}"])
explorer = widgets.explore(draw, "a photo", image=widgets.ImagePicker(), rows=widgets.span("rows", (0.2, 0.6)))"""


@pytest.fixture
def notebook(open_notebook) -> NotebookPage:
    notebook = open_notebook("faults", [SETUP, RUN, EXPLORER])
    for index in range(3):
        notebook.run_cell(index)
    notebook.explorers_drawn(1)
    return notebook


def test_a_reload_brings_the_panels_back_and_the_run_goes_on(notebook):
    run = LiveRun(notebook)
    run.until(lambda: run.step() > 10, "it is under way")
    before = run.step()
    notebook.save_and_reload()
    run.until(lambda: run.step() > before + 10, "it goes on, and is seen to")
    assert notebook.page.locator(run.picture).is_visible()
    run.stop()
    assert run.pixels().max() > 0 and notebook.page.locator(run.picture).is_visible(), "the picture stays after Stop"
    run.click("pause")  # now "Go on"
    run.goes_on(5)
    images = notebook.page.locator(".vizlib-image select")
    notebook.changes(0, lambda: images.select_option("rocket"), "the explorer obeys, too")
    run.stop()
    assert notebook.errors() == []


def test_a_photo_from_a_phone_is_reduced_before_it_is_sent(notebook, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), dtype=np.uint8)
    photo = tmp_path / "phone.jpg"
    Image.fromarray(noise).save(photo, quality=95)
    assert photo.stat().st_size > 12e6, "more than the server's limit for a message"
    notebook.changes(0, lambda: notebook.upload(photo), "the photo is drawn", seconds=60)
    assert notebook.value("explorer._controls['image'].name") == "'phone.jpg'"
    assert notebook.value("tuple(explorer._controls['image'].value.shape)") == "(1, 3, 300, 400)"

    huge = tmp_path / "huge.tiff"
    huge.write_bytes(b"II*\0" + bytes(11_000_000))
    notebook.upload(huge)
    message = notebook.page.get_by_text("save it as JPEG").first
    notebook.until(message.is_visible, "what is wrong with a file that is too large is said")
    assert "huge.tiff (11.0 MB)" in message.inner_text()

    small, content = tmp_path / "small.png", io.BytesIO()
    Image.new("RGB", (80, 60), "red").save(content, "png")
    small.write_bytes(content.getvalue())
    notebook.changes(0, lambda: notebook.upload(small), "the button lives on")
    assert notebook.value("explorer._controls['image'].value[0, :, 0, 0].tolist()") == "[1.0, 0.0, 0.0]"
    assert notebook.errors() == []


def test_every_control_has_a_name_a_value_in_words_and_one_tab_stop(notebook):
    run = LiveRun(notebook)
    green = run.find(".vizlib-green .noUi-handle")
    run.until(lambda: green.get_attribute("aria-label") == "green", "the handle has a name")
    run.press("vizlib-green", "ArrowRight")
    run.until(lambda: green.get_attribute("aria-valuetext") == "0.4", "it says its value, not its place in a list")
    ends = notebook.page.locator(".vizlib-rows .noUi-handle")
    assert [end.get_attribute("aria-label") for end in ends.all()] == ["rows, lower end", "rows, upper end"]

    run.find(".widget-toggle-buttons button").first.press("ArrowRight")
    run.until(lambda: notebook.value("run.inputs['blue']") == "'0.5'", "arrows choose in a row of buttons")
    stops = notebook.page.evaluate("""() => [...document.querySelectorAll('.vizlib-live *')].filter(
        e => e.tabIndex >= 0 && e.offsetParent && !e.disabled).map(e => e.className)""")
    assert len(stops) == 5 + 2, f"five buttons, one slider, one row of buttons: {stops}"
    pictures = notebook.page.locator(".vizlib-panel img")
    assert [picture.get_attribute("alt") for picture in pictures.all()] == ["a colour", "a photo"]
    run.stop()
    assert notebook.errors() == []


def test_a_panel_fits_one_screen_and_its_picture_stays_where_it_is(notebook):
    run = LiveRun(notebook)
    notebook.page.set_viewport_size({"width": 1280, "height": 720})
    try:
        notebook.page.locator(".vizlib-live").scroll_into_view_if_needed()
        place = run.place()
        room = notebook.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').clientHeight")
        assert place["width"] >= 400
        panel = notebook.page.locator(".vizlib-live").bounding_box()
        assert panel["height"] < room, f"{panel['height']} of {room}"
        run.stop()
        assert run.place() == place
    finally:
        notebook.page.set_viewport_size({"width": 1280, "height": 1000})


def test_two_notebooks_do_not_disturb_each_other_and_closing_one_ends_nothing(notebook, open_notebook):
    run = LiveRun(notebook)
    taken = int(notebook.value("run.taken"))
    first = notebook
    second = open_notebook("faults", [SETUP, RUN])
    second.run_cell(0), second.run_cell(1)
    other = LiveRun(second, 1)
    other.goes_on(5)
    other.stop()
    second.show(first)
    run.until(lambda: run.step() > taken + 5, "the first has gone on")
    run.stop()
    assert first.errors() == []


def test_a_killed_kernel_leaves_the_picture_and_says_what_to_run_first(notebook):
    run = LiveRun(notebook)
    run.until(lambda: run.step() > 5, "it is under way")
    notebook.page.evaluate(
        "code => { notebook.sessionContext.session.kernel.requestExecute({code}); }",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    )
    said = notebook.page.get_by_text("restart", exact=False)
    notebook.until(lambda: any(text.is_visible() for text in said.all()), "the page says that the kernel died", 60)
    notebook.screenshot("killed")
    for _ in range(3):
        if (dialog := notebook.page.locator(".jp-Dialog button.jp-mod-accept")).count():
            dialog.first.click()
        notebook.page.wait_for_timeout(1000)
    assert notebook.page.locator(run.picture).is_visible(), "the last picture stays"
    # what `import vizlib.widgets` does, as a lesson's cell begins; these kernels come with it imported already
    notebook.execute("from vizlib.widgets import names; names.explain_missing_names()")
    notebook.run_cell(1)
    assert any("NameError" in error for error in notebook.errors())
    assert "further up that has not run since the kernel started" in notebook.shown(), notebook.shown()
    notebook.run_cell(0), notebook.run_cell(1)
    again = LiveRun(notebook)
    again.goes_on(5)
    again.stop()
