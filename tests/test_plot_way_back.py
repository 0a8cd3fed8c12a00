"""The diagram of gradient ascent shows the image and the gradient that it was given, and names layers and score."""

import pytest
import torch

from vizlib import plot
from vizlib.plot.figure import to_rgb

RANDOM = torch.Generator().manual_seed(0)
IMAGE, GRADIENT = torch.rand(1, 3, 8, 8, generator=RANDOM), torch.randn(1, 3, 8, 8, generator=RANDOM)


def test_image_gradient_layers_and_score_are_drawn_inside_the_figure():
    figure = plot.way_back(IMAGE, GRADIENT, ["relu1", "relu7"], "the logit of lemon", "one step")
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
        plot.way_back(IMAGE, GRADIENT, [], "logit")
    with pytest.raises(ValueError, match=r"\(1, 3, 8, 8\) and \(1, 3, 4, 8\)"):
        plot.way_back(IMAGE, GRADIENT[:, :, :4], ["relu1"], "logit")
