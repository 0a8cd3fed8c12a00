"""One channel on several images: one scale, and the numbers that stand there."""

import pytest
import torch

from vizlib import images, plot

PHOTO = images.prepare(images.load("chelsea"), 64)


def test_all_maps_share_one_scale_and_the_summits_are_written():
    heat = torch.zeros(8, 8)
    heat[2, 2], heat[2, 3], heat[5, 6] = 4.0, 3.9, 2.0  # the second is beside the first: no summit
    others = [PHOTO, PHOTO, PHOTO]
    figure = plot.one_channel(PHOTO, heat, others, [heat / 2, heat * 2, heat * 0], "one", box=images.Box(0, 9, 0, 9))
    maps = [axes.images[1] for axes in figure.axes if len(axes.images) == 2]
    assert len(maps) == 4 and {image.get_clim() for image in maps} == {(0.0, 8.0)}
    assert {image.get_interpolation() for image in maps} == {"nearest"}, "cells are drawn as cells"
    assert [text.get_text() for text in figure.axes[1].texts] == ["4.0", "2.0"]
    assert [axes.get_title() for axes in figure.axes[2:5]] == ["2.0", "8.0", "0.0"]
    assert plot.to_png(figure).startswith(b"\x89PNG")


def test_a_map_alone_and_one_of_zeros_are_drawn():
    assert plot.to_png(plot.one_channel(PHOTO, torch.zeros(4, 4))).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("heat", "others", "message"),
    [(torch.zeros(2, 4, 4), [], r"\(2, 4, 4\)"), (torch.zeros(4, 4), [PHOTO], r"\(1, 0\)")],
)
def test_what_cannot_be_drawn(heat, others, message):
    with pytest.raises(ValueError, match=message):
        plot.one_channel(PHOTO, heat, others)
