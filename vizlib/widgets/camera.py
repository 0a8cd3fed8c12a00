"""The camera of the person at the page: one photo for a picker, or picture after picture for a panel."""

import html
from collections.abc import Callable
from pathlib import Path

import ipywidgets as W
import traitlets
from anywidget import AnyWidget
from torch import Tensor

from vizlib import images

PRIVATE = "Pictures go to this notebook's kernel and nowhere else, and none is stored."
_SMALL = f"<small>{PRIVATE}</small>"


class Camera(AnyWidget):
    """A button that opens the camera. A picture is sent only when the one before has been dealt with.

    Args:
        arrived: Called with the content of each picture, a JPEG file.
        live: Picture after picture until the button is pressed again, mirrored and square; otherwise one photo.
        side: Pixels of the shorter side of what is sent, at most.
        description: What the button says.
    """

    _esm = (Path(__file__).parent / "camera.js").read_text(encoding="utf-8")
    live = traitlets.Bool().tag(sync=True)
    side = traitlets.Int().tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)
    tooltip = traitlets.Unicode(PRIVATE).tag(sync=True)

    def __init__(
        self, arrived: Callable[[bytes], None], live: bool = False, side: int = 480, description: str = "camera"
    ):
        super().__init__(live=live, side=side, description=description)
        self._arrived = arrived
        self.add_class("vizlib-camera")
        self.on_msg(self._take)

    def _take(self, _: object, content: dict, buffers: list) -> None:
        try:
            self._arrived(bytes(buffers[0]))
        finally:  # whatever happened to this one, the next is welcome
            self.send({"taken": content["number"]})


class CameraPicker(W.VBox):
    """What a camera sees now. `value` is an image `(1, 3, side, side)` in [0, 1]; before, a bundled photo.

    Args:
        first: The photo that stands for the camera until it is opened.
        side: Pixels of each side.
    """

    value = traitlets.Instance(Tensor)

    def __init__(self, first: str = "astronaut", side: int = 160):
        self.camera = Camera(self._arrived, live=True, side=side, description="start the camera")
        self.message = W.HTML(_SMALL)
        super().__init__([self.camera, self.message], value=images.prepare(images.load(first), side))

    def _arrived(self, content: bytes) -> None:
        try:
            self.value, self.message.value = images.load(content), _SMALL
        except images.ImageError as error:  # the last picture stays
            self.message.value = html.escape(str(error))
