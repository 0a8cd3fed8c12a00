"""Notebook 06 in JupyterLab: the size of the occluder changes the map, Stop keeps a coarse one, windows follow."""

import numpy as np

MAP, WINDOWS, FILLS = range(3)  # the explorers' places on the page


def test_size_stop_class_and_windows(open_cells):
    notebook = open_cells(
        "06_occlusion",
        "panels.occlusion_map(",
        "panels.occlusion_windows(",
        "panels.occlusion_fills(",
        replace={"stride=8": "stride=16"},
    )
    notebook.explorers_drawn(3)

    notebook.settled()
    middle = notebook.picture(MAP)
    notebook.changes(MAP, lambda: notebook.press("vizlib-size", "End"), "a larger occluder is drawn")
    notebook.settled()
    assert np.abs(notebook.picture(MAP).astype(int) - middle).mean() > 1, "its map is another one"

    notebook.changes(MAP, lambda: notebook.press("vizlib-stride", "Home"), "a coarse map is there")
    notebook.nth("vizlib-stop", 0).click()
    notebook.until(lambda: notebook.page.get_by_text("Stopped:").count() == 1, "it says that it has stopped")
    kept = notebook.picture(MAP)
    assert kept.std() > 10
    notebook.execute("import time; time.sleep(0.5)")
    assert np.array_equal(notebook.picture(MAP), kept), "what was drawn stays, and nothing more comes"
    notebook.changes(MAP, lambda: notebook.press("vizlib-stride", "End"), "a change begins anew")

    notebook.changes(WINDOWS, lambda: notebook.press("vizlib-size", "End", index=1), "larger windows are drawn")
    notebook.changes(WINDOWS, lambda: notebook.press("vizlib-down", "Home"), "windows at the border")
    notebook.changes(FILLS, lambda: notebook.press("vizlib-size", "End", index=2), "other fills' maps are drawn")
    notebook.settled()
    assert notebook.errors() == []
    notebook.screenshot("06_occlusion", whole=True)
