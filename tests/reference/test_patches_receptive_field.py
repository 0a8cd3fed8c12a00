"""The receptive field against what the network does: gradients of a linearised twin, and noise outside and inside."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vizlib import hooks, models
from vizlib.analysis.receptive_field import receptive_field, receptive_fields
from vizlib.images import Box
from vizlib.models import Network

LAYERS = {
    "minivgg": ["conv1", "relu2", "pool4", "relu6", "conv7"],
    "squeezenet1_0": ["pool1", "fire3", "pool4", "fire6", "pool8", "relu10"],
    "resnet18": ["maxpool", "layer1.1", "layer2.0", "layer3.0", "layer4.0"],
    "googlenet": ["maxpool2", "inception3a", "inception4a", "inception4c"],
    "densenet121": ["pool0", "denseblock1", "transition2", "denseblock3"],
}


def linearized(net: Network) -> Network:
    """The same architecture in which every pixel that can matter does: averages instead of weights and maxima.

    All weights are positive, max pooling is average pooling and batch norm the identity; on a positive image every
    ReLU is the identity, too. So the gradient of a cell is positive exactly on its receptive field.
    """
    twin = copy.deepcopy(net).double()
    for name, module in list(twin.named_modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.data.fill_(1 / module.weight[0].numel())
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.MaxPool2d):
            pool = nn.AvgPool2d(module.kernel_size, module.stride, module.padding, module.ceil_mode)
            parent, _, child = name.rpartition(".")
            setattr(twin.get_submodule(parent), child, pool)
    twin._ran = None  # other modules run now, under the same names
    return twin.requires_grad_(False)


def hull(gradient: Tensor) -> Box:
    """The box around everything that is not zero."""
    seen = gradient.abs().sum((0, 1)) > 0
    rows, columns = seen.any(1).nonzero().flatten(), seen.any(0).nonzero().flatten()
    return Box(rows[0].item(), rows[-1].item() + 1, columns[0].item(), columns[-1].item() + 1)


def cells(height: int, width: int) -> list[tuple[int, int]]:
    """A corner, a cell at one border, one in the middle, and the last."""
    return [(0, 0), (0, width // 2), (height // 2, width // 2 - 1), (height - 1, width - 1)]


@pytest.mark.parametrize("name", LAYERS)
def test_the_box_is_where_the_gradient_of_the_linearised_network_is(name):
    net = models.load(name, "cpu", "untrained")
    twin, size = linearized(net), 160
    image = torch.ones(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    for layer, output in hooks.read(twin, image, LAYERS[name], grad=True).items():
        for cell in cells(*output.shape[2:]):
            (gradient,) = torch.autograd.grad(output[0, :, *cell].sum(), image, retain_graph=True)
            assert receptive_field(net, layer, cell, size) == hull(gradient), f"{layer} {cell}"


@pytest.mark.parametrize(("name", "layer"), [("squeezenet1_0", "fire4"), ("googlenet", "inception3b")])
def test_single_channels_of_concatenated_branches(name, layer):
    net = models.load(name, "cpu", "untrained")
    image = torch.ones(1, 3, 160, 160, dtype=torch.float64, requires_grad=True)
    output = hooks.read(linearized(net), image, [layer], grad=True)[layer]
    found = set()
    for channel in range(0, output.shape[1], 31):
        (gradient,) = torch.autograd.grad(output[0, channel, 9, 9], image, retain_graph=True)
        box = receptive_field(net, layer, (9, 9), 160, channel)
        assert box == hull(gradient)
        found.add(box)
    assert len(found) > 1, "branches with other kernels see other boxes"


@pytest.mark.parametrize("name", LAYERS)
def test_noise_outside_changes_nothing_and_noise_inside_does(name):
    net = models.load(name, "cpu", "trained" if name == "minivgg" else "untrained").double()
    size, layers = 160, LAYERS[name][:4]
    random = torch.Generator().manual_seed(0)
    image, noise = torch.rand(2, 1, 3, size, size, generator=random, dtype=torch.float64)
    clean = hooks.read(net, image, layers)
    for layer in layers:
        height, width = clean[layer].shape[2:]
        for cell in ((0, width // 2), (height // 2, width // 2)):
            box = receptive_field(net, layer, cell, size)
            outside, inside = noise.clone(), image.clone()
            box.of(outside)[:], box.of(inside)[:] = box.of(image), box.of(noise)
            changed = hooks.read(net, torch.cat([outside, inside]), [layer])[layer][:, :, *cell]
            difference = (changed - clean[layer][0, :, *cell]).abs().amax(1) / clean[layer].abs().max()
            assert difference[0] < 1e-12 and difference[1] > 1e-4, f"{layer} {cell}"


# --- architectures at random ----------------------------------------------------------------------------------------


class Mixed(nn.Module):
    """Two ways through, joined as a sum or side by side."""

    def __init__(self, one: nn.Module, other: nn.Module, join: str):
        super().__init__()
        self.one, self.other, self.join = one, other, join

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.one(x), self.other(x)
        height, width = (min(p, q) for p, q in zip(a.shape[2:], b.shape[2:], strict=True))
        a, b = a[..., :height, :width], b[..., :height, :width]
        return torch.relu(a + b) if self.join == "sum" else torch.cat([a, b], 1)[:, 1:3]


@st.composite
def convolutions(draw) -> nn.Module:
    kernel, dilation = draw(st.tuples(*[st.integers(1, 3)] * 2)), draw(st.integers(1, 2))
    padding = draw(st.tuples(*[st.integers(0, 1)] * 2))
    layer = nn.Conv2d(2, 2, kernel, draw(st.integers(1, 2)), padding, dilation, draw(st.integers(1, 2)), bias=False)
    nn.init.constant_(layer.weight, 0.5)
    return layer


@st.composite
def poolings(draw) -> nn.Module:
    kernel = draw(st.integers(1, 3))
    return nn.AvgPool2d(kernel, draw(st.integers(1, 3)), draw(st.integers(0, kernel // 2)), draw(st.booleans()))


simple = convolutions() | poolings()
branches = st.builds(Mixed, simple, simple, st.sampled_from(["sum", "cat"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(simple | branches, min_size=1, max_size=4), st.integers(14, 19), st.data())
def test_random_architectures_channel_by_channel(layers, size, data):
    net = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), *layers).double().eval()
    nn.init.constant_(net[0].weight, 0.5)
    image = torch.ones(1, 3, size, size + 3, dtype=torch.float64, requires_grad=True)
    try:
        output = net(image)
    except RuntimeError:  # shrunk to nothing
        return
    boxes = receptive_fields(net, [str(len(layers))], image.shape[2:])[str(len(layers))]
    assert boxes.shape[:3] == output.shape[1:]
    channel, row, column = (data.draw(st.integers(0, n - 1)) for n in output.shape[1:])
    (gradient,) = torch.autograd.grad(output[0, channel, row, column], image)
    if (gradient == 0).all():
        assert boxes[channel, row, column].tolist() == [0, 0, 0, 0]
    else:
        assert Box(*boxes[channel, row, column].tolist()) == hull(gradient)


def test_the_comparison_can_fail():
    """A twin whose kernel is larger sees more: the reference is not blind."""
    small, large = (nn.Sequential(nn.Conv2d(3, 1, k, padding=k // 2)).double() for k in (3, 5))
    image = torch.ones(1, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(F.relu(large(image))[0, 0, 8, 8] + large(image)[0, 0, 8, 8], image)
    assert receptive_field(small, "0", (8, 8), 16) != hull(gradient) == receptive_field(large, "0", (8, 8), 16)
