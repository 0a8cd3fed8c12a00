"""Notebook 03 in JupyterLab: axes, perplexity, and the map of patches."""

WHILE_TSNE_RUNS = """\
import torch
from vizlib import plot, widgets
from vizlib.images import galleries
from vizlib.analysis import embedding

digits = galleries.digits().subset(range(0, 1797, 2))
rows = digits.batch(range(len(digits)), 8)[:, 0].flatten(1)
finished = []

def draw(perplexity):
    yield plot.scatter({"PCA": embedding.pca(rows).points}, digits.labels, digits.names)
    plane = embedding.tsne(rows, perplexity, cached=False)
    finished.append(perplexity)
    yield plot.scatter({"t-SNE": plane}, digits.labels, digits.names)

explorer = widgets.explore(draw, alt="digits", perplexity=widgets.steps("perplexity", [10, 30], 30))"""


FEWER = {
    "galleries.digits()": "galleries.digits().subset(range(0, 1797, 6))",
    "galleries.patches()": "galleries.patches().subset(range(0, 708, 8))",
}


def test_the_controls_move_the_pictures(open_cells):
    notebook = open_cells(
        "03_pca_and_tsne",
        "panels.pca_axes(",
        "panels.tsne_perplexity(",
        "panels.tsne_starts(",
        "panels.embedding_map(",
        replace=FEWER,
    )
    notebook.explorers_drawn(4)
    notebook.settled()
    notebook.changes(0, lambda: notebook.press("vizlib-down", "ArrowRight"), "another axis is drawn")
    notebook.changes(1, lambda: notebook.press("vizlib-perplexity", "ArrowLeft"), "the clusters change")
    notebook.settled()
    grid = notebook.page.get_by_role("radio", name="grid")
    notebook.changes(3, grid.click, "the grid is drawn")
    notebook.changes(3, lambda: notebook.press("vizlib-zoom", "PageUp"), "it is larger")
    notebook.changes(3, lambda: notebook.press("vizlib-x", "PageUp"), "it moves to the right")
    notebook.page.locator(".vizlib-save").click()
    saved = notebook.page.get_by_text("map_of_patches.png: ")
    notebook.until(lambda: saved.count() == 1, "it says where the file is")
    assert notebook.errors() == []
    notebook.screenshot("03_pca_and_tsne", whole=True)


def test_the_kernel_is_free_while_tsne_runs(open_notebook):
    notebook = open_notebook("tsne", [WHILE_TSNE_RUNS, "print(finished)"])
    notebook.run_cell(0)
    first = notebook.picture(0)
    notebook.run_cell(1)
    assert notebook.outputs(1)[0]["text"] == "[]\n", "the cell ran before t-SNE was done"
    notebook.settled(120)
    assert (notebook.picture(0) != first).any(), "t-SNE took the place of the PCA"
    assert notebook.value("finished") == "[30]"
    assert notebook.errors() == []
