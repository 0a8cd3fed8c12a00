"""A lesson's panels alone in Voilà, as `make panel` shows them: no code, the picture follows a slider, a run stops."""

import os
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import pytest
from lab_server import child
from notebook_files import NOTEBOOKS, dumps
from notebook_page import PICTURE
from playwright.sync_api import Browser, ConsoleMessage
from present import panel_notebook

LIVE = ".vizlib-live-picture img"


@pytest.fixture
def voila(tmp_path: Path) -> Iterator[str]:
    """The address of a Voilà that shows the panels of gradient ascent and of filters in one page."""
    filters = panel_notebook(NOTEBOOKS / "01_filters.ipynb", "filter_response")
    ascent = panel_notebook(NOTEBOOKS / "09_gradient_ascent.ipynb", "gradient_ascent")
    for cell in ascent.cells[1:]:
        cell.id = f"b{cell.id}"
        filters.cells.append(cell)
    path = tmp_path / "panels.ipynb"
    path.write_text(dumps(filters), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "voila", str(path), "--Voila.ip=127.0.0.1", f"--port={port}", "--no-browser"]
    with child(tmp_path, "voila", *command) as server:
        deadline = time.monotonic() + 60
        while not listens(port):
            assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "voila.log").read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/"


def listens(port: int) -> bool:
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"http://127.0.0.1:{port}/voila/api/kernels", timeout=2
        )
    except URLError as error:
        return not isinstance(error.reason, ConnectionError)
    return True


def is_ours(message: ConsoleMessage) -> bool:
    """Not about what Voilà's page asks of the internet (MathJax), without which it does."""
    return message.location.get("url", "").startswith("http://127.0.0.1")


def test_panels_follow_their_controls_without_any_code(voila: str, chromium: Browser, tmp_path: Path):
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(90_000)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" and is_ours(said) else None)
    page.goto(voila)
    picture = page.locator(".vizlib-explorer-picture img").first
    picture.wait_for()
    text = page.locator("body").inner_text()
    assert "import" not in text and "panels." not in text, "no code"
    page.screenshot(path=Path(os.environ.get("VIZLIB_SCREENSHOTS", tmp_path)) / "voila.png")
    before = picture.evaluate(PICTURE)
    page.locator(".vizlib-filter .noUi-handle").first.press("ArrowRight")
    page.wait_for_function(
        f"before => ({PICTURE})(document.querySelector('.vizlib-explorer-picture img')) != before", arg=before
    )

    page.locator(LIVE).wait_for()
    progress = page.locator(".vizlib-live-progress")
    page.wait_for_function("/step [1-9]/.test(document.querySelector('.vizlib-live-progress').innerText)")
    page.locator(".vizlib-live .vizlib-jitter .noUi-handle").first.press("ArrowLeft")
    page.locator(".vizlib-live-stop").click()
    page.wait_for_function("/stopped/.test(document.querySelector('.vizlib-live-progress').innerText)")
    held = progress.inner_text(), page.locator(LIVE).get_attribute("src")
    page.wait_for_timeout(500)
    assert held == (progress.inner_text(), page.locator(LIVE).get_attribute("src")), "it holds still"
    assert page.locator(".jupyter-widgets-error-widget, [role=alert]").count() == 0
    assert errors == []
    context.close()
