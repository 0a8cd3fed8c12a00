"""The camera in JupyterLab, with a film in its place: pictures follow it, one at a time, and what is wrong is said."""

import re

import numpy as np
import pytest
from notebook_page import NotebookPage

LIVE = """
from vizlib import models
from vizlib.widgets import panels
explorer = panels.activation_camera(models.load(), layer="relu1")
"""
PHOTO = """
from vizlib import models
from vizlib.widgets import panels
explorer = panels.predictions(models.load())
"""
FAILS = "name => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', name); }; }"
FREEZE = """
import os, signal, subprocess
subprocess.Popen(["sh", "-c", f"sleep 12; kill -CONT {os.getpid()}"])
os.kill(os.getpid(), signal.SIGSTOP)
"""
INSECURE = """() => {
    window.secure = Object.getOwnPropertyDescriptor(window, 'isSecureContext');
    Object.defineProperty(window, 'isSecureContext', {value: false, configurable: true});
    Object.defineProperty(navigator, 'mediaDevices', {value: undefined, configurable: true});
}"""
AS_IT_WAS = """() => {
    Object.defineProperty(window, 'isSecureContext', window.secure);
    delete navigator.mediaDevices;
    delete navigator.mediaDevices.getUserMedia;
}"""
HIDDEN = """hidden => {
    Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
    document.dispatchEvent(new Event('visibilitychange'));
}"""


@pytest.fixture
def camera_allowed(open_lab):
    """The page may use the camera while the test lasts."""
    context = open_lab.page().context
    context.grant_permissions(["camera"])
    yield
    context.clear_permissions()


def seen(notebook: NotebookPage) -> np.ndarray:
    """The mean colour of what the camera's tile shows."""
    return notebook.picture(0)[60:300, 20:300].mean((0, 1))


def message(notebook: NotebookPage) -> str:
    return notebook.nth("vizlib-camera", 0).locator("[role=status]").inner_text()


def brighter(notebook: NotebookPage) -> str:
    """The half of the picture in the kernel that is brighter: the film's right half is."""
    halves = [f"explorer._controls['image'].value[..., {half}].mean()" for half in (":60", "-60:")]
    return "left" if notebook.value(f"({halves[0]} > {halves[1]}).item()") == "True" else "right"


def rests(notebook: NotebookPage) -> bool:
    """Whether the picture stays as it is for longer than the film stays on one colour."""
    before = notebook.picture(0)
    notebook.page.wait_for_timeout(1200)
    return np.array_equal(before, notebook.picture(0))


def press(notebook: NotebookPage) -> None:
    notebook.nth("vizlib-camera", 0).locator("button").click()


def test_the_picture_follows_the_film_until_the_camera_is_stopped(open_notebook, camera_allowed):
    notebook = open_notebook("camera", [LIVE])
    notebook.run_cell(0)
    notebook.explorers_drawn(1)
    press(notebook)
    for color, what in ((0, "red"), (1, "green"), (0, "red again")):
        notebook.until(lambda c=color: seen(notebook).argmax() == c and seen(notebook)[2] < 120, f"{what} is seen")
    notebook.until(lambda: re.fullmatch(r"\d+ pictures a second", message(notebook)) is not None, "the rate is said")
    notebook.changes(0, lambda: notebook.press("vizlib-channel", "ArrowRight"), "the next channel is drawn")
    assert brighter(notebook) == "left", "it is a mirror"

    notebook.page.evaluate(HIDDEN, True)
    notebook.until(lambda: "background" in message(notebook), "a page in the background rests")
    notebook.until(lambda: rests(notebook), "nothing comes after the picture that was under way")
    notebook.changes(0, lambda: notebook.page.evaluate(HIDDEN, False), "it goes on when it is seen again")

    press(notebook)
    notebook.until(lambda: message(notebook) == "", "the camera is off")
    notebook.until(lambda: rests(notebook), "nothing comes after the picture that was under way")
    assert notebook.errors() == []


def test_a_kernel_that_does_not_answer_gets_the_newest_picture_when_it_does(open_notebook, camera_allowed):
    notebook = open_notebook("camera", [LIVE, FREEZE])
    notebook.run_cell(0)
    notebook.explorers_drawn(1)
    press(notebook)
    notebook.until(lambda: "a second" in message(notebook), "pictures come")
    before = int(notebook.value("explorer._drawing"))
    notebook.start_cell(1)
    notebook.until(lambda: "busy" in message(notebook), "the page says that it waits")
    notebook.until(lambda: "a second" in message(notebook), "pictures come again")
    assert int(notebook.value("explorer._drawing")) - before < 40, "none was queued while the kernel was frozen"
    press(notebook)
    assert notebook.errors() == []


def test_what_is_wrong_with_a_camera_is_said(open_notebook):
    notebook = open_notebook("camera", [LIVE])
    notebook.run_cell(0)
    notebook.explorers_drawn(1)
    press(notebook)
    notebook.until(lambda: "allow it for this page" in message(notebook), "a refused camera is said")
    for name, words in (("NotFoundError", "no camera was found"), ("NotReadableError", "another program")):
        notebook.page.evaluate(FAILS, name)
        press(notebook)
        notebook.until(lambda w=words: w in message(notebook), f"{name} is said")
    notebook.page.evaluate(INSECURE)
    press(notebook)
    notebook.until(lambda: "https://" in message(notebook), "an insecure page is said")
    assert notebook.errors() == []
    notebook.page.evaluate(AS_IT_WAS)


def test_a_picker_takes_one_photo(open_notebook, camera_allowed):
    notebook = open_notebook("camera", [PHOTO])
    notebook.run_cell(0)
    notebook.explorers_drawn(1)
    notebook.changes(0, lambda: press(notebook), "the photo is drawn")
    notebook.until(lambda: message(notebook) == "", "the camera is off")
    assert notebook.nth("vizlib-image", 0).locator("select").input_value() == "camera"
    assert brighter(notebook) == "right", "a photo is as the camera took it"
    assert notebook.errors() == []
