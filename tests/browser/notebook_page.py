"""A notebook that is open in JupyterLab, driven through Chromium.

A test asks for the fixture `open_notebook` (conftest.py) and gets a `NotebookPage`:

    def test_slider(open_notebook):
        notebook = open_notebook("04_activations")
        notebook.run_all()
        before = notebook.pixels("img.my-picture")
        notebook.press("my-slider", "ArrowRight")
        notebook.until(lambda: (notebook.pixels("img.my-picture") != before).any(), "the picture changes")
        assert notebook.errors() == []

Widgets are found by a class that the notebook or vizlib gave them with `add_class`.
"""

import base64
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from lab_server import Lab
from PIL import Image
from playwright.sync_api import ConsoleMessage, Page

FOCUSABLE = (
    ".noUi-handle, .ui-slider-handle, input, select, button, textarea"  # sliders of ipywidgets 8 and 7, the rest
)
READY = """async () => {
    await jupyterapp.restored;
    const notebook = window.notebook = jupyterapp.shell.currentWidget;
    await notebook.context.ready;
    await notebook.sessionContext.ready;
    await notebook.sessionContext.session.kernel.info;
}"""
START = """command => {
    window.outcome = null;
    jupyterapp.commands.execute(command).then(() => { window.outcome = 'done'; }, e => { window.outcome = String(e); });
}"""
OUTPUTS = "notebook.content.widgets.map(cell => cell.model.outputs ? cell.model.outputs.toJSON() : [])"
FINISHED = """() => window.outcome && notebook.content.widgets.every(
    cell => cell.model.type != 'code' || cell.model.executionState != 'running')"""
PICTURE = """image => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    canvas.getContext('2d').drawImage(image, 0, 0);
    return canvas.toDataURL('image/png').split(',')[1];
}"""
SCROLLERS = "document.querySelectorAll('.jp-Notebook, .jp-WindowedPanel-outer, .jp-WindowedPanel-inner')"
NOTEBOOK_HEIGHT = f"Math.max(...Array.from({SCROLLERS}, element => element.scrollHeight))"
SCROLL_TO_TOP = f"{SCROLLERS}.forEach(element => element.scrollTop = 0)"


class NotebookPage:
    """A notebook that is open in JupyterLab, its kernel running. `page` is Playwright's, for all else."""

    def __init__(self, page: Page, lab: Lab, name: str, screenshots: Path):
        self.page = page
        self._screenshots = screenshots
        self._page_errors: list[str] = []
        page.on("pageerror", lambda error: self._page_errors.append(f"page: {error}"))
        page.on("console", self._listen)
        page.goto(f"{lab.url}/lab/tree/{name}.ipynb?token={lab.token}&reset")
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext")
        page.evaluate(READY)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._page_errors.append(f"console: {message.text}")

    def run_all(self, seconds: float = 120) -> None:
        """Run all cells, and wait until the last one is done or one has failed."""
        self._run("notebook:run-all-cells", seconds)

    def run_cell(self, index: int, seconds: float = 60) -> None:
        """Run one cell, counted from 0 with the Markdown cells, and wait until it is done."""
        self.page.evaluate("i => { notebook.content.activeCellIndex = i; notebook.content.deselectAll(); }", index)
        self._run("notebook:run-cell", seconds)

    def _run(self, command: str, seconds: float) -> None:
        self.page.evaluate(START, command)
        self.page.wait_for_function(FINISHED, timeout=seconds * 1000)
        outcome = self.page.evaluate("window.outcome")
        assert outcome == "done", f"{command}: {outcome}"

    def outputs(self, index: int) -> list[dict]:
        """The outputs of a cell as the notebook's file would hold them."""
        return self.page.evaluate(OUTPUTS)[index]

    def errors(self) -> list[str]:
        """What went wrong so far: exceptions in cells, widgets that could not be shown, errors of the page itself."""
        found = [
            f"cell {i}: {output['ename']}: {output['evalue']}"
            for i, outputs in enumerate(self.page.evaluate(OUTPUTS))
            for output in outputs
            if output["output_type"] == "error"
        ]
        broken = self.page.locator(".jupyter-widgets-error-widget").all_inner_texts()
        return found + [f"widget: {text}" for text in broken] + self._page_errors

    def press(self, css_class: str, *keys: str) -> None:
        """Focus the widget of this class (its first handle, field or button) and press keys, such as 'ArrowRight'."""
        widget = self.page.locator(f".{css_class}")
        widget.locator(FOCUSABLE).or_(widget.and_(self.page.locator(FOCUSABLE))).first.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def pixels(self, selector: str) -> np.ndarray:
        """The picture that the `img` of this CSS selector holds, uint8 `(H, W, 3)`, however large it is shown."""
        image = self.page.locator(selector)
        self.until(
            lambda: image.evaluate("image => image.complete && image.naturalWidth > 0"), f"{selector} has a picture"
        )
        data = base64.b64decode(image.evaluate(PICTURE))
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
        """Wait until the condition holds.

        Raises:
            AssertionError: It did not, within so many seconds; the message says `what` was waited for.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            self.page.wait_for_timeout(50)

    def screenshot(self, name: str, whole: bool = False) -> Path:
        """Store what the browser shows, or the whole notebook from top to bottom, as `name`.png; gives the file.

        It goes to the folder that the environment's VIZLIB_SCREENSHOTS names, or else to the test's own.
        """
        size = self.page.viewport_size
        if whole:
            height = self.page.evaluate(NOTEBOOK_HEIGHT) + 150  # JupyterLab's bars
            self.page.set_viewport_size({"width": size["width"], "height": min(height, 16_000)})
            self.page.evaluate(SCROLL_TO_TOP)
            self.page.wait_for_timeout(500)
        path = self._screenshots / f"{name}.png"
        self.page.screenshot(path=path)
        self.page.set_viewport_size(size)
        return path

    def close(self) -> None:
        """Shut its kernel down and close the page."""
        self.page.evaluate("async () => { await notebook.sessionContext.shutdown(); }")
        self.page.context.close()
