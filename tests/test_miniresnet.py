"""The architecture of the second bundled network."""

import copy

import pytest
import torch
from torch import nn

from vizlib import assets, images, models
from vizlib.models.miniresnet import MiniResNet


@pytest.fixture
def trained() -> MiniResNet:
    """With batch norms that are far from doing nothing, as after a training."""
    torch.manual_seed(0)
    model = MiniResNet(10, batch_norm=True)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 2)
    return model


def test_folding_the_batch_norms_changes_no_answer_and_leaves_the_original(trained):
    before = copy.deepcopy(trained.state_dict())
    plain, images = trained.folded(), torch.randn(2, 3, 70, 64)
    assert trained.training and not plain.training
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in plain.modules())
    expected = trained.eval()(images)
    assert (plain(images) - expected).abs().max() < 1e-5 * expected.abs().max()
    assert all(torch.equal(before[key], value) for key, value in trained.state_dict().items())


def test_it_stays_below_four_megabytes_and_shrinks_the_maps_to_a_sixteenth():
    net = models.wrap(MiniResNet(), min_size=64)
    assert 2 * sum(p.numel() for p in net.parameters()) < 4e6  # bytes in fp16
    assert net.module.layer4(net.module.layer3(net.module.layer2(torch.zeros(1, 32, 32, 32)))).shape == (1, 256, 4, 4)
    assert net(torch.rand(2, 3, 64, 96)).shape == (2, 200)
    assert list(net.layers)[:4] == ["conv1", "relu1", "layer1.0", "layer1.1"]


def test_the_bundled_one_is_small_and_knows_the_classes_of_the_first():
    net, first = models.load("miniresnet", device="cpu"), models.load("minivgg", device="cpu")
    assert net.classes == first.classes and net.input_size == 64
    assert assets.data_path("miniresnet.safetensors").stat().st_size <= 4_000_000
    assert net.predict(images.prepare(images.load("coffee"), 64))[0][0].name == "espresso"
