"""Is anybody watching, and how does a widget get onto the page?"""

import asyncio
import html
import os
import sys
from contextlib import suppress

import ipywidgets as W
from IPython import get_ipython
from IPython.display import HTML, display


def watched() -> bool:
    """Whether a person is watching this cell.

    JupyterLab and Colab say so in each request. Other pages allow the cell to ask for input, which programs that run
    notebooks (nbclient, nbconvert, nbval) do not. Voilà runs notebooks with such a program, for a person, and names
    itself in the kernel's environment. The environment variable VIZLIB_LIVE (0 or 1) overrides all this.
    """
    if os.environ.get("VIZLIB_LIVE") in ("0", "1"):
        return os.environ["VIZLIB_LIVE"] == "1"
    shell = get_ipython()
    if not hasattr(shell, "kernel"):
        return False
    parent = shell.get_parent()
    asks = (parent.get("content") or {}).get("allow_stdin", False)
    return bool(on_colab() or "cellId" in (parent.get("metadata") or {}) or asks or "VOILA_REQUEST_URL" in os.environ)


def on_colab() -> bool:
    """Whether this is Colab, where nothing can be sent to the page once a cell has ended."""
    return "google.colab" in sys.modules


def event_loop() -> asyncio.AbstractEventLoop | None:
    """The kernel's event loop, if there is one that can be used: none on Colab."""
    with suppress(RuntimeError):
        return None if on_colab() else asyncio.get_running_loop()
    return None


def show_widget(widget: W.Widget, alt: str) -> None:
    """Display a widget, with a line of HTML for pages that show the notebook without running it."""
    if on_colab():
        display(widget)
        return
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    fallback = f"<em>{html.escape(alt)}: run this cell to get the controls.</em>"
    display({"application/vnd.jupyter.widget-view+json": view, "text/html": fallback, "text/plain": alt}, raw=True)


def still_hint() -> None:
    """Say under a still picture how to get the controls that belong to it."""
    if get_ipython() is not None:
        text = "A still picture. Run this cell to get its controls; if none appear, set <code>VIZLIB_LIVE=1</code>."
        display(HTML(f"<small>{text}</small>"))


def answer_at_once(widget: W.Widget) -> None:
    """Keep the first message of a widget, and of those in it, from getting stuck behind a busy cell (ipykernel 7.4).

    That version sends it to the main shell because of an attribute of the comm; without the attribute, it is handled
    like all later messages. Other versions have no such attribute.
    """
    if hasattr(widget.comm, "__dict__"):
        vars(widget.comm).pop("_reply_subshell_id", None)
    for part in getattr(widget, "children", ()):
        answer_at_once(part)
