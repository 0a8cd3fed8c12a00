"""Saliency maps against Captum, against their own definitions, and against finite differences."""

from functools import cache

import pytest
import torch
from captum.attr import InputXGradient, IntegratedGradients, LayerGradCam, NoiseTunnel, Saliency
from torch import Tensor
from torch.testing import assert_close

from vizlib import hooks, images, models
from vizlib.analysis import saliency
from vizlib.models import Network

pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor")
SIDES = {"minivgg": 64, "resnet18": 64, "squeezenet1_1": 64, "googlenet": 64, "densenet121": 64}
POOLED = ["minivgg", "resnet18", "squeezenet1_1", "googlenet", "densenet121"]  # global average pooling at the end
TARGETS = [3, 150]


@cache
def network(name: str) -> Network:
    return models.load(name, device="cpu", weights="trained" if name == "minivgg" else "untrained")


def photos(name: str) -> Tensor:
    return torch.cat([images.prepare(images.load(photo), SIDES[name]) for photo in ("coffee", "chelsea")])


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    """Equal to 1e-5 of the largest value, of which there is one."""
    largest = theirs.abs().max().item()
    assert largest > 0
    assert_close(ours, theirs, rtol=0, atol=1e-5 * largest)


@pytest.fixture(params=["minivgg", "resnet18", "squeezenet1_1", "densenet121"])
def name(request) -> str:
    return request.param


def test_gradient(name):
    net, x = network(name), photos(name)
    assert_same(saliency.gradient(net, x, TARGETS), Saliency(net).attribute(x, TARGETS, abs=False))
    theirs = Saliency(net).attribute(x, TARGETS, abs=True).amax(1)
    assert_same(saliency.METHODS["gradient"](net, x, TARGETS), theirs)


def test_gradient_times_input(name):
    net, x = network(name), photos(name)
    assert_same(saliency.gradient_times_input(net, x, TARGETS), InputXGradient(net).attribute(x, TARGETS))


@pytest.mark.parametrize("name", ["minivgg", "resnet18", "squeezenet1_1"])
def test_smoothgrad_with_the_same_noise(name):
    net, x = network(name), photos(name)[:1]
    with torch.random.fork_rng():
        torch.manual_seed(7)
        tunnel = NoiseTunnel(Saliency(net))
        options = {"nt_type": "smoothgrad", "nt_samples": 4, "nt_samples_batch_size": 1, "stdevs": 0.1}
        theirs = tunnel.attribute(x, target=TARGETS[0], abs=False, **options)
    assert_same(saliency.smoothgrad(net, x, TARGETS[0], samples=4, noise=0.1, seed=7), theirs)


@pytest.mark.parametrize("name", ["minivgg", "resnet18", "squeezenet1_1"])
@pytest.mark.parametrize("baseline", [0.0, 0.4])
def test_integrated_gradients(name, baseline):
    net = models.load(name, device="cpu", weights="trained" if name == "minivgg" else "untrained").double()
    x = photos(name).double()  # in float32, rounding pushes a random network's ReLUs over their kink here and there
    theirs = IntegratedGradients(net).attribute(x, baseline, TARGETS, n_steps=6, method="riemann_middle")
    assert_same(saliency.integrated_gradients(net, x, TARGETS, steps=6, baseline=baseline), theirs)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("minivgg", "relu7"),
        ("minivgg", "conv3"),
        ("resnet18", "layer4.1"),
        ("resnet18", "layer2.0"),
        ("squeezenet1_1", "fire5"),
        ("googlenet", "inception5b"),
        ("densenet121", "denseblock4"),
    ],
)
def test_grad_cam(name, layer):
    net, x = network(name), photos(name)
    theirs = LayerGradCam(net, net.layers[layer]).attribute(x, TARGETS, relu_attributions=True)[:, 0]
    if theirs.max() == 0:  # a random network may have no evidence for a class: then there is some against it
        theirs = LayerGradCam(net, net.layers[layer]).attribute(x, TARGETS)[:, 0].relu()
    assert_close(saliency.grad_cam(net, x, TARGETS, layer), theirs, rtol=0, atol=1e-5 * theirs.max().item())


@pytest.mark.parametrize("name", POOLED)
def test_the_mean_of_a_class_activation_map_is_the_logit(name):
    net, x = network(name), photos(name)
    linear = next((m for m in reversed(list(net.modules())) if isinstance(m, torch.nn.Linear)), None)
    bias = 0 if linear is None else linear.bias[TARGETS]
    evidence = saliency.class_activation_map(net, x, TARGETS)
    assert evidence.shape[1] > 1 and evidence.std() > 0
    assert_close(evidence.mean((1, 2)) + bias, saliency.class_scores(net, x, TARGETS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "layer"), [("minivgg", "relu7"), ("resnet18", "layer4.1"), ("googlenet", "inception5b")]
)
def test_cam_is_the_linear_layer_moved_before_the_pooling(name, layer):
    """Zhou et al. 2016, eq. 2, written out; and Grad-CAM at that layer is its positive part, divided by h * w."""
    net, x = network(name), photos(name)
    maps = hooks.read(net, x, [layer])[layer]
    weights = [m for m in net.modules() if isinstance(m, torch.nn.Linear)][-1].weight[TARGETS]
    expected = (weights[:, :, None, None] * maps).sum(1)
    ours = saliency.class_activation_map(net, x, TARGETS)
    assert_same(ours, expected)
    assert_close(saliency.grad_cam(net, x, TARGETS, layer) * maps[0, 0].numel(), expected.relu(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["minivgg", "resnet18", "squeezenet1_1"])
def test_the_gradient_is_the_slope_that_finite_differences_see(name):
    net = models.load(name, device="cpu", weights="untrained").double()
    x = photos(name)[:1].double() * 0.8 + 0.1
    generator = torch.Generator().manual_seed(0)
    slopes = saliency.gradient(net, x, 5)
    for _ in range(5):
        way = torch.randn(x.shape, generator=generator, dtype=torch.float64)
        way, step = way / way.norm(), 1e-6
        with torch.no_grad():
            rise = saliency.class_scores(net, x + step * way, 5) - saliency.class_scores(net, x - step * way, 5)
        assert (slopes * way).sum().item() == pytest.approx(rise.item() / (2 * step), rel=1e-3, abs=1e-8)
