"""Incremental inference against ordinary inference on images that are really covered."""

import threading

import pytest
import torch
import torchvision
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vizlib import models
from vizlib.analysis.incremental import Block, Reach, Unknown, blocks, clean_run, occlude, trace
from vizlib.analysis.incremental.layers import Convolution
from vizlib.analysis.incremental.patches import cut, places, put
from vizlib.analysis.incremental.windows import Windows, common_size

COLOR = torch.tensor([0.9, 0.1, 0.4])[None, :, None, None]


def difference(
    net: models.Network, image: Tensor, rows: list, columns: list, classes: list[int] | None = None
) -> float:
    """The largest difference between logits of incremental and of ordinary inference, over all rows and columns."""
    shows = COLOR.expand_as(image)
    worst, seen = 0.0, set()
    for cells, logits in occlude(clean_run(net, image, classes), shows, rows, columns):
        covered = image.repeat(len(cells), 1, 1, 1)
        for n, (i, j) in enumerate(cells):
            covered[n, :, slice(*rows[i]), slice(*columns[j])] = COLOR[0]
        with torch.inference_mode():
            expected = net(covered)
        worst = max(worst, (logits - (expected if classes is None else expected[:, classes])).abs().max().item())
        seen.update(cells)
    assert len(seen) == len(rows) * len(columns), "every pair of a row and a column comes once"
    return worst


def wrapped(module: nn.Module) -> models.Network:
    return models.wrap(module, input_size=32)


def image_of(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


def spans(length: int, size: int, stride: int) -> list[tuple[int, int]]:
    return [(start, min(start + size, length)) for start in range(0, length, stride)]


# --- random networks ------------------------------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self, channels: int, stride: int):
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, stride, 1)
        self.norm = nn.BatchNorm2d(channels)
        self.shortcut = nn.Conv2d(channels, channels, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.norm(self.convolution(x)) + self.shortcut(x))


class Branches(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.narrow, self.wide = nn.Conv2d(channels, 2, 1), nn.Conv2d(channels, 3, 5, padding=2)
        self.pool = nn.MaxPool2d(3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.narrow(x).relu(), self.wide(x), self.pool(x)], 1)


@st.composite
def modules(draw: st.DrawFn) -> nn.Module:
    torch.manual_seed(draw(st.integers(0, 99)))
    layers, channels = [], 3
    small = st.integers(1, 3)
    for kind in draw(
        st.lists(
            st.sampled_from(["conv", "pool", "average", "norm", "relu", "swish", "residual", "branches"]), max_size=5
        )
    ):
        if kind == "conv":
            kernel, groups = (draw(st.integers(1, 5)), draw(st.integers(1, 4))), draw(st.sampled_from([1, channels]))
            padding = (draw(st.integers(0, 4)), draw(st.integers(0, 2)))
            stride, dilation = (draw(small), draw(small)), draw(st.integers(1, 2))
            layers.append(nn.Conv2d(channels, 2 * channels, kernel, stride, padding, dilation, groups))
            channels *= 2
        elif kind == "pool":
            kernel = draw(st.integers(2, 4))
            layers.append(
                nn.MaxPool2d(kernel, draw(small), draw(st.integers(0, kernel // 2)), ceil_mode=draw(st.booleans()))
            )
        elif kind == "average":
            layers.append(nn.AvgPool2d(draw(st.integers(1, 3)), draw(small)))
        elif kind == "norm":
            layers.append(norm := nn.BatchNorm2d(channels))
            norm.running_mean.uniform_(), norm.running_var.uniform_(0.5, 2)
        elif kind == "residual":
            layers.append(Residual(channels, draw(st.integers(1, 2))))
        elif kind == "branches":
            layers.append(Branches(channels))
            channels += 5
        else:
            layers.append(nn.ReLU(inplace=draw(st.booleans())) if kind == "relu" else nn.Hardswish())
    pool = nn.AdaptiveAvgPool2d(draw(st.sampled_from([1, 2])))
    last = nn.Linear(channels * (pool.output_size**2), 4)
    return nn.Sequential(*layers, pool, nn.Flatten(), last)


@settings(max_examples=60, deadline=None)
@given(modules(), st.integers(9, 21), st.integers(9, 21), st.integers(1, 9), st.integers(1, 7))
def test_random_networks_agree_with_ordinary_inference(module, height, width, size, stride):
    image = image_of(height, width)
    try:
        net = wrapped(module)
        net(image)
    except (RuntimeError, ValueError):
        assume(False)  # a kernel larger than what is left of the map
    assert difference(net, image, spans(height, size, stride), spans(width, size, stride)) < 1e-5


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 4), st.integers(1, 3), st.integers(12, 20), st.data())
def test_reach_against_reading_every_input(kernel, stride, padding, dilation, size, data):
    reach = Reach(kernel, stride, padding, dilation)
    outputs = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    assume(outputs > 0)
    first = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(first + 1, size))
    read = [{o * stride - padding + dilation * i for i in range(kernel)} for o in range(outputs)]
    touched = [o for o in range(outputs) if read[o] & set(range(first, end))]
    low, high = reach.outputs((first, end), outputs)
    assert set(touched) <= set(range(low, high))
    if dilation == 1 and stride <= kernel and touched:
        assert (low, high) == (touched[0], touched[-1] + 1), "and no larger than it must be"
    assert reach.first_input(0) == min(read[0])
    assert reach.first_input(0) + reach.inputs(outputs) == max(read[-1]) + 1


# --- real networks --------------------------------------------------------------------------------------------------

FOLLOWED = {  # how many of its convolutions are followed, and how many it has
    "minivgg": (7, 7),
    "alexnet": (5, 5),
    "vgg11": (8, 8),
    "vgg16": (13, 13),
    "vgg19": (16, 16),
    "squeezenet1_0": (26, 26),
    "squeezenet1_1": (26, 26),
    "googlenet": (57, 57),
    "resnet18": (20, 20),
    "resnet50": (53, 53),
    "densenet121": (120, 120),
    "mobilenet_v3_small": (2, 52),  # then a squeeze-and-excitation block lets every pixel depend on all
}


def skeleton(name: str) -> nn.Module:
    """A network of the zoo without any weights, for tracing."""
    if name in models.zoo.BUNDLED:
        return models.load(name).module
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        return torchvision.models.get_model(name, **options).eval()


def test_the_table_below_has_every_network():
    assert set(FOLLOWED) >= set(models.zoo.ZOO) and "minivgg" in FOLLOWED


@pytest.mark.parametrize("name", FOLLOWED)
def test_how_far_a_network_of_the_zoo_is_followed(name):
    assert trace(skeleton(name)).followed == FOLLOWED[name]


def test_published_googlenet_weights_take_the_other_way():
    module = torchvision.models.googlenet(aux_logits=False, init_weights=False, transform_input=True).eval()
    net = models.wrap(module)
    assert trace(net.module).followed == (0, 57)  # it rearranges the colours first, which is not a known layer
    assert difference(net, image_of(48, 48), [(0, 9), (20, 29)], [(10, 19)]) < 1e-5


@pytest.mark.parametrize(
    "name", ["minivgg", "squeezenet1_0", "resnet18", "alexnet", "googlenet", "densenet121", "mobilenet_v3_small"]
)
def test_networks_agree_with_ordinary_inference(name):
    net = models.load(name, weights="untrained", seed=1)
    image = image_of(83, 70)  # odd, and not square
    assert difference(net, image, [(0, 11), (33, 44), (77, 83)], [(0, 11), (40, 51), (66, 70)]) < 1e-4


@pytest.mark.parametrize("name", ["minivgg", "squeezenet1_0", "resnet18", "mobilenet_v3_small"])
def test_only_some_logits(name):
    net = models.load(name, weights="untrained", seed=1)
    image = image_of(64, 64)
    assert difference(net, image, [(10, 20), (50, 60)], [(0, 10), (25, 35)], classes=[17, 5]) < 1e-4
    assert net(image).shape[1] > 2, "the network itself still gives them all"


# --- what is not known ----------------------------------------------------------------------------------------------


class Undecided(nn.Module):
    """Cannot be traced: what it does depends on the numbers."""

    def __init__(self):
        super().__init__()
        self.convolution, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolution(x).mean((2, 3))
        return self.last(x if x.sum() > 0 else -x)


def test_a_network_that_cannot_be_traced_is_run_whole():
    net = wrapped(Undecided())
    with pytest.raises(Unknown, match="Undecided"):
        trace(net.module)
    assert clean_run(net, image_of(20, 20)).graph.steps == []
    assert difference(net, image_of(20, 20), spans(20, 5, 5), spans(20, 5, 5), classes=[4, 0]) < 1e-6


class Overwriting(nn.Module):
    """Its shortcut reads what an in-place ReLU has changed, under another name."""

    def __init__(self):
        super().__init__()
        self.same, self.relu = nn.Identity(), nn.ReLU(inplace=True)
        self.convolution, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolution(x)
        y = self.relu(self.same(x))
        return self.last((x + 2 * y).mean((2, 3)))


def test_in_place_changes_that_others_read_are_run_whole():
    net = wrapped(Overwriting())
    with pytest.raises(Unknown, match="relu.*in place"):
        trace(net.module)
    assert difference(net, image_of(20, 20), spans(20, 5, 5), spans(20, 5, 5)) < 1e-6


class Broadcasting(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution, self.all, self.last = nn.Conv2d(3, 4, 3), nn.AvgPool2d(18), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolution(x)
        return self.last((x + self.all(x)).relu().mean((2, 3)))


def test_a_sum_of_maps_of_different_sizes_is_run_whole():
    net = wrapped(Broadcasting())
    assert clean_run(net, image_of(20, 20)).graph.steps == []
    assert difference(net, image_of(20, 20), spans(20, 5, 5), spans(20, 5, 5)) < 1e-6


def test_an_occluder_between_the_pixels_that_are_read_changes_nothing():
    net = wrapped(nn.Sequential(nn.Conv2d(3, 4, 1, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    image = image_of(17, 17)
    ((_, logits),) = occlude(clean_run(net, image), COLOR.expand_as(image), [(1, 3)], [(5, 7)])
    assert torch.allclose(logits, net(image), atol=1e-6)


# --- the parts ------------------------------------------------------------------------------------------------------


def test_a_window_over_the_whole_image_costs_a_whole_forward():
    clean = clean_run(models.load("minivgg"), image_of(64, 64))
    assert Block(clean, [(0, 64)], [(0, 64)]).macs == clean.macs
    assert Block(clean, [(0, 8)] * 2, [(0, 8)] * 3).macs == 6 * Block(clean, [(0, 8)], [(0, 8)]).macs < 6 * clean.macs


def test_blocks_cover_everything_once():
    clean = clean_run(models.load("minivgg"), image_of(64, 64))
    rows, columns = spans(64, 8, 8), spans(64, 8, 16)
    count = torch.zeros(len(rows), len(columns))
    for i, j in blocks(clean, rows, columns):
        count[i, j] += 1
    assert (count == 1).all()


def test_common_size_moves_inward_at_the_border():
    assert common_size([(0, 2), (3, 6), (7, 8)], 8) == Windows([0, 3, 5], 3)
    assert common_size([(4, 4)], 4) == Windows([3], 1)  # nothing changed, past the end: one pixel, computed once more


def test_cut_and_put_are_opposites():
    source = torch.rand(7, 9, 2)
    rows, columns = Windows([0, 2, 4], 3), Windows([1, 5], 4)
    windows = cut(source, rows, columns)
    assert windows.shape == (3, 2, 3, 4, 2)
    assert torch.equal(windows[1, 1], source[2:5, 5:9])
    maps = torch.zeros(3, 2, 7, 9, 2)
    put(windows, maps, list(places(rows, Windows([0] * 3, 7))), list(places(columns, Windows([0] * 2, 9))))
    assert torch.equal(maps[2, 0, 4:7, 1:5], source[4:7, 1:5]) and maps[2, 0].count_nonzero() == 3 * 4 * 2


def test_im2col_is_the_convolution():
    layer = nn.Conv2d(3, 5, (3, 2), (2, 1), dilation=(1, 3)).requires_grad_(False)
    patches = torch.rand(4, 9, 8, 3)
    expected = layer(patches.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert torch.allclose(Convolution(layer)(patches), expected, atol=1e-5)


def test_the_network_is_left_as_it_was_also_when_nobody_takes_the_rest():
    net = models.load("resnet18", weights="untrained")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    modules = list(net.modules())
    image = image_of(64, 64)
    steps = occlude(clean_run(net, image, [3]), torch.zeros_like(image), spans(64, 8, 6), spans(64, 8, 6))
    cells, logits = next(steps)
    kept = logits.clone()
    steps.close()
    assert torch.equal(logits, kept) and len(cells) < 11 * 11
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert list(net.modules()) == modules and not net.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)
    assert net(image).shape == (1, 1000)


def test_networks_run_and_are_traced_in_other_threads_meanwhile():
    nets = [models.load("miniresnet", "cpu"), models.load("resnet18", "cpu", weights="untrained")]
    image, done, wrong = torch.rand(1, 3, 64, 64), threading.Event(), []
    expected = [net(image) for net in nets]

    def run(net: models.Network, right: Tensor) -> None:
        while not done.is_set():
            try:
                if not net(image).equal(right):
                    wrong.append("another result")
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in zip(nets, expected, strict=True)]
    threads += [threading.Thread(target=lambda net=net: [trace(net.module) for _ in range(6)]) for net in nets]
    for thread in threads:
        thread.start()
    for thread in threads[2:]:
        thread.join()
    done.set()
    for thread in threads[:2]:
        thread.join()
    assert wrong == [] and torch.nn.Module.__call__.__name__ == "_wrapped_call_impl"
