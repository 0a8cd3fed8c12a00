"""Pickers: widgets whose `value` is a `Network`, an image, the name of a layer or the index of a channel.

Pickers build on one another: a `LayerPicker(networks)` follows the network, a `ChannelPicker(networks, layers, …)` the
layer. They use only what ipywidgets 7.7 (Colab) and 8 have in common.
"""

import base64
import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import ipywidgets as W
import traitlets
from torch import Tensor

from vizlib import assets, images, models
from vizlib.models import Network
from vizlib.widgets.browser import Point, Upload
from vizlib.widgets.camera import Camera
from vizlib.widgets.sliders import WIDE, slider_layout

Shapes = Callable[[Network], Mapping[str, tuple[int, ...]]]


class NetworkPicker(W.VBox):
    """A choice of the networks that need no download, plus any given by the caller. `value` is a `Network`.

    Args:
        networks: Further networks, such as one made with `models.wrap`; the first of them is selected.
    """

    value = traitlets.Instance(Network)

    def __init__(self, networks: Sequence[Network] = ()):
        self._loaded = {network.name: network for network in networks}
        names = [*self._loaded, *(name for name in models.cached() if name not in self._loaded)]
        self.choice = W.Dropdown(options=names, description="network", style=WIDE)
        self.choice.add_class("vizlib-network")
        self.message = W.HTML()
        super().__init__([self.choice, self.message])
        self.choice.observe(self._choose, "value")
        self._choose()

    def _choose(self, *_: object) -> None:
        name = self.choice.value
        try:
            if name not in self._loaded:
                self._loaded[name] = models.load(name)
        except (OSError, ValueError) as error:  # a damaged file in the cache: report it, and keep the old network
            self.choice.value = self.value.name
            self.message.value = f"<b>{html.escape(name)}</b>: {html.escape(str(error))}"
            return
        self.message.value = ""
        self.value = self._loaded[name]


class ImagePicker(W.VBox):
    """A choice of bundled photos, pictures in the cache, uploads and photos of the page's camera.

    `value` is an image `(1, 3, H, W)` in [0, 1].

    Args:
        first: The picture that is selected at the beginning.
        side: Images whose shorter side is longer than this, in pixels, are shrunk to it.
        names: What to choose from; None offers the photos, and all downloaded pictures that are in the cache.
        label: The text beside the choice.
    """

    value = traitlets.Instance(Tensor)

    def __init__(
        self, first: str = "chelsea", side: int = 300, names: Sequence[str] | None = None, label: str = "image"
    ):
        self._side, self._uploads = side, {}
        names = names or [*images.photos(), *filter(assets.is_cached, assets.names())]
        self.choice = W.Dropdown(options=list(names), value=first, description=label, style=WIDE)
        self.upload = Upload(self._uploaded)
        self.camera = Camera(lambda content: self._uploaded("camera", content))
        self.message = W.HTML()
        self.choice.add_class("vizlib-image")
        bring = W.HBox([self.upload, self.camera])  # on a narrow page both move below the choice, not one of them
        bring.add_class("vizlib-bring")
        row = W.HBox([self.choice, bring], layout={"flex_flow": "row wrap"})
        super().__init__([row, self.message])
        self.choice.observe(self._choose, "value")
        self._choose()

    @property
    def name(self) -> str:
        """The name of the selected image."""
        return self.choice.value

    def _choose(self, *_: object) -> None:
        self.message.value = ""
        image = self._uploads[self.name] if self.name in self._uploads else images.load(self.name)
        self.value = images.resize(image, self._side) if min(image.shape[2:]) > self._side else image

    def _uploaded(self, name: str, content: bytes) -> None:
        try:
            self._uploads[name] = images.load(content)
        except images.ImageError as error:  # keep the image that was selected
            text = str(error).removesuffix(", or raise max_pixels")  # that is for programs, not for a person at a page
            self.message.value = f"<b>{html.escape(name)}</b>: {html.escape(text)}"
            return
        self.choice.unobserve(self._choose, "value")  # setting new options selects the first one for a moment
        self.choice.options = tuple(dict.fromkeys([*self.choice.options, name]))
        self.choice.value = name
        self.choice.observe(self._choose, "value")
        self._choose()


class PointPicker(W.VBox):
    """The square in the middle of the selected image, to click on. `value` is (row, column), shares of its sides.

    Args:
        pictures: The `ImagePicker` to follow.
        first: Where it points at first.
    """

    value = traitlets.Tuple(traitlets.Float(), traitlets.Float())

    def __init__(self, pictures: ImagePicker, first: tuple[float, float] = (0.5, 0.5)):
        self._pictures = pictures
        self.point = Point(self._source(), "the image: click on a place in it", first)
        super().__init__([self.point], value=first)
        self.point.observe(self._choose, "value")
        pictures.observe(self._follow, "value")

    def close(self) -> None:
        """Stop following the image, and leave the page."""
        with suppress(ValueError):  # not observed any more: a widget may be closed twice
            self._pictures.unobserve(self._follow, "value")
        super().close()

    def _source(self) -> str:
        content = images.to_bytes(images.prepare(self._pictures.value, 256), "jpeg", quality=90)
        return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"

    def _choose(self, *_: object) -> None:
        self.value = tuple(self.point.value)

    def _follow(self, *_: object) -> None:
        self.point.source = self._source()


class LayerPicker(W.VBox):
    """A slider over the layers of the selected network. `value` is the name of a layer.

    Args:
        networks: The `NetworkPicker` to follow. With another network, the slider keeps the layer if there is one of
            that name, and otherwise its relative depth.
        choices: A function from a network to the layers to offer; None offers all of `net.layers`.
        first: The layer that is selected at the beginning; None, or one that is not offered, means the first.
    """

    value = traitlets.Unicode()

    def __init__(
        self,
        networks: NetworkPicker,
        choices: Callable[[Network], Iterable[str]] | None = None,
        first: str | None = None,
    ):
        self._networks, self._choices = networks, choices or (lambda net: net.layers)
        names = list(self._choices(networks.value))
        first = first if first in names else names[0]
        self.slider = W.SelectionSlider(options=names, value=first, description="layer", **slider_layout())
        self.slider.add_class("vizlib-layer")
        super().__init__([self.slider], value=first)
        self.slider.observe(self._choose, "value")
        networks.observe(self._follow, "value")

    def close(self) -> None:
        """Stop following the network, and leave the page."""
        with suppress(ValueError):  # not observed any more: a widget may be closed twice
            self._networks.unobserve(self._follow, "value")
        super().close()

    def _choose(self, *_: object) -> None:
        self.value = self.slider.value

    def _follow(self, *_: object) -> None:
        depth = self.slider.index / max(1, len(self.slider.options) - 1)
        names = list(self._choices(self._networks.value))
        kept = self.value if self.value in names else names[round(depth * (len(names) - 1))]
        self.slider.unobserve(self._choose, "value")  # setting new options selects the first one for a moment
        self.slider.options, self.slider.value = names, kept
        self.slider.observe(self._choose, "value")
        self.value = kept


class ChannelPicker(W.VBox):
    """A slider over the channels of the selected layer. `value` is the index of a channel, from 0.

    Args:
        networks, layers: The pickers to follow.
        shapes: A function from a network to the shapes of its layers' outputs, channels first, such as
            `activations.map_shapes`.
    """

    value = traitlets.Int()

    def __init__(self, networks: NetworkPicker, layers: LayerPicker, shapes: Shapes):
        self._networks, self._layers, self._shapes = networks, layers, shapes
        self.slider = W.IntSlider(min=0, max=self._last(), description="channel", **slider_layout())
        self.slider.add_class("vizlib-channel")
        super().__init__([self.slider])
        self.slider.observe(self._choose, "value")
        layers.observe(self._follow, "value")
        networks.observe(self._follow, "value")

    def close(self) -> None:
        """Stop following the network and the layer, and leave the page."""
        for picker in (self._networks, self._layers):
            with suppress(ValueError):  # not observed any more: a widget may be closed twice
                picker.unobserve(self._follow, "value")
        super().close()

    def _choose(self, *_: object) -> None:
        self.value = self.slider.value

    def _follow(self, *_: object) -> None:
        last = self._last()
        self.slider.value = min(self.slider.value, last)
        self.slider.max = last

    def _last(self) -> int:
        return self._shapes(self._networks.value)[self._layers.value][0] - 1
