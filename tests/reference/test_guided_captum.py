"""Guided backprop and deconvnet against Captum, on networks where it works, and rebuilt for it where it does not.

Captum 0.9 hangs its rule on the modules `nn.ReLU`. In place and one after the other it handles them; it does not see
`F.relu`, `torch.relu`, `x.relu()` or `clamp`, and goes wrong where one `nn.ReLU` serves two branches, where a ReLU's
input is also used elsewhere, where the returned value of an in-place ReLU is thrown away, and for a neuron at an early
run of a reused ReLU. Each of these is tested: our gradient equals Captum's on the same weights rebuilt with one
`nn.ReLU` for each use, and Captum's own on the model as it is does not.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from captum.attr import Deconvolution, GuidedBackprop, NeuronDeconvolution, NeuronGuidedBackprop
from torch import Tensor, nn
from torchvision.models.googlenet import BasicConv2d
from torchvision.models.resnet import BasicBlock

from vizlib import hooks, models
from vizlib.analysis import guided

pytestmark = pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU", "ignore:Input Tensor")

WHOLE = {"guided": GuidedBackprop, "deconvnet": Deconvolution}
NEURON = {"guided": NeuronGuidedBackprop, "deconvnet": NeuronDeconvolution}
NETWORKS = ["minivgg", "alexnet", "vgg11", "squeezenet1_1", "resnet18"]
rules = pytest.mark.parametrize("rule", list(WHOLE))


@cache
def load(name: str) -> models.Network:
    return models.load(name, device="cpu", weights="trained" if name == "minivgg" else "untrained")


def noise(n: int = 2, side: int = 64) -> Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def captum(net: nn.Module, images: Tensor, target: int, rule: str) -> Tensor:
    return WHOLE[rule](net).attribute(images.clone().requires_grad_(), target=target)


def assert_equal(ours: Tensor, theirs: Tensor) -> None:
    """Within 1e-5, and within 1e-5 of the largest value where values are small."""
    largest = theirs.abs().max().item()
    assert largest > 0
    assert (ours - theirs).abs().max().item() <= 1e-5 * min(1, largest)


def assert_differs(theirs: Tensor, right: Tensor) -> None:
    """Not by rounding: by a tenth of the largest value at least."""
    assert (theirs - right).abs().max() > 0.1 * right.abs().max()


# --- where Captum works ---------------------------------------------------------------------------------------------


@rules
@pytest.mark.parametrize("name", NETWORKS)
def test_a_logit(name, rule):
    net, images = load(name), noise(side=64)
    assert_equal(guided.gradient(net, images, None, 7, rule=rule), captum(net, images, 7, rule))


@rules
@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("minivgg", "conv3"),
        ("minivgg", "relu6"),
        ("alexnet", "conv3"),
        ("alexnet", "pool2"),
        ("alexnet", "fc7"),
        ("vgg11", "relu3_1"),
        ("squeezenet1_1", "fire5"),
        ("resnet18", "layer1.0.conv1"),
        ("resnet18", "layer2.1"),
    ],
)
def test_a_neuron(name, layer, rule):
    net, images = load(name), noise()
    output = hooks.read(net, images, [layer])[layer]
    place = (output[0] == output[0].max()).nonzero()[0].tolist()  # one that fires: else guided backprop gives zeros
    theirs = NEURON[rule](net, net.layers.get(layer, hooks.find(net, layer)[0])).attribute(
        images.clone().requires_grad_(), tuple(place)
    )
    channel, *cell = place
    assert_equal(guided.gradient(net, images, layer, channel, tuple(cell) or (0, 0), rule), theirs)


# --- where it does not: small models, each beside its rebuilt twin ---------------------------------------------------


class Twin(nn.Module):
    """The reference: three convolutions, and one `nn.ReLU` for each use. Those below share its weights."""

    inputs = (3, 8, 8)

    def __init__(self, weights: "Twin | None" = None):
        super().__init__()
        if weights is None:
            self.a, self.b, self.c = (nn.Conv2d(n, 8, 3, padding=1) for n in self.inputs)
        else:
            self.a, self.b, self.c = weights.a, weights.b, weights.c
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(3))
        self.relu, self.inplace = nn.ReLU(), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relus[0](self.a(x))
        x = self.relus[1](self.b(x))
        return self.relus[2](self.c(x)).sum((2, 3))


class Functional(Twin):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.a(x))
        x = torch.relu(self.b(x))
        return self.c(x).clamp(min=0).sum((2, 3))


class FunctionalInPlace(Twin):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.a(x), inplace=True)
        x = torch.relu_(self.b(x))
        return self.c(x).relu_().sum((2, 3))


class InPlaceThrownAway(Twin):
    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        self.inplace(x)  # x itself has changed
        x = self.b(x)
        self.inplace(x)
        x = self.c(x)
        self.inplace(x)
        return x.sum((2, 3))


class Branches(Twin):
    inputs = (3, 3, 8)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.a(x), self.b(x)
        return self.relus[2](self.c(self.relus[0](a) - self.relus[1](b))).sum((2, 3))


class ReusedInBranches(Twin):
    def forward(self, x: Tensor) -> Tensor:
        a, b = self.a(x), self.b(x)
        return self.relu(self.c(self.relu(a) - self.relu(b))).sum((2, 3))


class Skip(Twin):
    """The ReLU's input goes on beside it, as in ResNets with pre-activation; the identity takes the other way."""

    def forward(self, x: Tensor) -> Tensor:
        a = self.a(x)
        return self.c(a * 1 + self.relus[0](a * 1)).sum((2, 3))


class SkipAsWritten(Twin):
    def forward(self, x: Tensor) -> Tensor:
        a = self.a(x)
        return self.c(a + self.relu(a)).sum((2, 3))


@rules
@pytest.mark.parametrize(
    ("kind", "twin", "wrong"),
    [
        (Functional, Twin, ("guided", "deconvnet")),
        (FunctionalInPlace, Twin, ("guided", "deconvnet")),
        (InPlaceThrownAway, Twin, ("guided", "deconvnet")),
        (ReusedInBranches, Branches, ("deconvnet",)),
        (SkipAsWritten, Skip, ("guided", "deconvnet")),
    ],
)
def test_relus_that_captum_gets_wrong(kind, twin, wrong, rule):
    torch.manual_seed(1)
    rebuilt = twin()
    written = kind(rebuilt)
    images = noise(side=12)
    assert torch.equal(written(images), rebuilt(images))
    right = captum(rebuilt, images, 1, rule)
    plain = torch.autograd.grad(rebuilt(probe := images.clone().requires_grad_())[:, 1].sum(), probe)[0]
    assert_differs(plain, right)
    assert_equal(guided.gradient(models.wrap(written, (0, 0, 0), (1, 1, 1)), images, None, 1, rule=rule), right)
    theirs = captum(written, images, 1, rule)
    (assert_differs if rule in wrong else assert_equal)(theirs, right)


# --- whole networks, rebuilt ----------------------------------------------------------------------------------------


class DistinctBlock(nn.Module):
    """ResNet's block with a ReLU for each of its two uses, on the same weights."""

    def __init__(self, block: BasicBlock):
        super().__init__()
        self.first = nn.Sequential(block.conv1, block.bn1, nn.ReLU())
        self.second = nn.Sequential(block.conv2, block.bn2)
        self.shortcut = block.downsample or nn.Identity()
        self.last = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.first(x)) + self.shortcut(x))


def rebuilt(net: models.Network, kind: type, build: Callable[[nn.Module], nn.Module]) -> models.Network:
    """Another network on the same weights, in which each module of a kind is replaced."""
    twin = deepcopy(net)
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, kind):
                setattr(parent, name, build(child))
    return twin


@rules
def test_the_reused_relus_of_resnet18(rule):
    net, images = load("resnet18"), noise()
    twin = rebuilt(net, BasicBlock, DistinctBlock)
    assert torch.equal(net(images), twin(images))
    assert_equal(guided.gradient(net, images, None, 7, rule=rule), captum(twin, images, 7, rule))


@rules
def test_a_neuron_at_the_first_run_of_a_reused_relu(rule):
    """'layer2.1.relu' runs twice. Captum can only be given the module, and takes its last run."""
    net, images = load("resnet18"), noise()
    twin = rebuilt(net, BasicBlock, DistinctBlock)
    first = hooks.read(net, images, ["layer2.1.relu"])["layer2.1.relu"]
    place = tuple((first[0] == first[0].max()).nonzero()[0].tolist())

    def captums(model: models.Network, module: nn.Module) -> Tensor:
        return NEURON[rule](model, module).attribute(images.clone().requires_grad_(), place)

    right = captums(twin, twin.module.layer2[1].first[2])
    assert_equal(guided.gradient(net, images, "layer2.1.relu", place[0], place[1:], rule), right)
    assert_differs(captums(net, net.module.layer2[1].relu), right)


@rules
def test_the_functional_relus_of_googlenet(rule):
    net, images = load("googlenet"), noise(1)
    twin = rebuilt(net, BasicConv2d, lambda block: nn.Sequential(block.conv, block.bn, nn.ReLU()))
    assert torch.equal(net(images), twin(images))
    right = captum(twin, images, 7, rule)
    assert_equal(guided.gradient(net, images, None, 7, rule=rule), right)
    assert_differs(captum(net, images, 7, rule), right)


# --- plain backprop against finite differences ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["minivgg", "alexnet", "resnet18"])
def test_backprop_is_the_slope(name):
    """Central differences in double precision, in random directions: the slope of the neuron is <gradient, d>."""
    net, image = deepcopy(load(name)).double(), noise(1).double()
    layer = {"minivgg": "conv6", "alexnet": "conv4", "resnet18": "layer2.1"}[name]
    channel, row, column = (hooks.read(net, image, [layer])[layer][0] > 0).nonzero()[0].tolist()
    gradient = guided.gradient(net, image, layer, channel, (row, column), "backprop")
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        direction = torch.randn(image.shape, generator=generator, dtype=torch.float64)
        up, down = (
            hooks.read(net, image + step * direction, [layer])[layer][0, channel, row, column] for step in (1e-6, -1e-6)
        )
        slope = ((up - down) / 2e-6).item()
        assert slope != 0
        assert (gradient * direction).sum().item() == pytest.approx(slope, rel=1e-4)
