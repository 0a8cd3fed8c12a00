"""Features of a gallery: what they are, that they are computed once, and that a stop loses nothing."""

import pytest
import torch
from torch import nn

from vizlib import hooks, models
from vizlib.analysis import features
from vizlib.analysis.features import BATCH, extracting
from vizlib.images import galleries
from vizlib.models import Network, stages
from vizlib.optimize import last

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(scope="module")
def net() -> Network:
    return models.load("minivgg", device="cpu")


@pytest.fixture(scope="module")
def gallery() -> galleries.Gallery:
    pictures = torch.rand(2 * BATCH + 5, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return galleries.stack(pictures, [i % 3 for i in range(len(pictures))], ["a", "b", "c"])


@pytest.fixture
def counter(net, monkeypatch):
    seen = []
    real = features.read
    monkeypatch.setattr(
        features, "read", lambda net, images, layers: (seen.append(len(images)), real(net, images, layers))[1]
    )
    return seen


def test_features_are_the_layers_output_averaged_or_flattened(net, gallery):
    pictures = torch.cat([gallery.image(i) for i in range(len(gallery))])
    maps = hooks.read(net, pictures, ["relu7", "avgpool", "fc8"])
    got = features.features(net, gallery)
    assert torch.allclose(got.values, maps["avgpool"].flatten(1), atol=1e-4)
    assert torch.equal(got.labels, gallery.labels) and got.done == got.total == len(gallery)
    assert torch.allclose(features.features(net, gallery, "relu7").values, maps["relu7"].mean((2, 3)), atol=1e-4)
    assert torch.allclose(
        features.features(net, gallery, "relu7", pool=False).values, maps["relu7"].flatten(1), atol=1e-4
    )
    assert torch.allclose(features.features(net, gallery, "fc8").values, maps["fc8"], atol=1e-3)
    assert torch.equal(features.features(net, gallery, "pixels").values, pictures.flatten(1))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_threads_change_nothing(net, gallery, workers):
    expected = features.features(net, gallery, "pool2", workers=0, cached=False).values
    assert torch.equal(features.features(net, gallery, "pool2", workers=workers, cached=False).values, expected)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("vgg11", "relu7"),
        ("resnet18", "avgpool"),
        ("squeezenet1_1", "fire9"),
        ("minivgg", "avgpool"),
        ("alexnet", "relu7"),
    ],
)
def test_the_last_layer_is_what_the_classifier_takes(name, layer):
    assert stages.last_layer(models.load(name, weights="untrained", device="cpu")) == layer


@pytest.mark.parametrize(
    ("name", "layer", "before"),
    [("minivgg", "relu7", "conv7"), ("alexnet", "relu5", "conv5"), ("squeezenet1_0", "fire9", "fire9")],
)
def test_what_a_relu_rectifies_is_the_layer_before_it(name, layer, before):
    net = models.load(name, weights="untrained", device="cpu")
    assert net.stages.last == layer and stages.before_relu(net, layer) == before


def test_it_is_computed_once_and_again_when_anything_matters(net, gallery, counter):
    first = features.features(net, gallery, "relu7")
    assert sum(counter) == len(gallery)
    assert torch.equal(features.features(net, gallery, "relu7").values, first.values) and sum(counter) == len(gallery)
    for change in (
        {"layer": "relu6"},
        {"layer": "relu7", "side": 80},
        {"layer": "relu7", "pool": False},
        {"layer": "relu7", "cached": False},
    ):
        counter.clear()
        features.features(net, gallery, **change)
        assert sum(counter) == len(gallery), change
    counter.clear()
    features.features(models.load("minivgg", weights="untrained", device="cpu"), gallery, "relu7")
    assert sum(counter) == len(gallery)
    counter.clear()
    other = galleries.stack(torch.cat([gallery.image(i) for i in range(len(gallery))]).flip(3), gallery.classes, "abc")
    features.features(net, other, "relu7")
    assert sum(counter) == len(gallery)


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18", "mobilenet_v3_small"])
def test_networks_with_1x1_convolutions_and_batch_norm_are_kept_too(name, counter):
    net = models.load(name, weights="untrained", device="cpu")
    one = galleries.stack(torch.rand(2, 3, 64, 64), [0, 0], ["a"])
    first = features.features(net, one, side=64).values
    assert torch.equal(features.features(net, one, side=64).values, first) and sum(counter) == 2
    next(net.parameters()).data[0, 0, 0, 0] += 1
    features.features(net, one, side=64)
    assert sum(counter) == 4, "one changed number is another network"


class Small(nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.fc, self.scale = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1), nn.Linear(4, 3), scale

    def forward(self, x):
        return self.fc(self.b(self.between(self.a(x)) * self.scale).mean((2, 3)))

    def between(self, x):
        return helper(x)


def helper(x):
    return x.relu() + SHIFT


SHIFT = 0.5


def test_an_edited_forward_is_another_network(monkeypatch):
    gallery = galleries.stack(torch.rand(4, 3, 32, 32), [0] * 4, ["a"])

    def ask(**options):
        return features.features(models.wrap(Small(), input_size=32), gallery, "b", **options).values

    before = ask()
    monkeypatch.setattr(Small, "forward", lambda self, x: self.fc(self.b(torch.tanh(self.a(x))).mean((2, 3))))
    after, truth = ask(), ask(cached=False)
    assert torch.equal(after, truth) and not torch.equal(before, after)


def test_hooks_on_the_layers_are_neither_kept_nor_missed():
    net = models.wrap(Small(), input_size=32)
    gallery = galleries.stack(torch.rand(4, 3, 32, 32), [0] * 4, ["a"])
    before = features.features(net, gallery, "b").values
    with hooks.override(net, {"a": lambda maps: -maps}):
        changed = features.features(net, gallery, "b").values
    assert not torch.equal(before, changed) and torch.equal(features.features(net, gallery, "b").values, before)


def test_pixels_are_kept_once_for_all_networks(net, gallery, cache):
    features.features(net, gallery, "pixels", side=8)
    files = {path.name for path in cache.rglob("*.npy")}
    features.features(models.load("minivgg", weights="untrained", device="cpu"), gallery, "pixels", side=8)
    assert {path.name for path in cache.rglob("*.npy")} == files and len(files) == 3


def test_what_was_done_before_a_stop_is_kept(net, gallery, counter):
    run = extracting(net, gallery, "relu7")
    first = next(run)
    assert (first.done, first.total) == (BATCH, len(gallery)) and first.values.shape == (BATCH, 512)
    kept = first.values.clone()
    hooks_before = len(net.layers["relu7"]._forward_hooks)
    run.close()
    assert sum(counter) == BATCH and len(net.layers["relu7"]._forward_hooks) == hooks_before == 0
    whole = last(extracting(net, gallery, "relu7"))
    assert sum(counter) == len(gallery), "the first batch was not computed again"
    assert torch.equal(whole.values[:BATCH], kept) and torch.equal(first.values, kept)


def test_a_damaged_or_unwritable_cache_only_costs_time(net, gallery, counter, cache, monkeypatch):
    expected = features.features(net, gallery, "relu7").values
    files = sorted(cache.rglob("*.npy"))
    assert len(files) == 3 and not list(cache.rglob("*.part"))
    files[0].write_bytes(files[0].read_bytes()[:100])
    files[1].write_bytes(b"")
    counter.clear()
    assert torch.equal(features.features(net, gallery, "relu7").values, expected)
    assert 0 < sum(counter) <= 2 * BATCH
    blocked = cache.parent / "blocked"
    blocked.write_text("a file where a folder should be")
    monkeypatch.setenv("VIZLIB_CACHE", str(blocked))
    assert torch.equal(features.features(net, gallery, "relu7").values, expected)


def test_mistakes_are_named(net, gallery):
    with pytest.raises(ValueError, match="'images'.*empty"):
        features.features(net, gallery.subset([]))
    with pytest.raises(LookupError, match="'relu9'.*minivgg.*conv1"):
        features.features(net, gallery, "relu9")
    lonely = models.wrap(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), input_size=2)
    with pytest.raises(ValueError, match="Sequential.*classifier"):
        features.features(lonely, gallery)


def test_several_layers_in_one_pass_are_what_each_gives_alone():
    net, few = models.load("minivgg", "cpu"), galleries.digits().subset(range(40))
    steps = list(features.extracting_layers(net, few, ["relu1", "relu7", "fc8"], side=64))
    assert [step.done for step in steps] == [32, 40] and steps[-1].total == 40
    for layer, values in steps[-1].values.items():
        alone = features.features(net, few, layer, side=64, cached=False).values
        assert torch.allclose(values, alone, atol=1e-5)
    assert steps[-1].labels.equal(few.labels)
    with pytest.raises(ValueError, match="got 40 and 0"):
        next(features.extracting_layers(net, few, []))
