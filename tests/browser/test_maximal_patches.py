"""Notebook 05 in JupyterLab: sliders show other channels and cells, more patches; a click shows what fires there."""


def test_channel_k_and_cell_follow_their_sliders(open_cells):
    notebook = open_cells(
        "05_maximal_patches",
        "panels.patches_of_channel(",
        "panels.patches_linked(",
        "panels.patches_receptive_field(",
        "panels.patches_purity(",
    )
    notebook.explorers_drawn(4)

    channel = notebook.nth("vizlib-channel", 0).locator(".widget-readout")
    for expected in ("192", "193"):
        notebook.changes(0, lambda: notebook.press("vizlib-channel", "ArrowRight"), f"channel {expected} is drawn")
        notebook.until(lambda number=expected: channel.inner_text() == number, f"the slider says {expected}")
    seven = notebook.picture(0)
    twelve = notebook.changes(0, lambda: notebook.press("vizlib-k", "End"), "twelve patches are drawn")
    assert twelve.shape[1] == seven.shape[1] and twelve.shape[0] < seven.shape[0], "more patches, each of them smaller"

    notebook.changes(0, lambda: notebook.press("vizlib-layer", "Home"), "the first layer's channel is drawn")
    notebook.changes(2, lambda: notebook.press("vizlib-down", "End"), "a cell at the border is drawn")
    notebook.changes(2, lambda: notebook.press("vizlib-layer", "ArrowRight", index=2), "another layer is drawn")
    notebook.changes(3, lambda: notebook.press("vizlib-k", "Home", index=1), "the purity of two patches is drawn")

    photo = notebook.nth("vizlib-point", 0).locator("img")
    photo.scroll_into_view_if_needed()
    box = photo.bounding_box()
    notebook.changes(
        1, lambda: photo.click(position={"x": box["width"] / 4, "y": box["height"] / 4}), "what fires there"
    )
    notebook.changes(1, lambda: notebook.page.keyboard.press("ArrowDown"), "the keys move the point")
    assert notebook.errors() == []
    notebook.screenshot("05_maximal_patches", whole=True)
