"""The panels of notebooks 00 to 06 and 08: each draws, and draws again when one of its controls is changed."""

import asyncio
from collections.abc import Callable

import pytest
import torch

from vizlib import models
from vizlib.analysis import activations, patches
from vizlib.images import galleries
from vizlib.models import Network
from vizlib.widgets import Explorer, panels

pytestmark = pytest.mark.slow  # all panels together take minutes

PATCHES = galleries.patches().subset(range(0, 708, 18))
DIGITS = galleries.digits().subset(range(0, 1797, 12))
PANELS = {  # what makes it, and the control that is changed to a value
    "predictions": (lambda net: panels.predictions(net), "image.choice", "rocket"),
    "filter_response": (lambda net: panels.filter_response(net), "filter", 10),
    "filter_modes": (lambda net: panels.filter_modes(net), "modes", 5),
    "filter_weights": (lambda net: panels.filter_weights(net, "conv3"), "layer.slider", "conv1"),
    "nearest_neighbours": (lambda net: panels.nearest_neighbours(net, PATCHES, query=3), "source", "your image"),
    "moved_neighbours": (lambda net: panels.moved_neighbours(net, PATCHES, query=3), "shift", 20),
    "moved digits": (lambda net: panels.moved_neighbours(net, DIGITS, 8, 1, 8, finds_itself=False), "query", 9),
    "pca_axes": (lambda net: panels.pca_axes(net, DIGITS), "space", "features"),
    "tsne_perplexity": (lambda net: panels.tsne_perplexity(net, DIGITS, perplexity=7), "perplexity", 10),
    "tsne_starts": (lambda net: panels.tsne_starts(net, DIGITS), "seed", 3),
    "embedding_map": (lambda net: panels.embedding_map(net, PATCHES), "arrangement", "grid"),
    "activation_channel": (lambda net: panels.activation_channel(net, channel=20), "zoom", 1.2),
    "activation_camera": (lambda net: panels.activation_camera(net), "channel.slider", 4),
    "activation_map": (lambda net: panels.activation_map(net, channel=3), "channel.slider", 4),
    "activation_zeros": (lambda net: panels.activation_zeros(net), "image.choice", "rocket"),
    "activation_grid": (lambda net: panels.activation_grid(net), "scale", "together"),
    "activation_order": (lambda net: panels.activation_grid(net), "order", "by effect"),
    "activation_region": (lambda net: panels.activation_region(net), "rank", 2),
    "patches_of_channel": (lambda net: panels.patches_of_channel(net, PATCHES), "k", 3),
    "patches_linked": (lambda net: panels.patches_linked(net, PATCHES), "point.point", (0.1, 0.9)),
    "patches_receptive_field": (lambda net: panels.patches_receptive_field(net), "down", 90),
    "patches_purity": (lambda net: panels.patches_purity(net, PATCHES), "k", 2),
    "occlusion_map": (lambda net: panels.occlusion_map(net, target="teapot", stride=32), "named", "espresso"),
    "occlusion_windows": (lambda net: panels.occlusion_windows(net), "size", 30),
    "occlusion_fills": (lambda net: panels.occlusion_fills(net, size=64), "rank", 2),
    "guided_relu": (lambda net: panels.guided_relu(net), "layer.slider", "relu5"),
    "guided_neuron": (lambda net: panels.guided_neuron(net), "rule", "backprop"),
    "guided_patches": (lambda net: panels.guided_patches(net, PATCHES), "rule", "deconvnet"),
    "guided_classes": (lambda net: panels.guided_classes(net), "rank", 200),
}


@pytest.fixture(scope="module")
def net() -> Network:
    return models.load("minivgg", "cpu")


async def drawn(explorer: Explorer, before: bytes = b"") -> bytes:
    """Wait until nothing is being drawn any more and another picture is there; the picture."""
    async with asyncio.timeout(60):
        while explorer.running.layout.visibility == "visible" or explorer.picture.content in (b"", before):
            await asyncio.sleep(0.01)
            assert explorer.error is None
    return explorer.picture.content


@pytest.mark.parametrize(("make", "control", "value"), PANELS.values(), ids=PANELS)
def test_a_panel_draws_and_follows_its_controls(
    make: Callable[[Network], Explorer], control: str, value: object, net: Network, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VIZLIB_LIVE", "1")

    async def watch() -> None:
        explorer = make(net)
        first = await drawn(explorer)
        name, *inner = control.split(".")
        widget = explorer._controls[name]
        (getattr(widget, inner[0]) if inner else widget).value = value
        await drawn(explorer, first)
        explorer.close()

    asyncio.run(watch())


STAGES = {  # panels that begin at a layer, and the stage that it is
    "activation_channel": ("high", panels.activation_channel),
    "activation_camera": ("high", lambda net: panels.activation_camera(net)),
    "activation_map": ("middle", panels.activation_map),
    "activation_grid": ("middle", panels.activation_grid),
    "activation_region": ("high", panels.activation_region),
    "patches_of_channel": ("high", lambda net: panels.patches_of_channel(net, PATCHES)),
    "patches_linked": ("high", lambda net: panels.patches_linked(net, PATCHES)),
    "patches_receptive_field": ("middle", panels.patches_receptive_field),
    "guided_relu": ("high", panels.guided_relu),
    "guided_neuron": ("high", panels.guided_neuron),
    "guided_patches": ("high", lambda net: panels.guided_patches(net, PATCHES)),
}


@pytest.mark.parametrize(("stage", "make"), STAGES.values(), ids=STAGES)
def test_a_panel_begins_at_a_stage_of_its_network(
    stage: str, make: Callable[[Network], Explorer], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    other = models.load("miniresnet", "cpu")
    explorer = make(other)
    assert explorer.error is None and explorer.picture.content
    assert explorer._controls["layer"].value == getattr(other.stages, stage)


def test_the_rank_of_a_class_ends_at_the_last_one(net: Network, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    two = models.wrap(
        torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 5, 2),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
            torch.nn.Linear(8, 2),
        ),
        classes=["yes", "no"],
        input_size=64,
    )
    for network, last in ((net, 200), (two, 2)):
        explorer = panels.guided_classes(network)
        assert explorer.picture.content and explorer._controls["rank"].max == last


def test_what_is_known_is_not_scanned_again(net: Network, monkeypatch: pytest.MonkeyPatch):
    top = patches.scan(net, PATCHES, list(activations.map_shapes(net)), k=4)
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    monkeypatch.setattr(patches, "scanning", lambda *_, **__: pytest.fail("it was scanned again"))
    for panel in (panels.patches_of_channel, panels.patches_linked, panels.patches_purity, panels.guided_patches):
        explorer = panel(net, PATCHES, known=top)
        assert explorer.picture.content
        if "k" in explorer._controls:
            assert explorer._controls["k"].max == 4


def test_a_scan_goes_on_where_it_was_left(net: Network):
    scanned = panels.scans.scans(PATCHES, 3)
    first = [next(steps).done for steps in (scanned(net), scanned(net))]
    assert first[0] == first[1] > 0, "what was found is there at once"
    assert [top.done for top in scanned(net)][-1] == len(PATCHES)


def test_what_cannot_be_chosen_is_named(net: Network):
    with pytest.raises(ValueError, match="rule: expected one of guided, deconvnet, backprop, got 'guidde'"):
        panels.guided_neuron(net, rule="guidde")
