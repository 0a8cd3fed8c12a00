"""Every architecture's names and shapes, its weights from files, and what a `Network` says about bad images."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from vizlib import assets, hooks, models
from vizlib.analysis import activations
from vizlib.models import stages

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="module")
def minivgg() -> models.Network:
    return models.load("minivgg", device="cpu")


@pytest.fixture(scope="module")
def squeezenet() -> models.Network:
    return models.load("squeezenet1_0", weights="untrained", device="cpu")


# Layer -> shape of its output for a 224x224 image, from the papers' tables (AlexNet: torchvision's one-tower variant).
SHAPES = {
    "alexnet": {
        "conv1": (64, 55, 55),
        "relu1": (64, 55, 55),
        "pool1": (64, 27, 27),
        "conv2": (192, 27, 27),
        "pool2": (192, 13, 13),
        "conv5": (256, 13, 13),
        "pool5": (256, 6, 6),
        "fc6": (4096,),
        "relu7": (4096,),
        "fc8": (1000,),
    },
    "vgg11": {"conv1_1": (64, 224, 224), "conv3_2": (256, 56, 56), "pool5": (512, 7, 7), "fc8": (1000,)},
    "vgg16": {
        "conv1_2": (64, 224, 224),
        "pool1": (64, 112, 112),
        "relu3_3": (256, 56, 56),
        "conv5_3": (512, 14, 14),
        "fc6": (4096,),
    },
    "vgg19": {"relu4_4": (512, 28, 28), "conv5_4": (512, 14, 14), "fc7": (4096,)},
    "squeezenet1_0": {"conv1": (96, 109, 109), "pool1": (96, 54, 54), "fire2": (128, 54, 54), "conv10": (1000, 13, 13)},
    "squeezenet1_1": {"conv1": (64, 111, 111), "fire5": (256, 27, 27), "fire9": (512, 13, 13)},
    "googlenet": {"conv1": (64, 112, 112), "inception3a": (256, 28, 28), "inception5b": (1024, 7, 7), "fc": (1000,)},
    "resnet18": {"conv1": (64, 112, 112), "layer1.0": (64, 56, 56), "layer4.1": (512, 7, 7), "fc": (1000,)},
    "resnet50": {"layer1.2": (256, 56, 56), "layer4.2": (2048, 7, 7)},
    "densenet121": {
        "conv0": (64, 112, 112),
        "denseblock1": (256, 56, 56),
        "norm5": (1024, 7, 7),
        "classifier": (1000,),
    },
    "mobilenet_v3_small": {"features.0": (16, 112, 112), "features.12": (576, 7, 7), "classifier.3": (1000,)},
}


NAMES = {
    "vgg16": (
        "conv1_1 relu1_1 conv1_2 relu1_2 pool1 conv2_1 relu2_1 conv2_2 relu2_2 pool2 "
        "conv3_1 relu3_1 conv3_2 relu3_2 conv3_3 relu3_3 pool3 conv4_1 relu4_1 conv4_2 relu4_2 conv4_3 relu4_3 pool4 "
        "conv5_1 relu5_1 conv5_2 relu5_2 conv5_3 relu5_3 pool5 avgpool fc6 relu6 fc7 relu7 fc8"
    ),
    "alexnet": (
        "conv1 relu1 pool1 conv2 relu2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 avgpool fc6 relu6 fc7 relu7 fc8"
    ),
}


@pytest.mark.parametrize("name", models.zoo.ZOO)
def test_every_architecture_has_the_fields_names_shapes_and_stages(name):
    net = models.load(name, device="cpu", weights="untrained")
    five_stages_in_the_order_of_the_run(net)
    assert " ".join(net.layers) == NAMES.get(name, " ".join(net.layers))
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    outputs = hooks.read(net, images, list(net.layers))
    assert list(outputs) == list(net.layers)
    for layer, shape in SHAPES[name].items():
        assert tuple(outputs[layer].shape[1:]) == shape, layer
    last = list(net.layers)[-1]
    assert torch.equal(outputs[last].flatten(1), net(images))
    assert len(net.classes) == 1000 and net.classes[0] == "tench" and net.classes[281] == "tabby"
    assert not any(p.requires_grad for p in net.parameters()) and not net.training


@pytest.mark.parametrize("name", models.zoo.BUNDLED)
def test_every_bundled_network_has_five_stages(name):
    five_stages_in_the_order_of_the_run(models.load(name, "cpu"))


def five_stages_in_the_order_of_the_run(net: models.Network) -> None:
    """The stages chosen by hand, and those of a network that nobody knows; and the layers that a style takes."""
    maps, order = activations.map_shapes(net).keys(), list(net.layers)
    places = [order.index(layer) for layer in net.stages]
    assert places == sorted(set(places)) and set(net.stages) <= maps
    content, by_style = stages.content_and_style_layers(net)
    assert {*content, *by_style} <= maps and len(by_style) >= 4
    if net.name.startswith("vgg"):
        assert content == ["relu4_2"] and by_style[0] == "relu1_1" and by_style[-1] == "relu5_1"
    kept, net.name = net.name, "unknown"
    spread = [order.index(layer) for layer in net.stages]
    assert spread == sorted(spread) and len(set(spread)) == 5
    content, by_style = stages.content_and_style_layers(net)
    assert {*content, *by_style} <= maps
    net.name = kept


def test_names_of_squeezenet_and_minivgg(squeezenet, minivgg):
    assert " ".join(squeezenet.layers) == (
        "conv1 relu1 pool1 fire2 fire3 fire4 pool4 fire5 fire6 fire7 fire8 pool8 fire9 conv10 relu10 avgpool"
    )
    assert " ".join(minivgg.layers) == (
        "conv1 relu1 conv2 relu2 pool2 conv3 relu3 conv4 relu4 pool4 "
        "conv5 relu5 conv6 relu6 pool6 conv7 relu7 avgpool fc8"
    )


# --- weights --------------------------------------------------------------------------------------------------------


def test_names_come_with_download_sizes():
    sizes = models.names()
    assert sizes["minivgg"] == sizes["miniresnet"] == sizes["minivgg_robust"] == 0
    assert sizes["vgg16"] == pytest.approx(527.8 * 2**20, rel=1e-3)  # torchvision counts in MiB
    assert set(sizes) == {"minivgg", "miniresnet", "minivgg_robust", *models.zoo.ZOO}
    assert models.cached()[:3] == ["minivgg", "miniresnet", "minivgg_robust"]


def test_untrained_weights_depend_on_the_seed_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    a, b, c = (models.load("squeezenet1_1", device="cpu", weights="untrained", seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    weights = [net.module.features[0].weight for net in (a, b, c)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_from_a_local_file(tmp_path, suffix, squeezenet):
    state = {key: torch.full(value.shape, 0.01) for key, value in squeezenet.module.state_dict().items()}
    path = tmp_path / f"weights{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    net = models.load("squeezenet1_0", device="cpu", weights=path)
    assert all(torch.equal(value, state[key]) for key, value in net.module.state_dict().items())


@pytest.mark.parametrize("weights", ["trained", "untrained", "own"])
@pytest.mark.parametrize("name", models.zoo.BUNDLED)
def test_a_damaged_bundled_file_is_named_whatever_weights_are_asked_for(tmp_path, monkeypatch, name, weights):
    """The names of the classes and the sizes come from the bundled file, also where the weights do not."""
    own = assets.data_path(f"{name}.safetensors")
    damaged = tmp_path / own.name
    damaged.write_bytes(own.read_bytes()[:1000])
    monkeypatch.setattr(assets, "data_folder", lambda: tmp_path)
    with pytest.raises(assets.AssetError, match=f"{re.escape(str(damaged))}.*damaged"):
        models.load(name, "cpu", own if weights == "own" else weights)


def test_googlenet_takes_a_published_state_dict_with_its_auxiliary_heads(tmp_path):
    published = torchvision.models.googlenet(aux_logits=True, init_weights=False).eval()
    torch.save(published.state_dict(), tmp_path / "googlenet.pth")
    net = models.load("googlenet", device="cpu", weights=tmp_path / "googlenet.pth")
    images = torch.rand(1, 3, 96, 96)
    published.transform_input = True
    torch.testing.assert_close(net(images), published((images - net.mean) / net.std))


@pytest.mark.slow
def test_the_imagenet_squeezenet_scores_as_published():
    if not (SHARED / "models").is_dir():
        pytest.skip("the ImageNet SqueezeNet and the photos are not beside this checkout")
    from vizlib import images

    net = models.load("squeezenet1_0", device="cpu", weights=SHARED / "models" / "squeezenet1_0-imagenet.safetensors")
    files = sorted((SHARED / "datasets" / "imagenet-samples").iterdir())
    assert len(files) == 1000
    hits = []
    for number in range(0, 1000, 8):  # of all 1,000 it names 61.2%
        photo = images.prepare(images.resize(images.load(files[number]), 256), 224)
        hits.append(net(photo).argmax(1).item() == number)
    assert sum(hits) / len(hits) >= 0.58, f"top-1 of {sum(hits) / len(hits):.1%}"


def test_densenet_takes_the_keys_of_its_published_file(tmp_path):
    """The file that torchvision downloads still says 'denselayer1.norm.1.weight'; the module says 'norm1'."""
    state = models.load("densenet121", device="cpu", weights="untrained", seed=3).module.state_dict()
    published = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): value for key, value in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in published
    torch.save(published, tmp_path / "densenet121.pth")
    net = models.load("densenet121", device="cpu", weights=tmp_path / "densenet121.pth")
    assert all(torch.equal(value, state[key]) for key, value in net.module.state_dict().items())


# --- Network and wrap -----------------------------------------------------------------------------------------------


def tiny() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def test_a_network_normalises_and_nobody_else_does():
    module, images = tiny(), torch.rand(2, 3, 16, 16)
    net = models.wrap(module, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), classes=["a", "b", "c"])
    by_hand = torch.stack([(images[:, c] - m) / s for c, (m, s) in enumerate([(0.4, 0.2), (0.5, 0.3), (0.6, 0.4)])], 1)
    torch.testing.assert_close(net(images), module(by_hand))
    assert list(net.layers) == ["0", "1", "2", "4"]


def test_predictions_are_the_softmax_sorted():
    net, images = models.wrap(tiny(), classes=["a", "b", "c"]), torch.rand(2, 3, 16, 16)
    answers = net.predict(images, k=3)
    probabilities = net(images).softmax(1)
    for row, p in zip(answers, probabilities, strict=True):
        assert [answer.index for answer in row] == p.argsort(descending=True).tolist()
        assert sum(answer.probability for answer in row) == pytest.approx(1, abs=1e-5)
        assert row[0].name == "abc"[row[0].index]
    assert models.wrap(tiny()).predict(images, k=1)[0][0].name.startswith("class ")


def test_wrapping_leaves_weights_and_a_copy_keeps_its_own_layers():
    module = tiny()
    before = copy.deepcopy(module.state_dict())
    net = models.wrap(module)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    twin = copy.deepcopy(net)
    assert twin.layers["0"] is twin.module[0] and twin.layers["0"] is not net.layers["0"]


def test_gradients_reach_the_image_but_not_the_weights(minivgg):
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    minivgg(image)[0, 3].backward()
    assert image.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in minivgg.parameters())


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        ("a.jpg", TypeError, r"\bstr\b.*images\.load"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), TypeError, r"torch\.uint8.*images\.load"),
        (torch.zeros(3, 64, 64), ValueError, r"\(N, 3, H, W\).*\(3, 64, 64\)"),
        (torch.zeros(1, 4, 64, 64), ValueError, r"\(N, 3, H, W\).*\(1, 4, 64, 64\)"),
        (torch.zeros(0, 3, 64, 64), ValueError, r"\(N, 3, H, W\).*\(0, 3, 64, 64\)"),
        (torch.zeros(1, 3, 64, 40), ValueError, r"\b64 pixels.*64x40.*enlarge"),
        (torch.full((1, 3, 64, 64), 128.0), ValueError, r"\[0, 1\].*128 to 128"),
        (torch.full((1, 3, 64, 64), -2.0), ValueError, r"\[0, 1\].*-2 to -2"),
        (torch.full((1, 3, 64, 64), float("nan")), ValueError, r"\[0, 1\].*nan to nan"),
        (torch.full((1, 3, 64, 64), float("inf")), ValueError, r"\[0, 1\].*inf to inf"),
    ],
)
def test_bad_images(minivgg, images, error, message):
    with pytest.raises(error, match=message):
        minivgg(images)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: models.load("vgg61"), LookupError, "'vgg61'.*'vgg1"),
        (lambda p: models.load("minivgg", weights=p / "no.safetensors"), assets.AssetError, r"no\.safetensors"),
        (
            lambda p: models.load("resnet18", weights=p / "other.pth"),
            ValueError,
            r"other\.pth.*resnet18",
        ),
        (lambda p: models.load("minivgg", weights=p / "other.pth"), ValueError, r"other\.pth.*minivgg.*conv1\.bias"),
        (lambda p: models.load("minivgg", device="gpu"), ValueError, "'gpu'.*'cpu'"),
        (lambda p: models.wrap(tiny()).predict(torch.rand(1, 3, 9, 9), "5"), ValueError, r"\bk\b.*'5'.*whole number"),
        (lambda p: models.wrap("resnet"), TypeError, r"nn\.Module.*\bstr\b"),
        (lambda p: models.wrap(tiny(), mean=(0.5,)), ValueError, r"cannot take.*grey: give images.*one number"),
        (lambda p: models.wrap(tiny(), mean=(0.5, 0.5)), ValueError, r"mean.*\[0, 1\].*\(0\.5, 0\.5\)"),
        (lambda p: models.wrap(tiny(), mean=(124, 117, 104)), ValueError, r"mean.*\[0, 1\].*124"),
        (lambda p: models.wrap(tiny(), mean=0.5), ValueError, r"mean.*\[0, 1\].*0\.5"),
        (lambda p: models.wrap(tiny(), std=(0.2, 0, 0.2)), ValueError, r"std.*\[0, 1\].*\(0\.2, 0, 0\.2\)"),
        (lambda p: models.wrap(tiny(), classes="ab").predict(torch.rand(1, 3, 9, 9), 1), ValueError, r"\b3\b.*\b2\b"),
        (
            lambda p: models.wrap(tiny()).predict(torch.rand(1, 3, 9, 9), 7),
            ValueError,
            r"\bk\b.*\b7\b.*1 to 3",
        ),
        (
            lambda p: models.wrap(tiny(), classes=["cat", "dog", "cow"]).class_index("cta"),
            LookupError,
            "'cta'.*'cat'",
        ),
        (lambda p: models.download("minivggg"), LookupError, "'minivggg'.*'minivgg'"),
    ],
)
def test_bad_arguments(tmp_path, call, error, message):
    torch.save(tiny().state_dict(), tmp_path / "other.pth")
    with pytest.raises(error, match=message):
        call(tmp_path)


def test_no_weights_and_no_network_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("VIZLIB_CACHE", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(assets.AssetError, match="alexnet"):
        models.load("alexnet")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# --- the bundled network --------------------------------------------------------------------------------------------


def test_minivgg_is_what_the_lecture_shows(minivgg):
    weight = minivgg.layers["conv1"].weight
    assert weight.shape[0] >= 48 and weight.shape[1:] == (3, 7, 7)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in minivgg.modules())
    assert minivgg.layers["fc8"].in_features >= 256
    assert len(minivgg.classes) == len(set(minivgg.classes)) == 200
    assert assets.data_path("minivgg.safetensors").stat().st_size <= 8_000_000
    assert minivgg(torch.rand(2, 3, 64, 64)).shape == (2, 200)
    assert minivgg(torch.rand(1, 3, 97, 250)).shape == (1, 200)


def test_folding_batch_norm_leaves_the_function_as_it_was():
    from vizlib.models.minivgg import MiniVGG

    torch.manual_seed(0)
    trained = MiniVGG(10, batch_norm=True)
    for module in trained.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean), nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2), nn.init.normal_(module.bias)
    images = torch.randn(2, 3, 64, 64)
    plain = trained.eval().folded()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in plain.modules())
    torch.testing.assert_close(plain(images), trained(images), rtol=1e-4, atol=1e-4)


def test_cats_and_coffee(minivgg):
    from vizlib import images

    def answers(name):
        return [a.name for a in minivgg.predict(images.prepare(images.load(name), minivgg.input_size))[0]]

    assert {"tabby", "Egyptian cat", "Persian cat"} & set(answers("chelsea")[:2])
    assert {"espresso", "cup"} & set(answers("coffee"))


@pytest.mark.slow
def test_the_bundled_network_needs_neither_torchvision_nor_the_compiler():
    """Importing them takes as long as importing torch itself: seconds before the first picture of a notebook."""
    code = (
        "import sys; from vizlib import images, models, plot, widgets; "
        "from vizlib.analysis import occlusion; net = models.load('minivgg', 'cpu'); "
        "photo = images.prepare(images.load('chelsea'), net.input_size); "
        "net.predict(photo); occlusion.occlusion(net, photo, None, 32, 32); "
        "from vizlib.optimize import last; from vizlib.synthesis import ascent, deepdream, style; "
        "knobs = ascent.AscentKnobs(2, blur=1); "
        "last(ascent.ascend(net, ascent.blank(net, fourier=True), ascent.logit(net, 3), knobs)); "
        "last(deepdream.dream(net, photo, deepdream.DreamKnobs(layer='relu4', steps=2, octaves=2))); "
        "last(style.transfer(net, photo, [photo], style.StyleKnobs(steps=2, size=64, scales=1, optimizer='lbfgs'))); "
        "print('torchvision' in sys.modules, 'torch._dynamo' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.split() == ["False", "False"]


def test_no_module_imports_what_takes_seconds():
    """A first picture waits for whatever is imported with the modules; scikit-learn alone takes three seconds."""
    code = (
        "import importlib, pkgutil, sys, vizlib\n"
        "names = [found.name for found in pkgutil.walk_packages(vizlib.__path__, 'vizlib.')]\n"
        "for name in names:\n"
        "    '__main__' in name or importlib.import_module(name)\n"
        "assert len(names) > 100 and 'vizlib.widgets.panels.embedding' in sys.modules\n"
        "slow = 'sklearn', 'scipy', 'skimage', 'torchvision', 'torch._dynamo', 'dask', 'pandas', 'matplotlib.pyplot'\n"
        "print(sorted(sys.modules.keys() & set(slow)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"
