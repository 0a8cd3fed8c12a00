"""How windows grow, and what is left to do: against activations that are compared, and counts made otherwise."""

import pytest
import torch

from vizlib import hooks, images, models
from vizlib.analysis import occlusion
from vizlib.analysis.incremental import clean_run, work

NAMES = {"squeezenet1_0": ["pool1", "fire2", "fire9", "relu10"], "resnet18": ["layer1.0", "layer4.1"], "minivgg": []}


@pytest.fixture(params=NAMES)
def net(request) -> models.Network:
    name = request.param
    return models.load(name, "cpu", weights="trained" if name == "minivgg" else "untrained")


def test_growth_holds_every_change(net):
    photo, rows, columns = images.prepare(images.load("coffee"), 96), (10, 19), (61, 70)
    covered = occlusion.cover(photo, occlusion.shown(net, photo, "noise"), rows, columns)
    windows = work.growth(net, photo, rows, columns)
    layers = [window.layer for window in windows[1:]]
    assert windows[0] == ("image", rows, columns, 96, 96)
    assert set(layers) <= set(net.layers) and set(NAMES[net.name.split()[0]]) <= set(layers)
    clean, changed = hooks.read(net, photo, layers), hooks.read(net, covered, layers)
    for layer, (top, bottom), (left, right), height, width in windows[1:]:
        differs = (clean[layer] - changed[layer]).abs().amax((0, 1)) > 1e-5
        assert differs.shape == (height, width) and differs.any()
        differs[top:bottom, left:right] = False
        assert not differs.any(), f"{layer} changed outside its window"


def test_multiply_adds_of_known_layers():
    net = models.load("minivgg", "cpu")
    first, second = 49 * 3 * 64 * 32**2, 9 * 64 * 64 * 32**2
    rest = (9 * 64 * 128 + 9 * 128 * 128) * 16**2 + (9 * 128 * 256 + 9 * 256 * 256) * 8**2 + 9 * 256 * 512 * 4**2
    blank = torch.zeros(1, 3, 64, 64)
    assert work.convolution_macs(net, blank) == first + second + rest == clean_run(net, blank).macs


def test_nothing_is_saved_where_nothing_is_followed():
    net = models.load("mobilenet_v3_small", "cpu", weights="untrained")
    spans = [(0, 8), (24, 32), (56, 64)]
    few = work.saving(net, torch.zeros(1, 3, 64, 64), spans, spans)
    assert 1 < few < 1.5, "two small convolutions of 52 are followed"


def test_one_logit_saves_the_other_rows_of_the_last_convolution():
    net, image = models.load("squeezenet1_0", "cpu", weights="untrained"), torch.zeros(1, 3, 96, 96)
    spans = [(0, 16), (40, 56), (80, 96)]
    assert work.saving(net, image, spans, spans, [3]) > 1.1 * work.saving(net, image, spans, spans)
