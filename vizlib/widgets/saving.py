"""A button that saves a picture in the notebook's folder."""

import html
from collections.abc import Callable

import ipywidgets as W
from IPython.display import display

from vizlib import images
from vizlib.widgets.page import watched


class SaveButton(W.HBox):
    """A button that saves a picture in the notebook's folder, and reports where it is or what went wrong.

    Args:
        make: Returns the picture when the button is pressed, as anything that `images.load` accepts.
        path: Where to save it, ending in .png or .jpg.
    """

    def __init__(self, make: Callable[[], object], path: str):
        self._make, self._path = make, path
        self.button = W.Button(description=f"Save as {path}", icon="download", layout={"width": "auto"})
        self.button.add_class("vizlib-save")
        self.message = W.HTML()
        super().__init__([self.button, self.message])
        self.button.on_click(self.save)

    def save(self, *_: object) -> None:
        """Write the file completely or not at all."""
        try:
            image = images.load(self._make())
            path = images.save(image, self._path).resolve()
            size = "x".join(str(side) for side in reversed(image.shape[2:]))
            self.message.value = f"{html.escape(str(path))}: {size} pixels, {path.stat().st_size / 1e6:.1f} MB"
        except (images.ImageError, OSError) as error:
            self.message.value = f"<b>not saved</b>: {html.escape(str(error))}"


def save_button(make: Callable[[], object], path: str) -> SaveButton | None:
    """Show a `SaveButton` if a person is watching; otherwise nothing."""
    return display(SaveButton(make, path)) if watched() else None
