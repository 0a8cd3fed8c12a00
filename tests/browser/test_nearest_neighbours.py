"""Notebook 02 in JupyterLab: picking queries, an upload, and the shift."""

from test_notebooks import assert_changes, nth, press

from vizlib import images


def test_another_query_and_an_upload_find_other_neighbours(open_notebook, tmp_path):
    notebook = open_notebook("02_nearest_neighbours")
    notebook.run_all(180)
    assert notebook.errors() == []
    assert_changes(notebook, 0, lambda: press(notebook, "vizlib-query", 0, "PageUp"), "another query is drawn")
    assert_changes(notebook, 0, lambda: press(notebook, "vizlib-k", 0, "ArrowLeft"), "four neighbours are drawn")

    yours = notebook.page.get_by_role("button", name="your image").first
    assert_changes(notebook, 0, yours.click, "the coffee is the query")
    path = images.save(images.load("flower"), tmp_path / "mine.png")
    with notebook.page.expect_file_chooser() as chooser:
        nth(notebook, "vizlib-upload", 0).click()
    picture = assert_changes(notebook, 0, lambda: chooser.value.set_files(path), "neighbours of the upload are drawn")
    assert picture.std() > 30

    assert_changes(notebook, 1, lambda: press(notebook, "vizlib-shift", 0, "Home"), "the unmoved patch is drawn")
    layer = nth(notebook, "vizlib-layer", 0).locator(".noUi-handle").first
    layer.focus()
    assert_changes(notebook, 0, lambda: layer.press("Home"), "neighbours by the first layer are drawn")
    assert notebook.errors() == []
    notebook.screenshot("02_nearest_neighbours", whole=True)
