"""Filters, channels and grids of signed numbers, tiled."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from vizlib import plot
from vizlib.plot.tiles import filter_view


def shown(figure: Figure) -> np.ndarray:
    return np.asarray(figure.axes[0].images[0].get_array())


def test_filters_of_three_channels_are_colour_and_others_grey():
    assert shown(plot.filter_grid(torch.rand(4, 3, 7, 7))).shape == (15, 15, 3)
    gray = torch.rand(2, 5, 3, 3)
    board = shown(plot.filter_grid(gray))
    assert board.shape == (3 + 1 + 3, 5 * 4 - 1)
    np.testing.assert_allclose(board[4:, 4:7], gray[1, 1], rtol=1e-6)


def test_each_channel_alone_or_all_together():
    maps = torch.zeros(2, 4, 4)
    maps[0, 0, 0], maps[1, 0, 0] = 1.0, 10.0
    each, together = (plot.channel_grid(maps, scale, columns=2) for scale in ("each", "together"))
    assert shown(each)[0, 0] == shown(each)[0, 5] == 1  # both fill the scale
    assert (shown(together)[0, 0], shown(together)[0, 5]) == (1, 10)
    assert together.axes[0].images[0].get_clim() == (0, 10)
    assert len(together.axes) == 2 and together.axes[1].get_ylabel() == "activation"  # the colour bar
    assert len(each.axes) == 1


def test_a_silent_layer_and_a_limit():
    assert shown(plot.channel_grid(torch.zeros(1, 100, 2, 2), "each", limit=9, columns=3)).shape == (8, 8)
    assert plot.to_png(plot.channel_grid(torch.zeros(4, 2, 2), "together")).startswith(b"\x89PNG")


def test_small_signed_grids_show_every_number():
    figure = plot.signed_grids({"in": torch.tensor([[1.0, -2.5]]), "out": torch.tensor([[1.0, -0.0]])}, columns=2)
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [["1", "-2.5"], ["1", "0"]]
    assert [axes.get_title() for axes in figure.axes] == ["in", "out"]


def test_large_signed_grids_are_colours_around_zero_with_one_bar():
    maps = {"map": torch.linspace(-1, 4, 81).view(9, 9), "tiny": torch.full((9, 9), -5e-4), "none": torch.zeros(9, 9)}
    figure = plot.signed_grids(maps | {"few": torch.ones(2, 2)})
    *places, color_bar = figure.axes
    assert [len(axes.texts) for axes in places] == [0, 0, 0, 4]
    assert [axes.get_title().partition("\n")[2] for axes in places] == ["largest 4", "largest 0.0005", "largest 0", ""]
    for axes, (low, high) in zip(places, [(-0.25, 1), (-1, -1), (0, 0)], strict=False):
        array = axes.images[0].get_array()
        assert (array.min(), array.max()) == pytest.approx((low, high)) and axes.images[0].get_clim() == (-1, 1)
    assert [label.get_text().replace("\N{MINUS SIGN}", "-") for label in color_bar.get_yticklabels()] == [
        "-1",
        "0",
        "1",
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.filter_grid(torch.rand(3, 7, 7)), r"\(F, C, h, w\), got shape \(3, 7, 7\)"),
        (lambda: plot.channel_grid(torch.rand(3, 4, 4), "both"), "'each' or 'together', got 'both'"),
        (lambda: plot.channel_grid(torch.rand(4, 4)), r"\(C, h, w\) of one image, got shape \(4, 4\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_filters_of_several_networks_are_equally_large():
    figure = plot.filter_grids({"one": torch.rand(16, 3, 5, 5), "two": torch.rand(40, 3, 7, 7)}, "both", rows=8)
    plot.to_png(figure)
    one, two = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
    widths = [axes.get_window_extent().width for axes in (one, two)]
    assert abs(widths[1] / widths[0] - 5 / 2) < 0.25, "two columns of filters, and five; the gaps differ a little"
    with pytest.raises(ValueError, match=r"\(F, 3, h, w\), got shapes \[\(4, 1, 3, 3\)\]"):
        plot.filter_grids({"gray": torch.rand(4, 1, 3, 3)})


def test_a_response_is_drawn_with_zero_in_the_middle():
    response = torch.tensor([[-1.0, 0.0], [2.0, 4.0]])
    figure = filter_view(torch.rand(3, 7, 7), torch.rand(1, 3, 20, 20), response)
    drawn = figure.axes[2].images[0]
    assert drawn.get_clim() == (-4.0, 4.0) and drawn.get_cmap().name == "RdBu_r"
    assert plot.to_png(figure).startswith(b"\x89PNG")


def test_the_photo_stands_beside_its_maps():
    photo = torch.rand(1, 3, 32, 32)
    figure = plot.channel_grid(torch.rand(6, 4, 4), limit=6, columns=3, photo=photo)
    plot.to_png(figure)
    maps, beside = figure.axes
    assert beside.images[0].get_array().shape == (32, 32, 3)
    assert beside.get_window_extent().x1 < maps.get_window_extent().x0
    assert abs(beside.get_window_extent().height / maps.get_window_extent().height - 1) < 0.1
