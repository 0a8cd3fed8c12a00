"""Networks outside the list: twelve architectures, and every method on each of them, right or refused in a sentence."""

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from vizlib import hooks, models
from vizlib.analysis import activations, guided, occlusion, saliency
from vizlib.models import Network, stages
from vizlib.optimize import Pixels, last, objectives
from vizlib.synthesis import adversarial, ascent, deepdream, inversion


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
