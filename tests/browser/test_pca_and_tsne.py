"""Notebook 03 in JupyterLab: axes, perplexity, and the map of patches."""

from test_notebooks import assert_changes, nth, press


def test_the_controls_move_the_pictures(open_notebook, tmp_path):
    notebook = open_notebook("03_pca_and_tsne")
    notebook.run_all(300)
    assert notebook.errors() == []
    assert_changes(notebook, 0, lambda: press(notebook, "vizlib-down", 0, "ArrowRight"), "another axis is drawn")
    perplexity = nth(notebook, "vizlib-perplexity", 0).locator(".noUi-handle").first
    perplexity.focus()
    assert_changes(notebook, 1, lambda: perplexity.press("ArrowLeft"), "the PCA is shown while t-SNE runs")
    notebook.run_cell(8)  # the kernel is free meanwhile
    running = notebook.page.locator(".vizlib-stop >> nth=0")
    notebook.until(lambda: not running.is_visible(), "t-SNE comes to its end", 60)

    assert_changes(notebook, 3, lambda: notebook.page.get_by_role("button", name="grid").click(), "the grid is drawn")
    assert_changes(notebook, 3, lambda: press(notebook, "vizlib-zoom", 0, "PageUp"), "it is larger")
    assert_changes(notebook, 3, lambda: press(notebook, "vizlib-x", 0, "PageUp"), "it moves to the right")
    notebook.page.locator(".vizlib-save").click()
    saved = notebook.page.get_by_text("map_of_patches.png: ")
    notebook.until(lambda: saved.count() == 1, "it says where the file is")
    assert notebook.errors() == []
    notebook.screenshot("03_pca_and_tsne", whole=True)
