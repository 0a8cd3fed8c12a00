"""Figures of saliency maps: what is drawn where, on which scale."""

import numpy as np
import pytest
import torch

from vizlib import plot


def drawn(figure) -> list[np.ndarray]:
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def test_maps_draws_images_and_maps_under_their_names():
    image, heat = torch.rand(1, 3, 9, 9), torch.rand(9, 9)
    figure = plot.maps({"photo": image, "one": heat, "two": heat / 2}, title="all", columns=2)
    pictures = drawn(figure)
    assert [axes.get_title() for axes in figure.axes] == ["photo", "one", "two", ""]
    assert np.allclose(pictures[0], image[0].permute(1, 2, 0)) and np.allclose(pictures[1], heat)
    assert all(axes.images[0].get_clim() == (0, 1) for axes in figure.axes[1:3]), "one scale for all"
    assert figure.axes[0].get_gridspec().get_geometry() == (2, 2)


def test_rows_have_names_and_columns_have_heads():
    heats = torch.rand(4, 6, 6)
    figure = plot.map_rows({"a": list(heats[:2]), "b": list(heats[2:])}, ["left", "right"])
    assert [axes.get_title() for axes in figure.axes] == ["left", "right", "", ""]
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [["a"], [], ["b"], []]
    assert all(np.allclose(picture, heat) for picture, heat in zip(drawn(figure), heats, strict=True))


def test_what_is_cut_out_is_on_white_and_boxes_are_drawn_at_the_edges_of_pixels():
    image, mask = torch.rand(1, 3, 8, 8) * 0.5, torch.zeros(8, 8, dtype=torch.bool)
    mask[2:4, 1:7] = True
    seeds = torch.arange(64).reshape(8, 8).to(torch.uint8) % 4
    figure = plot.cut_out(image, torch.rand(8, 8), seeds, mask, {"cyan": (2, 4, 1, 7)})
    shown = drawn(figure)
    assert (shown[3][~mask] == 1).all() and np.allclose(shown[3][mask], image[0].permute(1, 2, 0)[mask])
    assert len(np.unique(shown[2].reshape(-1, 3), axis=0)) == 4, "each kind of seed has its colour"
    assert figure.axes[3].get_title() == "cut out (19%)"
    (box,) = figure.axes[0].patches
    assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == (0.5, 1.5, 6, 2)


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="pictures: expected at least one, by name"):
        plot.maps({})
    with pytest.raises(ValueError, match=r"each with 2 pictures, one for each head, got \[2, 1\]"):
        plot.map_rows({"a": [torch.rand(3, 3)] * 2, "b": [torch.rand(3, 3)]}, ["left", "right"])
