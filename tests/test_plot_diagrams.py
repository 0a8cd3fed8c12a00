"""Diagrams show the images, gradients and features that they were given, and name layers, scores and losses."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from vizlib import plot
from vizlib.plot.figure import to_rgb

RANDOM = torch.Generator().manual_seed(0)
IMAGE, GRADIENT = torch.rand(1, 3, 8, 8, generator=RANDOM), torch.randn(1, 3, 8, 8, generator=RANDOM)


def arrays(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]


def texts(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes] + [text.get_text() for axes in figure.axes for text in axes.texts]


def test_image_gradient_layers_and_score_are_drawn_inside_the_figure():
    figure = plot.diagrams.way_back(IMAGE, GRADIENT, ["relu1", "relu7"], "the logit of lemon", "one step")
    (axes,) = figure.axes
    gradient, image = axes.images
    assert (image.get_array() == to_rgb(IMAGE)).all()
    assert (gradient.get_array() == to_rgb(plot.around_gray(GRADIENT))).all()
    texts = [text.get_text() for text in axes.texts]
    assert {"relu1", "relu7", "one step"} <= set(texts) and any("the logit of lemon" in text for text in texts)
    width, height = figure.get_size_inches()
    figure.canvas.draw()
    for text in axes.texts:
        box = text.get_window_extent().transformed(axes.transData.inverted())
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, text.get_text()


def test_a_diagram_needs_layers_and_a_gradient_of_the_image():
    with pytest.raises(ValueError, match="at least one layer"):
        plot.diagrams.way_back(IMAGE, GRADIENT, [], "logit")
    with pytest.raises(ValueError, match=r"\(1, 3, 8, 8\) and \(1, 3, 4, 8\)"):
        plot.diagrams.way_back(IMAGE, GRADIENT[:, :, :4], ["relu1"], "logit")


def test_the_gram_diagram_shows_the_products_of_two_positions_and_their_mean():
    features = torch.rand(1, 6, 4, 5, generator=RANDOM)
    figure = plot.diagrams.gram(IMAGE, features, [(0, 1), (3, 4)], "relu9", channels=6)
    vectors = [features[0, :, 0, 1].numpy(), features[0, :, 3, 4].numpy()]
    flat = features[0].flatten(1).numpy()
    shown = [array for array in arrays(figure) if array.shape == (6, 6)]
    assert len(shown) == 3
    for array, expected in zip(shown, [*(np.outer(v, v) for v in vectors), flat @ flat.T / 20], strict=True):
        assert np.allclose(array, expected, atol=1e-6)
    assert any("relu9" in text for text in texts(figure))


@pytest.mark.parametrize(("features", "places"), [((1, 6, 4, 5), [(0, 0)]), ((6, 4, 5), [(0, 0), (1, 1)])])
def test_the_gram_diagram_says_what_it_expects(features, places):
    with pytest.raises(ValueError, match="expected two places and features"):
        plot.diagrams.gram(IMAGE, torch.rand(features), places, "relu9")


def test_diagrams_of_losses_show_their_pictures_and_name_the_layers():
    photo, painting, picture = (torch.full((1, 3, 8, 10), value) for value in (0.1, 0.5, 0.9))
    figure = plot.diagrams.two_losses(photo, painting, picture, "relu5", ["relu1", "relu2"])
    assert sorted(round(float(array.mean()), 1) for array in arrays(figure)) == [0.1, 0.5, 0.9]
    words = " ".join(texts(figure))
    assert "features of relu5" in words and "relu1 … relu2" in words and "gradient" in words
    figure = plot.diagrams.painter_and_judge(photo, painting, picture)
    assert sorted(round(float(array.mean()), 1) for array in arrays(figure)) == [0.1, 0.5, 0.9]
    assert "judge: frozen" in texts(figure) and "painter: learns" in texts(figure)
