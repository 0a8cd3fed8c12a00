"""Figures: what is drawn where, by reading back the pixels and the arrays."""

import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from vizlib import images, plot


def pixels(figure: Figure, **options) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(plot.to_png(figure, **options))).convert("RGB"))


def shown(figure: Figure, index: int = 0) -> np.ndarray:
    """The array in the figure's `index`-th picture."""
    return np.asarray([image for axes in figure.axes for image in axes.images][index].get_array())


def titles(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_a_mosaic_puts_every_tile_in_its_place():
    tiles = np.arange(5 * 2 * 3, dtype=float).reshape(5, 2, 3)
    board = plot.mosaic(tiles, columns=3)
    assert board.shape == (2 + 1 + 2, 3 * 3 + 2)
    assert np.array_equal(board[:2, 4:7], tiles[1])
    assert np.array_equal(board[3:, :3], tiles[3])
    assert np.isnan(board[2]).all() and np.isnan(board[:, 3]).all() and np.isnan(board[3:, 8:]).all()


def test_image_grid_shows_the_images_and_their_titles():
    images = torch.rand(3, 3, 8, 6)
    figure = plot.image_grid(images, ["a", "b", "c"], columns=2, title="three")
    assert titles(figure) == ["a", "b", "c"] and figure.get_suptitle() == "three"
    for i in range(3):
        np.testing.assert_allclose(shown(figure, i), images[i].permute(1, 2, 0))
    assert pixels(figure).std() > 10


def test_image_grid_takes_images_of_several_sizes():
    figure = plot.image_grid([torch.rand(1, 3, 8, 8), torch.rand(3, 20, 10)])
    assert shown(figure, 1).shape == (20, 10, 3)


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
    figure = plot.channel_grid(torch.zeros(1, 100, 2, 2), "each", limit=9, columns=3)
    assert shown(figure).shape == (8, 8)
    assert pixels(plot.channel_grid(torch.zeros(4, 2, 2), "together")).shape[2] == 3


def test_an_overlay_is_bright_where_the_heat_is():
    heat = torch.zeros(4, 4)
    heat[0, 3] = 1
    figure = plot.overlay(torch.full((1, 3, 40, 40), 0.3), heat, "t", "activation", region=(0, 0.25, 0.75, 1))
    drawn = shown(figure, 2)
    assert drawn.shape == (40, 40) and drawn[2, 37] == drawn.max() and drawn[35, 3] == 0
    assert figure.axes[-1].get_ylabel() == "activation"
    frame = figure.axes[0].patches[0]
    assert (frame.get_x(), frame.get_y(), frame.get_width(), frame.get_height()) == (30, 0, 10, 10)


def test_enlarging_is_torchs_bilinear_interpolation():
    heat = torch.rand(3, 5)
    expected = torch.nn.functional.interpolate(heat[None, None], (12, 9), mode="bilinear", align_corners=False)
    assert torch.equal(plot.enlarge(heat, 12, 9), expected[0, 0])


def test_a_row_of_images_and_maps():
    figure = plot.row([torch.rand(3, 4, 4), torch.rand(5, 5)], ["image", "map"], label="answer")
    assert shown(figure, 0).shape == (4, 4, 3) and shown(figure, 1).shape == (5, 5)
    assert figure.axes[-1].get_ylabel() == "answer"
    several = plot.overlays([torch.rand(1, 3, 4, 4)] * 2, [torch.rand(2, 2)] * 2, ["a", "b"])
    assert titles(several) == ["a", "b"]


def test_predictions_are_bars_in_order():
    figure = plot.predictions(torch.rand(1, 3, 8, 8), [("cat", 0.7, 3), ("dog", 0.2, 1)])
    bars = figure.axes[1]
    assert [bar.get_width() for bar in bars.patches] == [0.7, 0.2]
    assert [text.get_text() for text in bars.texts] == ["70%", "20%"]
    assert [label.get_text() for label in bars.get_yticklabels()] == ["cat", "dog"] and bars.yaxis_inverted()
    assert plot.bars(["a"], [0.5], "share").axes[0].patches[0].get_width() == 0.5


def test_histograms_tell_their_means():
    figure = plot.histograms({"low": torch.full((5,), 0.2), "high": torch.full((3,), 0.8)}, "share")
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["low (mean 0.20)", "high (mean 0.80)"]


def test_a_palette_keeps_the_picture_and_saves_bytes():
    photo = images.prepare(images.load("chelsea"), 128)
    figure = plot.overlay(photo, photo[0, 0] ** 4)
    full, small = pixels(figure), pixels(figure, palette=True)
    assert full.shape == small.shape and np.abs(full.astype(int) - small).mean() < 6
    assert len(plot.to_png(figure, palette=True)) < 0.6 * len(plot.to_png(figure))


def test_show_stores_the_alt_text(monkeypatch):
    outputs = []
    monkeypatch.setattr(plot.base, "display", outputs.append)
    plot.show(plot.bars(["a"], [0.5], "share"), alt="one bar")
    data, metadata = outputs[0]._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == "one bar" if "image/png" in metadata else metadata["alt"] == "one bar"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.show(b"", alt=" "), "alt: expected a few words"),
        (
            lambda: plot.image_grid(torch.rand(2, 3, 4, 4), ["a"]),
            "titles: expected one for each of the 2 images, got 1",
        ),
        (lambda: plot.image_grid([]), "images: expected at least one image"),
        (lambda: plot.image_grid(torch.rand(3, 8, 8)), r"write images\[None\]"),
        (lambda: plot.bars([], [], "share"), "at least one, got 0 and 0"),
        (lambda: plot.row([torch.rand(2, 2)], []), "titles: expected one for each of the 1 pictures, got 0"),
        (lambda: plot.filter_grid(torch.rand(3, 7, 7)), r"filters: expected \(F, C, h, w\), got shape \(3, 7, 7\)"),
        (lambda: plot.channel_grid(torch.rand(3, 4, 4), "both"), "scale: expected 'each' or 'together', got 'both'"),
        (lambda: plot.channel_grid(torch.rand(4, 4)), r"activations: expected \(C, h, w\) of one image"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
