"""Notebook 08 in JupyterLab: the rule, the layer and the channel change what is drawn."""

import numpy as np
from notebook_page import NotebookPage

EVERY_EIGHTH = {"range(0, len(both), 2)": "range(0, len(both), 8)"}  # of the patches to choose from


def choose(notebook: NotebookPage, rule: str, index: int = 0) -> None:
    """Press a rule's button in the `index`-th explorer that has one."""
    notebook.page.get_by_role("radio", name=rule, exact=True).nth(index).click()


def gray_share(picture: np.ndarray) -> float:
    """How much of a picture is the grey of a gradient of zero."""
    return (np.abs(picture.astype(int) - 128).max(2) <= 2).mean()


def test_rule_layer_and_channel_change_the_pictures(open_cells):
    notebook = open_cells(
        "08_guided_backprop",
        "panels.guided_neuron(",
        "panels.guided_patches(",
        "panels.guided_classes(",
        "panels.guided_relu(",
        replace=EVERY_EIGHTH,
    )
    notebook.explorers_drawn(4)

    guided = notebook.picture(0)
    plain = notebook.changes(0, lambda: choose(notebook, "backprop"), "the true gradient is drawn")
    assert gray_share(plain) < gray_share(guided), "the true gradient is spread over more pixels"
    notebook.changes(0, lambda: choose(notebook, "deconvnet"), "deconvnet is drawn")
    notebook.changes(0, lambda: notebook.press("vizlib-channel", "ArrowRight"), "channel 186 is drawn")
    early = notebook.changes(0, lambda: notebook.press("vizlib-layer", "Home"), "the first layer is drawn")
    assert early.shape[1] == guided.shape[1]

    assert notebook.picture(1).std() > 20, "a row of patches is drawn"
    notebook.changes(1, lambda: choose(notebook, "backprop", 1), "the patches' true gradients are drawn")
    notebook.changes(1, lambda: notebook.press("vizlib-channel", "ArrowRight", index=1), "channel 136 is drawn")
    notebook.changes(1, lambda: notebook.press("vizlib-layer", "Home", index=1), "the first layer's row is drawn")

    notebook.changes(2, lambda: choose(notebook, "backprop", 2), "the true gradients of two classes are drawn")
    notebook.changes(2, lambda: notebook.press("vizlib-rank", "End"), "the least probable class is drawn")

    notebook.changes(3, lambda: notebook.press("vizlib-channel", "ArrowRight", index=2), "channel 21 is drawn")
    notebook.changes(3, lambda: notebook.press("vizlib-layer", "ArrowLeft", index=2), "an earlier ReLU is drawn")
    assert notebook.errors() == []
    notebook.screenshot("08_guided_backprop", whole=True)
