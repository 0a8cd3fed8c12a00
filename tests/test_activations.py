"""Shapes of maps, zeros, and who answers to a region."""

import gc
import re
import weakref

import pytest
import torch

from vizlib import hooks, images, models
from vizlib.analysis import activations


def test_map_shapes_are_those_of_a_forward():
    net = models.load("squeezenet1_1", weights="untrained", device="cpu")
    outputs = hooks.read(net, torch.rand(1, 3, net.input_size, net.input_size), net.layers)
    shapes = activations.map_shapes(net)
    assert shapes == {n: tuple(o.shape[1:]) for n, o in outputs.items() if o.ndim == 4 and o[0, 0].numel() > 1}
    assert "avgpool" not in shapes and shapes["fire9"][0] == 512


def test_remembered_shapes_do_not_keep_a_network_alive():
    net = models.load("minivgg", device="cpu")
    activations.map_shapes(net)
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None


def test_zero_share():
    assert activations.zero_share(torch.tensor([[0.0, 1.0], [-1.0, -0.0]])) == 0.5
    assert activations.zero_share(torch.ones(1, 2, 3, 3)) == 0


def test_the_strongest_channel_is_the_one_that_was_planted():
    maps = torch.rand(1, 6, 8, 8, generator=torch.Generator().manual_seed(0))
    maps[0, 4, 2:4, 4:8] += 3  # only inside the region
    maps[0, 1] += 100  # everywhere: no contrast
    region = (0.25, 0.5, 0.5, 1.0)
    answers = activations.strongest_in_region(maps, region, k=2)
    assert answers[0].channel == 4
    assert answers[0].inside == pytest.approx(maps[0, 4, 2:4, 4:8].mean().item())
    outside = (maps[0, 4].sum() - maps[0, 4, 2:4, 4:8].sum()).item() / (64 - 8)
    assert answers[0].outside == pytest.approx(outside, rel=1e-5)
    assert answers[0].contrast > answers[1].contrast
    assert activations.strongest_in_region(maps[0], region, k=2) == answers


def test_the_whole_image_has_no_outside():
    maps = torch.rand(3, 4, 4)
    best = activations.strongest_in_region(maps, (0, 1, 0, 1), k=1)[0]
    assert best.channel == maps.mean((1, 2)).argmax().item() and best.outside == 0


@pytest.mark.parametrize(
    ("region", "cells"),
    [((0, 1, 0, 1), 16), ((0, 0.25, 0, 0.25), 1), ((0.3, 0.31, 0.9, 0.91), 1), ((0.2, 0.3, 0, 1), 8)],
)
def test_a_region_holds_every_cell_that_it_touches(region, cells):
    assert activations.region_mask(region, 4, 4).sum() == cells


@pytest.mark.parametrize(
    "region", [(0.5, 0.5, 0, 1), (0.6, 0.4, 0, 1), (-0.1, 0.5, 0, 1), (0, 0.5, 0, 1.2), "all", (0, 1), None]
)
def test_bad_regions(region):
    with pytest.raises(ValueError, match=rf"region.*top, bottom, left, right.*{re.escape(str(region))}"):
        activations.region_mask(region, 4, 4)


def test_activations_of_several_images_or_none():
    for shape in [(2, 3, 4, 4), (3, 4)]:
        with pytest.raises(ValueError, match=rf"\(C, h, w\).*{re.escape(str(shape))}"):
            activations.strongest_in_region(torch.rand(shape), (0, 1, 0, 1))


def test_no_channels_asked_for():
    with pytest.raises(ValueError, match=r"\bk\b.*\b0\b.*\b1\b"):
        activations.strongest_in_region(torch.rand(1, 4, 5, 5), (0, 1, 0, 1), k=0)


def test_a_channel_leads_by_its_peak_above_the_other_images():
    maps = torch.zeros(1, 4, 4, 4)
    maps[0, 0, :2, :2] = 1.0  # everywhere in the region, but other images have it as well
    maps[0, 1, 0, 0] = 3.0
    maps[0, 2, 0, 1] = 4.0
    maps[0, 3, 3, 3] = 9.0  # outside
    others = torch.zeros(2, 4, 6, 6)
    others[1, 2, 5, 5], others[0, 0, 0, 0] = 3.5, 1.0
    first, second = activations.leading_in_region(maps, (0, 0.5, 0, 0.5), others, k=2)
    assert (first.channel, first.inside, first.elsewhere, first.lead) == (1, 3.0, 0.0, 3.0)
    assert (second.channel, second.lead) == (2, 0.5)
    assert activations.strongest_in_region(maps, (0, 0.5, 0, 0.5), k=1)[0].channel in (0, 2)
    with pytest.raises(ValueError, match=r"others: expected \(N, 4, h, w\).*\(1, 3, 2, 2\)"):
        activations.leading_in_region(maps, (0, 0.5, 0, 0.5), torch.zeros(1, 3, 2, 2))
    with pytest.raises(ValueError, match="k = 0"):
        activations.leading_in_region(maps, (0, 0.5, 0, 0.5), others, k=0)


def test_a_channel_s_effect_is_what_silencing_it_takes_from_the_logit():
    net, photo = models.load("minivgg", "cpu"), images.prepare(images.load("coffee"), 64)
    drops = activations.channel_effects(net, photo, "relu6", batch=100)
    logits = net(photo)[0]
    for channel in (0, 99, 100, 255):  # on both sides of a batch's end

        def silence(output, channel=channel):
            return torch.cat([output[:, :channel], 0 * output[:, channel : channel + 1], output[:, channel + 1 :]], 1)

        with hooks.override(net, {"relu6": silence}):
            alone = logits.max() - net(photo)[0, logits.argmax()]
        assert torch.isclose(drops[channel], alone, atol=1e-4)
    assert drops.shape == (256,) and not torch.allclose(drops, activations.channel_effects(net, photo, "relu6", 7))
    with pytest.raises(ValueError, match=r"one image.*\(2, 3, 64, 64\)"):
        activations.channel_effects(net, photo.repeat(2, 1, 1, 1), "relu6")
    with pytest.raises(ValueError, match=r"layer 'fc8': expected maps"):
        activations.channel_effects(net, photo, "fc8")
