"""What a cell has made is closed when the cell runs again: panels, observers, threads, and the widgets in them."""

import hashlib
import weakref
from collections.abc import Iterator
from typing import Protocol

import ipywidgets as W
from IPython import get_ipython


class Closable(Protocol):
    """Something that a cell makes and that outlives the cell's execution."""

    def close(self) -> None:
        """Give everything back; closing twice does no harm."""


_owned: dict[tuple[str, str], list[Closable]] = {}  # by ("cell", its identity) and ("key", a run's key)
_made_now: "weakref.WeakSet[W.Widget]" = weakref.WeakSet()  # the widgets that the present cell has made
_in_use: "weakref.WeakKeyDictionary[W.Widget, int]" = weakref.WeakKeyDictionary()


def current() -> str:
    """The identity of the cell that is running, as far as the front end gives it away; otherwise its text's hash."""
    shell = get_ipython()
    if not hasattr(shell, "get_parent"):
        return ""
    parent = shell.get_parent()
    named = (parent.get("metadata") or {}).get("cellId")
    code = (parent.get("content") or {}).get("code", "")
    return named or hashlib.sha256(code.encode()).hexdigest()


def own(thing: Closable, key: str = "") -> None:
    """Close `thing` when the current cell runs again, or when another one is made with the same key.

    Whatever had the key before is closed now.
    """
    if key:
        _close(("key", key))
        _owned.setdefault(("key", key), []).append(thing)
    if cell := current():
        _owned.setdefault(("cell", cell), []).append(thing)


def disown(thing: Closable) -> None:
    """Forget a thing that has been closed."""
    for name, things in list(_owned.items()):
        things[:] = [other for other in things if other is not thing]
        if not things:
            del _owned[name]


def _close(name: tuple[str, str]) -> None:
    for thing in _owned.pop(name, []):
        thing.close()
        disown(thing)


class Parts:
    """The widgets of a panel that were made in the same cell, to be closed with it; a shared one stays while in use."""

    def __init__(self, panel: W.Widget):
        everything = set(_walk(panel))
        self._widgets = [widget for widget in everything if widget in _made_now]
        for widget in self._widgets:
            _in_use[widget] = _in_use.get(widget, 0) + 1

    def close(self) -> None:
        """Close the widgets that no other panel uses."""
        for widget in self._widgets:
            _in_use[widget] = _in_use.get(widget, 1) - 1
            if _in_use[widget] < 1:
                widget.close()
        self._widgets = []


def _walk(widget: W.Widget) -> Iterator[W.Widget]:
    """A widget and all the widgets in it, layouts and styles included."""
    yield widget
    for part in (*getattr(widget, "children", ()), getattr(widget, "layout", None), getattr(widget, "style", None)):
        if isinstance(part, W.Widget):
            yield from _walk(part)


def _begin(*_: object) -> None:
    """A cell begins to run: what it made before goes."""
    _made_now.clear()
    _close(("cell", current()))


def _watch() -> None:
    W.Widget.on_widget_constructed(_made_now.add)
    shell = get_ipython()
    if shell is not None:
        shell.events.register("pre_run_cell", _begin)


_watch()
