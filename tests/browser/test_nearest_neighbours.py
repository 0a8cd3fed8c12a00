"""Notebook 02 in JupyterLab: picking queries, an upload, and the shift."""

from vizlib import images


def test_another_query_and_an_upload_find_other_neighbours(open_cells, tmp_path):
    notebook = open_cells("02_nearest_neighbours", "panels.nearest_neighbours(", "panels.moved_neighbours(")
    notebook.explorers_drawn(2)
    notebook.settled()
    notebook.changes(0, lambda: notebook.press("vizlib-query", "PageUp"), "another query is drawn")
    notebook.changes(0, lambda: notebook.press("vizlib-k", "ArrowLeft"), "four neighbours are drawn")

    yours = notebook.page.get_by_role("radio", name="your image").first
    notebook.changes(0, yours.click, "the coffee is the query")
    path = images.save(images.load("flower"), tmp_path / "mine.png")
    picture = notebook.changes(0, lambda: notebook.upload(path), "neighbours of the upload are drawn")
    assert picture.std() > 30

    notebook.changes(1, lambda: notebook.press("vizlib-shift", "Home"), "the unmoved patch is drawn")
    notebook.changes(0, lambda: notebook.press("vizlib-layer", "Home"), "neighbours by the first layer are drawn")
    assert notebook.errors() == []
    notebook.screenshot("02_nearest_neighbours", whole=True)
