"""Run All, twice, as a person in JupyterLab does it: the second time, the panels of the first are still there."""

from notebook_page import NotebookPage

PROGRESS = "() => [...document.querySelectorAll('.vizlib-live-progress')].map(e => e.innerText)"
STOP = "import vizlib.widgets; vizlib.widgets.stop_all()"


def run_all_twice(notebook: NotebookPage) -> None:
    """Run All, wait until every panel has a picture, and again; then stop everything.

    Raises:
        AssertionError: A cell or a panel failed, or a panel shows no picture.
    """
    panels = notebook.page.locator(".vizlib-panel")
    pictures = notebook.page.locator(".vizlib-panel .vizlib-picture img")
    for time in ("first", "second"):
        notebook.run_all(600)
        assert notebook.errors() == [], notebook.shown()
        assert panels.count() > 0
        notebook.until(lambda: pictures.count() == panels.count(), f"every panel shows a picture, {time} time", 120)
        assert notebook.errors() == [], notebook.shown()
        assert not [text for text in notebook.page.evaluate(PROGRESS) if "failed" in text]
    notebook.execute(STOP)
    notebook.until(lambda: not [t for t in notebook.page.evaluate(PROGRESS) if " left" in t], "all runs stop", 30)
