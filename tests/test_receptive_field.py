"""The receptive field: known boxes, borders, branches, operations that see everything, bad input."""

import gc
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vizlib import hooks, models
from vizlib.analysis.receptive_field import receptive_field, receptive_fields
from vizlib.images import Box


class Lambda(nn.Module):
    """A layer made of any function of its input."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def chain(*layers) -> nn.Sequential:
    """Modules and functions one after the other; they are called '0', '1' …"""
    return nn.Sequential(*(layer if isinstance(layer, nn.Module) else Lambda(layer) for layer in layers)).eval()


def last_box(*layers, cell=(4, 4), size=20) -> Box:
    return receptive_field(chain(*layers), str(len(layers) - 1), cell, size)


def conv(**options) -> nn.Conv2d:
    return nn.Conv2d(3, 3, **({"kernel_size": 3} | options))


# --- windows --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (conv(), (4, 7, 4, 7)),
        (conv(padding=1), (3, 6, 3, 6)),
        (conv(padding="same"), (3, 6, 3, 6)),
        (conv(dilation=2), (4, 9, 4, 9)),
        (conv(stride=2, padding=1), (7, 10, 7, 10)),
        (conv(kernel_size=(1, 5), stride=(3, 1), padding=(0, 2)), (12, 13, 2, 7)),
        (conv(padding=1, padding_mode="replicate"), (3, 6, 3, 6)),
        (nn.MaxPool2d(3, 2, 1), (7, 10, 7, 10)),
        (nn.MaxPool2d(2, dilation=3, stride=1), (4, 8, 4, 8)),
        (nn.AvgPool2d(2), (8, 10, 8, 10)),
        (nn.AvgPool2d(3, 2, 1, ceil_mode=True), (7, 10, 7, 10)),
        (nn.AdaptiveAvgPool2d(7), (11, 15, 11, 15)),
        (nn.AdaptiveMaxPool2d(5), (16, 20, 16, 20)),
        (nn.ZeroPad2d(2), (2, 3, 2, 3)),
        (nn.BatchNorm2d(3), (4, 5, 4, 5)),
    ],
)
def test_a_window_of_each_kind(layer, expected):
    assert last_box(layer) == expected


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_an_even_kernel_with_the_same_padding_reaches_further_down_and_right():
    assert last_box(conv(kernel_size=(4, 2), padding="same")) == (3, 7, 4, 6)


def test_minivgg_by_the_formula():
    net = models.load("minivgg")
    assert receptive_field(net, "conv1", (3, 4), 64) == (3, 10, 5, 12)
    middle = receptive_field(net, "conv7", (8, 8), 256)
    assert (middle.height, middle.width) == (105, 105)
    assert receptive_field(net, "conv2", (0, 5), 64) == (0, 6, 5, 16)  # the docstring's example


def test_the_border_clips():
    box = last_box(conv(padding=1), conv(padding=1), cell=(0, 19))
    assert box == (0, 3, 17, 20)
    assert receptive_field(chain(nn.MaxPool2d(3, 2, ceil_mode=True)), "0", (9, 9), 20) == (18, 20, 18, 20)


def test_a_cell_of_padding_sees_nothing():
    box = last_box(conv(kernel_size=1, padding=1), cell=(0, 0))
    assert box == (0, 0, 0, 0)
    assert last_box(conv(kernel_size=1, padding=1), cell=(1, 1)) == (0, 1, 0, 1)


def test_images_that_are_not_square():
    net = chain(conv(padding=1))
    assert receptive_fields(net, ["0"], (6, 9))["0"].shape == (3, 6, 9, 4)
    assert receptive_field(net, "0", (5, 8), (6, 9)) == (4, 6, 7, 9)


# --- branches -------------------------------------------------------------------------------------------------------


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.five = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 4, 5, padding=2)

    def forward(self, x):
        return torch.cat([self.one(x), self.five(x)], 1)


def test_concatenated_branches_differ_by_channel():
    net = chain(Inception(), nn.Conv2d(6, 1, 3))
    assert receptive_field(net, "0", (9, 9), 20, channel=0) == (9, 10, 9, 10)
    assert receptive_field(net, "0", (9, 9), 20, channel=2) == (7, 12, 7, 12)
    assert receptive_field(net, "0", (9, 9), 20) == (7, 12, 7, 12)
    assert receptive_field(net, "1", (9, 9), 20) == (7, 14, 7, 14)


def test_groups_and_shuffled_channels_are_followed_one_by_one():
    shuffle = nn.ChannelShuffle(2)
    by_hand = Lambda(lambda x: x.view(1, 2, 3, 16, 16).transpose(1, 2).reshape(1, 6, 16, 16))
    for mixed in (shuffle, by_hand):
        net = chain(lambda x: torch.cat([F.max_pool2d(x, 5, 1), x[:, :, 2:-2, 2:-2]], 1), mixed)
        wide = [receptive_field(net, "1", (5, 5), 20, channel=c).width == 5 for c in range(6)]
        assert wide == [True, False, True, False, True, False]
    net = chain(Inception(), nn.Conv2d(6, 2, 1, groups=2), nn.Conv2d(2, 2, 1, groups=2))
    assert receptive_field(net, "2", (9, 9), 20, channel=0).width == 5
    net = chain(lambda x: torch.cat([x, F.avg_pool2d(x, 3, 1, 1)], 1), nn.Conv2d(6, 4, 1, groups=2))
    assert [receptive_field(net, "1", (9, 9), 20, channel=c).width for c in range(4)] == [1, 1, 3, 3]


def test_a_shortcut_sees_what_both_ways_see():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = conv(padding=1)

        def forward(self, x):
            y = F.relu(self.conv(x), inplace=True)
            y += x[..., 2:3]  # a broadcast column far from most cells
            return y

    box = receptive_field(chain(Residual()), "0", (9, 9), 20)
    assert box == (8, 11, 2, 11)


def test_squeeze_and_excitation_sees_everything():
    def gate(x):
        return x * torch.sigmoid(F.adaptive_avg_pool2d(x, 1))

    assert last_box(conv(), gate) == (0, 20, 0, 20)


# --- what sees everything -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + x.mean((2, 3), keepdim=True),
        lambda x: F.instance_norm(x),
        lambda x: x.flatten(2).softmax(2).view_as(x),
        lambda x: torch.fft.fft2(x).real,
        lambda x: x.cumsum(2),
        lambda x: F.interpolate(x, scale_factor=1.0, mode="bicubic"),
        lambda x: F.conv2d(x, x[:, :, :1, :1].expand(3, 3, 1, 1)),
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: x * 0 + torch.from_numpy(x.numpy()[:, :, ::-1].copy()),
    ],
    ids=["mean", "instance-norm", "softmax", "fourier", "cumsum", "interpolate", "dynamic", "training", "numpy"],
)
def test_what_is_not_known_sees_everything(function):
    assert last_box(lambda x: x.clone(), function) == (0, 20, 0, 20)


def test_constants_see_nothing():
    def shifted(x):
        return x + torch.arange(20.0) * torch.ones(3, 1, 1) + torch.zeros_like(x)

    assert last_box(shifted) == (4, 5, 4, 5)


def test_the_union_of_inputs_only():
    """An unknown operation sees what its inputs see, not more."""
    assert last_box(lambda x: x[:, :, 3:9, 5:], lambda x: x.cumsum(2)) == (3, 9, 5, 20)


def assign(x):
    y = torch.zeros_like(x)
    y[:, :, 1:] = x[:, :, :-1]
    return y


def copy_into_a_view(x):
    y = torch.zeros(x.shape)
    y[:, :, 1:].copy_(x[:, :, :-1])
    return y


@pytest.mark.parametrize("write", [assign, copy_into_a_view])
def test_what_is_written_into_a_tensor_is_not_missed(write):
    box = last_box(write)
    assert box.top <= 3 and box.bottom >= 4, "row 4 holds what was in row 3"


def test_a_linear_layer_sees_everything():
    net = models.load("minivgg")
    assert receptive_field(net, "fc8", (0, 0), 64) == (0, 64, 0, 64)
    assert receptive_fields(net, ["fc8"], 64)["fc8"].shape == (200, 1, 1, 4)


# --- the network stays as it is -------------------------------------------------------------------------------------


def test_nothing_stays_in_the_network_and_no_network_is_kept():
    net = chain(conv(), nn.ReLU(inplace=True))
    receptive_fields(net, ["0", "1"], 20)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert not any(hasattr(parameter, "edges") for parameter in net.parameters())
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None


def test_a_second_question_costs_no_forward():
    net = chain(conv(), nn.ReLU())
    receptive_fields(net, ["0", "1"], 20)
    handle = net.register_forward_pre_hook(lambda *_: pytest.fail("it ran again"))
    assert receptive_field(net, "1", (0, 0), 20) == (0, 3, 0, 3)
    handle.remove()


def test_a_network_that_was_changed_is_asked_again():
    net = chain(conv(), nn.ReLU())
    assert receptive_field(net, "1", (0, 0), 20) == (0, 3, 0, 3)
    net[0].dilation = (2, 2)
    assert receptive_field(net, "1", (0, 0), 20) == (0, 5, 0, 5)
    net[0] = conv(kernel_size=1)
    assert receptive_field(net, "1", (0, 0), 20) == (0, 1, 0, 1)


def test_the_code_of_forward_may_change():
    class Body(nn.Module):
        def forward(self, x):
            return x

    net = chain(Body(), nn.ReLU())
    assert receptive_field(net, "1", (0, 0), 20) == (0, 1, 0, 1)
    Body.forward = lambda self, x: nn.functional.max_pool2d(x, 4)
    assert receptive_field(net, "1", (0, 0), 20) == (0, 4, 0, 4)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_network_in_training_of_any_type_and_with_one_channel(channels, dtype):
    module = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = models.wrap(module.to(dtype), mean=channels * [0.5], std=channels * [0.5], input_size=20)
    module.train()
    before = module[1].running_mean.clone()
    assert receptive_field(net, "1", (2, 3), 20) == (2, 5, 3, 6)
    assert receptive_field(module, "1", (2, 3), 20) == (2, 5, 3, 6) if channels == 3 else True
    assert torch.equal(module[1].running_mean, before) and module[1].training


def test_odd_convolutions_see_no_more_than_the_box(uneven):
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    net = models.wrap(nn.Sequential(uneven, *head), input_size=37)
    image = torch.rand(1, 3, 37, 53).requires_grad_()
    score = hooks.read(net, image, ["0"], grad=True)["0"][0, :, 2, 3].square().sum()
    (gradient,) = torch.autograd.grad(score, image)
    rows, columns = gradient[0].abs().sum(0).nonzero().T
    box = receptive_field(net, "0", (2, 3), (37, 53))
    assert box.top <= rows.min() and rows.max() < box.bottom
    assert box.left <= columns.min() and columns.max() < box.right


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (LookupError, "'conv9'.*minivgg.*conv1", ("conv9", (0, 0), 64)),
        (IndexError, r"\(32, 0\).*conv1.*32x32", ("conv1", (32, 0), 64)),
        (IndexError, r"\(0, -1\).*conv1.*32x32", ("conv1", (0, -1), 64)),
        (IndexError, r"channel 64\b.*conv1.*\b64\b", ("conv1", (0, 0), 64, 64)),
    ],
)
def test_bad_input_is_named(error, message, arguments):
    with pytest.raises(error, match=message):
        receptive_field(models.load("minivgg"), *arguments)


def test_a_layer_of_tokens_is_refused():
    with pytest.raises(ValueError, match=r"'0'.*\(1, 3, 400\).*\(N, C, h, w\)"):
        receptive_fields(chain(lambda x: x.flatten(2)), ["0"], 20)
