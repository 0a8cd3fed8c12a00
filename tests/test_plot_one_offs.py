"""Pictures of one idea each: they show what they were given, and nothing where there is nothing."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from vizlib import plot
from vizlib.images import Box
from vizlib.plot import one_offs
from vizlib.plot.one_offs import with_bars

RANDOM = torch.Generator().manual_seed(0)
IMAGE = torch.rand(1, 3, 20, 30, generator=RANDOM)
GRAM = torch.rand(1, 8, 8, generator=RANDOM)


def arrays(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]


def texts(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes] + [text.get_text() for axes in figure.axes for text in axes.texts]


# --- occlusion and saliency -----------------------------------------------------------------------------------------


def test_window_growth_draws_each_window_on_its_map():
    windows = [("images", (2, 6), (10, 16), 20, 30), ("relu1", (1, 4), (0, 8), 10, 15)]
    figure = plot.window_growth(IMAGE, windows, "growth")
    boxes = [axes.patches[0].get_bbox().bounds for axes in figure.axes[:2]]
    assert boxes == [(9.5, 1.5, 6, 4), (-0.5, 0.5, 8, 3)]
    assert figure.axes[1].get_title() == "relu1\n3x8 of 10x15"
    assert [array.shape for array in arrays(figure)] == [(20, 30, 3), (10, 15, 3)]
    assert not any(axes.patches for axes in figure.axes[2:])


def test_what_is_cut_out_is_on_white_and_boxes_are_drawn_at_the_edges_of_pixels():
    image, mask = torch.rand(1, 3, 8, 8, generator=RANDOM) * 0.5, torch.zeros(8, 8, dtype=torch.bool)
    mask[2:4, 1:7] = True
    seeds = torch.arange(64).reshape(8, 8).to(torch.uint8) % 4
    figure = plot.cut_out(image, torch.rand(8, 8), seeds, mask, {"cyan": Box(2, 4, 1, 7)})
    shown = arrays(figure)
    assert (shown[3][~mask] == 1).all() and np.allclose(shown[3][mask], image[0].permute(1, 2, 0)[mask])
    assert len(np.unique(shown[2].reshape(-1, 3), axis=0)) == 4, "each kind of seed has its colour"
    assert "cut out (19%)" in texts(figure)
    (axes,) = figure.axes
    left, right, bottom, top = axes.images[0].get_extent()
    pixel, (box,) = (right - left) / 8, axes.patches
    expected = (left + pixel, top + 2 * pixel, left + 7 * pixel, top + 4 * pixel)
    assert box.get_bbox().extents == pytest.approx(expected) and bottom > top


# --- ascent and attacks ---------------------------------------------------------------------------------------------


def test_bars_are_as_long_as_their_shares():
    picture = with_bars(torch.zeros(1, 3, 32, 64), {"one": 0.25, "two": 1.0}, 256)
    assert picture.shape == (1, 3, 128 + 2 * one_offs.BAR + 4, 256)
    first, second = picture[0, :, 128 + 8], picture[0, :, 128 + 8 + one_offs.BAR]
    blue, orange = (torch.tensor(color)[:, None] for color in (one_offs.BLUE, one_offs.ORANGE))
    whole = (second[:, 100:] - orange).abs().amax(0) < 0.01
    full = ((second - orange).abs().amax(0) < 0.01).flip(0).cumprod(0).sum().item()  # from the right edge
    assert whole.all()
    filled = (first[:, -full:] - blue).abs().amax(0) < 0.01
    assert filled.sum().item() == round(full / 4) and torch.allclose(first[:, -1], torch.tensor(0.9), atol=0.01)


def test_an_attack_is_shown_amplified_and_its_size_is_said():
    made = IMAGE.clamp(max=0.9) + 2 / 255
    answers = [("cat", 0.7, 1), ("an extraordinarily long name of a class", 0.2, 2)]
    figure = plot.attack_view(IMAGE.clamp(max=0.9), made, answers, answers[::-1], amplified=20)
    assert "the change × 20" in texts(figure) and any("at most 2.0" in text for text in texts(figure))
    assert "cat, 70%" in texts(figure) and any(text.endswith("…, 20%") for text in texts(figure)), "a long name is cut"
    assert abs(float(arrays(figure)[1].mean()) - (0.5 + 20 * 2 / 255)) < 0.01


# --- textures -------------------------------------------------------------------------------------------------------


def test_grams_share_one_scale_of_roots():
    figure = plot.grams([GRAM, 4 * GRAM[0]], ["one", "four times"], "two")
    first, second = arrays(figure)[:2]
    assert np.allclose(first, GRAM[0].sqrt(), atol=1e-6) and np.allclose(second, 2 * first, atol=1e-6)
    limits = [axes.images[0].get_clim() for axes in figure.axes[:2]]
    assert limits[0] == limits[1] and limits[0][0] == 0
    assert {"one", "four times"} <= set(texts(figure)) and plot.to_png(figure)


def test_grams_with_negative_entries_are_shown_around_white():
    figure = plot.grams([GRAM - 0.5], ["centred"])
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high and figure.axes[0].images[0].get_cmap().name == "RdBu_r"


def test_grams_show_the_first_channels():
    assert arrays(plot.grams([torch.ones(1, 100, 100)], ["large"], limit=16))[0].shape == (16, 16)


def test_grams_stand_below_their_images():
    figure = plot.grams([GRAM, GRAM], ["waves", "shuffled"], images=[IMAGE, 1 - IMAGE])
    shown = arrays(figure)
    assert [array.shape for array in shown][:4] == [(20, 30, 3), (20, 30, 3), (8, 8), (8, 8)]
    assert np.allclose(shown[0], 1 - shown[1]) and [axes.get_title() for axes in figure.axes[:2]] == [
        "waves",
        "shuffled",
    ]


def test_seam_view_joins_along_the_path():
    old, new = torch.zeros(3, 6, 4), torch.ones(3, 6, 4)
    path = torch.tensor([0, 1, 2, 3, 3, 2])
    shown = arrays(plot.seam_view(old, new, path, "a seam"))
    joined = shown[3][..., 0]
    assert [int((row == 0).sum()) for row in joined] == path.tolist()
    assert shown[2].shape == (6, 4) and np.allclose(shown[2], 3**0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.grams([GRAM], []), "each of the 1 matrices, got 0"),
        (lambda: plot.grams([], []), "each of the 0 matrices"),
        (lambda: plot.grams([GRAM], ["a"], images=[IMAGE, IMAGE]), "images: .* the 1 matrices, or none, got 2"),
        (lambda: plot.seam_view(IMAGE[0], IMAGE[0], torch.zeros(3)), r"\(3, h, w\) and a path"),
        (lambda: plot.attack_view(IMAGE, IMAGE, [], [], amplified=0), "amplified is 0, expected .* above 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
