"""Randomising a network from the top, the two similarities, and what they say about the methods on MiniVGG."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from vizlib import hooks, images, models
from vizlib.analysis import saliency, sanity


@pytest.fixture(scope="module")
def net():
    return models.load("minivgg", device="cpu")


@pytest.fixture(scope="module")
def fresh():
    return models.load("minivgg", weights="untrained", device="cpu")


# --- randomising ----------------------------------------------------------------------------------------------------


def test_from_the_top():
    net = models.load("minivgg", device="cpu")
    assert sanity.layers_from_top(net) == ["fc8", "conv7", "conv6", "conv5", "conv4", "conv3", "conv2", "conv1"]


@pytest.mark.parametrize("name", ["minivgg", "squeezenet1_1", "resnet18"])
def test_at_the_bottom_everything_is_fresh(name):
    net = models.load(name, weights="untrained", seed=1, device="cpu")  # stands for a trained one
    fresh = models.load(name, weights="untrained", seed=2, device="cpu")
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    damaged = sanity.randomized(net, fresh, sanity.layers_from_top(net)[-1])
    assert torch.equal(damaged(x), fresh(x)) and not torch.equal(damaged(x), net(x))


def test_the_layers_below_keep_what_they_learned_and_the_network_stays_as_it_is(net, fresh):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x = images.prepare(images.load("coffee"), 64)
    damaged = sanity.randomized(net, fresh, "conv6")
    ours, trained, random = (hooks.read(n, x, ["relu5", "conv6"]) for n in (damaged, net, fresh))
    assert torch.equal(ours["relu5"], trained["relu5"]) and not torch.equal(ours["conv6"], trained["conv6"])
    for layer in ("conv6", "conv7", "fc8"):
        assert torch.equal(damaged.layers[layer].weight, fresh.layers[layer].weight)
        assert damaged.layers[layer].weight.data_ptr() != fresh.layers[layer].weight.data_ptr()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not torch.equal(random["relu5"], trained["relu5"])


def test_layers_and_networks_that_do_not_fit(net, fresh):
    with pytest.raises(LookupError, match="'relu7'.*minivgg.*fc8, conv7"):
        sanity.randomized(net, fresh, "relu7")
    with pytest.raises(ValueError, match="resnet18.*minivgg.*'fc8'"):
        sanity.randomized(net, models.load("resnet18", weights="untrained", device="cpu"), "fc8")


# --- similarities ---------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_similarities_are_those_of_scipy_and_scikit_image(seed):
    a, b = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(seed))
    for i, (rank, ssim) in enumerate(zip(sanity.rank_correlation(a, b), sanity.structure(a, b), strict=True)):
        x, y = a[i].numpy(), b[i].numpy()
        assert rank.item() == pytest.approx(spearmanr(x.ravel(), y.ravel()).statistic, abs=1e-6)
        assert ssim.item() == pytest.approx(structural_similarity(x, y, win_size=5, data_range=1), abs=1e-6)
    assert sanity.rank_correlation(a, a**3).tolist() == pytest.approx([1, 1, 1]), "only the order counts"
    assert sanity.rank_correlation(a, -a).tolist() == pytest.approx([-1, -1, -1])
    assert sanity.structure(a, a).tolist() == pytest.approx([1, 1, 1])


def test_a_map_without_an_order():
    assert sanity.rank_correlation(torch.zeros(1, 8, 8), torch.rand(1, 8, 8)).tolist() == [0]


def test_maps_that_do_not_fit():
    for similarity in (sanity.rank_correlation, sanity.structure):
        with pytest.raises(ValueError, match=r"\(1, 8, 8\).*\(1, 9, 8\)"):
            similarity(torch.rand(1, 8, 8), torch.rand(1, 9, 8))
    with pytest.raises(ValueError, match=r"4x9.*\b5\b"):
        sanity.structure(torch.rand(1, 4, 9), torch.rand(1, 4, 9))


# --- the cascade ----------------------------------------------------------------------------------------------------


def test_a_method_that_ignores_the_network_does_not_change(net, fresh):
    targets = []

    def edges(net, images, target):
        targets.append(target)
        return images.mean(1)

    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    steps = list(sanity.cascading(net, fresh, x, {"edges": edges}))
    assert [step.done for step in steps] == list(range(1, 9)) and steps[0].total == 8
    assert steps[0].layers == ["fc8"] and len(steps[0].rank["edges"]) == 1, "earlier steps stay as they were"
    assert steps[-1].layers == sanity.layers_from_top(net)
    assert steps[-1].rank["edges"] == pytest.approx([1] * 8) and steps[-1].ssim["edges"] == pytest.approx([1] * 8)
    assert all(torch.equal(target, saliency.predicted(net, x)) for target in targets), "the class stays the same"


def test_the_cascade_is_the_last_step_and_leaves_the_network_alone(net, fresh):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x, methods = torch.rand(1, 3, 64, 64), {"gradient": saliency.METHODS["gradient"]}
    *_, final = sanity.cascading(net, fresh, x, methods)
    assert sanity.cascade(net, fresh, x, methods) == final
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_guided_backprop_hardly_changes_while_the_gradient_does(net, fresh):
    """Adebayo et al. 2018, figure 4, on MiniVGG and seven photos; five of eight layers are randomised in the end."""

    def guided(net, images, target):
        with hooks.relu_rule(net, "guided"):
            return saliency.METHODS["gradient"](net, images, target)

    names = ("chelsea", "coffee", "astronaut", "rocket", "motorcycle", "china", "flower")
    photos = torch.cat([images.prepare(images.load(name), 64) for name in names])
    methods = {name: saliency.METHODS[name] for name in ("gradient", "Grad-CAM")} | {"guided": guided}
    rank, ssim = ({}, {})
    for step in sanity.cascading(net, fresh, photos, methods):
        rank, ssim = step.rank, step.ssim
        if step.layers[-1] == "conv5":
            break
    assert min(rank["guided"]) > 0.8 and max(rank["gradient"]) < 0.6 and max(rank["Grad-CAM"]) < 0.6
    assert min(ssim["guided"]) > 0.65 and max(ssim["gradient"]) < 0.4
    assert rank["guided"][-1] > rank["gradient"][-1] + 0.4
