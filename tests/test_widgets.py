"""Pickers and explorers without a browser: setting a widget's value runs its callbacks."""

import io

import pytest
import torch
from PIL import Image

from vizlib import assets, models, widgets
from vizlib.analysis import activations


@pytest.fixture(scope="module")
def other() -> models.Network:
    return models.load("squeezenet1_1", weights="untrained", device="cpu")


def png(color: str = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "png")
    return buffer.getvalue()


def upload(picker: widgets.ImagePicker, name: str, content: bytes) -> None:
    """What the browser sends when a person has chosen a file."""
    picker.upload._handle_custom_msg({"name": name}, [memoryview(content)])


# --- pickers --------------------------------------------------------------------------------------------------------


def test_the_network_picker_loads_what_is_chosen(other):
    picker = widgets.NetworkPicker([other])
    assert picker.value is other
    assert "minivgg" in picker.choice.options and "vgg16" not in picker.choice.options
    picker.choice.value = "minivgg"
    assert picker.value.name == "minivgg"
    first = picker.value
    picker.choice.value = other.name
    picker.choice.value = "minivgg"
    assert picker.value is first  # loaded once


def test_a_network_that_cannot_be_loaded_is_said_and_the_old_one_stays(other, monkeypatch):
    def damaged(name):
        raise assets.AssetError("the <file> is damaged: delete it")

    picker = widgets.NetworkPicker([other])
    monkeypatch.setattr(models, "load", damaged)
    picker.choice.value = "minivgg"
    assert picker.value is other and picker.choice.value == other.name
    assert picker.message.value == "<b>minivgg</b>: the &lt;file&gt; is damaged: delete it"
    monkeypatch.undo()
    picker.choice.value = "minivgg"
    assert picker.value.name == "minivgg" and picker.message.value == ""


def test_layers_follow_the_network_and_keep_the_depth(other):
    networks = widgets.NetworkPicker([other])
    layers = widgets.LayerPicker(networks, first="fire5")
    assert layers.value == layers.slider.value == "fire5"
    assert list(layers.slider.options) == list(other.layers)
    depth = layers.slider.index / (len(other.layers) - 1)
    networks.choice.value = "minivgg"
    names = list(networks.value.layers)
    assert list(layers.slider.options) == names and layers.value == layers.slider.value
    assert abs(names.index(layers.value) / (len(names) - 1) - depth) < 0.1
    networks.choice.value = other.name
    layers.slider.value = "conv1"
    networks.choice.value = "minivgg"
    assert layers.value == "conv1"  # both have it


def test_channels_follow_the_layer_and_the_network(other):
    networks = widgets.NetworkPicker([other])
    layers = widgets.LayerPicker(networks, activations.map_shapes, first="fire9")
    channels = widgets.ChannelPicker(networks, layers, activations.map_shapes)
    assert channels.slider.max == 511
    channels.slider.value = 500
    assert channels.value == 500
    layers.slider.value = "conv1"
    assert (channels.value, channels.slider.max) == (63, 63)
    networks.choice.value = "minivgg"
    layers.slider.value = "relu5"
    assert channels.slider.max == 255


def test_an_upload_becomes_the_image():
    picker, seen = widgets.ImagePicker("coffee"), []
    assert picker.value.shape[2] == 300
    picker.observe(lambda change: seen.append(tuple(change["new"].shape)), "value")
    upload(picker, "mine.png", png("red"))
    assert seen == [(1, 3, 30, 40)]  # no other image on the way
    assert picker.name == "mine.png"
    assert torch.equal(picker.value[0, :, 0, 0], torch.tensor([1.0, 0, 0])) and picker.value.shape == (1, 3, 30, 40)
    upload(picker, "mine.png", png("blue"))  # the same name again: the new file counts
    assert torch.equal(picker.value[0, :, 0, 0], torch.tensor([0, 0, 1.0]))
    picker.choice.value = "coffee"
    assert picker.value.shape[2] == 300
    picker.choice.value = "mine.png"
    assert picker.value.shape == (1, 3, 30, 40)


@pytest.mark.parametrize(("name", "content"), [("<b>.txt", b"no image"), ("cut.png", png()[:40]), ("empty.png", b"")])
def test_a_bad_upload_is_said_and_changes_nothing(name, content):
    picker = widgets.ImagePicker("coffee")
    before = picker.value
    upload(picker, name, content)
    assert picker.value is before and picker.name == "coffee"
    assert "image" in picker.message.value or "decoded" in picker.message.value
    assert "<b>.txt" not in picker.message.value  # a file's name is text, never HTML
    picker.choice.value = "chelsea"
    assert picker.message.value == ""


def test_controls_have_descriptions_and_classes():
    slider, buttons, ends = (
        widgets.integer("rank", 1, 1, 10),
        widgets.choice(["each"], "scale"),
        widgets.span("rows", (0, 1)),
    )
    assert (slider.value, slider.min, slider.max) == (1, 1, 10) and "vizlib-rank" in slider._dom_classes
    assert [control.description for control in (slider, buttons, ends)] == ["rank", "scale", "rows"]
    assert ends.value == (0, 1) and ends.max == 1
    assert "widget-inline-hbox" in buttons._dom_classes, "the name stands beside the buttons"


def test_a_class_has_no_spaces():
    """The browser refuses such a class, and with it all others of the widget."""
    assert "vizlib-step-size" in widgets.steps("step size", [1, 2], 1)._dom_classes
