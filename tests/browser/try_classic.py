"""On demand, `make try-classic`: classic Notebook 6.5 with ipywidgets 7.7 shows the controls of 04 and 09 by itself."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from lab_server import environment
from lesson_cells import slice_of
from playwright.sync_api import Browser, Page

PYTHON = Path(os.environ.get("VIZLIB_CLASSIC", Path(sys.prefix) / "classic")) / "bin" / "python"
STARTED = "window.Jupyter?.notebook?.kernel?.is_connected() && Jupyter.notebook.kernel.widget_manager"


@pytest.fixture(scope="module")
def classic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """The address and the token of a classic Notebook, and the folder that it serves."""
    folder = tmp_path_factory.mktemp("classic")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", f"--notebook-dir={folder}"]
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(
            [PYTHON, "-m", "notebook", *options], env=environment(folder), stdout=log, stderr=subprocess.STDOUT
        )
    info = folder / "runtime" / f"nbserver-{server.pid}.json"
    deadline = time.monotonic() + 240  # its first start compiles all that it imports
    while not info.exists():
        assert server.poll() is None and time.monotonic() < deadline, (folder / "server.log").read_text()
        time.sleep(0.2)
    time.sleep(0.5)
    found = json.loads(info.read_text())
    yield f"http://127.0.0.1:{port}", found["token"], folder
    server.terminate()
    server.wait(20)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(90_000)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    ("name", "words", "slider"),
    [
        ("04_activations", "panels.activation_map(", ".vizlib-channel .ui-slider-handle"),
        ("09_gradient_ascent", "panels.gradient_ascent(", ".vizlib-jitter .ui-slider-handle"),
    ],
)
def test_controls_are_there_and_the_picture_obeys(classic, page, name, words, slider):
    url, token, folder = classic
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in slice_of(name, words)]
    nbformat.write(notebook, folder / f"{name}.ipynb")
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{url}/notebooks/{name}.ipynb?token={token}")
    page.wait_for_function(STARTED)
    page.wait_for_timeout(2000)  # a person needs longer to find the button
    page.evaluate("Jupyter.notebook.execute_all_cells()")
    picture = page.locator(".vizlib-panel .vizlib-picture img").first
    picture.wait_for()
    assert picture.get_attribute("alt") and picture.bounding_box()["width"] >= 400
    handle = page.locator(slider).first
    assert handle.get_attribute("aria-label"), "a name for screen readers, here, too"
    before = picture.get_attribute("src")
    handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "before => document.querySelector('.vizlib-panel .vizlib-picture img').getAttribute('src') != before",
        arg=before,
    )
    page.screenshot(path=Path(os.environ.get("VIZLIB_SCREENSHOTS", folder)) / f"classic_{name}.png")
    assert page.locator(".output_error").count() == 0 and errors == []
