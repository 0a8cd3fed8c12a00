"""Notebook 07 and its appendix: the buttons change the map, the cascade's slider takes the network apart."""

import numpy as np

CHEAT = 2  # the explorers' places on the page
METHODS, CASCADE = 0, 1  # and on that of the appendix


def column(picture: np.ndarray, number: int, row: int) -> np.ndarray:
    """The middle of one of the cascade's maps: five columns, two rows below the heads."""
    height, width = picture.shape[:2]
    left = round((0.03 + 0.195 * number) * width)
    top = round(height * (0.22 if row == 0 else 0.62))
    return picture[top : top + round(0.3 * height), left : left + round(0.17 * width)].astype(int)


def press(notebook, toggle: int, name: str) -> None:
    notebook.page.locator(".widget-toggle-buttons").nth(toggle).get_by_role("radio", name=name, exact=True).click()


def test_the_cheat_with_and_without_its_tag(open_cells):
    notebook = open_cells(
        "07_saliency",
        "panels.saliency_classes(",
        "panels.saliency_segmentation(",
        "panels.saliency_cheat(",
        replace={'"cheat")': '"cheat", 2)', '"cured")': '"cured", 2)'},
    )
    notebook.explorers_drawn(3)
    notebook.changes(CHEAT, lambda: press(notebook, 2, "without"), "the picture without its tag is drawn")
    notebook.screenshot("07_saliency", whole=True)
    assert notebook.errors() == []


def test_methods_and_cascade(open_cells):
    notebook = open_cells("appendix/07_relatives_and_checks", "panels.saliency_methods(", "panels.saliency_randomized(")
    notebook.explorers_drawn(2)

    fine = notebook.picture(METHODS)
    blob = notebook.changes(METHODS, lambda: press(notebook, 0, "Grad-CAM"), "Grad-CAM is drawn")
    half = blob.shape[1] // 2

    def roughness(picture: np.ndarray) -> float:
        return np.abs(np.diff(picture[60:, half + 20 :].astype(int), axis=1)).mean()

    assert roughness(blob) < roughness(fine) / 3, "a smooth blob in the place of dots"
    assert np.array_equal(blob[60:, : half - 20], fine[60:, : half - 20]), "the photo beside it stays"

    before = notebook.picture(CASCADE)
    slider = notebook.page.locator(".vizlib-layer .noUi-handle").last
    slider.focus()
    after = notebook.changes(CASCADE, lambda: slider.press("ArrowRight"), "one layer more is random")
    readout = notebook.page.locator(".vizlib-layer .widget-readout").last
    notebook.until(lambda: readout.inner_text() == "conv5", "the slider says conv5")
    assert np.abs(column(after, 0, 0) - column(before, 0, 0)).mean() < 1, "the trained network's map stays"
    changed = [np.abs(column(after, number, 1) - column(before, number, 1)).mean() for number in range(5)]
    assert changed[0] > 2 * changed[4] > 0, "the gradient's map changes more than guided backprop's"
    notebook.screenshot("07_saliency", whole=True)
    assert notebook.errors() == []
