"""`images.Box`: what is inside, around a mask, in the middle of an image, and shared with another."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vizlib.images import Box


def test_a_box_is_rows_and_columns_with_the_ends_left_out():
    box = Box(top=2, bottom=5, left=7, right=11)
    assert (box.height, box.width, box.area) == (3, 4, 12)
    assert box == (2, 5, 7, 11), "in the order in which arrays are cut"


def test_a_box_cuts_the_same_pixels_out_of_images_and_maps():
    box, pictures = Box(1, 4, 2, 7), torch.rand(2, 3, 6, 8)
    assert torch.equal(box.of(pictures), pictures[:, :, 1:4, 2:7])
    assert torch.equal(box.of(pictures[0, 0]), pictures[0, 0, 1:4, 2:7])
    box.of(pictures).zero_()
    assert not pictures[:, :, 1:4, 2:7].any(), "it is a view: what is written there is written in the image"


def test_the_box_around_a_mask():
    mask = torch.zeros(10, 12, dtype=torch.bool)
    mask[2:5, 7:11] = True
    assert Box.around(mask) == Box(2, 5, 7, 11)
    mask[9, 0] = True
    assert Box.around(mask) == Box(2, 10, 0, 11)
    assert Box.around(torch.ones(3, 4)) == Box(0, 3, 0, 4), "any number but zero counts"


def test_a_mask_without_a_pixel_has_no_box():
    with pytest.raises(ValueError, match="mask.*no pixel"):
        Box.around(torch.zeros(3, 3, dtype=torch.bool))


def test_a_centred_box_has_the_area_and_the_images_proportions():
    assert Box.centered(64 * 64, 64, 64) == Box(0, 64, 0, 64)
    box = Box.centered(200, 20, 40)
    assert box.area == pytest.approx(200) and box.width == pytest.approx(2 * box.height)
    assert box.top == pytest.approx(20 - box.bottom) and box.left == pytest.approx(40 - box.right)
    assert Box.centered(0, 20, 40).area == 0


@pytest.mark.parametrize("area", [-1, 5000, float("nan")])
def test_an_area_that_does_not_fit_into_the_image(area):
    with pytest.raises(ValueError, match=f"area.*{area}.*0 to 4096"):
        Box.centered(area, 64, 64)


edges = st.tuples(*[st.integers(0, 20)] * 4).map(lambda e: Box(min(e[:2]), max(e[:2]) + 1, min(e[2:]), max(e[2:]) + 1))


@given(edges, edges)
def test_overlap_is_that_of_the_pixels(a, b):
    grid = torch.zeros(2, 22, 22, dtype=torch.bool)
    for mask, box in zip(grid, (a, b), strict=True):
        box.of(mask)[:] = True
    expected = (grid[0] & grid[1]).sum() / (grid[0] | grid[1]).sum()
    assert a.overlap(b) == pytest.approx(expected.item()) == b.overlap(a)
    assert a.overlap(a) == 1


def test_boxes_of_no_area_overlap_with_nothing():
    assert Box(3, 3, 0, 5).overlap(Box(3, 3, 0, 5)) == 0 == Box(0, 5, 0, 5).overlap(Box(2, 2, 2, 2))
