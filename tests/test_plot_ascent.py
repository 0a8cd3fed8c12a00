"""The figures of gradient ascent and of dreams: what stands where."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from vizlib import images, plot

RANDOM = torch.Generator().manual_seed(0)


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=RANDOM)


def test_a_row_for_each_way_and_what_the_network_thinks_below_each_image():
    rows = {"plain": noise(2, 3, 8, 8), "smooth": noise(2, 3, 8, 8)}
    sure = {"plain": torch.tensor([0.0, 0.25]), "smooth": torch.tensor([1.0, 0.5])}
    figure = plot.class_rows(rows, ["lemon", "dam"], sure, "title")
    bands = figure.subfigs
    assert [band.get_suptitle() for band in bands] == ["plain", "smooth"]
    assert [axes.get_title() for axes in bands[0].axes] == ["lemon", "dam"]
    assert [[axes.texts[0].get_text() for axes in band.axes] for band in bands] == [["0%", "25%"], ["100%", "50%"]]
    drawn = bands[1].axes[1].images[0].get_array()
    np.testing.assert_array_equal(drawn, rows["smooth"][1].permute(1, 2, 0))


def test_contact_sheets_lay_their_images_out_row_by_row():
    sheets = {"early": noise(4, 3, 6, 6), "late": noise(2, 3, 6, 6)}
    early, late = plot.contact_sheets(sheets, 2).axes
    assert (early.get_title(), late.get_title()) == ("early", "late")
    board = early.images[0].get_array()
    assert board.shape == (13, 13, 3), "two rows of two, a pixel between them"
    np.testing.assert_array_equal(board[7:, :6], sheets["early"][2].permute(1, 2, 0))


@pytest.mark.parametrize(("size", "width"), [(64, 5.28), (16, 4.6), (224, 7.5)])
def test_the_pixels_of_a_contact_sheet_are_those_of_the_figure_where_they_fit(size, width):
    figure = plot.contact_sheets({"a": torch.zeros(8, 3, size, size)})
    assert figure.get_figwidth() == pytest.approx(width, abs=0.02)


def test_bars_are_as_long_as_their_shares():
    picture = plot.with_bars(torch.zeros(1, 3, 32, 64), [0.25, 1.0], 128)
    assert picture.shape == (1, 3, 64 + 36, 128)
    first, second = picture[0, :, 64 + 6], picture[0, :, 64 + 22]
    blue, orange = torch.tensor(plot.ascent.BLUE), torch.tensor(plot.ascent.ORANGE)
    assert torch.allclose(first[:, :32], blue[:, None]) and torch.allclose(first[:, 32:], torch.tensor(0.9))
    assert torch.allclose(second, orange[:, None])


def test_a_dream_chart_has_a_line_where_an_octave_begins():
    left, right = plot.dream_chart([1, 3, 2, 5], [0.1, 0.2, 0.2, 0.3], [0.2, 0.2, 0.4, 0.4], "t").axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), [1, 3, 2, 5])
    np.testing.assert_array_equal(right.lines[0].get_ydata(), [0.1, 0.2, 0.2, 0.3])
    np.testing.assert_array_equal(right.lines[1].get_ydata(), [0.2, 0.2, 0.4, 0.4])
    assert left.lines[1].get_xdata() == [2.5, 2.5]


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_a_film_is_an_image_that_a_page_can_play(tmp_path, suffix):
    frames = [images.to_bytes(noise(1, 3, 8, 8)) for _ in range(3)]
    file = images.save_animation(frames, tmp_path / f"a.{suffix}")
    page = plot.film(file.read_bytes(), "three 'frames' & more", 99).data
    data = re.fullmatch(
        rf'<img src="data:image/{suffix};base64,(.+)" width="99" alt="three &#x27;frames&#x27; &amp; more">', page
    )
    with Image.open(io.BytesIO(base64.b64decode(data[1]))) as film:
        assert film.n_frames == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.class_rows({}, [], {}), "expected an image and a probability for each of the 0 classes"),
        (lambda: plot.class_rows({"a": noise(2, 3, 4, 4)}, ["x"], {"a": [1]}), "for each of the 1 classes"),
        (lambda: plot.contact_sheets({}), "sheets: expected at least one title with its images, got none"),
        (lambda: plot.dream_chart([], [], []), "at least one, got 0, 0 and 0"),
        (lambda: plot.dream_chart([1], [1, 2], [1]), "got 1, 2 and 1"),
        (lambda: plot.film(b"GIF89a", " ", 9), "alt: expected a few words"),
        (lambda: plot.film(b"\x89PNG", "a", 9), "animation: expected the bytes of a WebP or GIF file"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
