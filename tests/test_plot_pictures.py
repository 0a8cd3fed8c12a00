"""Tables of pictures: what stands where, by reading back the arrays, their extents and the texts."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from vizlib import plot
from vizlib.images import Box, galleries
from vizlib.plot import cells
from vizlib.plot.cells import spotlight

RANDOM = torch.Generator().manual_seed(0)
WIDTH = 7.5  # of a notebook's page, in inches


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=RANDOM)


def shown(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def places(figure: Figure) -> list[tuple[float, float, float, float]]:
    """Left, right, top and bottom of every picture, in inches from the upper left corner."""
    return [(left, right, top, bottom) for left, right, bottom, top in (i.get_extent() for i in figure.axes[0].images)]


def of_text(figure: Figure, words: str) -> tuple[float, float]:
    return next(text.get_position() for text in figure.axes[0].texts if text.get_text() == words)


# --- pictures side by side ------------------------------------------------------------------------------------------


def test_pictures_stand_in_rows_under_their_titles():
    images = noise(3, 3, 8, 6)
    figure = plot.pictures(images, ["a", "b", "c"], columns=2, title="three")
    assert texts(figure) == ["three", "a", "b", "c"]
    for image, array in zip(images, shown(figure), strict=True):
        np.testing.assert_allclose(array, image.permute(1, 2, 0))
    (left, *_), (right, *_), (below, _, top, _) = places(figure)
    assert left == below < right and top > places(figure)[0][3]
    x, y = of_text(figure, "c")
    assert x == pytest.approx((below + places(figure)[2][1]) / 2) and y < top, "in the middle above it"


def test_pictures_by_title_are_the_same_as_a_list_with_titles():
    one, two = noise(1, 3, 8, 8), noise(5, 5)
    assert texts(plot.pictures({"photo": one, "map": two})) == texts(plot.pictures([one, two], ["photo", "map"]))


def test_images_of_several_sizes_keep_their_shape_and_fill_their_cells():
    figure = plot.pictures([noise(1, 3, 8, 16), noise(3, 20, 10)])
    assert [array.shape for array in shown(figure)] == [(8, 16, 3), (20, 10, 3)]
    (a, b, top, bottom), (c, d, high, low) = places(figure)
    assert (b - a) / (bottom - top) == pytest.approx(2) and (d - c) / (low - high) == pytest.approx(0.5)


def test_maps_share_one_scale_from_0_to_1():
    heat = noise(9, 9)
    figure = plot.pictures({"photo": noise(1, 3, 9, 9), "one": heat, "two": heat / 2})
    assert np.allclose(shown(figure)[1], heat) and np.allclose(shown(figure)[2], heat / 2)
    assert [image.get_clim() for image in figure.axes[0].images[1:]] == [(0, 1)] * 2
    assert len(figure.axes) == 1, "no colour bar"


def test_maps_that_measure_something_have_their_own_scale_and_a_bar():
    figure = plot.pictures([noise(3, 4, 4), 5.25 * torch.eye(5) - 0.25], ["image", "map"], label="answer")
    assert [axes.get_ylabel() for axes in figure.axes[1:]] == ["answer"]
    assert figure.axes[0].images[1].get_clim() == (-0.25, 5)
    FigureCanvasAgg(figure).draw()
    bar = figure.axes[1].get_tightbbox()
    assert bar.x1 <= figure.bbox.width and bar.x0 >= 100 * places(figure)[1][1], "right of its map, on the page"


@pytest.mark.parametrize("maps", [torch.zeros(4, 4), torch.ones(4, 4)])
def test_a_silent_map_can_be_drawn(maps):
    assert plot.to_png(plot.pictures([maps], label="answer")).startswith(b"\x89PNG")


def test_to_scale_makes_pixels_equally_large():
    small, large = places(plot.pictures([noise(1, 3, 20, 30), noise(1, 3, 40, 90)], ["small", "large"], to_scale=True))
    assert (small[1] - small[0]) / 30 == pytest.approx((large[1] - large[0]) / 90)
    assert (small[3] - small[2]) / 20 == pytest.approx((large[3] - large[2]) / 40)
    assert small[2] == large[2], "both begin at the top"


def test_a_box_is_framed_and_enlarged_below():
    image, gradient = noise(1, 3, 6, 8), torch.randn(1, 3, 6, 8, generator=RANDOM)
    figure = plot.pictures({"the image": image, "plain": plot.around_gray(gradient)}, zoom=Box(1, 4, 2, 7))
    arrays = shown(figure)
    np.testing.assert_allclose(arrays[0], image[0].permute(1, 2, 0))
    np.testing.assert_allclose(arrays[1], plot.around_gray(gradient)[0].permute(1, 2, 0))
    for whole, close in zip(arrays[:2], arrays[2:], strict=True):
        assert np.array_equal(close, whole[1:4, 2:7])
    for (left, right, top, bottom), frame in zip(places(figure), figure.axes[0].patches, strict=False):
        pixel = (right - left) / 8
        expected = (left + 2 * pixel, top + pixel, left + 7 * pixel, top + 4 * pixel)
        assert frame.get_bbox().extents == pytest.approx(expected) and bottom - top == pytest.approx(6 * pixel)
    assert texts(figure) == ["the image", "plain"], "what is enlarged needs no title"


def test_boxes_and_frames_have_their_colours():
    cell = plot.Picture(noise(1, 3, 4, 4), "t", "c", frame="#d1495b", boxes={"#00ffff": Box(0, 2, 0, 2)})
    figure = plot.pictures([cell])
    assert [to_hex(patch.get_edgecolor()) for patch in figure.axes[0].patches] == ["#00ffff", "#d1495b"]
    (left, right, top, bottom) = places(figure)[0]
    assert figure.axes[0].patches[1].get_bbox().extents == pytest.approx((left, top, right, bottom))
    assert of_text(figure, "t")[1] < top and of_text(figure, "c")[1] > bottom


# --- tables ---------------------------------------------------------------------------------------------------------


def test_rows_have_names_and_columns_have_heads():
    heats = noise(4, 6, 6)
    figure = plot.table({"a": list(heats[:2]), "b": list(heats[2:])}, ["left", "right"], "a table")
    assert texts(figure) == ["a table", "left", "right", "a", "b"]
    assert all(np.allclose(array, heat) for array, heat in zip(shown(figure), heats, strict=True))
    first, second, third, _ = places(figure)
    assert of_text(figure, "right")[0] == pytest.approx((second[0] + second[1]) / 2)
    assert of_text(figure, "b")[1] == pytest.approx((third[2] + third[3]) / 2)
    assert of_text(figure, "b")[0] < first[0]


def test_a_row_may_be_shorter_than_the_others():
    photo, two, one = noise(1, 3, 20, 30), noise(2, 3, 20, 30), noise(1, 3, 20, 30)
    figure = plot.table({"all": [photo, *two], "begun": [photo, *one], "gap": [photo, None, one]}, ["photo", "a", "b"])
    lefts, rows = ([place[i] for place in places(figure)] for i in (0, 2))
    assert lefts == [*lefts[:3], *lefts[:2], lefts[0], lefts[2]]
    assert len(set(rows)) == 3 and len(shown(figure)) == 7


def test_a_long_row_goes_on_below_under_the_same_name():
    figure = plot.table({"early": noise(4, 3, 6, 6), "late": noise(2, 3, 6, 6)}, columns=2)
    assert texts(figure) == ["early", "late"] and len({place[2] for place in places(figure)}) == 3
    assert of_text(figure, "early")[1] == pytest.approx((places(figure)[0][2] + places(figure)[2][3]) / 2)


def test_captions_stand_below_their_pictures():
    rows = {"plain": noise(2, 3, 8, 8), "smooth": noise(2, 3, 8, 8)}
    figure = plot.table(rows, ["lemon", "dam"], captions={"plain": ["0%", "25%"], "smooth": ["100%", "50%"]})
    assert [text for text in texts(figure) if text.endswith("%")] == ["0%", "25%", "100%", "50%"]
    assert of_text(figure, "100%")[1] > places(figure)[2][3] and of_text(figure, "25%")[1] < places(figure)[2][2]


def test_matches_are_ticked_and_framed():
    gallery = galleries.stack(torch.full((3, 3, 20, 20), 0.5), [0, 1, 0], ["cat", "dog"])
    row = [plot.match(gallery, 0, 0), plot.match(gallery, torch.tensor(1), 0), plot.match(gallery, 2)]
    assert [picture.title for picture in row] == ["✓\N{NO-BREAK SPACE}cat", "✗\N{NO-BREAK SPACE}dog", "cat"]
    figure = plot.table({"by pixels": row})
    assert [to_hex(patch.get_edgecolor()) for patch in figure.axes[0].patches] == [cells.RIGHT, cells.WRONG]
    assert places(figure)[1][0] - places(figure)[0][1] > 2 * 4 / 72, "frames of 4 points do not touch"


@pytest.mark.parametrize("count", [1, 5, 8])
def test_every_text_stays_in_its_column_and_on_the_page(count):
    wide, tall = noise(1, 3, 20, 60), noise(1, 3, 60, 20)
    row = [plot.Picture(tall, "✗ immunohistochemistry and microscopy")] * count
    figure = plot.table({"by pixels": [plot.Picture(wide, "a very long name of a file.jpeg"), *row]}, title="t")
    FigureCanvasAgg(figure).draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts[1:-1] if text.get_text()]
    assert boxes[0].x0 >= 0 and boxes[-1].x1 <= figure.bbox.width and min(box.y0 for box in boxes) >= 0
    assert all(one.x1 < other.x0 for one, other in zip(boxes, boxes[1:], strict=False)), "titles run into each other"
    assert figure.axes[0].texts[1].get_window_extent().y1 <= figure.bbox.height


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 6), (2, 9), (9, 3), (12, 1)])
def test_a_table_is_as_wide_as_the_page_unless_it_would_be_too_tall(rows, columns):
    figure = plot.table({f"row {r}": noise(columns, 3, 20, 20) for r in range(rows)}, title="a table")
    width, height = figure.get_size_inches()
    assert height <= 8.2 and width <= WIDTH + 1e-6
    assert width == pytest.approx(WIDTH) or height > 7.9 or columns == 1


@pytest.mark.parametrize("name", ["TV", "transforms and Fourier", "channel 480\n12.1 … 9.3"])
def test_names_stand_beside_their_rows(name):
    figure = plot.table({name: noise(9, 3, 20, 20), "b": noise(9, 3, 20, 20)})
    FigureCanvasAgg(figure).draw()
    first, second = (text.get_window_extent() for text in figure.axes[0].texts[-2:])
    assert first.x0 >= 0 and first.x1 <= 100 * places(figure)[0][0] and first.y0 >= second.y1


# --- what becomes a picture -----------------------------------------------------------------------------------------


def test_around_grey_keeps_signs_and_scales_each_picture_by_itself():
    gradient = torch.zeros(3, 3, 4, 4)
    gradient[0, 0, 1, 2], gradient[0, 2, 3, 3] = 2.0, -1.0
    gradient[1] = 1000 * gradient[0]
    pictures = plot.around_gray(gradient, quantile=1)
    assert pictures[0, 0, 1, 2] == 1 and pictures[0, 2, 3, 3] == 0.25 and pictures[0, 1, 0, 0] == 0.5
    torch.testing.assert_close(pictures[1], pictures[0])
    assert (pictures[2] == 0.5).all()


def test_an_outlier_does_not_make_the_picture_grey():
    gradient = torch.linspace(-1, 1, 3 * 50 * 50).view(1, 3, 50, 50)
    gradient[0, 0, 0, 0] = 1e6
    assert plot.around_gray(gradient).std() > 0.2


def test_the_spotlight_leaves_the_box_and_darkens_the_rest():
    image, box = noise(1, 3, 10, 12), Box(2, 5, 3, 9)
    lit, inside = spotlight(image, box), torch.zeros(1, 1, 10, 12, dtype=torch.bool)
    box.of(inside)[:] = True
    torch.testing.assert_close(lit, torch.where(inside, image, 0.4 * image))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.pictures(noise(2, 3, 4, 4), ["a"]), "each of the 2 pictures, got 1"),
        (lambda: plot.pictures([noise(2, 2)], ["a", "b"]), "each of the 1 pictures, got 2"),
        (lambda: plot.pictures([]), "at least one picture.*got none"),
        (lambda: plot.pictures({}), "at least one picture.*got none"),
        (lambda: plot.pictures(noise(3, 8, 8)), r"\(3, 8, 8\).*write \[image\]"),
        (lambda: plot.pictures([noise(2, 3, 8, 8)]), r"\(2, 3, 8, 8\): expected an image \(3, H, W\)"),
        (lambda: plot.pictures([noise(1, 8, 8)]), r"\(1, 8, 8\): expected .* map \(H, W\)"),
        (lambda: plot.table({}), "rows: expected at least one"),
        (lambda: plot.table({"a": [noise(3, 3)], "b": []}), "at least one picture"),
        (lambda: plot.table({"a": [noise(3, 3)] * 3}, ["left", "right"]), "each of the 3 columns, got 2"),
        (lambda: plot.table({"a": [noise(3, 3)] * 2}, captions={"a": ["x"]}), "captions: .* the 2 pictures, got 1"),
        (lambda: plot.table({"a": [noise(3, 3)]}, captions={"b": ["x"]}), "captions: .* the 1 pictures, got 0"),
        (lambda: plot.around_gray(noise(1, 3, 4, 4), quantile=0), r"quantile in \(0, 1\].* and 0"),
        (lambda: plot.around_gray(noise(3, 4, 4)), r"gradients \(N, 3, H, W\).*got shape \(3, 4, 4\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_gradients_on_one_scale_keep_their_strengths():
    gradient = noise(1, 3, 8, 8) - 0.5
    both = torch.cat([gradient, gradient / 4])
    apart, together = plot.around_gray(both, 1), plot.around_gray(both, 1, together=True)
    assert torch.allclose(apart[0], apart[1])
    assert torch.allclose((together[1] - 0.5) * 4, together[0] - 0.5, atol=1e-6)
