"""When two outputs count as the same."""

import base64
import io

import numpy as np
import PIL.Image
import pytest
from nbformat.v4 import new_code_cell, new_output
from outputs import NUMBERS, PICTURES, Difference, Tolerance, compare, compare_words, picture_difference, tolerance
from run_notebooks import WIDGET_VIEW


def words(before: str, after: str, allowed: float | None = 0.02) -> Difference:
    difference = Difference()
    compare_words(before, after, allowed, difference)
    return difference


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("PSNR 22.9 dB", "PSNR 23.0 dB"),
        ("71% of 200", "72% of 200"),
        ("a loss of 0.00", "a loss of 0.01"),
        ("1,600 steps", "1,601 steps"),
        ("  9.9 and  10", " 10.0 and 10"),
        ("in 5.3 s, 135 ms", "in 9 s, 80.1 ms"),
        ("peak 850 MB", "peak 1.2 GB".replace("1.2 GB", "912 MB")),
        ("rounding errors of 1.6e-14", "rounding errors of -3.2e-07"),
        ("{'conv1': '1.0e-04'}", "{'conv1': '1.1e-04'}"),
        ("grows by 4.3x 2.9x", "grows by 4.4x 2.9x"),
        ("<a object at 0x7f00aa>", "<a object at 0x7f00bb>"),
    ],
)
def test_same_words(before: str, after: str) -> None:
    assert words(before, after).defects == []


@pytest.mark.parametrize(
    ("before", "after", "apart"),
    [
        ("PSNR 22.9 dB", "PSNR 24.1 dB", (1.2 - 0.1) / 24.1),
        ("71% of 200", "75% of 200", 3 / 75),
        ("64 filters", "65.3 filters", 1.3 / 65.3),
        ("6 of 9", "7 of 9", 1 / 7),
        ("cosine -0.16", "cosine 0.16", 0.31 / 0.16),
        ("1.0e-04", "1.0e-03", (9e-4 - 1e-5) / 1e-3),
        ("1.5x", "2.5x", 0.9 / 2.5),
        ("grows to 5 strings", "grows to 7 strings", 2 / 7),
    ],
)
def test_other_numbers(before: str, after: str, apart: float) -> None:
    difference = words(before, after, 0.0)
    assert difference.number == pytest.approx(apart, rel=0.01)
    (defect,) = difference.defects
    assert defect.split(":")[0] in f"{after} instead of {before}" or "instead of" in defect
    assert words(before, after, difference.number).defects == words(before, after, None).defects == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a cat, 71%", "a dog, 71%"),
        ("conv1 leads", "conv2 leads"),
        ("relu3_2: 0.5", "relu3_3: 0.5"),
        ("1.0 and 2.0", "1.0"),
        ("71%", "71"),
        ("64x64", "128x128"),
        ("", "0.5"),
        ("0.5", "nan"),
    ],
)
def test_other_words_fail_at_any_tolerance(before: str, after: str) -> None:
    (defect,) = words(before, after, None).defects
    assert repr(after) in defect and repr(before) in defect


def test_the_line_that_differs_is_named() -> None:
    (defect,) = words("a 1\nb 2\nc 3", "a 5\nb 2\nd 3").defects
    assert defect == "the text is 'd 3' instead of 'c 3'"


def photo(shift: float = 0.0) -> np.ndarray:
    """Waves, `(200, 300, 3)`, in grey levels."""
    rows, columns = np.mgrid[:200, :300]
    gray = 128 + 90 * np.sin(rows / 17 + shift) * np.cos(columns / 23)
    return np.repeat(gray[..., None], 3, 2).astype(np.uint8)


def picture(pixels: np.ndarray) -> PIL.Image.Image:
    return PIL.Image.fromarray(pixels)


def encoded(image: PIL.Image.Image, kind: str = "png", **options: object) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def test_noise_between_pixels_and_jpeg_are_no_difference() -> None:
    before = picture(photo())
    noise = np.random.default_rng(0).integers(-6, 7, photo().shape)
    assert picture_difference(before, before) == 0
    assert picture_difference(before, picture((photo() + noise).astype(np.uint8))) < 2
    compressed = PIL.Image.open(io.BytesIO(base64.b64decode(encoded(before, "jpeg", quality=90))))
    assert picture_difference(before, compressed) < 1


def test_one_tile_of_many_is_enough() -> None:
    """Its mean over the whole picture would be under one grey level."""
    pixels = photo()
    pixels[80:110, 120:160] = 255 - pixels[80:110, 120:160]
    assert picture_difference(picture(photo()), picture(pixels)) > 2 * PICTURES


def test_a_picture_that_is_one_pixel_larger_is_compared_all_the_same() -> None:
    larger = picture(photo()).resize((301, 201))
    assert picture_difference(picture(photo()), larger) < 2
    shown = [[new_output("display_data", {"image/png": encoded(image)})] for image in (picture(photo()), larger)]
    assert compare(*shown, Tolerance()).defects == []


def test_pictures_in_html_are_pictures_and_not_words() -> None:
    def page(shift: float, number: float):
        text = f'<p>{number}</p><img src="data:image/png;base64,{encoded(picture(photo(shift)))}">'
        return [new_output("display_data", {"text/html": text, "text/plain": f"<HTML {shift}>"})]

    assert compare(page(0, 1.5), page(0, 1.5), Tolerance()) == Difference()
    (defect,) = compare(page(0, 1.5), page(3, 1.5), Tolerance()).defects
    assert defect.startswith("picture 1 is ")
    (defect,) = compare(page(0, 1.5), page(0, 2.5), Tolerance()).defects
    assert defect.startswith("2.5 instead of 1.5")


def test_a_film_is_its_frames() -> None:
    def film(*shifts: float):
        first, *rest = (picture(photo(shift)) for shift in shifts)
        return [
            new_output("display_data", {"image/webp": encoded(first, "webp", save_all=True, append_images=rest)}),
        ]

    assert compare(film(0, 1), film(0, 1), Tolerance()).defects == []
    (defect,) = compare(film(0, 1), film(0, 2), Tolerance()).defects
    assert defect.startswith("picture 2 is ")
    assert compare(film(0, 1), film(0, 1, 2), Tolerance(pictures=None)).defects == ["3 pictures instead of 2"]


def test_widgets_and_warnings_are_not_compared() -> None:
    widget = new_output("display_data", {WIDGET_VIEW: {"model_id": "a"}, "text/plain": "IntSlider(value=3)"})
    warning = new_output("stream", name="stderr", text="old")
    assert compare([], [widget, warning], Tolerance()) == Difference()


def test_a_cell_has_its_own_tolerance() -> None:
    cell = new_code_cell("", metadata={"vizlib": {"tolerance": {"numbers": None}}})
    assert tolerance(cell) == Tolerance(None, PICTURES)
    assert tolerance(new_code_cell("")) == Tolerance(NUMBERS, PICTURES)
    with pytest.raises(TypeError, match="number"):
        tolerance(new_code_cell("", metadata={"vizlib": {"tolerance": {"number": 0.1}}}))
