"""Occlusion maps against Captum's `Occlusion`: same window, stride and baseline, on logits."""

import pytest
import torch
from captum.attr import Occlusion
from torch import Tensor

from vizlib import images, models
from vizlib.analysis import occlusion
from vizlib.models import Network

NETWORKS = {"minivgg": 64, "squeezenet1_0": 96, "resnet18": 96}


@pytest.fixture(scope="module", params=NETWORKS)
def setting(request) -> tuple[Network, Tensor]:
    name = request.param
    net = models.load(name, "cpu", weights="trained" if name in models.zoo.BUNDLED else "untrained", seed=3)
    return net, images.prepare(images.load("coffee"), NETWORKS[name])


@pytest.mark.parametrize(("size", "stride", "fill"), [(16, 8, "mean"), (20, 13, "noise"), (24, 24, "blur")])
def test_the_pixels_equal_captums_attribution(setting, size, stride, fill):
    net, image = setting
    target = net(image).argmax().item()
    theirs = Occlusion(net).attribute(
        image,
        sliding_window_shapes=(3, size, size),
        strides=(3, stride, stride),
        baselines=occlusion.shown(net, image, fill),
        target=target,
        perturbations_per_eval=8,
    )
    ours = occlusion.occlusion(net, image, target, size, stride, fill).pixels()
    assert theirs.abs().max() > 1e-3, "there is something to compare"
    assert (ours - theirs[0, 0]).abs().max() < 1e-4


def test_probabilities_too(setting):
    net, image = setting

    def probabilities(x: Tensor) -> Tensor:
        return torch.softmax(net(x), 1)

    theirs = Occlusion(probabilities).attribute(
        image, (3, 16, 16), (3, 16, 16), net.mean[None].expand_as(image), target=7, perturbations_per_eval=8
    )
    ours = occlusion.occlusion(net, image, 7, 16, 16, "mean", "probability").pixels()
    assert (ours - theirs[0, 0]).abs().max() < 1e-5
