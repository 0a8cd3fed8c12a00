"""One JupyterLab in one page of Chromium for all browser tests; a notebook and a kernel of its own for each.

A test that fails takes the page with it: the next one gets a new page.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

import nbformat
import pytest
from lab_server import FORKED, ROOT, Lab, jupyterlab
from lesson_cells import slice_of
from notebook_page import NotebookPage, lab_is_open
from playwright.sync_api import Browser, Error, Page, Route

ELSEWHERE = re.compile(r"https?://(?!127\.0\.0\.1[:/])")
KERNELSPEC = {"name": FORKED, "display_name": FORKED, "language": "python"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder is a browser test: `pytest -m "not browser"` leaves them out."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def lab(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab of its own, which shows a copy of notebooks/."""
    with jupyterlab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


class OpenLab:
    """JupyterLab in a page, which is opened when it is needed."""

    def __init__(self, chromium: Browser, lab: Lab):
        self._chromium, self.server, self.numbers = chromium, lab, count(1)
        self._page: Page | None = None

    def page(self) -> Page:
        if self._page is None:
            context = self._chromium.new_context(viewport={"width": 1280, "height": 1000})
            context.set_default_timeout(60_000)
            context.route(ELSEWHERE, answer_for_the_internet)
            self._page = context.new_page()
            lab_is_open(self._page, self.server)
        return self._page

    def leave(self) -> None:
        """Close the page: the next one is new."""
        page, self._page = self._page, None
        if page is not None:
            page.context.close()


@pytest.fixture(scope="session")
def open_lab(chromium: Browser, lab: Lab) -> Iterator[OpenLab]:
    opened = OpenLab(chromium, lab)
    yield opened
    opened.leave()


@pytest.fixture
def open_notebook(open_lab: OpenLab, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable]:
    """`open_notebook(name, cells=None)` opens notebooks/`name`.ipynb, or a new notebook with these code cells."""
    opened: list[NotebookPage] = []
    failed_before = request.session.testsfailed

    def open_notebook(name: str, cells: Sequence[str] | None = None) -> NotebookPage:
        file = f"{Path(name).name}-{next(open_lab.numbers)}.ipynb"
        if cells is None:
            shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", open_lab.server.folder / file)
        else:
            notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNELSPEC})
            notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
            nbformat.write(notebook, open_lab.server.folder / file)
        folder = Path(os.environ.get("VIZLIB_SCREENSHOTS", tmp_path))
        opened.append(NotebookPage(open_lab.page(), file, folder))
        return opened[-1]

    yield open_notebook
    try:
        for notebook in opened:
            notebook.close()
    except Error:  # the page is broken
        open_lab.leave()
        raise
    if request.session.testsfailed > failed_before:
        open_lab.leave()


@pytest.fixture
def open_cells(open_notebook: Callable[..., NotebookPage]) -> Callable[..., NotebookPage]:
    """`open_cells(name, *words, replace=None, more=())` opens, and runs, a notebook of a few cells of a lesson.

    They are those that hold the words, and what these need of the cells before them (see lesson_cells.py), with the
    constants in `replace` replaced. The cells `more` come after them, and are not run.
    """

    def open_cells(
        name: str, *words: str, replace: Mapping[str, str] | None = None, more: Sequence[str] = ()
    ) -> NotebookPage:
        cells = slice_of(name, *words, replace=replace)
        notebook = open_notebook(name, [*cells, *more])
        for index in range(len(cells)):
            notebook.run_cell(index)
            assert notebook.errors() == []
        return notebook

    return open_cells


def answer_for_the_internet(route: Route) -> None:
    """An empty picture for whatever a page asks from elsewhere (badges): no test depends on another machine."""
    route.fulfill(content_type="image/svg+xml", body="<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>")
