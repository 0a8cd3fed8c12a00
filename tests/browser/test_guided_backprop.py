"""Notebook 08 in JupyterLab: the rule, the layer and the channel change what is drawn."""

import numpy as np
from notebook_page import NotebookPage
from test_notebooks import PICTURE, assert_changes, explorers, press


def choose(notebook: NotebookPage, rule: str, index: int) -> None:
    """Press a rule's button in the `index`-th explorer that has one."""
    notebook.page.get_by_role("button", name=rule, exact=True).nth(index).click()


def gray_share(picture: np.ndarray) -> float:
    """How much of a picture is the grey of a gradient of zero."""
    return (np.abs(picture.astype(int) - 128).max(2) <= 2).mean()


def test_rule_layer_and_channel_change_the_pictures(open_notebook):
    notebook = open_notebook("08_guided_backprop")
    notebook.run_all(240)
    assert notebook.errors() == []
    notebook.until(lambda: explorers(notebook) == 4, "four explorers are on the page", 30)

    assert_changes(notebook, 0, lambda: press(notebook, "vizlib-channel", 0, "ArrowRight"), "channel 21 is drawn")
    assert_changes(notebook, 0, lambda: press(notebook, "vizlib-layer", 0, "ArrowLeft"), "an earlier ReLU is drawn")

    guided = notebook.pixels(PICTURE.format(1))
    plain = assert_changes(notebook, 1, lambda: choose(notebook, "backprop", 0), "the true gradient is drawn")
    assert gray_share(plain) < gray_share(guided), "the true gradient is spread over more pixels"
    assert_changes(notebook, 1, lambda: choose(notebook, "deconvnet", 0), "deconvnet is drawn")
    assert_changes(notebook, 1, lambda: press(notebook, "vizlib-channel", 1, "ArrowRight"), "channel 21 is drawn")
    early = assert_changes(notebook, 1, lambda: press(notebook, "vizlib-layer", 1, "Home"), "the first layer is drawn")
    assert early.shape[1] == guided.shape[1]

    notebook.until(lambda: notebook.pixels(PICTURE.format(2)).std() > 20, "a row of patches is drawn", 60)
    assert_changes(notebook, 2, lambda: choose(notebook, "backprop", 1), "the patches' true gradients are drawn")
    assert_changes(notebook, 2, lambda: press(notebook, "vizlib-channel", 2, "ArrowRight"), "channel 150 is drawn")
    assert_changes(notebook, 2, lambda: press(notebook, "vizlib-layer", 2, "Home"), "the first layer's row is drawn")

    assert_changes(notebook, 3, lambda: choose(notebook, "backprop", 2), "the true gradients of two classes are drawn")
    assert_changes(notebook, 3, lambda: press(notebook, "vizlib-rank", 0, "End"), "the least probable class is drawn")
    assert notebook.errors() == []
    notebook.screenshot("08_guided_backprop", whole=True)
