"""Is anybody watching, and how does a widget get onto the page?"""

import asyncio
import html
import os
import sys
from contextlib import suppress

import ipywidgets as W
from IPython import get_ipython
from IPython.display import display


def watched() -> bool:
    """Whether a person is watching this cell: JupyterLab and Colab say so in each request, nbval and nbconvert do not.

    The environment variable VIZLIB_LIVE (0 or 1) overrides this.
    """
    if os.environ.get("VIZLIB_LIVE") in ("0", "1"):
        return os.environ["VIZLIB_LIVE"] == "1"
    shell = get_ipython()
    if not hasattr(shell, "kernel"):
        return False
    metadata = shell.get_parent().get("metadata") or {}
    return "google.colab" in sys.modules or "cellId" in metadata


def event_loop() -> asyncio.AbstractEventLoop | None:
    """The kernel's event loop, if there is one. None on Colab, where nothing can be sent once the cell has ended."""
    with suppress(RuntimeError):
        return None if "google.colab" in sys.modules else asyncio.get_running_loop()
    return None


def show_widget(widget: W.Widget, alt: str) -> None:
    """Display a widget, with a line of HTML for pages that show the notebook without running it."""
    if "google.colab" in sys.modules:
        display(widget)
        return
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    fallback = f"<em>{html.escape(alt)}: run this cell to get the controls.</em>"
    display({"application/vnd.jupyter.widget-view+json": view, "text/html": fallback, "text/plain": alt}, raw=True)
