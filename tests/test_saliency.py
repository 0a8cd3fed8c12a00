"""Saliency maps: their axioms, what they leave behind, and what they say to bad input."""

import threading

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from vizlib import hooks, images, models, plot
from vizlib.analysis import saliency, segmentation
from vizlib.models import stages


@pytest.fixture(scope="module")
def net():
    return models.load("minivgg", device="cpu")


@pytest.fixture(scope="module")
def photos():
    return torch.cat([images.prepare(images.load(name), 64) for name in ("coffee", "chelsea", "flower")])


class Linear(nn.Module):
    """A score that is linear in the pixels, so that every attribution is known."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3 * 4 * 4, 5)

    def forward(self, x):
        return self.fc(x.flatten(1))


@pytest.fixture(scope="module")
def linear():
    torch.manual_seed(0)
    return models.wrap(Linear(), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), name="linear", input_size=4)


# --- what they are --------------------------------------------------------------------------------------------------


def test_of_a_linear_score_everything_is_known(linear):
    x = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    slope = linear.module.fc.weight[2].reshape(1, 3, 4, 4) / 0.25  # per unit of the image, not of the normalised one
    assert_close(saliency.gradient(linear, x, 2), slope.expand(2, -1, -1, -1))
    assert_close(saliency.smoothgrad(linear, x, 2, samples=3), slope.expand(2, -1, -1, -1))
    assert_close(saliency.gradient_times_input(linear, x, 2), slope * x)
    assert_close(saliency.integrated_gradients(linear, x, 2, steps=3, baseline=0.5), slope * (x - 0.5))
    assert_close(saliency.METHODS["gradient"](linear, x, 2), slope.abs().amax(1).expand(2, -1, -1))


def test_the_score_is_the_logit_and_not_the_probability(net, photos):
    logits = net(photos)
    assert_close(saliency.class_scores(net, photos), logits.amax(1))
    assert_close(saliency.class_scores(net, photos, [5, 6, 7]), logits[[0, 1, 2], [5, 6, 7]])
    with torch.enable_grad():
        x = photos.clone().requires_grad_(True)
        (expected,) = torch.autograd.grad(net(x)[:, 9].sum(), x)
        (other,) = torch.autograd.grad(net(x).softmax(1)[:, 9].sum(), x)
    assert_close(saliency.gradient(net, photos, 9), expected)
    assert not torch.allclose(other / other.norm(), expected / expected.norm(), atol=1e-3)


def test_integrated_gradients_are_complete(net, photos):
    """What the pixels contributed adds up to what the score has gained, the better the more steps there are."""
    target = saliency.predicted(net, photos)
    gained = saliency.class_scores(net, photos, target) - saliency.class_scores(net, photos * 0, target)
    errors = []
    for steps in (4, 64):
        total = saliency.integrated_gradients(net, photos, steps=steps).sum((1, 2, 3))
        errors.append(((total - gained).abs() / gained.abs()).max().item())
    assert errors[1] < 0.02 and errors[1] < errors[0] / 2
    plain = saliency.gradient_times_input(net, photos).sum((1, 2, 3))
    assert ((plain - gained).abs() / gained.abs()).max() > 0.1, "gradient x input is not complete"


def test_a_baseline_contributes_nothing(net, photos):
    assert saliency.integrated_gradients(net, photos, 3, steps=2, baseline=photos).abs().max() == 0


def test_smoothgrad_is_the_mean_of_gradients_at_noisy_copies(net, photos):
    generator = torch.Generator().manual_seed(5)
    copies = [photos + 0.1 * torch.randn(photos.shape, generator=generator) for _ in range(3)]
    expected = sum(saliency.gradient(net, copy, 9) for copy in copies) / 3
    assert_close(saliency.smoothgrad(net, photos, 9, samples=3, noise=0.1, seed=5), expected)
    assert_close(saliency.smoothgrad(net, photos, 9, samples=2, noise=0), saliency.gradient(net, photos, 9))


def test_smoothing_goes_sample_by_sample_and_can_be_left(net, photos):
    steps = saliency.smoothing(net, photos, 9, samples=4)
    first, second = next(steps), next(steps)
    steps.close()
    assert (first.done, second.done, second.total) == (1, 2, 4)
    assert torch.equal(second.attributions, saliency.smoothgrad(net, photos, 9, samples=2))
    assert torch.equal(first.attributions, saliency.smoothgrad(net, photos, 9, samples=1)), "it was not overwritten"


def test_the_noise_follows_its_seed_and_leaves_torchs_own_alone(net, photos):
    state = torch.get_rng_state()
    one = saliency.smoothgrad(net, photos[:1], samples=2, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one, saliency.smoothgrad(net, photos[:1], samples=2, seed=1))
    assert not torch.equal(one, saliency.smoothgrad(net, photos[:1], samples=2, seed=2))


@pytest.mark.parametrize("method", saliency.METHODS)
def test_every_method_gives_maps_of_one_form(net, photos, method):
    photos = photos[:2]
    maps = saliency.METHODS[method](net, photos)
    assert maps.shape == (2, 64, 64) and maps.dtype == torch.float32
    assert maps.min() >= 0 and (maps.amax((1, 2)) > 0).all()
    assert_close(maps, saliency.METHODS[method](net, photos, saliency.predicted(net, photos)), msg="None is predicted")
    assert not torch.allclose(maps, saliency.METHODS[method](net, photos, [3, 5])), "another class has another map"


def test_images_of_a_batch_do_not_disturb_each_other(net, photos):
    alone = torch.cat([saliency.gradient(net, photo[None], 5) for photo in photos])
    assert_close(alone, saliency.gradient(net, photos, 5), rtol=1e-3, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0.5, 1.0))
def test_rescaled_maps_keep_their_order(seed, quantile):
    maps = torch.rand(2, 6, 7, generator=torch.Generator().manual_seed(seed))
    seen = saliency.rescaled(maps, quantile)
    assert seen.min() >= 0 and seen.max() == 1
    order = maps.flatten(1).argsort(1)
    assert (seen.flatten(1).gather(1, order).diff(dim=1) >= 0).all()
    assert torch.equal(saliency.rescaled(maps * 0), maps * 0)


# --- class activation maps ------------------------------------------------------------------------------------------


class Pooled(nn.Module):
    """The same head twice: pooling as a module, or as a function in forward."""

    def __init__(self, pool, classifier):
        super().__init__()
        self.conv, self.pool, self.classifier = nn.Conv2d(3, 6, 3), pool, classifier

    def forward(self, x):
        return self.classifier(self.pool(self.conv(x).relu()).flatten(1))


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d(1), lambda x: nn.functional.adaptive_avg_pool2d(x, (1, 1))])
@pytest.mark.parametrize("bias", [True, False])
def test_cam_finds_the_pooling_however_it_is_written(pool, bias):
    torch.manual_seed(0)
    module = Pooled(pool, nn.Linear(6, 4, bias=bias)) if isinstance(pool, nn.Module) else None
    if module is None:
        module = Pooled(nn.Identity(), nn.Linear(6, 4, bias=bias))
        module._modules.pop("pool")
        module.pool = pool
    small = models.wrap(module, name="small", input_size=8)
    x = torch.rand(2, 3, 8, 8)
    expected = small(x)[:, 1] - (module.classifier.bias[1] if bias else 0)
    assert_close(saliency.class_activation_map(small, x, 1).mean((1, 2)), expected)


POOLINGS = {
    "mean": lambda x: x.mean((2, 3)),
    "mean of each row first": lambda x: x.mean(3).mean(2),
    "of the flat map": lambda x: x.flatten(2).mean(2),
    "sum": lambda x: x.sum((2, 3)) / x[0, 0].numel(),
    "a window": lambda x: nn.functional.avg_pool2d(x, x.shape[2:]),
    "with dropout": lambda x: nn.functional.dropout(nn.functional.adaptive_avg_pool2d(x, 1), training=False),
}


class Written(nn.Module):
    """A network whose pooling is written out in `forward`."""

    def __init__(self, pool):
        super().__init__()
        self.conv, self.last, self.pool = nn.Conv2d(3, 6, 3), nn.Linear(6, 4), pool

    def forward(self, x):
        return self.last(self.pool(nn.functional.relu(self.conv(x), inplace=True)).flatten(1))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_cam_of_a_pooling_that_forward_writes_out(pooling, dtype):
    net = models.wrap(Written(POOLINGS[pooling]).to(dtype), input_size=8)
    x = torch.rand(2, 3, 8, 8)
    evidence = saliency.class_activation_map(net, x, [1, 3])
    assert evidence.shape == (2, 6, 6) and evidence.dtype == torch.float32
    expected = net(x)[[0, 1], [1, 3]] - net.module.last.bias[[1, 3]]
    assert_close(evidence.mean((1, 2)), expected, atol=1e-5 if dtype == torch.float32 else 5e-3, rtol=0)


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "mnasnet0_5"])
def test_cam_of_networks_that_take_a_mean(name):
    net = models.wrap(torchvision.models.get_model(name, num_classes=5), input_size=64)
    last = [layer for layer in net.modules() if isinstance(layer, nn.Linear)][-1]
    x = torch.rand(1, 3, 64, 64)
    evidence = saliency.class_activation_map(net, x, 0)
    assert evidence.shape == (1, 2, 2)
    assert torch.allclose(evidence.mean() + last.bias[0], net(x)[0, 0], atol=1e-4)


def test_cam_of_maps_of_one_pixel():
    net = models.load("resnet18", "cpu", weights="untrained")
    x = torch.rand(1, 3, 32, 32)
    evidence = saliency.class_activation_map(net, x, 7)
    assert evidence.shape == (1, 1, 1)
    assert_close(evidence.sum() + net.module.fc.bias[7], net(x)[0, 7])


@pytest.mark.parametrize(
    "pool",
    [
        lambda x: x.amax((2, 3)),
        lambda x: nn.functional.adaptive_max_pool2d(x, 1),
        lambda x: x.mean((2, 3)).square(),
        lambda x: x[:, :, 2, 2],
    ],
)
def test_cam_refuses_another_pooling(pool):
    net = models.wrap(Written(pool), input_size=8)
    with pytest.raises(ValueError, match="Written.*global average pooling.*grad_cam"):
        saliency.class_activation_map(net, torch.rand(1, 3, 8, 8))


def test_cam_refuses_another_end():
    head = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 4))
    other = models.wrap(Pooled(nn.AdaptiveAvgPool2d(1), head), name="other", input_size=8)
    with pytest.raises(ValueError, match="other.*grad_cam"):
        saliency.class_activation_map(other, torch.rand(1, 3, 8, 8))


def test_cam_refuses_a_network_without_pooling(linear):
    with pytest.raises(ValueError, match="linear.*grad_cam"):
        saliency.class_activation_map(linear, torch.rand(1, 3, 4, 4))


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("minivgg", "relu7"),
        ("alexnet", "relu5"),
        ("squeezenet1_0", "relu10"),
        ("resnet18", "layer4.1"),
        ("densenet121", "norm5"),
        ("googlenet", "inception5b"),
    ],
)
def test_grad_cam_looks_at_the_last_maps(name, layer):
    assert stages.last_maps(models.load(name, weights="untrained", device="cpu")) == layer


def test_grad_cam_needs_maps(net, linear, photos):
    with pytest.raises(ValueError, match=r"'fc8'.*\(3, 200\).*\(N, C, h, w\)"):
        saliency.grad_cam(net, photos, layer="fc8")
    with pytest.raises(LookupError, match="'relu9'.*minivgg.*conv1"):
        saliency.grad_cam(net, photos, layer="relu9")
    with pytest.raises(ValueError, match="linear has no layer with a map"):
        saliency.grad_cam(linear, torch.rand(1, 3, 4, 4))


class Aside(nn.Module):
    """A score of one branch; beside it a layer that never runs, and maps that the score is no function of."""

    def __init__(self, detached: bool = False):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
        self.idle, self.aside, self.detached = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), detached

    def forward(self, x):
        self.aside(x.detach() if self.detached else x)
        return self.fc(self.conv(x).mean((2, 3)))


@pytest.mark.parametrize("detached", [False, True])
def test_grad_cam_of_a_layer_that_has_no_part_in_the_score(detached):
    aside = models.wrap(Aside(detached), name="aside", input_size=8)
    x = torch.rand(2, 3, 8, 8)
    assert saliency.grad_cam(aside, x, 1, "conv").shape == (2, 6, 6)
    with pytest.raises(LookupError, match="'idle'.*aside"):
        saliency.grad_cam(aside, x, 1, "idle")
    with pytest.raises(ValueError, match="'aside'.*another"):
        saliency.grad_cam(aside, x, 1, "aside")
    with pytest.raises(ValueError, match=r"'fc'.*\(2, 2\).*\(N, C, h, w\)"):
        saliency.grad_cam(aside, x, 1, "fc")


def test_grad_cam_of_a_score_that_no_layer_has_a_part_in():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.conv(x).mean((2, 3)).detach()

    with pytest.raises(ValueError, match="constant lets no gradient through.*does not depend on the image"):
        saliency.grad_cam(models.wrap(Constant(), name="constant", input_size=8), torch.rand(1, 3, 8, 8))


def test_grad_cam_of_any_layer_and_size(net, photos):
    large = images.resize(photos[:1], 100)
    for layer, (_, height, width) in {"conv1": (64, 50, 50), "relu5": (256, 12, 12)}.items():
        cam = saliency.grad_cam(net, large, layer=layer)
        assert cam.shape == (1, height, width) and cam.min() >= 0
        assert saliency.resized(cam, large).shape == (1, 100, 100)


# --- numbers that say nothing ---------------------------------------------------------------------------------------


def dull(weight: float = 1.0, bias: float = 0.0) -> models.Network:
    """A network whose last weights are all the same, and whose maps are shifted by `bias`."""
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    body[0].bias.data.fill_(bias)
    body[4].weight.data.fill_(weight)
    return models.wrap(body, input_size=32)


def test_grad_cam_of_negative_evidence_is_zero_and_can_be_shown():
    net, x = dull(-1.0), torch.rand(1, 3, 32, 32)
    heat = saliency.METHODS["Grad-CAM"](net, x, 0)
    assert heat.max() == 0 and saliency.rescaled(heat).isfinite().all()
    assert not segmentation.segment(x, heat[0]).cut
    plot.to_png(plot.heat_map(x, heat[0]))


@pytest.mark.parametrize("method", saliency.METHODS)
def test_units_that_never_fire_give_maps_of_zeros(method):
    net, x = dull(bias=-1000.0), torch.rand(2, 3, 32, 32)
    maps = saliency.METHODS[method](net, x, 0)
    assert maps.shape == (2, 32, 32) and maps.abs().max() == 0
    assert saliency.rescaled(maps).abs().max() == 0


@pytest.mark.parametrize("method", saliency.METHODS)
def test_constant_images_give_finite_maps(net, method):
    maps = saliency.METHODS[method](net, torch.tensor([0.0, 0.5, 1.0])[:, None, None, None].expand(3, 3, 64, 64))
    assert maps.isfinite().all() and saliency.rescaled(maps).isfinite().all() and maps.min() >= 0


@pytest.mark.parametrize("method", saliency.METHODS)
def test_a_saturated_softmax_makes_no_difference(method):
    """The score is the logit, so it tells as much as before."""
    saturated, x = dull(), torch.rand(1, 3, 32, 32)
    plain = saliency.METHODS[method](saturated, x, 0)
    saturated.module[4].bias.data[0] = 1000
    assert saturated.probabilities(saturated(x))[0, 0] == 1
    assert_close(saliency.METHODS[method](saturated, x, 0), plain, atol=1e-4, rtol=1e-3)


def test_tiny_maps_and_sparse_maps_are_scaled_like_any_others(photos):
    maps = torch.rand(2, 8, 8)
    assert_close(saliency.rescaled(1e-20 * maps), saliency.rescaled(maps))
    sparse = torch.zeros(1, 32, 32)
    sparse[0, 3, 4], sparse[0, 5, 6] = 0.5, 2.0
    assert_close(saliency.rescaled(sparse), sparse / 2)


# --- networks of other kinds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", saliency.METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_type_of_numbers_one_channel_and_a_network_in_training(method, dtype, channels):
    body = nn.Sequential(
        nn.Conv2d(channels, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )
    net, x = models.wrap(body.to(dtype), channels * [0.5], channels * [0.25], input_size=32), torch.rand(1, 3, 32, 32)
    body.train()  # the next epoch
    before = body[1].running_mean.clone()
    first, second = saliency.METHODS[method](net, x, 0), saliency.METHODS[method](net, x, 0)
    assert torch.equal(before, body[1].running_mean), "the picture changed the statistics"
    assert torch.equal(first, second), "two maps of one image differ"
    assert first.shape == (1, 32, 32) and first.isfinite().all() and saliency.rescaled(first).isfinite().all()
    assert all(part.training for part in body.modules())


# --- what they leave behind -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", saliency.METHODS)
def test_nothing_is_left_behind(photos, method):
    net = models.load("minivgg", device="cpu")
    for parameter in net.parameters():
        parameter.requires_grad_(True)  # a user's network in the middle of its training
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x, kept = photos[:1].clone(), photos[:1].clone()
    maps = saliency.METHODS[method](net, x)
    assert not maps.requires_grad and x.grad is None and not x.requires_grad and torch.equal(x, kept)
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in net.modules())


@pytest.mark.parametrize("method", saliency.METHODS)
def test_grad_mode_does_not_matter_and_belongs_to_the_thread(net, photos, method):
    expected, found = saliency.METHODS[method](net, photos[:1], 5), []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: found.append(saliency.METHODS[method](net, photos[:1], 5)))
        thread.start()
        found.append(saliency.METHODS[method](net, photos[:1], 5))
        thread.join()
        assert not torch.is_grad_enabled()
    for maps in found:
        assert_close(maps, expected, rtol=1e-3, atol=1e-6)


def test_a_relu_rule_applies(net, photos):
    with hooks.relu_rule(net, "guided"):
        guided = saliency.gradient(net, photos, 5)
    assert not torch.allclose(guided, saliency.gradient(net, photos, 5))


def test_an_exception_leaves_no_hook(net, photos):
    with pytest.raises(ValueError, match="target"):
        saliency.grad_cam(net, photos, 999)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


# --- bad input ------------------------------------------------------------------------------------------------------


def test_numbers_of_steps_and_samples(net, photos):
    with pytest.raises(ValueError, match=r"samples.*\b0\b.*at least 1"):
        saliency.smoothgrad(net, photos, samples=0)
    with pytest.raises(ValueError, match=r"noise.*-1.*at least 0"):
        saliency.smoothgrad(net, photos, noise=-1)
    with pytest.raises(ValueError, match=r"steps.*\b0\b.*at least 1"):
        saliency.integrated_gradients(net, photos, steps=0)
