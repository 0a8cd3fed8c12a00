"""Pickers: widgets with a trait `value` that is a `Network`, an image, a layer name or a channel index.

Pickers compose: a `LayerPicker(networks)` follows the network, a `ChannelPicker(layers, ...)` follows the layer. They
use the parts that ipywidgets 7.7 (Colab) and 8 share.
"""

import html
from collections.abc import Callable, Iterable, Mapping, Sequence

import ipywidgets as W
import traitlets
from torch import Tensor

from vizlib import assets, images, models
from vizlib.models import Network
from vizlib.widgets.sliders import WIDE

Shapes = Callable[[Network], Mapping[str, tuple[int, ...]]]


class NetworkPicker(W.VBox):
    """Chooses a network among those that need no download, plus any that the caller gives. `value` is a `Network`.

    Args:
        networks: Further networks, such as one made with `models.wrap`; the first becomes the choice.
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
        except (
            OSError,
            ValueError,
        ) as error:  # a damaged file in the cache: say so, and stay with the network there was
            self.choice.value = self.value.name
            self.message.value = f"<b>{html.escape(name)}</b>: {html.escape(str(error))}"
            return
        self.message.value = ""
        self.value = self._loaded[name]


class ImagePicker(W.VBox):
    """Chooses a bundled photo, a painting that is in the cache, or an upload. `value` is an image `(1, 3, H, W)`.

    Args:
        first: The photo to begin with.
        side: Larger images are shrunk to this shorter side, in pixels.
        names: What there is to choose from; None takes the photos, and all downloaded pictures that are in the cache.
        label: What stands beside the choice.
    """

    value = traitlets.Instance(Tensor)

    def __init__(
        self, first: str = "chelsea", side: int = 300, names: Sequence[str] | None = None, label: str = "image"
    ):
        self._side, self._uploads = side, {}
        names = names or [*images.photos(), *filter(assets.is_cached, assets.names())]
        self.choice = W.Dropdown(options=list(names), value=first, description=label, style=WIDE)
        self.upload = W.FileUpload(accept="image/*", multiple=False, description="your own")
        self.message = W.HTML()
        self.choice.add_class("vizlib-image")
        self.upload.add_class("vizlib-upload")
        super().__init__([W.HBox([self.choice, self.upload]), self.message])
        self.choice.observe(self._choose, "value")
        self.upload.observe(self._uploaded, "value")
        self._choose()

    @property
    def name(self) -> str:
        """What the chosen image is called."""
        return self.choice.value

    def _choose(self, *_: object) -> None:
        self.message.value = ""
        image = self._uploads[self.name] if self.name in self._uploads else images.load(self.name)
        self.value = images.resize(image, self._side) if min(image.shape[2:]) > self._side else image

    def _uploaded(self, change: dict) -> None:
        for name, content in _files(change["new"]):
            try:
                self._uploads[name] = images.load(content)
            except images.ImageError as error:  # the image that was there stays
                self.message.value = f"<b>{html.escape(name)}</b>: {html.escape(str(error))}"
                continue
            self.choice.unobserve(self._choose, "value")  # new options select the first of them for a moment
            self.choice.options = tuple(dict.fromkeys([*self.choice.options, name]))
            self.choice.value = name
            self.choice.observe(self._choose, "value")
            self._choose()


def _files(value: object) -> list[tuple[str, bytes]]:
    """Name and content of each upload: ipywidgets 7 gives a dictionary by name, 8 a tuple of dictionaries."""
    if isinstance(value, dict):
        return [(name, bytes(file["content"])) for name, file in value.items()]
    return [(file["name"], bytes(file["content"])) for file in value]


class LayerPicker(W.VBox):
    """A slider through the layers of the network that is picked. `value` is a layer name.

    Args:
        networks: The `NetworkPicker` to follow; another network keeps the place in the depth.
        choices: Which layers of a network to offer; None offers all in `net.layers`.
        first: The layer to begin with.
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
        self.slider = W.SelectionSlider(options=names, value=first, description="layer", style=WIDE)
        self.slider.layout.width = "420px"
        self.slider.add_class("vizlib-layer")
        super().__init__([self.slider], value=first)
        self.slider.observe(self._choose, "value")
        networks.observe(self._follow, "value")

    def _choose(self, *_: object) -> None:
        self.value = self.slider.value

    def _follow(self, *_: object) -> None:
        depth = self.slider.index / max(1, len(self.slider.options) - 1)
        names = list(self._choices(self._networks.value))
        kept = self.value if self.value in names else names[round(depth * (len(names) - 1))]
        self.slider.unobserve(self._choose, "value")  # new options put the slider on the first of them for a moment
        self.slider.options, self.slider.value = names, kept
        self.slider.observe(self._choose, "value")
        self.value = kept


class ChannelPicker(W.VBox):
    """A slider through the channels of the layer that is picked. `value` is a channel index from 0.

    Args:
        networks, layers: The pickers to follow.
        shapes: From a network to the shapes of its layers' outputs, channels first: `activations.map_shapes`.
    """

    value = traitlets.Int()

    def __init__(self, networks: NetworkPicker, layers: LayerPicker, shapes: Shapes):
        self._networks, self._layers, self._shapes = networks, layers, shapes
        self.slider = W.IntSlider(min=0, max=self._last(), description="channel", style=WIDE)
        self.slider.layout.width = "420px"
        self.slider.add_class("vizlib-channel")
        super().__init__([self.slider])
        self.slider.observe(self._choose, "value")
        layers.observe(self._follow, "value")
        networks.observe(self._follow, "value")

    def _choose(self, *_: object) -> None:
        self.value = self.slider.value

    def _follow(self, *_: object) -> None:
        last = self._last()
        self.slider.value = min(self.slider.value, last)
        self.slider.max = last

    def _last(self) -> int:
        return self._shapes(self._networks.value)[self._layers.value][0] - 1
