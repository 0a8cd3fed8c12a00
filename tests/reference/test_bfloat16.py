"""bfloat16 is for speed: it must not change what the picture says.

Its eight bits flip a ReLU or a maximum here and there, the more the deeper the network. On the bundled network the
gradient keeps its direction (cosine above 0.98), on ImageNet's SqueezeNet it turns a little more (above 0.95).
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vizlib import images, models
from vizlib.hooks import read
from vizlib.models import Network
from vizlib.optimize import last, objectives
from vizlib.synthesis.ascent import AscentKnobs, ascend, blank

SQUEEZENET = Path(__file__).parents[3] / "shared" / "models" / "squeezenet1_0-imagenet.safetensors"


def cosine(net: Network, layer: str) -> float:
    """Between the gradients of one channel on a photo, in the two precisions."""
    image = images.prepare(images.load("chelsea"), min(net.input_size, 128)).requires_grad_()

    def gradient(bf16: bool) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            activation = read(net, image, [layer], grad=True)[layer].float()
        return torch.autograd.grad(objectives.channel(layer, 1).score({layer: activation}).sum(), image)[0].flatten()

    return torch.cosine_similarity(gradient(True), gradient(False), 0).item()


@pytest.mark.parametrize("layer", ["relu4", "relu6", "fc8"])
def test_the_gradient_points_the_same_way(layer):
    assert cosine(models.load("minivgg", "cpu"), layer) > 0.98


@pytest.mark.skipif(not SQUEEZENET.is_file(), reason="SqueezeNet's weights are not beside this checkout")
@pytest.mark.parametrize("layer", ["fire5", "fire9", "avgpool"])
def test_on_imagenets_squeezenet_it_turns_a_little(layer):
    assert cosine(models.load("squeezenet1_0", "cpu", SQUEEZENET), layer) > 0.95


def test_an_ascent_in_bfloat16_ends_in_the_same_class():
    """By another image: small differences grow from step to step, as those of another seed would."""
    net = models.load("minivgg", "cpu")
    for bf16 in (False, True):
        knobs = AscentKnobs(20, learning_rate=0.05, jitter=4, scale=0.1, rotate=5, bf16=bf16)
        image = last(ascend(net, blank(net, fourier=True), objectives.channel("fc8", 20), knobs)).image
        prediction = net.predict(image, 1)[0][0]
        assert prediction.index == 20 and prediction.probability > 0.9 and image.dtype == torch.float32
