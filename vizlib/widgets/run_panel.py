"""The panel of a live run: the picture, and beside it the buttons, the progress, and the controls in two groups."""

import html
import time
import traceback
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import NamedTuple, Protocol

import ipywidgets as W
from IPython.display import HTML

from vizlib import images
from vizlib.widgets import engine
from vizlib.widgets.page import answer_at_once
from vizlib.widgets.panel import frame, more
from vizlib.widgets.picture import Picture, bar, tag
from vizlib.widgets.turn import TURN

STEERS = "<b>&#8594; acts on the next step</b>"
ANEW = "<b>&#8635; begins anew</b>"


class Frame(NamedTuple):
    """A picture as the bytes of a file, and its size in pixels."""

    content: bytes
    format: str
    height: int
    width: int


class Watchable(Protocol):
    """What a panel has to know of a run, and can do with it; `live.Run` is one."""

    alt: str
    key: str
    state: str
    error: BaseException | None
    frame: Frame | None
    history: Mapping[str, list[float]]
    taken: int
    goal: int
    seconds: float
    steered: bool
    resumable: bool

    def pause(self) -> None: ...
    def go_on(self, *_: object) -> None: ...
    def stop(self) -> None: ...
    def reset(self, *_: object) -> None: ...
    def save(self, path: str) -> Path: ...


class RunPanel:
    """The widgets of a run. `refresh` brings them up to date; it runs on the kernel's event loop only.

    Attributes:
        widget: What is put onto the page.
        show_still: Called with the HTML that the notebook keeps; set by whoever displays the panel.
    """

    def __init__(
        self,
        run: Watchable,
        loop: AbstractEventLoop,
        layout: str,
        shown: Sequence[str],
        inputs: Mapping[str, W.Widget],
        sliders: Mapping[str, W.Widget],
    ):
        self._run, self._loop, self._frame, self._state = run, loop, None, ""
        self.show_still: Callable[[object], None] = lambda content: None
        self._buttons()
        self.progress, self.curve, self.note, self.saved = W.HTML(), W.HTML(), W.HTML(), W.HTML()
        self.picture = Picture(run.alt, "vizlib-live-picture")
        for name in ("progress", "curve", "note", "saved"):
            getattr(self, name).add_class(f"vizlib-live-{name}")
        controls = _groups(inputs, sliders, shown)
        row = W.HBox(list(self.buttons.values()), layout={"flex_flow": "row wrap"})
        status = W.VBox([row, self.progress, self.note, self.curve])
        status.add_class("vizlib-status")
        self.widget = frame([self.picture], [status, *controls, self.saved], layout)
        self.widget.add_class("vizlib-live")
        answer_at_once(self.widget)

    def _buttons(self) -> None:
        def button(text: str, icon: str, act: Callable[..., None], name: str) -> W.Button:
            made = W.Button(description=text, icon=icon, layout={"width": "auto"})
            made.on_click(act)
            made.add_class(f"vizlib-live-{name}")
            return made

        run = self._run
        self.buttons = {
            "now": button("Run this one now", "forward", run.go_on, "now"),
            "go": button("Pause", "pause", self._go, "pause"),
            "stop": button("Stop", "stop", self._stop, "stop"),
            "reset": button("Reset", "refresh", run.reset, "reset"),
            "save": button("Save picture", "download", lambda *_: self._save(".png"), "save"),
            "film": button("Animation", "film", lambda *_: self._save(".webp"), "animation"),
        }
        self.buttons["now"].layout.display = "none"
        self.buttons["now"].button_style = "info"

    def _go(self, *_: object) -> None:
        if self._run.state in (engine.RUNNING, engine.WAITING):
            self._run.pause()
        else:
            self._run.go_on()

    def _stop(self, *_: object) -> None:
        self.note.value = "Stopping after this step …"
        self._run.stop()

    def _save(self, suffix: str) -> None:
        """Write the file on a thread of its own: an animation takes a while to encode."""
        path = f"{self._run.key}{suffix}"

        def write() -> None:
            try:
                text = f"saved as {html.escape(str(self._run.save(path).resolve()))}"
            except (images.ImageError, OSError) as error:
                text = f"<b>not saved</b>: {html.escape(str(error))}"
            loop.call_soon_threadsafe(setattr, self.saved, "value", text)

        self.saved.value, loop = f"saving {path} …", self._loop
        Thread(target=write, daemon=True).start()

    # --- what there is to see -------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the state, the latest frame and the losses. It calls no code but our own, so that it cannot fail.

        While a run goes on it is called after every step, and there is something to show once for each frame.
        """
        run, state = self._run, self._run.state
        before, self._state = self._state, state
        if state == before == engine.RUNNING and run.frame is not None and run.frame is self._frame:
            return
        if run.frame is not None and run.frame is not self._frame:
            self._frame = run.frame
            self.picture.show(self._frame.content, self._frame.format)
        ended, waits = state in engine.ENDED, state == engine.WAITING
        go = self.buttons["go"]
        names = {engine.PAUSED: ("Resume", "play"), engine.STOPPED: ("Go on", "play"), engine.DONE: ("Go on", "play")}
        go.description, go.icon = names.get(state, ("Pause", "pause"))
        go.disabled = state == engine.FAILED or (ended and not run.resumable)
        self.buttons["stop"].disabled = ended
        self.buttons["now"].layout.display = None if waits else "none"
        self.progress.value = _progress(run)
        self.curve.value = curve(run.history)
        self.note.value = self._noted(state)
        if ended or state == engine.PAUSED:
            self.show_still(HTML(_still(run)))

    def _noted(self, state: str) -> str:
        run = self._run
        if state == engine.FAILED:
            report = "".join(traceback.format_exception(run.error))
            kind, text = type(run.error).__name__, html.escape(str(run.error))
            return (
                f'<div role="alert"><b>{kind}: {text}</b> <details><summary>where</summary>'
                f"<pre>{html.escape(report)}</pre></details></div>"
            )
        if state == engine.WAITING:
            other = TURN.holder()
            return f"Waiting for {html.escape(other)}, which is computing." if other else "Waiting."
        if state in (engine.STOPPED, engine.DONE) and run.steered:
            begin = "<b>Go on</b> takes further steps with the new value; " if run.resumable else ""
            return f"This run has ended. {begin}<b>Reset</b> begins anew with it."
        return ""

    def close(self) -> None:
        """Forget the run; the widgets are closed by whoever owns them."""
        self.show_still = lambda content: None


def _still(run: Watchable) -> str:
    """What the notebook's file keeps; it is hidden while the panel is on the page."""
    if run.frame is None:
        return ""
    width = f"width:{max(400, min(800, run.frame.width))}px"
    return f'<div class="vizlib-still">{tag(run.frame.content, run.frame.format, run.alt, width)}</div>'


def _groups(inputs: Mapping[str, W.Widget], sliders: Mapping[str, W.Widget], shown: Sequence[str]) -> list[W.Widget]:
    """The controls: a box of those that steer, one of those that begin anew, and the rest of both, folded."""
    names = [*sliders, *inputs]
    shown = shown or (names if len(names) <= 5 else [*list(sliders)[:3], *list(inputs)[:1]])
    if unknown := [name for name in shown if name not in names]:
        raise ValueError(f"shown names {unknown[0]!r}, expected some of {', '.join(names)}")

    def boxes(visible: bool) -> list[W.VBox]:
        made = []
        for heading, controls in ((STEERS, sliders), (ANEW, inputs)):
            chosen = [control for name, control in controls.items() if (name in shown) == visible]
            made += [W.VBox([W.HTML(heading), *chosen])] if chosen else []
        return made

    in_sight, (button, *folded) = boxes(True), more(boxes(False)) or [None]
    if button is not None and in_sight:  # below the last control: a row of its own would take room from the picture
        in_sight[-1].children = *in_sight[-1].children, button
    elif button is not None:
        in_sight = [button]
    return [*in_sight, *folded]


def _progress(run: Watchable) -> str:
    seconds, goal = run.seconds, run.goal
    losses = html.escape(told({name: values[-1] for name, values in list(run.history.items()) if values}))
    done = f"step {run.taken} of {goal}" if goal else f"step {run.taken}"
    left = f", {seconds / run.taken * (goal - run.taken):.0f} s left" if goal > run.taken > 0 else ""
    ending = left if run.state == engine.RUNNING else f", {run.state}"
    return f"{bar('progress of the run', run.taken, goal)} {done}, {seconds:.0f} s{ending}<br>{losses or '&nbsp;'}"


GAIN = "activation"  # of the parts of a loss the one that shall grow: the loss has it with a minus


def told(parts: Mapping[str, float]) -> str:
    """The parts of a loss in words: what shall grow with its own sign, or the sum and what it is made of."""
    if GAIN in parts:
        costs = ", ".join(f"{name} {value:.4g}" for name, value in parts.items() if name != GAIN)
        return f"{GAIN} {-parts[GAIN]:.4g}" + (f"; costs: {costs}" if costs else "")
    terms = " + ".join(f"{name} {value:.4g}" for name, value in parts.items())
    return terms if len(parts) < 2 else f"loss {sum(parts.values()):.4g} = {terms}"


def curve(history: Mapping[str, list[float]], width: int = 260, height: int = 70) -> str:
    """The total loss of all steps so far as a small SVG line chart, with the first and the latest value.

    Where something shall grow, the line is what has been gained, minus the costs, and rises.
    """
    parts = [list(values) for values in list(history.values())]
    length, sign, name = min(map(len, parts), default=0), 1, "loss"
    if GAIN in history:
        sign, name = -1, GAIN if len(history) == 1 else f"{GAIN} minus costs"
    totals = [sign * sum(values[i] for values in parts) for i in range(length)]
    if len(totals) < 2:
        return ""
    shown = totals[:: max(1, len(totals) // 200)]
    low, high = min(shown), max(shown)
    across, down = (width - 8) / max(1, len(shown) - 1), (height - 8) / max(high - low, 1e-12)
    points = " ".join(f"{4 + i * across:.1f},{4 + (high - y) * down:.1f}" for i, y in enumerate(shown))
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="{name}, step by step">'
        f'<polyline points="{points}" fill="none" stroke="#3b528b" stroke-width="1.5"/></svg>'
        f"<div>{name}: {totals[0]:.4g} at step 1, {totals[-1]:.4g} now</div>"
    )


def in_cell(
    run: Watchable, label: str, goal: float, picture: Frame | None = None, until: float = 0, colab: bool = False
) -> str:
    """The progress of a run, as HTML for the output of a cell that waits for it or takes its steps."""
    goal = int(goal) if goal < float("inf") else 0
    of = f" of {goal}" if goal else ""
    text = f"{bar(label, run.taken, goal)} {html.escape(label)}: step {run.taken}{of}"
    if until:
        seconds = max(0, until - time.perf_counter())
        text += f"; this cell ends in {seconds:.0f} s at the latest, Interrupt keeps the picture"
    if colab:
        text += (
            f", {run.state}. On Colab no slider can reach a run: change the values in this cell and run it again, or "
            "write <code>run.go_on()</code> in a new cell (with the name that you gave to the run) for further steps."
        )
    shown = f"<br>{tag(picture.content, picture.format, run.alt, 'width:480px;max-width:100%')}" if picture else ""
    return f"<div>{text}{shown}</div>"
