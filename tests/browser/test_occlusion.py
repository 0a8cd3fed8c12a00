"""Notebook 06 in JupyterLab: the size of the occluder changes the map, Stop keeps a coarse one, other fills follow."""

import numpy as np

MAP, FILLS = range(2)  # the explorers' places on the page


def test_size_stop_class_and_windows(open_cells):
    notebook = open_cells(
        "06_occlusion",
        "panels.occlusion_map(",
        "panels.occlusion_fills(",
        replace={"stride=stride": "stride=8"},
    )
    notebook.explorers_drawn(2)

    notebook.settled()
    middle = notebook.picture(MAP)
    notebook.changes(MAP, lambda: notebook.press("vizlib-size", "Home"), "a smaller occluder is drawn")
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

    notebook.changes(FILLS, lambda: notebook.press("vizlib-size", "ArrowRight", index=1), "other fills' maps are drawn")
    notebook.settled()
    assert notebook.errors() == []
    notebook.screenshot("06_occlusion", whole=True)
