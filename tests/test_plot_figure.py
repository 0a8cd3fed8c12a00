"""How figures leave: in full colour, as PNG or JPEG, with their alt text."""

import io
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from vizlib import images, plot
from vizlib.plot import figure as figures

PHOTO = images.prepare(images.load("chelsea"), 128)


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def colors(content: bytes) -> int:
    return len(np.unique(pixels(content).reshape(-1, 3), axis=0))


def photo_figure() -> Figure:
    return plot.pictures([PHOTO, PHOTO.flip(3)], ["a cat", "mirrored"])


def chart() -> Figure:
    return plot.bars(["cat", "dog"], [0.5, 0.2], "share")


@pytest.mark.parametrize("figure", [photo_figure(), plot.heat_map(PHOTO, PHOTO[0, 0] ** 4)])
@pytest.mark.parametrize("quickly", [False, True])
def test_a_photo_comes_out_in_full_colour(figure, quickly):
    content, _ = plot.encode(figure, quickly)
    assert colors(content) > 10_000, "a palette would have 256"
    assert np.abs(pixels(content) - pixels(plot.to_png(figure))).mean() < 3


def test_photos_are_jpeg_with_a_colour_for_each_pixel_and_charts_exact_png():
    content, format = plot.encode(photo_figure())
    assert format == "jpeg" and Image.open(io.BytesIO(content)).format == "JPEG"
    components = Image.open(io.BytesIO(content)).layer  # (number, horizontal and vertical sampling, table)
    assert {component[1:3] for component in components} == {(1, 1)}, "4:4:4"
    content, format = plot.encode(chart())
    assert format == "png" and np.array_equal(pixels(content), pixels(plot.to_png(chart())))
    assert len(content) < len(plot.to_png(chart())), "what is stored is packed more tightly"


def test_png_stays_unless_jpeg_is_much_smaller(monkeypatch):
    sizes = {}
    monkeypatch.setattr(figures, "_png_size", lambda pixels: 0)
    monkeypatch.setattr(figures, "_packed", lambda pixels, format, **options: b"x" * sizes[format])
    for sizes, kept in (({"png": 100, "jpeg": 70}, "png"), ({"png": 100, "jpeg": 69}, "jpeg")):
        assert plot.encode(chart()) == (b"x" * sizes[kept], kept)
    assert plot.encode(chart(), quickly=True)[1] == "jpeg"


@pytest.mark.parametrize("height", [1, 7, 20, 64, 300])
def test_the_size_of_a_png_is_told_from_some_of_its_rows(height):
    for figure, factor in ((photo_figure(), 1.5), (chart(), 2.5)):
        picture = figures._pixels(figure)
        picture = picture.resize((picture.width, height)) if height < 300 else picture
        size = len(figures._packed(picture, "png", compress_level=4))
        assert size / factor < figures._png_size(picture) < size * (factor if height >= 300 else 9)


def test_a_photo_is_not_packed_as_png_in_vain(monkeypatch):
    packed, pack = [], figures._packed
    monkeypatch.setattr(
        figures,
        "_packed",
        lambda pixels, *rest, **options: packed.append(pixels.height) or pack(pixels, *rest, **options),
    )
    _, format = plot.encode(photo_figure())
    assert format == "jpeg" and sorted(packed)[0] < 0.2 * sorted(packed)[1] and len(packed) == 2


@pytest.mark.parametrize(("make", "format"), [(photo_figure, "jpeg"), (chart, "png")])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_show_stores_the_picture_under_its_type_with_the_alt_text(monkeypatch, make, format, as_bytes):
    shown = []
    monkeypatch.setattr(figures, "display", shown.append)
    plot.show(plot.encode(make())[0] if as_bytes else make(), alt="what is seen")
    data, metadata = getattr(shown[0], f"_repr_{format}_")()
    assert metadata["alt"] == "what is seen" and shown[0].format == format
    assert colors(shown[0].data) > (256 if format == "jpeg" else 1) and data


def test_a_wide_figure_fills_the_page_and_its_lines_are_sharp(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", shown.append)
    for make, density in ((chart, 2), (photo_figure, 1)):
        width = round(make().get_figwidth() * figures.PAGE)
        plot.show(make(), alt="what is seen", wide=True)
        assert shown[-1].width == width
        assert abs(Image.open(io.BytesIO(shown[-1].data)).width - density * width) <= 2
    monkeypatch.setattr(figures, "LARGEST", 0)
    plot.show(chart(), alt="what is seen", wide=True)
    assert abs(Image.open(io.BytesIO(shown[-1].data)).width - shown[-1].width) <= 1


@pytest.mark.parametrize(
    ("picture", "alt", "message"),
    [(b"\x89PNG", " ", "alt: expected a few words"), (b"GIF89a", "a cat", "PNG or JPEG file, got b'GIF89a'")],
)
def test_what_cannot_be_shown(picture, alt, message):
    with pytest.raises(ValueError, match=message):
        plot.show(picture, alt)


def test_a_mosaic_puts_every_tile_in_its_place():
    tiles = np.arange(5 * 2 * 3, dtype=float).reshape(5, 2, 3)
    board = figures.mosaic(tiles, columns=3)
    assert board.shape == (2 + 1 + 2, 3 * 3 + 2)
    assert np.array_equal(board[:2, 4:7], tiles[1])
    assert np.array_equal(board[3:, :3], tiles[3])
    assert np.isnan(board[2]).all() and np.isnan(board[:, 3]).all() and np.isnan(board[3:, 8:]).all()


def test_the_names_are_few():
    assert len(plot.__all__) == len(set(plot.__all__)) <= 28


def _kinds(seed: int) -> dict[str, Callable[[], Figure]]:
    """A figure of each kind that panels draw, made when it is called; with other contents for another seed."""
    g = torch.Generator().manual_seed(seed)
    image, maps = torch.rand(1, 3, 48, 64, generator=g), torch.rand(4, 12, 12, generator=g)
    factor, word = 10.0 ** (-3 * seed), "an Egyptian cat, tabby" if seed else "cat"
    answers = [(word, 0.9 - 0.1 * seed, 1), ("dog", 0.05, 2)]
    return {
        "signed": lambda: plot.signed_grids({"a": maps[0] - 0.5, "b": factor * (maps[1] - 0.5)}, title="x"),
        "heat": lambda: plot.heat_map(image, factor * maps[0], title=word, label="drop", signed=True),
        "heats": lambda: plot.heat_maps(image, [maps[0], maps[1]], [word, word]),
        "channels": lambda: plot.channel_grid(maps, "together", title=word),
        "pictures": lambda: plot.pictures([image, maps[0]], [word, "b"]),
        "predictions": lambda: plot.predictions(image, answers, word),
    }


@pytest.mark.parametrize("kind", _kinds(0))
def test_a_figure_that_follows_a_slider_looks_as_it_would_by_itself(kind, monkeypatch):
    """Only the first of its kind is laid out, and the next ones take over its places: as they would be anyway."""
    monkeypatch.setattr(figures, "_places", OrderedDict())
    plot.encode(_kinds(0)[kind](), quickly=True)
    for seed in (0, 1, 2):
        quick, _ = plot.encode(_kinds(seed)[kind](), quickly=True)
        alone = figures._packed(figures._pixels(_kinds(seed)[kind]()), "jpeg", **figures.JPEG)
        assert np.abs(pixels(quick) - pixels(alone)).mean() < (0.1 if seed == 0 else 1.5), f"{kind}, {seed}"


def test_places_are_found_again_only_where_texts_need_no_room_of_their_own(monkeypatch):
    monkeypatch.setattr(figures, "_places", OrderedDict())
    for kind, draw in _kinds(0).items():
        before = len(figures._places)
        plot.encode(draw(), quickly=True)
        assert (len(figures._places) > before) == (kind not in ("pictures", "predictions")), kind
    monkeypatch.setattr(figures, "KINDS", 2)
    for side in range(9, 14):
        plot.encode(plot.channel_grid(torch.rand(4, side, side)), quickly=True)
    assert len(figures._places) == 4, "the oldest is dropped for each new one"
