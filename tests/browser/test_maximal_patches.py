"""Notebook 05 in JupyterLab: the sliders show other channels, more patches and other cells."""

from test_notebooks import PICTURE, assert_changes, explorers, nth, press


def test_channel_k_and_cell_follow_their_sliders(open_notebook):
    notebook = open_notebook("05_maximal_patches")
    notebook.run_all(240)
    assert notebook.errors() == []
    notebook.until(lambda: explorers(notebook) == 3, "three explorers are on the page", 30)
    for index in range(3):
        notebook.until(lambda i=index: notebook.pixels(PICTURE.format(i)).std() > 10, f"explorer {index} has a picture")

    channel = nth(notebook, "vizlib-channel", 0).locator(".widget-readout")
    for expected in ("1", "2"):
        assert_changes(
            notebook, 0, lambda: press(notebook, "vizlib-channel", 0, "ArrowRight"), f"channel {expected} is drawn"
        )
        notebook.until(lambda number=expected: channel.inner_text() == number, f"the slider says {expected}")
    nine = notebook.pixels(PICTURE.format(0))
    twelve = assert_changes(notebook, 0, lambda: press(notebook, "vizlib-k", 0, "End"), "twelve patches are drawn")
    assert twelve.shape[1] == nine.shape[1] and twelve.shape[0] < nine.shape[0], "more patches, each of them smaller"

    assert_changes(
        notebook, 0, lambda: press(notebook, "vizlib-layer", 0, "Home"), "the first layer's channel is drawn"
    )
    assert_changes(notebook, 1, lambda: press(notebook, "vizlib-down", 0, "End"), "a cell at the border is drawn")
    assert_changes(notebook, 1, lambda: press(notebook, "vizlib-layer", 1, "ArrowRight"), "another layer is drawn")
    assert_changes(notebook, 2, lambda: press(notebook, "vizlib-k", 1, "Home"), "the purity of two patches is drawn")
    assert notebook.errors() == []
    notebook.screenshot("05_maximal_patches", whole=True)
