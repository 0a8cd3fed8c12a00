"""Reading, stopping, overriding and ReLU rules, on models written in every way that people write them."""

import re
import threading

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from vizlib import hooks, models


def snapshot(model: nn.Module) -> tuple:
    """All that a `with` block might leave behind: weights, hooks, in-place flags, modes of training."""
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    rest = [
        (
            len(m._forward_hooks),
            len(m._forward_pre_hooks),
            len(m._backward_hooks),
            getattr(m, "inplace", None),
            m.training,
        )
        for m in model.modules()
    ]
    return weights, rest


def assert_unchanged(before: tuple, model: nn.Module) -> None:
    weights, rest = snapshot(model)
    assert rest == before[1]
    assert weights.keys() == before[0].keys()
    assert all(torch.equal(weights[key], before[0][key]) for key in weights)


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.resnet18().eval()


@pytest.fixture(scope="module")
def vgg() -> models.Network:
    return models.load("vgg11", weights="untrained", device="cpu")


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("resnet18", ["conv1", "bn1", "relu", "layer1.0.relu", "layer1.0.relu_1", "layer2.1", "layer3.0.bn2", "fc"]),
        ("googlenet", ["conv1.bn", "conv1", "inception3a", "inception4c.branch2.0.bn"]),
        ("densenet121", ["features.conv0", "features.denseblock1", "features.norm5", "classifier"]),
        ("mobilenet_v3_small", ["features.0", "features.3", "features.12"]),
        ("squeezenet1_1", ["features.3.squeeze", "features.3", "classifier.1"]),
    ],
)
def test_outputs_are_those_of_torchvisions_feature_extractor(name, layers, images):
    net = models.load(name, weights="untrained", device="cpu")
    model = net.module
    # torchvision's extractor hands out the very tensors that later in-place operations overwrite: stop at each layer.
    expected = {layer: create_feature_extractor(model, [layer])(images)[layer] for layer in layers}
    before = snapshot(model)
    activations = hooks.read(model, images, layers)
    assert list(activations) == layers
    for layer in layers:
        assert torch.equal(activations[layer], expected[layer]), layer
    assert_unchanged(before, model)


def test_an_in_place_relu_does_not_overwrite_what_was_read(vgg, images):
    activations = hooks.read(vgg, images, ["conv1_1", "relu1_1", "conv2_1"])
    assert activations["conv1_1"].min() < 0
    assert torch.equal(activations["conv1_1"].clamp(min=0), activations["relu1_1"])


def test_the_forward_stops_at_the_deepest_layer_asked_for(resnet, images):
    ran = []
    handles = [m.register_forward_hook(lambda m, i, o, n=n: ran.append(n)) for n, m in resnet.named_children()]
    hooks.read(resnet, images, ["layer1.1", "conv1"])
    for handle in handles:
        handle.remove()
    assert ran == ["conv1", "bn1", "relu", "maxpool"]  # layer1 itself never ends, layer2 never starts


def test_gradients_reach_the_image_only_when_asked(resnet, images):
    image = images.clone().requires_grad_()
    assert not hooks.read(resnet, image, ["layer1.0"])["layer1.0"].requires_grad
    activation = hooks.read(resnet, image, ["layer1.0"], grad=True)["layer1.0"]
    (ours,) = torch.autograd.grad(activation.square().sum(), image)
    reference = create_feature_extractor(resnet, ["layer1.0"])(image)["layer1.0"]
    (theirs,) = torch.autograd.grad(reference.square().sum(), image)
    assert ours.abs().max() > 0
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_gradient_of_a_score_with_respect_to_a_recorded_layer(vgg, images):
    image = images.clone().requires_grad_()
    with hooks.recording(vgg, ["conv1_1", "relu4_2"]) as activations:
        score = vgg(image)[:, 7].sum()
    gradients = torch.autograd.grad(score, [activations["conv1_1"], activations["relu4_2"]])
    tail = nn.Sequential(*list(vgg.module.features)[15:], vgg.module.avgpool, nn.Flatten(), vgg.module.classifier)
    top = activations["relu4_2"].detach().clone().requires_grad_()
    (expected,) = torch.autograd.grad(tail(top * 1)[:, 7].sum(), top)
    torch.testing.assert_close(gradients[1], expected)
    assert gradients[0].shape == activations["conv1_1"].shape and gradients[0].abs().max() > 0


def test_nothing_is_left_after_an_exception(resnet, images):
    before = snapshot(resnet)

    def fail(output):
        raise RuntimeError("the student's own mistake")

    with pytest.raises(RuntimeError, match="own mistake"), hooks.override(resnet, {"layer2.0": fail}):
        resnet(images)
    with pytest.raises(ZeroDivisionError), hooks.recording(resnet, ["layer1.0"]), hooks.relu_rule(resnet, "guided"):
        resnet(images)
        raise ZeroDivisionError
    with pytest.raises(RuntimeError), hooks.relu_rule(resnet, "guided"):
        resnet(torch.rand(1, 5, 64, 64))  # fails inside the forward, where the rule is in force
    assert_unchanged(before, resnet)
    assert torch.overrides._get_current_function_mode_stack() == []


def test_override_replaces_one_run_in_every_forward(resnet, images):
    with hooks.override(resnet, {"layer1.0.relu_1": torch.zeros_like}):
        for _ in range(2):
            out = hooks.read(resnet, images, ["layer1.0.relu", "layer1.0.relu_1", "layer1.0"])
            assert out["layer1.0.relu"].abs().max() > 0
            assert out["layer1.0"].abs().max() == 0
    plain = hooks.read(resnet, images, ["layer1.0"])["layer1.0"]
    assert plain.abs().max() > 0


def test_hooks_belong_to_the_thread_that_opened_them(resnet, images):
    expected, result = resnet(images), {}
    with hooks.override(resnet, {"conv1": torch.zeros_like}), hooks.relu_rule(resnet, lambda g, x: g * 0):

        def other():
            image = images.clone().requires_grad_()
            result["logits"] = resnet(image)
            (result["gradient"],) = torch.autograd.grad(result["logits"].sum(), image)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert torch.equal(result["logits"], expected)
    assert result["gradient"].abs().max() > 0


# --- ReLU rules -----------------------------------------------------------------------------------------------------


class Modules(nn.Module):
    """The reference: one `nn.ReLU` for each use."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(4))
        self.relus = nn.ModuleList(nn.ReLU() for _ in range(4))

    def forward(self, x):
        for convolution, relu in zip([self.a, self.b, self.c, self.d], self.relus, strict=True):
            x = relu(convolution(x))
        return x.sum((2, 3))


class InPlace(Modules):
    def __init__(self):
        super().__init__()
        self.relus = nn.ModuleList(nn.ReLU(inplace=True) for _ in range(4))


class Reused(Modules):
    def __init__(self):
        super().__init__()
        self.relus = None
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.d(self.relu(self.c(self.relu(self.b(self.relu(self.a(x)))))))).sum((2, 3))


class Functional(Modules):
    def forward(self, x):
        x = F.relu(self.a(x))
        x = torch.relu(self.b(x))
        x = self.c(x).relu()
        return self.d(x).clamp(min=0).sum((2, 3))


class FunctionalInPlace(Modules):
    def forward(self, x):
        x = F.relu(self.a(x), inplace=True)
        x = self.b(x)
        x.relu_()  # the returned value is thrown away
        x = torch.relu_(self.c(x))
        x = self.d(x)
        torch.clamp_(x, 0)
        return x.sum((2, 3))


def expected_gradient(model: Modules, x: torch.Tensor, rule: str) -> torch.Tensor:
    """The rule by hand, layer by layer, on the shared weights: no autograd, no hooks."""
    inputs, convolutions = [], [model.a, model.b, model.c, model.d]
    with torch.no_grad():
        for convolution in convolutions:
            inputs.append(convolution(x))
            x = inputs[-1].clamp(min=0)
        gradient = torch.zeros_like(x)
        gradient[:, 1] = 1  # of the second output's sum
        for convolution, z in zip(reversed(convolutions), reversed(inputs), strict=True):
            if rule in ("backprop", "guided"):
                gradient = gradient * (z > 0)
            if rule in ("deconvnet", "guided"):
                gradient = gradient.clamp(min=0)
            gradient = F.conv_transpose2d(gradient, convolution.weight, padding=1)
    return gradient


@pytest.mark.parametrize("rule", list(hooks.RELU_RULES))
@pytest.mark.parametrize("kind", [Modules, InPlace, Reused, Functional, FunctionalInPlace])
def test_relu_rules_however_the_relu_is_written(kind, rule):
    torch.manual_seed(1)
    model = kind()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05)  # so that enough of the units are alive
    x = torch.rand(2, 3, 12, 12, requires_grad=True)
    before, logits = snapshot(model), model(x)
    with hooks.relu_rule(model, rule):
        out = model(x)
        (inside,) = torch.autograd.grad(out[:, 1].sum(), x)
    assert torch.equal(out, logits)
    torch.testing.assert_close(inside, expected_gradient(model, x, rule), rtol=1e-5, atol=1e-7)
    assert inside.abs().max() > 0
    assert_unchanged(before, model)
    (after,) = torch.autograd.grad(model(x)[:, 1].sum(), x)
    torch.testing.assert_close(after, expected_gradient(model, x, "backprop"), rtol=1e-5, atol=1e-7)


def test_the_three_rules_differ():
    torch.manual_seed(1)
    model, x = Functional(), torch.rand(1, 3, 12, 12, requires_grad=True)
    gradients = []
    for rule in hooks.RELU_RULES:
        with hooks.relu_rule(model, rule):
            gradients += torch.autograd.grad(model(x)[:, 1].sum(), x)
    assert all(not torch.equal(gradients[i], gradients[j]) for i, j in [(0, 1), (0, 2), (1, 2)])


def test_relus_outside_the_network_keep_their_gradient():
    model, x = Functional(), torch.rand(1, 3, 8, 8, requires_grad=True)
    with hooks.relu_rule(model, lambda gradient, _: gradient * 0):
        model(x)
        (gradient,) = torch.autograd.grad(F.relu(x - 0.5).sum(), x)
        clamped = torch.autograd.grad((x * 2).clamp(min=0, max=1).sum(), x)[0]
    assert torch.equal(gradient, (x > 0.5).float())
    assert torch.equal(clamped, 2.0 * (x * 2 <= 1))


def test_a_clamp_between_two_bounds_is_no_relu():
    class Bounded(nn.Module):
        def forward(self, x):
            return x.clamp(0, 0.5)

    x = torch.rand(1, 3, 8, 8, requires_grad=True)
    with hooks.relu_rule(Bounded(), lambda gradient, _: gradient * 0):
        (gradient,) = torch.autograd.grad(Bounded()(x).sum(), x)
    assert gradient.sum() > 0


def test_the_rule_survives_an_early_stop(resnet, images):
    image = images.clone().requires_grad_()
    with hooks.relu_rule(resnet, "guided"):
        stopped = hooks.read(resnet, image, ["layer1.1"], grad=True)["layer1.1"]
        with hooks.recording(resnet, ["layer1.1"]) as whole:
            resnet(image)
    (a,) = torch.autograd.grad(stopped[:, 0].sum(), image)
    (b,) = torch.autograd.grad(whole["layer1.1"][:, 0].sum(), image)
    assert torch.equal(a, b) and a.abs().max() > 0
    assert torch.overrides._get_current_function_mode_stack() == []


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        (["conv9"], LookupError, r"'conv9'.*vgg11.*conv1_1 … fc8"),
        (["Conv1_1"], LookupError, "'Conv1_1'.*'conv1_1'"),
        (["conv1_1_7"], LookupError, "'conv1_1_7'.*vgg11"),
        ("conv1_1", TypeError, r"list.*\['conv1'\].*'conv1_1'"),
        ([], TypeError, r"list.*\['conv1'\].*\[\]"),
        (None, TypeError, r"list.*\['conv1'\].*None"),
    ],
)
def test_bad_layers(vgg, layers, error, message, images):
    before = snapshot(vgg)
    with pytest.raises(error, match=message):
        hooks.read(vgg, images, layers)
    assert_unchanged(before, vgg)


@pytest.mark.parametrize("layers", ["relu7", [], None])
def test_recording_says_that_it_takes_a_list(vgg, layers):
    """One name alone would be taken for the layers 'r', 'e', 'l' …"""
    with pytest.raises(TypeError, match=rf"list.*\['conv1'\].*{re.escape(repr(layers))}"):
        with hooks.recording(vgg, layers):
            pytest.fail("the mistake is to be named before anything runs")
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in vgg.modules())


def test_a_layer_that_gives_no_single_tensor(images):
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    model = nn.Sequential(Pair())
    with pytest.raises(TypeError, match="'0'.*tuple.*single tensor"):
        hooks.read(model, images, ["0"])


def test_an_unknown_rule(resnet):
    with pytest.raises(LookupError, match="'guide'.*backprop, deconvnet, guided"):
        with hooks.relu_rule(resnet, "guide"):
            pass
