"""One JupyterLab and one Chromium for all browser tests; a fresh page and a fresh kernel for each notebook."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from lab_server import ROOT, Lab, find_chromium, jupyterlab
from notebook_page import NotebookPage
from playwright.sync_api import Browser, Route, sync_playwright

ELSEWHERE = re.compile(r"https?://(?!127\.0\.0\.1[:/])")
KERNELSPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder is a browser test: `pytest -m "not browser"` leaves them out."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser. Each notebook gets a context of its own in it."""
    executable = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab of its own, which shows a copy of notebooks/."""
    with jupyterlab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def open_notebook(chromium: Browser, lab: Lab, tmp_path: Path) -> Iterator[Callable[..., NotebookPage]]:
    """`open_notebook(name, cells=None)` opens notebooks/`name`.ipynb, or a new notebook with these code cells."""
    opened: list[NotebookPage] = []

    def open_notebook(name: str, cells: list[str] | None = None) -> NotebookPage:
        copy = lab.folder / f"{name}.ipynb"
        copy.parent.mkdir(parents=True, exist_ok=True)
        if cells is None:
            shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", copy)
        else:
            notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNELSPEC})
            notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
            nbformat.write(notebook, copy)
        context = chromium.new_context(viewport={"width": 1280, "height": 1000})
        context.set_default_timeout(60_000)
        context.route(ELSEWHERE, answer_for_the_internet)
        folder = Path(os.environ.get("VIZLIB_SCREENSHOTS", tmp_path))
        opened.append(NotebookPage(context.new_page(), lab, name, folder))
        return opened[-1]

    yield open_notebook
    for notebook in opened:
        notebook.close()


def answer_for_the_internet(route: Route) -> None:
    """An empty picture for whatever a page asks from elsewhere (badges): no test depends on another machine."""
    route.fulfill(content_type="image/svg+xml", body="<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>")
