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
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from lab_server import Lab
from PIL import Image
from playwright.sync_api import ConsoleMessage, Locator, Page

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
SOURCES = "notebook.content.widgets.map(cell => cell.model.type == 'code' ? cell.model.sharedModel.getSource() : '')"
OUTPUTS = "notebook.content.widgets.map(cell => cell.model.outputs ? cell.model.outputs.toJSON() : [])"
FINISHED = """() => window.outcome && notebook.content.widgets.every(
    cell => cell.model.type != 'code' || cell.model.executionState != 'running')"""
PICTURE = """image => {
    if (!image.complete || !image.naturalWidth) return '';
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

    def cell(self, words: str) -> int:
        """The index of the first code cell that holds these words."""
        return next(i for i, source in enumerate(self.page.evaluate(SOURCES)) if words in source)

    def run_to(self, words: str, seconds: float = 120) -> None:
        """Run all code cells up to the first that holds these words, each for at most so many seconds."""
        for index, source in enumerate(self.page.evaluate(SOURCES)[: self.cell(words) + 1]):
            if source:
                self.run_cell(index, seconds)

    def _run(self, command: str, seconds: float) -> None:
        self.page.evaluate(START, command)
        self.page.wait_for_function(FINISHED, timeout=seconds * 1000)
        outcome = self.page.evaluate("window.outcome")
        assert outcome == "done", f"{command}: {outcome}"

    def execute(self, code: str) -> None:
        """Run code in the kernel that is in no cell."""
        self.page.evaluate("code => notebook.sessionContext.session.kernel.requestExecute({code}).done", code)

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
        image, data = self.page.locator(selector), ""

        def drawn() -> bool:  # asked and drawn at once: a picture that changes is empty for a moment
            nonlocal data
            data = image.evaluate(PICTURE)
            return data != ""

        self.until(drawn, f"{selector} has a picture")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))

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


class LiveRun:
    """One of the live runs on the page, counted from 0: what it says and shows, its buttons and its sliders."""

    def __init__(self, notebook: NotebookPage, index: int = 0):
        self._notebook = notebook
        self._panel = f".widget-vbox:has(.vizlib-live-text) >> nth={index}"
        self.picture = f"{self._panel} >> img.vizlib-live-picture"
        self.until(lambda: notebook.page.locator(self.picture).is_visible(), "there is a picture", 60)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
        """Wait as `NotebookPage.until` does; where it fails, the message also holds what the run says."""
        try:
            self._notebook.until(condition, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; the run says: {self.text()}") from None

    def find(self, selector: str) -> Locator:
        return self._notebook.page.locator(f"{self._panel} >> {selector}")

    def text(self) -> str:
        return self.find(".vizlib-live-text").inner_text()

    def step(self) -> int:
        """How many steps were taken; 0 while it waits."""
        words = self.text().split()
        return int(words[1]) if words[:1] == ["step"] else 0

    def part(self, name: str) -> float:
        """What a part of the loss is now; NaN where there is none."""
        found = re.search(rf"\b{name} ([-\d.e+]+)", self.text())
        return float(found[1]) if found else float("nan")

    def pixels(self) -> np.ndarray:
        return self._notebook.pixels(self.picture).astype(float)

    def press(self, css_class: str, *keys: str) -> None:
        """Focus the slider of this class and press keys."""
        for key in keys:
            self.find(f".{css_class} >> .noUi-handle").press(key)

    def click(self, button: str) -> None:
        self.find(f".vizlib-live-{button}").click()

    def stop(self) -> None:
        self.click("stop")
        self.until(lambda: "stopped" in self.text(), "it stops")
