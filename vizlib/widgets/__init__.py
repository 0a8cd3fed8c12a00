"""Everything that people click, drag and watch in a notebook: pickers, sliders, explorers, live runs, exercise checks.

`check`, `lecture` and `live` are modules of their own.
"""

import gc

from vizlib.widgets.camera import CameraPicker
from vizlib.widgets.engine import stop_all
from vizlib.widgets.explorer import Explorer, Progress, explore
from vizlib.widgets.film import film
from vizlib.widgets.names import explain_missing_names
from vizlib.widgets.page import watched
from vizlib.widgets.pickers import ChannelPicker, ImagePicker, LayerPicker, NetworkPicker, PointPicker
from vizlib.widgets.progress import finish, finish_all
from vizlib.widgets.questions import ask, recall
from vizlib.widgets.record import progress_map
from vizlib.widgets.saving import SaveButton, save_button
from vizlib.widgets.sliders import choice, fraction, integer, span, steps

__all__ = [
    "CameraPicker",
    "ChannelPicker",
    "Explorer",
    "ImagePicker",
    "LayerPicker",
    "NetworkPicker",
    "PointPicker",
    "Progress",
    "SaveButton",
    "ask",
    "choice",
    "explore",
    "film",
    "finish",
    "finish_all",
    "fraction",
    "integer",
    "progress_map",
    "recall",
    "save_button",
    "span",
    "steps",
    "stop_all",
    "watched",
]

explain_missing_names()
gc.freeze()  # the libraries' objects stay: to look through them at each collection of garbage stops a slider for 0.15 s
