"""The figures of feature inversion: what stands where."""

import numpy as np
import pytest
import torch

from vizlib import plot
from vizlib.synthesis import inversion

PHOTO = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0))


def shown(axes) -> list[np.ndarray]:
    return [image.get_array() for image in axes.images]


def test_inversions_stand_below_their_layers_beside_the_photo():
    two, one = torch.rand(2, 3, 20, 30), torch.rand(1, 3, 20, 30)
    figure = plot.inversions(PHOTO, {"all": two, "begun": one}, ["a", "b"], "title")
    grid = np.array(figure.axes).reshape(2, 3)
    assert [axes.get_title() for axes in grid[0]] == ["photo", "a", "b"]
    assert [axes.texts[0].get_text() for axes in grid[:, 0]] == ["all", "begun"]
    np.testing.assert_array_equal(shown(grid[0, 2])[0], two[1].permute(1, 2, 0))
    np.testing.assert_array_equal(shown(grid[1, 0])[0], PHOTO[0].permute(1, 2, 0))
    assert not grid[1, 2].images and not grid[1, 2].axison, "nothing is there yet"


def test_charts_hold_their_values_and_distances_are_logarithmic():
    charts = {"PSNR (dB)": {"with": [30, 20], "without": [25, 10]}, "features wrong": {"with": [0.1, 0.01]}}
    left, right = plot.depth_charts(["relu1", "relu2"], charts).axes
    assert [line.get_ydata().tolist() for line in left.lines] == [[30, 20], [25, 10]]
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["with", "without"]
    assert (left.get_yscale(), right.get_yscale()) == ("linear", "log") and right.get_legend() is None
    assert [label.get_text() for label in right.get_xticklabels()] == ["relu1", "relu2"]


def test_a_photo_taken_apart_is_drawn_around_grey():
    parts = inversion.split(PHOTO)
    axes = plot.taken_apart({"photo": (PHOTO, *parts)}).axes
    assert len(axes) == 4 and axes[0].get_title() == "photo"
    detail = shown(axes[2])[0]
    assert detail.shape == (20, 30, 3) and np.ptp(detail, axis=2).max() < 1e-6, "detail is grey"
    expected = (0.5 + 2 * parts.color[0, :, 4, 5]).clamp(0, 1)
    np.testing.assert_allclose(shown(axes[3])[0][4, 5], expected, atol=1e-6)


@pytest.mark.parametrize("count", [1, 6])
def test_a_figure_is_as_wide_as_a_cell(count):
    pictures = torch.rand(count, 3, 20, 20)
    names = [f"l{i}" for i in range(count)]
    assert plot.inversions(PHOTO, {"row": pictures}, names).get_figwidth() == pytest.approx(7.5)
