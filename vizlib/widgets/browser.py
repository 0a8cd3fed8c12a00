"""The two widgets of our own that run in the browser: one that makes panels accessible, one that uploads a picture."""

from collections.abc import Callable
from pathlib import Path

import traitlets
from anywidget import AnyWidget

HERE = Path(__file__).parent


class Labels(AnyWidget):
    """Names the controls of the panel that it stands in for screen readers, and gives each one tab stop."""

    _esm = (HERE / "labels.js").read_text(encoding="utf-8")

    def __init__(self):
        super().__init__(layout={"display": "none"})


class Upload(AnyWidget):
    """A button that lets a person choose a picture; a large one is reduced in the browser before it is sent.

    Args:
        arrived: Called with the name and the content of each file.
    """

    _esm = (HERE / "upload.js").read_text(encoding="utf-8")
    description = traitlets.Unicode("your own").tag(sync=True)

    def __init__(self, arrived: Callable[[str, bytes], None]):
        super().__init__()
        self.add_class("vizlib-upload")
        self.on_msg(lambda _, content, buffers: arrived(str(content["name"]), bytes(buffers[0])))
