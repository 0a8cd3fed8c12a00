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


class Point(AnyWidget):
    """A picture in which a person points at a place. `value` is its row and column, as shares of height and width.

    Args:
        source, alt: The picture as a data URL, and what it shows.
        value: Where it points at first.
    """

    _esm = (HERE / "point.js").read_text(encoding="utf-8")
    source = traitlets.Unicode().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    value = traitlets.Tuple(traitlets.Float(), traitlets.Float()).tag(sync=True)

    def __init__(self, source: str, alt: str, value: tuple[float, float] = (0.5, 0.5)):
        super().__init__(source=source, alt=alt, value=value)
        self.add_class("vizlib-point")
