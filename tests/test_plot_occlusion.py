"""Figures of notebook 06: they show what they were given, and nothing where there is nothing."""

import torch

from vizlib import plot

IMAGE = torch.full((1, 3, 20, 30), 0.5)


def pictures(figure) -> list:
    """What `imshow` was given, axes by axes."""
    return [[image.get_array() for image in axes.images] for axes in figure.axes]


def test_drop_map_is_white_at_zero():
    drop = torch.zeros(20, 30)
    drop[3, 4], drop[9, 9] = 2.0, -0.5
    figure = plot.drop_map(IMAGE * 0, IMAGE, drop, "a title", "drop of the logit")
    covered, (gray, heat), _ = pictures(figure)
    assert covered[0].max() == 0 and gray.min() == gray.max() == 0.5
    assert (heat == drop.numpy()).all()
    norm = figure.axes[1].images[1].norm
    assert (norm.vmin, norm.vmax) == (-2, 2), "the same length on both sides of zero"
    assert figure.axes[1].get_title() == "a title" and figure.axes[2].get_ylabel() == "drop of the logit"


def test_a_map_without_any_drop_can_be_drawn():
    assert plot.to_png(plot.drop_map(IMAGE, IMAGE, torch.zeros(20, 30))).startswith(b"\x89PNG")


def test_drop_maps_leaves_room_for_those_to_come():
    figure = plot.drop_maps([IMAGE, IMAGE], IMAGE, [torch.ones(20, 30)] * 2, ["mean", "blur"], "fills", columns=3)
    shown = [len(images) for images in pictures(figure)]
    assert shown == [1, 1, 0, 2, 2, 0]
    assert [axes.get_title() for axes in figure.axes[:3]] == ["mean", "blur", ""]
    assert not any(axes.axison for axes in figure.axes)


def test_window_growth_draws_each_window_on_its_map():
    windows = [("images", (2, 6), (10, 16), 20, 30), ("relu1", (1, 4), (0, 8), 10, 15)]
    figure = plot.window_growth(IMAGE, windows, "growth")
    boxes = [axes.patches[0].get_bbox().bounds for axes in figure.axes[:2]]
    assert boxes == [(9.5, 1.5, 6, 4), (-0.5, 0.5, 8, 3)]
    assert figure.axes[1].get_title() == "relu1\n3x8 of 10x15"
    assert figure.axes[0].images[0].get_array().shape == (20, 30, 3)
    assert figure.axes[1].images[0].get_array().shape == (10, 15, 3)
    assert not any(axes.patches for axes in figure.axes[2:])
