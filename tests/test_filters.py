"""Filters as pictures and their numbers, against closed forms."""

import math
import re

import make_filter_sheet
import pytest
import torch
from torch import nn

from vizlib import assets, models
from vizlib.analysis import filters


@pytest.fixture(scope="module")
def net() -> models.Network:
    return models.load("minivgg", device="cpu")


def wave(rows: int, columns: int, size: int = 7) -> torch.Tensor:
    """A cosine with so many periods down and across, `(1, 1, size, size)`."""
    i, j = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.cos(2 * math.pi * (rows * i + columns * j) / size)[None, None]


def test_convolutions_go_by_their_field_names(net):
    assert list(filters.convolutions(net)) == [f"conv{i}" for i in range(1, 8)]
    resnet = filters.convolutions(models.load("resnet18", weights="untrained", device="cpu"))
    assert list(resnet)[:3] == ["conv1", "layer1.0.conv1", "layer1.0.conv2"]
    mobilenet = filters.convolutions(models.load("mobilenet_v3_small", weights="untrained", device="cpu"))
    assert next(iter(mobilenet)) == "features.0.0"


def test_filters_are_a_copy_of_the_first_convolution(net):
    weights = filters.filters(net)
    assert torch.equal(weights, net.layers["conv1"].weight) and weights.shape == (64, 3, 7, 7)
    weights.zero_()
    assert net.layers["conv1"].weight.abs().max() > 0
    assert filters.filters(net, "conv2").shape == (64, 64, 3, 3)


@pytest.mark.parametrize("layer", ["relu1", "conv9", "fc8"])
def test_what_is_no_convolution_is_refused(net, layer):
    with pytest.raises(LookupError, match=f"'{layer}'.*conv1, conv2"):
        filters.filters(net, layer)


def test_a_network_without_convolutions():
    with pytest.raises(LookupError, match=r"convolutions.*\bnone\b"):
        filters.filters(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)))


def test_pictures_use_the_whole_range_and_keep_zero_grey():
    weights = torch.randn(5, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    weights[0] *= 1000
    weights[1] = 0
    pictures = filters.as_images(weights)
    assert pictures.min() >= 0 and pictures.max() <= 1
    assert torch.all(pictures[1] == 0.5)
    for i in (0, 2, 3, 4):
        assert max(pictures[i].max() - 0.5, 0.5 - pictures[i].min()) == pytest.approx(0.5, abs=1e-6)
    torch.testing.assert_close(filters.as_images(weights[2:] * 7), pictures[2:])


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (1, 0), (2, 3), (3, 5)])
def test_a_wave_is_one_mode(rows, columns):
    assert filters.fourier_share(wave(rows, columns), modes=1).item() == pytest.approx(1, abs=1e-5)


def test_two_waves_share_their_energy_as_their_squares():
    mixed = wave(1, 0) + 2 * wave(2, 3)
    assert filters.fourier_share(mixed, modes=1).item() == pytest.approx(4 / 5, abs=1e-5)
    assert filters.fourier_share(mixed, modes=2).item() == pytest.approx(1, abs=1e-5)


def test_an_impulse_spreads_over_all_modes_alike():
    impulse = torch.zeros(1, 3, 7, 7)
    impulse[0, 1, 3, 3] = 1
    # 49 equal coefficients: 24 pairs of two and the constant alone
    assert filters.fourier_share(impulse, modes=3).item() == pytest.approx(6 / 49, abs=1e-6)
    assert filters.fourier_share(impulse, modes=25).item() == pytest.approx(1, abs=1e-6)


def test_the_modes_are_pairs_of_opposite_frequencies(net):
    weights = filters.filters(net)
    energy = torch.fft.fft2(weights).abs().square().sum(1)
    pairs = energy + energy.flip(1, 2).roll((1, 1), (1, 2))  # each pair is there twice, the constant at [0, 0]
    modes = torch.cat([energy[:, :1, 0], pairs.flatten(1)[:, 1:].sort(descending=True).values[:, ::2]], 1)
    assert modes.shape[1] == 25
    expected = modes.topk(3).values.sum(1) / energy.sum((1, 2))
    assert torch.allclose(filters.fourier_share(weights, 3), expected, atol=1e-5)


def test_the_share_ignores_scale_and_survives_zero():
    weights = torch.randn(4, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(filters.fourier_share(weights * 1e-3), filters.fourier_share(weights))
    assert filters.fourier_share(torch.zeros(1, 3, 7, 7)).item() == 0


def test_training_concentrates_energy(net):
    untrained = models.load("minivgg", weights="untrained", device="cpu")
    trained_share = filters.fourier_share(filters.filters(net)).mean()
    assert trained_share > filters.fourier_share(filters.filters(untrained)).mean() + 0.2


def test_best_matches_are_found_by_brute_force(net):
    images = torch.rand(2, 3, 21, 17, generator=torch.Generator().manual_seed(0))
    found = filters.best_matches(net, images, k=2, stride=1)
    weights, inputs = filters.filters(net)[5].flatten(), net.normalize(images)
    best = []
    for n in range(2):
        for i in range(21 - 6):
            for j in range(17 - 6):
                patch = inputs[n, :, i : i + 7, j : j + 7].flatten()
                best.append((torch.cosine_similarity(weights, patch, dim=0).item(), n, i, j))
    best.sort(reverse=True)
    for rank in range(2):
        cosine, n, i, j = best[rank]
        assert found.cosines[5, rank].item() == pytest.approx(cosine, abs=1e-5)
        assert torch.equal(found.patches[5, rank], images[n, :, i : i + 7, j : j + 7])


def test_a_filter_is_its_own_best_match():
    module = nn.Sequential(nn.Conv2d(3, 4, 5), nn.Flatten())
    net = models.wrap(module, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    pictures = filters.as_images(filters.filters(net))
    assert torch.allclose(filters.best_matches(net, pictures, k=1, stride=1).cosines[:, 0], torch.ones(4), atol=1e-5)


@pytest.mark.parametrize(("shape", "modes"), [((3, 3), 3), ((2, 3, 7, 7), 0)])
def test_what_has_no_modes(shape, modes):
    with pytest.raises(ValueError, match=rf"\(F, C, h, w\).*{re.escape(str(shape))}.*{modes}"):
        filters.fourier_share(torch.rand(shape), modes)


@pytest.mark.parametrize("shape", [(1, 3, 5, 40), (3, 40, 40)])
def test_images_smaller_than_the_filter(net, shape):
    with pytest.raises(ValueError, match=rf"\(N, 3, H, W\).*7x7.*{re.escape(str(shape))}"):
        filters.best_matches(net, torch.rand(shape))


def test_the_picture_of_squeezenet_is_cut_into_its_filters():
    tiles = filters.pictured("squeezenet1_0")
    assert tiles.shape == (96, 3, 7, 7) and tiles.min() >= 0 and tiles.max() <= 1
    reach = (tiles - 0.5).abs().amax((1, 2, 3))  # each filter was stretched by its own largest weight
    assert (reach > 0.49).all()
    with pytest.raises(assets.AssetError, match=r"filters/alexnet\.png"):
        filters.pictured("alexnet")


def test_a_sheet_of_filters_is_cut_apart_as_it_was_put_together():
    tiles = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    board = make_filter_sheet.sheet(tiles, columns=3)
    assert board.shape == (1, 3, 8, 12)
    assert board[0, :, 4:8, 4:8].equal(tiles[4])
    with pytest.raises(ValueError, match=r"6 filters.*rows of 4"):
        make_filter_sheet.sheet(tiles, columns=4)


def test_the_edge_filter_is_the_one_that_is_a_vertical_edge():
    net = models.load("minivgg", "cpu")
    weight = filters.convolutions(net)["conv1"].weight.data
    weight.zero_()
    weight[3, :, :, :3], weight[3, :, :, 4:] = -1, 1  # dark on its left
    weight[7, :, :3], weight[7, :, 4:] = -2, 2  # a stronger horizontal one
    weight[9] = 5  # fires on anything bright
    assert filters.edge_filter(net) == 3


@pytest.mark.parametrize("name", ["minivgg", "miniresnet"])
def test_a_renumbered_network_computes_the_same_with_other_weights(name):
    net = models.load(name, "cpu")
    twin, (one, two) = filters.renumbered(net, seed=3)
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(twin(image), net(image), atol=1e-4)
    assert not torch.allclose(filters.filters(twin, two), filters.filters(net, two))
    assert not torch.allclose(filters.filters(twin, one), filters.filters(net, one))
    moved = filters.filters(twin, two).sum(1) - filters.filters(net, two).sum(1)
    assert moved.abs().max() < 1e-4, "the same weights in another order"
