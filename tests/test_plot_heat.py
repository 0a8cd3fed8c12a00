"""Heat maps over grey images: bright where the heat is, white at zero where they are signed."""

import numpy as np
import pytest
import torch

from vizlib import plot
from vizlib.images import Box

IMAGE = torch.full((1, 3, 20, 30), 0.5)


def pictures(figure) -> list:
    """What `imshow` was given, axes by axes."""
    return [[np.asarray(image.get_array()) for image in axes.images] for axes in figure.axes]


def test_a_heat_map_is_bright_where_the_heat_is():
    heat = torch.zeros(4, 4)
    heat[0, 3] = 1
    image = torch.full((1, 3, 40, 40), 0.3)
    figure = plot.heat_map(image, heat, "t", "activation", box=Box(0, 10, 30, 40))
    (photo,), (gray, drawn), *_ = pictures(figure)
    assert photo.shape == (40, 40, 3) and np.allclose(gray, 0.3)
    assert drawn.shape == (40, 40) and drawn[2, 37] == drawn.max() and drawn[35, 3] == 0
    expected = torch.nn.functional.interpolate(heat[None, None], (40, 40), mode="bilinear", align_corners=False)
    assert np.array_equal(drawn, expected[0, 0])
    assert figure.axes[-1].get_ylabel() == "activation"
    for axes in figure.axes[:2]:
        assert axes.patches[0].get_bbox().bounds == (29.5, -0.5, 10, 10), "at the edges of pixels"
    assert [axes.get_title() for axes in figure.axes[:2]] == ["the image", "t"]


def test_a_signed_map_is_white_at_zero():
    drop = torch.zeros(20, 30)
    drop[3, 4], drop[9, 9] = 2.0, -0.5
    options = {"signed": True, "beside": 0 * IMAGE, "beside_title": "covered"}
    figure = plot.heat_map(IMAGE, drop, "a title", "drop of the logit", **options)
    covered, (gray, heat), _ = pictures(figure)
    assert covered[0].max() == 0 and gray.min() == gray.max() == 0.5
    assert (heat == drop.numpy()).all()
    norm = figure.axes[1].images[1].norm
    assert (norm.vmin, norm.vmax) == (-2, 2), "the same length on both sides of zero"
    assert [axes.get_title() for axes in figure.axes[:2]] == ["covered", "a title"]
    assert figure.axes[2].get_ylabel() == "drop of the logit"


@pytest.mark.parametrize("signed", [False, True])
def test_a_map_of_zeros_can_be_drawn(signed):
    assert plot.to_png(plot.heat_map(IMAGE, torch.zeros(20, 30), signed=signed)).startswith(b"\x89PNG")


def test_several_maps_have_their_own_images_and_bars():
    figure = plot.heat_maps([IMAGE, 0 * IMAGE], [torch.rand(2, 2)] * 2, ["a", "b"], "both", "activation")
    assert [axes.get_title() for axes in figure.axes[:2]] == ["a", "b"] and figure.get_suptitle() == "both"
    assert [axes.get_ylabel() for axes in figure.axes[2:]] == ["activation"] * 2
    assert [shown[0].max() for shown in pictures(figure)[:2]] == [0.5, 0]


def test_maps_leave_room_for_those_to_come_and_stand_below_what_belongs_to_them():
    drops = [torch.ones(20, 30)] * 2
    figure = plot.heat_maps(IMAGE, drops, ["mean", "blur"], "fills", signed=True, above=[IMAGE, IMAGE], columns=3)
    assert [len(images) for images in pictures(figure)] == [1, 1, 0, 2, 2, 0], "and there is no bar without a label"
    assert [axes.get_title() for axes in figure.axes[:3]] == ["mean", "blur", ""]
    assert not any(axes.axison for axes in figure.axes)


def test_there_must_be_as_many_of_each():
    with pytest.raises(ValueError, match=r"as many images, heats and titles.*got \(1, 2, 1, 1\)"):
        plot.heat_maps([IMAGE], [torch.ones(2, 2)] * 2, ["a"])
    with pytest.raises(ValueError, match=r"got \(1, 1, 1, 2\)"):
        plot.heat_maps(IMAGE, [torch.ones(2, 2)], ["a"], above=[IMAGE, IMAGE])
