"""The button that fetches a labelled collection of photos, with a progress bar; what was fetched is remembered."""

import html
from threading import Thread

import ipywidgets as W
from IPython.display import HTML, display

from vizlib import assets
from vizlib.images import galleries
from vizlib.widgets import cells
from vizlib.widgets.page import answer_at_once, event_loop, on_colab, show_widget, watched
from vizlib.widgets.picture import bar

TITLES = {"imagenette": "Imagenette, 3,925 photos of ten classes", "cifar10": "CIFAR-10, 10,000 tiny photos"}


class CollectionButton:
    """A button for each collection that is not here yet. Made by `fetch_collection`."""

    def __init__(self) -> None:
        self._loop, self.message, self._thread = event_loop(), W.HTML(_state()), None
        self.buttons = {}
        for name, collection in galleries.COLLECTIONS.items():
            text = f"Fetch {TITLES[name]} ({collection.size / 1e6:.0f} MB)"
            button = W.Button(description=text, icon="download", layout={"width": "auto"})
            button.disabled = galleries.is_here(name)
            button.on_click(lambda _, name=name: self.fetch(name))
            self.buttons[name] = button
        self.widget = W.VBox([*self.buttons.values(), self.message])
        self.widget.add_class("vizlib-collections")
        self._parts = cells.Parts(self.widget)

    def fetch(self, name: str) -> None:
        """Begin to download a collection; on Colab, where no later message arrives, download it now."""
        for button in self.buttons.values():
            button.disabled = True
        if on_colab() or self._loop is None:
            self._work(name)
            return
        self._thread = Thread(target=self._work, args=(name,), name=f"fetch {name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take the buttons off the page; a download that is under way goes on, and is remembered."""
        self._parts.close()
        cells.disown(self)

    def _work(self, name: str) -> None:
        try:
            for step in galleries.fetching(name):
                text = f"{bar(name, step.done, step.total)} {step.done / 1e6:.0f} of {step.total / 1e6:.0f} MB"
                self._say(text + (", unpacking …" if step.done == step.total else ""))
        except assets.AssetError as error:
            self._say(f'<span role="alert">{html.escape(str(error))}</span>')
        else:
            self._say(_state())
        self._later(self._enable)

    def _enable(self) -> None:
        for name, button in self.buttons.items():
            button.disabled = galleries.is_here(name)

    def _say(self, text: str) -> None:
        self._later(lambda: setattr(self.message, "value", text))

    def _later(self, change: object) -> None:
        """Widgets are changed on the kernel's event loop, not on the download's thread."""
        if self._loop is None:
            change()
        else:
            self._loop.call_soon_threadsafe(change)


def _state() -> str:
    here = [TITLES[name] for name in galleries.COLLECTIONS if galleries.is_here(name)]
    if here:
        return f"Here already: {'; '.join(here)}. Run the next cell."
    return "No labelled collection is here yet. One click fetches it once; after that it stays."


def fetch_collection() -> CollectionButton | None:
    """Buttons that fetch Imagenette or CIFAR-10; where nobody is watching, a line that says what is here."""
    if not watched():
        command = "python -m vizlib download imagenette"
        display(HTML(f"{_state()} The same by a command: <code>{command}</code>"))
        return None
    button = CollectionButton()
    cells.own(button)
    answer_at_once(button.widget)
    show_widget(button.widget, "Buttons that fetch a labelled collection")
    return button
