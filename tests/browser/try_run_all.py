"""On demand, `make try-run-all`: Run All, twice, in all sixteen notebooks, as a person in JupyterLab sees it.

VIZLIB_NOTEBOOKS=09,12 chooses some of them.
"""

import os

import pytest
from lab_server import ROOT
from notebook_page import NotebookPage

CHOSEN = os.environ.get("VIZLIB_NOTEBOOKS", "").split(",")
NAMES = [p.stem for p in sorted((ROOT / "notebooks").glob("[01]*.ipynb")) if p.stem.startswith(tuple(CHOSEN))]
STATES = """() => [...document.querySelectorAll('.vizlib-live-progress')].map(e => e.innerText)"""


@pytest.mark.parametrize("name", NAMES)
def test_run_all_ends_without_an_error_and_every_panel_shows_a_picture(open_notebook, name):
    run_all_twice(open_notebook(name))


def run_all_twice(notebook: NotebookPage) -> None:
    """Run All, wait until every panel has a picture, and again."""
    for _ in range(2):
        notebook.run_all(600)
        assert notebook.errors() == []
        panels = notebook.page.locator(".vizlib-panel")
        pictures = notebook.page.locator(".vizlib-panel .vizlib-picture img")
        notebook.until(
            lambda shown=pictures, all=panels: shown.count() == all.count(), "every panel shows a picture", 120
        )
        assert notebook.errors() == []
        texts = notebook.page.evaluate(STATES)
        assert not any("failed" in text for text in texts), texts
