"""A classic Notebook 6.5 as a child process, from an environment of its own (scripts/front_ends.sh makes it)."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from lab_server import environment
from lesson_cells import slice_of
from playwright.sync_api import Page

STARTED = "window.Jupyter?.notebook?.kernel?.is_connected() && Jupyter.notebook.kernel.widget_manager"
PICTURE = ".vizlib-panel .vizlib-picture img"
KERNELSPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}


@contextmanager
def classic_notebook(python: Path, folder: Path) -> Iterator[tuple[str, str, Path]]:
    """The address and the token of a classic Notebook, and the folder that it serves, until the `with` ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", f"--notebook-dir={folder}"]
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(
            [python, "-m", "notebook", *options], env=environment(folder), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        info = folder / "runtime" / f"nbserver-{server.pid}.json"
        deadline = time.monotonic() + 240  # its first start compiles all that it imports
        while not info.exists():
            assert server.poll() is None and time.monotonic() < deadline, (folder / "server.log").read_text()
            time.sleep(0.2)
        time.sleep(0.5)
        yield f"http://127.0.0.1:{port}", json.loads(info.read_text())["token"], folder
    finally:
        server.terminate()
        server.wait(20)


def the_picture_obeys(classic: tuple[str, str, Path], page: Page, name: str, words: str, slider: str) -> None:
    """Open a panel of a lesson, run its cells, and move a slider: the picture changes, and nothing went wrong.

    Args:
        classic: What `classic_notebook` gives.
        page: A new page.
        name, words: The lesson, and words of the panel's cell.
        slider: The CSS selector of a handle.
    """
    url, token, folder = classic
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNELSPEC})
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in slice_of(name, words)]
    nbformat.write(notebook, folder / f"{name}.ipynb")
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{url}/notebooks/{name}.ipynb?token={token}")
    page.wait_for_function(STARTED)
    page.wait_for_timeout(2000)  # a person needs longer to find the button
    page.evaluate("Jupyter.notebook.execute_all_cells()")
    picture = page.locator(PICTURE).first
    picture.wait_for()
    wide = f"document.querySelector('{PICTURE}')?.getBoundingClientRect().width >= 400"
    page.wait_for_function(wide)  # a live one is replaced now and then, and has no width for a moment
    assert picture.get_attribute("alt")
    handle = page.locator(slider).first
    assert handle.get_attribute("aria-label"), "a name for screen readers, here, too"
    before = picture.get_attribute("src")
    handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(f"before => document.querySelector('{PICTURE}').getAttribute('src') != before", arg=before)
    page.screenshot(path=Path(os.environ.get("VIZLIB_SCREENSHOTS", folder)) / f"classic_{name}.png")
    assert page.locator(".output_error").count() == 0 and errors == []
