"""Points in a plane, and thumbnails at their places in a plane or in a grid."""

import numpy as np
import pytest
import torch

from vizlib import plot
from vizlib.plot.maps import free_map


def test_the_maps_hold_every_thumbnail():
    thumbnails = np.stack([np.full((4, 4, 3), 20 * i, np.uint8) for i in range(6)])
    cells = torch.tensor([[0, 0], [1, 2], [0, 2], [1, 0], [0, 1], [1, 1]])
    grid = plot.grid_map(thumbnails, cells)
    assert grid.shape == (8, 12, 3) and grid[5, 9, 0] == 20 and grid[0, 9, 0] == 40
    free = free_map(thumbnails[:2], torch.tensor([[0.0, 0.0], [1.0, 2.0]]), side=40)
    assert free[38, 1, 0] == 0 and free[1, 38, 0] == 20 and free[20, 20, 0] == 255  # the second is up on the right
    assert np.array_equal(free, free_map(thumbnails[:2], torch.tensor([[0.0, 0.0], [5.0, 5.0]]), side=40))
    figure = plot.zoomed(grid, 2, x=1, y=0)
    assert figure.axes[0].images[0].get_array().shape == (4, 6, 3)
    assert np.array_equal(figure.axes[0].images[0].get_array(), grid[:4, 6:])


def test_a_large_map_is_shrunk_to_what_is_shown():
    canvas = np.zeros((3000, 1500, 3), np.uint8)
    canvas[:1500] = 200
    picture = plot.zoomed(canvas).axes[0].images[0].get_array()
    assert picture.shape == (1500, 750, 3) and picture[:700].min() == 200 and picture[800:].max() == 0


def test_a_scatter_has_one_scale_and_names_every_class():
    points = torch.tensor([[0.0, 0], [10, 0], [10, 1]])
    figure = plot.scatter({"left": points, "right": points}, torch.tensor([0, 1, 1]), ["cat", "dog"], "both")
    assert [axes.get_title() for axes in figure.axes] == ["left", "right"]
    for axes in figure.axes:
        assert axes.get_aspect() == 1 and [text.get_text() for text in axes.texts] == ["cat", "dog"]
        assert axes.texts[1].get_position() == (10, 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.scatter({}, torch.zeros(3), ["a"]), "planes: expected at least one"),
        (lambda: plot.scatter({"a": torch.rand(3, 2)}, torch.zeros(4), ["a"]), r"each \(4, 2\).*got \[\(3, 2\)\]"),
        (lambda: plot.grid_map(np.zeros((2, 4, 4, 3)), torch.zeros(1, 2)), r"cells \(N, 2\)"),
        (lambda: free_map(np.zeros((2, 9, 9, 3)), torch.rand(2, 2), 8), "side = 8: expected at least .* 9 pixels"),
        (lambda: plot.zoomed(np.zeros((4, 4, 3)), 0.5), "zoom = 0.5"),
        (lambda: plot.zoomed(np.zeros((4, 4, 3)), 2, x=1.2), "x = 1.2"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
