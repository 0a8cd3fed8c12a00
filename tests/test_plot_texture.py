"""Figures of textures."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from vizlib import plot

RANDOM = torch.Generator().manual_seed(0)
IMAGE = torch.rand(1, 3, 20, 30, generator=RANDOM)
GRAM = torch.rand(1, 8, 8, generator=RANDOM)


def pictures(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def texts(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes] + [text.get_text() for axes in figure.axes for text in axes.texts]


def test_grams_share_one_scale_of_roots():
    figure = plot.grams([GRAM, 4 * GRAM[0]], ["one", "four times"], "two")
    first, second = pictures(figure)[:2]
    assert np.allclose(first, GRAM[0].sqrt(), atol=1e-6) and np.allclose(second, 2 * first, atol=1e-6)
    limits = [axes.images[0].get_clim() for axes in figure.axes[:2]]
    assert limits[0] == limits[1] and limits[0][0] == 0
    assert {"one", "four times"} <= set(texts(figure)) and plot.to_png(figure)


def test_grams_with_negative_entries_are_shown_around_white():
    figure = plot.grams([GRAM - 0.5], ["centred"])
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high and figure.axes[0].images[0].get_cmap().name == "RdBu_r"


def test_grams_show_the_first_channels():
    assert pictures(plot.grams([torch.ones(1, 100, 100)], ["large"], limit=16))[0].shape == (16, 16)


def test_beside_grams():
    shown = pictures(plot.beside_grams([IMAGE, IMAGE], [GRAM, GRAM], "shuffled"))
    assert [array.shape for array in shown][:4] == [(20, 30, 3), (8, 8), (20, 30, 3), (8, 8)]


def test_labelled_rows():
    figure = plot.labeled_rows([[IMAGE, IMAGE], [IMAGE, 1 - IMAGE]], ["first", "second"], ["left", "right"])
    assert len(pictures(figure)) == 4 and {"first", "second", "left", "right"} <= set(texts(figure))
    assert np.allclose(pictures(figure)[3], 1 - pictures(figure)[0])


def test_to_scale_makes_pixels_equally_large():
    figure = plot.to_scale([IMAGE, torch.rand(1, 3, 40, 90)], ["small", "large"])
    plot.to_png(figure)  # lays it out
    small, large = (axes.get_window_extent() for axes in figure.axes)
    assert small.width / 30 == pytest.approx(large.width / 90, rel=0.05)
    assert small.height / 20 == pytest.approx(large.height / 40, rel=0.05)


def test_seam_view_joins_along_the_path():
    old, new = torch.zeros(3, 6, 4), torch.ones(3, 6, 4)
    path = torch.tensor([0, 1, 2, 3, 3, 2])
    shown = pictures(plot.seam_view(old, new, path, "a seam"))
    joined = shown[3][..., 0]
    assert [int((row == 0).sum()) for row in joined] == path.tolist()
    assert shown[2].shape == (6, 4) and np.allclose(shown[2], 3**0.5)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot.grams([GRAM], []), "titles: expected one for each of the 1 matrices, got 0"),
        (lambda: plot.grams([], []), "titles: expected one for each of the 0 matrices"),
        (lambda: plot.beside_grams([IMAGE], []), "matrices: expected one for each of the 1 images, got 0"),
        (lambda: plot.labeled_rows([[IMAGE]], []), "a label for each of the 1; got 0"),
        (lambda: plot.labeled_rows([[IMAGE], []], ["a", "b"]), "expected rows of one length"),
        (lambda: plot.labeled_rows([[IMAGE]], ["a"], ["b", "c"]), "titles: expected one for each of the 1 columns"),
        (lambda: plot.to_scale([IMAGE], []), "titles: expected one for each of the 1 images, got 0"),
        (lambda: plot.seam_view(IMAGE[0], IMAGE[0], torch.zeros(3)), r"expected two overlaps \(3, h, w\) and a path"),
    ],
)
def test_what_does_not_fit(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
