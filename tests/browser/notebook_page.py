"""A notebook that is open in JupyterLab, driven through Chromium.

A test asks for the fixture `open_cells` or `open_notebook` (conftest.py) and gets a `NotebookPage`:

    def test_slider(open_cells):
        notebook = open_cells("04_activations", "panels.activation_map(")
        notebook.changes(0, lambda: notebook.press("vizlib-channel", "ArrowRight"), "the next channel is drawn")
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
from playwright.sync_api import ConsoleMessage, Error, Locator, Page

FOCUSABLE = (
    ".noUi-handle, .ui-slider-handle, input, select, button, textarea"  # sliders of ipywidgets 8 and 7, the rest
)
OPEN = """async path => {
    const notebook = window.notebook = await jupyterapp.commands.execute('docmanager:open', {path});
    await notebook.context.ready;
    await notebook.sessionContext.ready;
    await notebook.sessionContext.session.kernel.info;
    jupyterapp.shell.activateById(notebook.id);
    return notebook;
}"""
CLOSE = "async notebook => { await notebook.sessionContext.shutdown(); notebook.dispose(); }"
START = """command => {
    window.outcome = null;
    jupyterapp.commands.execute(command).then(() => { window.outcome = 'done'; }, e => { window.outcome = String(e); });
}"""
SOURCES = "notebook.content.widgets.map(cell => cell.model.type == 'code' ? cell.model.sharedModel.getSource() : '')"
OUTPUTS = "notebook.content.widgets.map(cell => cell.model.outputs ? cell.model.outputs.toJSON() : [])"
FINISHED = """() => window.outcome && notebook.content.widgets.every(
    cell => cell.model.type != 'code' || cell.model.executionState != 'running')"""
BUSY = "notebook.sessionContext.session.kernel.status == 'busy'"
VALUE = """async expression => {
    const request = {code: '', silent: false, store_history: false, user_expressions: {value: expression}};
    const reply = await notebook.sessionContext.session.kernel.requestExecute(request).done;
    const value = reply.content.user_expressions.value;
    return value.status == 'ok' ? value.data['text/plain'] : `${value.ename}: ${value.evalue}`;
}"""
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
LAID_OUT = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def lab_is_open(page: Page, lab: Lab) -> None:
    """Open JupyterLab, without a notebook, and wait until it is there."""
    page.goto(f"{lab.url}/lab?token={lab.token}&reset")
    page.wait_for_function("window.jupyterapp?.restored")
    page.evaluate("async () => { await jupyterapp.restored; }")


class NotebookPage:
    """The notebook that was opened last in JupyterLab, its kernel running. `page` is Playwright's, for all else."""

    def __init__(self, page: Page, file: str, screenshots: Path):
        self.page = page
        self._screenshots = screenshots
        self._page_errors: list[str] = []
        self._listeners = {"pageerror": self._thrown, "console": self._said}
        for event, listener in self._listeners.items():
            page.on(event, listener)
        self._file = file
        self._notebook = page.evaluate_handle(OPEN, file)

    def _thrown(self, error: Error) -> None:
        if "subshell_request" not in str(error):  # JupyterLab's, of a kernel that was closed before it had answered
            self._page_errors.append(f"page: {error}")

    def _said(self, message: ConsoleMessage) -> None:
        # JupyterLab puts an attachment's address into the page before it looks the attachment up
        if message.type == "error" and not message.location.get("url", "").startswith("attachment:"):
            self._page_errors.append(f"console: {message.text}")

    # --- cells ------------------------------------------------------------------------------------------------------

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

    def start_cell(self, index: int) -> None:
        """Run one cell, and wait only until the kernel is at it."""
        self.page.evaluate("i => { notebook.content.activeCellIndex = i; notebook.content.deselectAll(); }", index)
        self.page.evaluate(START, "notebook:run-cell")
        self.until(lambda: self.page.evaluate(BUSY), "the kernel is busy")

    def _run(self, command: str, seconds: float) -> None:
        self.page.evaluate(START, command)
        try:
            self.page.wait_for_function(FINISHED, timeout=seconds * 1000)
        except Error as error:
            raise AssertionError(f"not within {seconds} s: {command} comes to its end; {self.shown()}") from error
        outcome = self.page.evaluate("window.outcome")
        assert outcome == "done", f"{command}: {outcome}"

    def value(self, expression: str) -> str:
        """What an expression is worth in the kernel, as `repr` writes it; it is evaluated in no cell."""
        return self.page.evaluate(VALUE, expression)

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

    # --- what a person does -----------------------------------------------------------------------------------------

    def nth(self, css_class: str, index: int) -> Locator:
        """The `index`-th widget of this class on the page."""
        return self.page.locator(f".{css_class}").nth(index)

    def press(self, css_class: str, *keys: str, index: int = 0) -> None:
        """Focus the `index`-th widget of this class (its first handle, field or button) and press keys."""
        widget = self.nth(css_class, index)
        self.press_on(widget.locator(FOCUSABLE).or_(widget.and_(self.page.locator(FOCUSABLE))).first, *keys)

    def press_on(self, control: Locator, *keys: str) -> None:
        """Press keys on a control once a person could: what is still folded away takes no focus and loses the key."""
        control.wait_for(state="visible")
        control.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def upload(self, path: Path, index: int = 0) -> None:
        """Give a file to the `index`-th upload button."""
        with self.page.expect_file_chooser() as chooser:
            self.nth("vizlib-upload button", index).click()
        chooser.value.set_files(path)

    # --- what a person sees -----------------------------------------------------------------------------------------

    def pixels(self, selector: str) -> np.ndarray:
        """The picture that the `img` of this CSS selector holds, uint8 `(H, W, 3)`, however large it is shown."""
        image, data = self.page.locator(selector), ""

        def drawn() -> bool:  # asked and drawn at once: a picture that changes is empty for a moment
            nonlocal data
            data = image.evaluate(PICTURE)
            return data != ""

        self.until(drawn, f"{selector} has a picture")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))

    def picture(self, index: int) -> np.ndarray:
        """The picture of the `index`-th explorer on the page."""
        return self.pixels(f".vizlib-explorer-picture img >> nth={index}")

    def explorers_drawn(self, count: int, seconds: float = 60) -> None:
        """Wait until there are so many explorers, and each of them shows a picture that is no single colour."""
        pictures = self.page.locator(".vizlib-explorer-picture img")
        self.until(lambda: pictures.count() == count, f"{count} explorers are on the page", seconds)
        for index in range(count):
            self.until(lambda i=index: self._has_content(i), f"explorer {index} has a picture", seconds)

    def _has_content(self, index: int) -> bool:
        picture = self.picture(index)
        return picture.std() > 10 and picture.shape[1] > 400

    def changes(self, index: int, act: Callable[[], object], what: str, seconds: float = 30) -> np.ndarray:
        """Do `act()` and wait until the `index`-th explorer shows another picture; gives that picture."""
        before = self.picture(index)
        now = before

        def changed() -> bool:
            nonlocal now
            now = self.picture(index)
            return now.shape != before.shape or np.abs(now.astype(int) - before).mean() > 0.5

        act()
        self.until(changed, what, seconds)
        return now

    def settled(self, seconds: float = 60) -> None:
        """Wait until no explorer is drawing any more."""
        stop = self.page.locator(".vizlib-stop")
        self.until(lambda: not any(button.is_visible() for button in stop.all()), "all drawings are finished", seconds)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
        """Wait until the condition holds.

        Raises:
            AssertionError: It did not, within so many seconds; the message says `what` was waited for, and what the
                page showed instead.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}; {self.shown()}")
            self.page.wait_for_timeout(50)

    def shown(self) -> str:
        """For a message: what went wrong on the page so far, the text below its cells, and where a screenshot is."""
        below = " | ".join(self.page.locator(".jp-OutputArea-output").all_inner_texts())
        text = re.sub(r"\s+", " ", below)[-1500:]
        return f"the page has the errors {self.errors()} and shows {text!r}; see {self.screenshot('failed')}"

    def screenshot(self, name: str, whole: bool = False) -> Path:
        """Store what the browser shows, or the whole notebook from top to bottom, as `name`.png; gives the file.

        It goes to the folder that the environment's VIZLIB_SCREENSHOTS names, or else to the test's own.
        """
        size = self.page.viewport_size
        if whole:
            height = self.page.evaluate(NOTEBOOK_HEIGHT) + 150  # JupyterLab's bars
            self.page.set_viewport_size({"width": size["width"], "height": min(height, 16_000)})
            self.page.evaluate(SCROLL_TO_TOP)
            self.page.evaluate(LAID_OUT)
        path = self._screenshots / f"{name}.png"
        self.page.screenshot(path=path)
        self.page.set_viewport_size(size)
        return path

    def save_and_reload(self) -> None:
        """Save the notebook, load the page anew, and open the notebook again; its kernel goes on meanwhile."""
        self.page.evaluate("async () => { await notebook.context.save(); }")
        self.page.reload()
        self.page.wait_for_function("window.jupyterapp?.restored")
        self.page.evaluate("async () => { await jupyterapp.restored; }")
        self._notebook = self.page.evaluate_handle(OPEN, self._file)

    def show(self, other: "NotebookPage") -> None:
        """Bring another notebook of the same page to the front."""
        self.page.evaluate(
            "other => { window.notebook = other; jupyterapp.shell.activateById(other.id); }", other._notebook
        )

    def close(self) -> None:
        """Shut its kernel down and close the notebook; JupyterLab stays."""
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)
        self.page.evaluate(CLOSE, self._notebook)


class LiveRun:
    """One of the live runs on the page, counted from 0: what it says and shows, its buttons and its sliders."""

    def __init__(self, notebook: NotebookPage, index: int = 0):
        self._notebook = notebook
        self._panel = f".vizlib-live >> nth={index}"
        self.picture = f"{self._panel} >> .vizlib-live-picture img"
        self.until(lambda: notebook.page.locator(self.picture).is_visible(), "there is a picture", 60)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait as `NotebookPage.until` does; where it fails, the message also holds what the run says."""
        try:
            self._notebook.until(condition, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; the run says: {self.text()}") from None

    def find(self, selector: str) -> Locator:
        return self._notebook.page.locator(f"{self._panel} >> {selector}")

    def text(self) -> str:
        return (
            f"{self.find('.vizlib-live-progress').inner_text()} {self.find('.vizlib-live-note').inner_text()}".strip()
        )

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

    def place(self) -> dict[str, int]:
        """Where the picture stands on the page, in pixels: 'x', 'y', 'width' and 'height'."""
        box = None

        def drawn() -> bool:  # an image that is replaced has no place for a moment
            nonlocal box
            box = self._notebook.page.locator(self.picture).bounding_box()
            return bool(box and box["height"])

        self.until(drawn, "the picture has a place")
        return {name: round(value) for name, value in box.items()}

    def goes_on(self, steps: int = 1) -> None:
        """Wait until it has taken more steps."""
        at = self.step()
        self.until(lambda: self.step() >= at + steps, f"it takes {steps} more steps from step {at}")

    def press(self, css_class: str, *keys: str) -> None:
        """Focus the slider of this class and press keys."""
        self._notebook.press_on(self.find(f".{css_class} >> .noUi-handle").first, *keys)

    def click(self, button: str) -> None:
        self.find(f".vizlib-live-{button}").click()

    def pause(self) -> int:
        """Press Pause, and wait until it says so and the step under way has ended; gives the step that it stays at."""
        self.click("pause")
        self.until(lambda: "paused" in self.text(), "it says that it is paused")
        self.until(self._holds, "it holds still")
        assert self._holds(), "it went on by itself"
        return self._taken()

    def _taken(self) -> int:
        return int(self._notebook.value("run.step.iteration"))

    def _holds(self) -> bool:
        """Whether no step is taken while the kernel waits a little."""
        before = self._taken()
        self._notebook.execute("import time; time.sleep(0.3)")
        return self._taken() == before

    def stop(self) -> None:
        self.click("stop")
        self.until(lambda: "stopped" in self.text(), "it stops")
