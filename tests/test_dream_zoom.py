"""The flight into a dream: its frames by hand, stopping, and the film that comes of it."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import affine_transform

from vizlib import images, models
from vizlib.models import Network
from vizlib.optimize import last
from vizlib.synthesis import deepdream, dream_zoom
from vizlib.synthesis.dream_zoom import ZoomKnobs


@pytest.fixture(scope="module")
def net() -> Network:
    return models.load("minivgg", device="cpu")


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return images.resize(images.load("coffee"), 72)


def knobs(**changes) -> ZoomKnobs:
    return ZoomKnobs(layer="relu6", **({"steps": 3, "per_frame": 2, "octaves": 1} | changes))


def test_every_frame_is_dreamt_into_the_one_before_enlarged(net, photo):
    steps = list(dream_zoom.zoom(net, photo, knobs(), seed=5))
    assert [step.iteration for step in steps] == [1, 2, 3]
    larger = dream_zoom.closer(steps[0].image, 1.03)
    second = last(deepdream.dream(net, larger, dream_zoom.still(knobs()), seed=7))
    assert torch.equal(steps[1].image, second.image)
    assert deepdream.distance(steps[1].image, larger) <= 0.05 + 1e-5


def test_taking_no_further_frame_keeps_the_ones_before(net, photo):
    flight = dream_zoom.zoom(net, photo, knobs())
    first = next(flight).image
    kept = first.clone()
    next(flight)
    flight.close()
    assert torch.equal(first, kept) and first.shape == photo.shape


def test_knobs_turned_in_flight_act_on_the_next_frame(net, photo):
    turned = knobs(steps=5)
    flight = dream_zoom.zoom(net, photo, turned)
    next(flight)
    turned.layer, turned.steps = "conv3", 2
    image = next(flight)
    assert image.iteration == 2 and next(flight, None) is None
    layer = dream_zoom.still(turned)
    assert layer.layer == "conv3" and layer.steps == 2, "per_frame steps make a frame"


def test_closer_is_scipys_affine_transform_about_the_middle(photo):
    ours = dream_zoom.closer(photo, 1.25)[0, 0].numpy()
    height, width = ours.shape
    center = np.array([(height - 1) / 2, (width - 1) / 2])
    expected = affine_transform(photo[0, 0].numpy(), np.eye(2) / 1.25, center - center / 1.25, order=1, mode="nearest")
    np.testing.assert_allclose(ours, expected, atol=1e-4)
    assert torch.allclose(dream_zoom.closer(photo, 1.0), photo, atol=1e-5)


def test_a_quarter_turn_of_a_square():
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    turned = dream_zoom.closer(image, 1.0, 90)
    assert any(torch.allclose(turned, image.rot90(k, (2, 3)), atol=1e-4) for k in (1, 3))


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_a_film_holds_the_frames(tmp_path, suffix):
    frames = [torch.full((1, 3, 24, 32), value) for value in (0.1, 0.5, 0.9)]
    path = dream_zoom.save(frames, tmp_path / f"flight.{suffix}", 10)
    with Image.open(path) as film:
        assert film.n_frames == 3 and film.size == (32, 24)
        film.seek(2)
        assert abs(np.asarray(film.convert("RGB")).mean() - 0.9 * 255) < 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"per_frame": 0}, r"per_frame.*\b0\b.*\bone\b"),
        ({"zoom": 0.9}, r"zoom.*0\.9.*from 1"),
        ({"zoom": float("nan")}, "zoom.*nan.*from 1"),
        ({"turn": float("inf")}, "turn.*inf.*degrees"),
    ],
)
def test_bad_knobs(net, photo, changes, message):
    with pytest.raises(ValueError, match=message):
        list(dream_zoom.zoom(net, photo, knobs(**changes)))
