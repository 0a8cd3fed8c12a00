"""Notebook 03 in JupyterLab: axes, perplexity, and the map of patches."""

from test_notebooks import PICTURE, assert_changes, nth, press

WHILE_TSNE_RUNS = """\
import torch
from vizlib import plot, widgets
from vizlib.images import galleries
from vizlib.analysis import embedding

digits = galleries.digits()
rows = digits.batch(range(len(digits)), 8)[:, 0].flatten(1)
finished = []

def draw(perplexity):
    yield plot.scatter({"PCA": embedding.pca(rows).points}, digits.labels, digits.names)
    plane = embedding.tsne(rows, perplexity, cached=False)
    finished.append(perplexity)
    yield plot.scatter({"t-SNE": plane}, digits.labels, digits.names)

explorer = widgets.explore(draw, alt="digits", perplexity=widgets.steps("perplexity", [10, 30], 30))"""


def test_the_controls_move_the_pictures(open_notebook):
    notebook = open_notebook("03_pca_and_tsne")
    notebook.run_all(300)
    assert notebook.errors() == []

    def settled(index: int) -> None:
        notebook.until(lambda: not nth(notebook, "vizlib-stop", index).is_visible(), "the drawing comes to its end", 90)

    for index in range(4):
        settled(index)
    assert_changes(notebook, 0, lambda: press(notebook, "vizlib-down", 0, "ArrowRight"), "another axis is drawn")
    assert_changes(notebook, 1, lambda: press(notebook, "vizlib-perplexity", 0, "ArrowLeft"), "the clusters change")
    settled(1)
    assert_changes(notebook, 3, lambda: notebook.page.get_by_role("button", name="grid").click(), "the grid is drawn")
    assert_changes(notebook, 3, lambda: press(notebook, "vizlib-zoom", 0, "PageUp"), "it is larger")
    assert_changes(notebook, 3, lambda: press(notebook, "vizlib-x", 0, "PageUp"), "it moves to the right")
    notebook.page.locator(".vizlib-save").click()
    saved = notebook.page.get_by_text("map_of_patches.png: ")
    notebook.until(lambda: saved.count() == 1, "it says where the file is")
    assert notebook.errors() == []
    notebook.screenshot("03_pca_and_tsne", whole=True)


def test_the_kernel_is_free_while_tsne_runs(open_notebook):
    notebook = open_notebook("tsne", [WHILE_TSNE_RUNS, "print(finished)"])
    notebook.run_cell(0)
    first = notebook.pixels(PICTURE.format(0))
    notebook.run_cell(1)
    assert notebook.outputs(1)[0]["text"] == "[]\n", "the cell ran before t-SNE was done"
    notebook.until(lambda: not nth(notebook, "vizlib-stop", 0).is_visible(), "t-SNE comes to its end", 90)
    assert (notebook.pixels(PICTURE.format(0)) != first).any(), "t-SNE took the place of the PCA"
    notebook.run_cell(1)
    assert notebook.outputs(1)[0]["text"] == "[30]\n"
    assert notebook.errors() == []
