"""A running optimisation that you can watch, steer and stop while other cells run.

`run(start, knobs, ...)` shows the image as it changes, its loss curve, and the knobs as sliders. A worker thread takes
the steps, and a coroutine on the kernel's event loop updates the page. The two share plain attributes only; the thread
never touches a widget. One run computes at a time while the others wait for it; running the cell again replaces the run
that it started before.

Where nobody is watching (nbval, nbconvert, papermill), a limited number of steps runs inside the cell and leaves the
picture as a still. On Colab, where nothing can be sent once a cell has ended, all steps run inside the cell.
"""

import asyncio
import html
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import ipywidgets as W
from IPython.display import HTML, display
from IPython.display import Image as Picture
from torch import Tensor
from torchvision.utils import make_grid

from vizlib import images
from vizlib.optimize import Step
from vizlib.widgets.page import event_loop, show_widget, watched

FRAMES_PER_SECOND = 4
KEPT_FRAMES = 120  # for the animation; beyond that, every other frame is dropped


def sheet(step: Step) -> Tensor:
    """What a run shows by default: the image, or a batch as a grid four images wide, `(1, 3, H, W)`."""
    return step.image if len(step.image) == 1 else make_grid(step.image, nrow=4, padding=2, pad_value=1)[None]


class Run:
    """One optimisation, from its first step until it is done, stopped or failed. Made by `run`.

    Attributes:
        step: The most recent `Step`, or None.
        history: The losses of all steps, by name; 0 where a step had no such part.
        state: 'waiting', 'running', 'paused', 'stopped', 'done' or 'failed'.
        error: The exception that ended the run, or None.
    """

    _newest: dict[str, "Run"] = {}  # the latest run of each key: the one that running the cell again replaces
    _turn: asyncio.Lock | None = None  # held by the run that is computing

    def __init__(
        self,
        start: Callable[[], Iterator[Step]],
        knobs: object,
        controls: Mapping[str, W.Widget],
        key: str,
        alt: str,
        quick: int,
        picture: Callable[[Step], Tensor],
        anew: Sequence[str] = (),
    ):
        unknown = [name for name in controls if not hasattr(knobs, name)]
        if unknown:
            raise ValueError(f"control {unknown[0]!r} has no knob, expected one of {', '.join(vars(knobs))}")
        if missing := [name for name in anew if name not in controls]:
            raise ValueError(f"anew names {missing[0]!r}, which is not a control: expected {', '.join(controls)}")
        self._anew = anew
        self.key, self.alt = key, alt
        self._start, self._knobs, self._controls, self._quick, self._picture = start, knobs, controls, quick, picture
        self.step: Step | None = None
        self.error: BaseException | None = None
        self.state = "waiting"
        self._halt, self._reset = False, False
        self._frame: bytes | None = None
        self._go = threading.Event()
        self._go.set()
        self._task: asyncio.Task | None = None
        self._clear()
        for name, control in controls.items():
            setattr(knobs, name, control.value)

    def _clear(self) -> None:
        self.history: dict[str, list[float]] = {}
        self._frames: list[bytes] = []
        self._every, self._shown, self._taken = 1, 0, 0
        self._begun = time.perf_counter()

    # --- the buttons ------------------------------------------------------------------------------------------------

    def stop(self, *_: object) -> None:
        """Stop after the current step; the picture stays. May be called from any thread."""
        self._halt = True
        self._go.set()

    def pause(self, *_: object) -> None:
        """Pause after the current step, or resume."""
        self._go.clear() if self._go.is_set() else self._go.set()

    def reset(self, *_: object) -> None:
        """Start again from the first step, with the knobs as they are now; this also works when the run has ended."""
        self._reset = True
        self._go.set()
        if self._task is not None and self._task.done():
            self._loop.call_soon_threadsafe(self._again)

    def result(self) -> Step:
        """The most recent step.

        Raises:
            RuntimeError: No step has been taken yet: write `await run` to wait for the end.
            Exception: The run failed; the error is the run's own.
        """
        if self.error is not None:
            raise self.error
        if self.step is None:
            raise RuntimeError("the run has taken no step yet: write `await run` to wait for its end")
        return self.step

    def __await__(self) -> Generator[object, None, "Run"]:
        """Wait until the run has ended. Interrupting the kernel ends the wait and stops the run.

        Raises:
            Exception: The run failed; the error is the run's own.
        """
        try:
            if self._task is not None and not self._task.done():
                yield from asyncio.wait([self._task]).__await__()
        except asyncio.CancelledError:
            self.stop()
            raise
        if self.error is not None:
            raise self.error
        return self

    def save(self, path: str | Path) -> Path:
        """Write the picture (.png, .jpg) or an animation of how it changed (.gif, .webp), and return the path.

        The file is written completely or not at all.

        Raises:
            ImageError: There is no picture yet, the suffix is unknown, or the folder cannot be written.
        """
        path = Path(path).expanduser()
        if self.step is None:
            raise images.ImageError("there is no picture to save yet: wait for the first step")
        if path.suffix.lower() not in (".gif", ".webp"):
            return images.save(self._picture(self.step), path)
        size = tuple(self._picture(self.step).shape[2:])  # some pictures grow during the run
        frames = [_sized(frame, size) for frame in [*self._frames, self._encode("png")]]
        return images.save_animation(frames, path, FRAMES_PER_SECOND)

    # --- the steps --------------------------------------------------------------------------------------------------

    def _take(self, steps: Iterator[Step], limit: float = float("inf")) -> Iterator[Step]:
        """The steps until somebody stops them; a reset starts them again."""
        try:
            while self._taken < limit:
                self._go.wait()
                if self._reset:
                    _close(steps)
                    self._reset, steps = False, self._start()
                    self._clear()
                if self._halt:
                    return
                try:
                    step = next(steps, None)
                except Exception:
                    time.sleep(0.2)  # one knob may have changed already while its reset is still on the way
                    if self._reset:
                        continue
                    raise
                if step is None:
                    return
                self._taken += 1
                self.step = step
                for name in {**self.history, **step.losses}:
                    value = step.losses.get(name, 0.0)
                    if name in self.history:
                        self.history[name].append(value)
                    else:  # assigned in one go, never empty: the event loop may read it at any moment
                        self.history[name] = [0.0] * (self._taken - 1) + [value]
                yield step
        finally:
            _close(steps)

    def _encode(self, format: str, **options: object) -> bytes:
        return images.to_bytes(self._picture(self.step), format, **options)

    def _width(self) -> int:
        """Width of the picture on the page, in CSS pixels."""
        return max(256, min(512, self._picture(self.step).shape[3]))

    def _still_picture(self) -> Picture:
        """What stays in the notebook's file: a JPEG in full colour, or a PNG where that is smaller."""
        stills = {"jpeg": self._encode("jpeg", quality=90, full_chroma=True), "png": self._encode("png")}
        format = min(stills, key=lambda name: len(stills[name]))
        return Picture(stills[format], format=format, width=self._width(), metadata={"alt": self.alt})

    def _keep(self, frame: bytes) -> None:
        """Keep the frame for the animation; beyond `KEPT_FRAMES`, drop every other one and record half as often."""
        if self._shown % self._every == 0:
            self._frames.append(frame)
        self._shown += 1
        if len(self._frames) > KEPT_FRAMES:
            self._frames, self._every = self._frames[::2], 2 * self._every

    def _work(self) -> None:
        """On the worker thread: take steps, and leave a frame for the page every quarter of a second."""
        painted = 0.0
        try:
            for _ in self._take(self._start()):
                if time.perf_counter() - painted > 1 / FRAMES_PER_SECOND:
                    painted = time.perf_counter()
                    self._frame = self._encode("jpeg")
                    self._keep(self._frame)
                    self._loop.call_soon_threadsafe(self._wake.set)
        except BaseException as error:
            self.error = error
        finally:
            self._loop.call_soon_threadsafe(self._wake.set)

    # --- inside the cell --------------------------------------------------------------------------------------------

    def _inside(self, limit: float, show: bool) -> None:
        """Where nothing can be shown later: take the steps now. Interrupting keeps the last picture."""
        handle = display(HTML("Waiting for the first step."), display_id=True) if show else None
        painted, asked = 0.0, getattr(self._knobs, "steps", 0)
        if limit < asked:
            self._knobs.steps = limit  # so that schedules spread over all steps still reach their end
        try:
            for _ in self._take(self._start(), limit):
                if time.perf_counter() - painted > 1 / FRAMES_PER_SECOND:
                    painted, frame = time.perf_counter(), self._encode("jpeg")
                    self._keep(frame)
                    if handle:
                        handle.update(Picture(frame, format="jpeg"))
            self.state = "done"
        except KeyboardInterrupt:
            self.state = "stopped"
            if self.step is None:
                raise
        finally:
            if limit < asked:
                self._knobs.steps = asked
        if self.step is None:
            raise ValueError("the optimisation took no step: expected at least one, so raise knobs.steps")
        if handle:
            handle.update(self._still_picture())
        else:
            display(self._still_picture())

    # --- beside other cells -----------------------------------------------------------------------------------------

    def _beside(self, loop: asyncio.AbstractEventLoop, old: "Run | None") -> None:
        self._loop, self._wake = loop, asyncio.Event()
        for name, control in self._controls.items():
            control.observe(lambda change, name=name: setattr(self._knobs, name, change["new"]), "value")
            if name in self._anew:
                control.observe(self.reset, "value")
        self._panel()
        self._task = loop.create_task(self._paint(old))

    def _again(self) -> None:
        """On the kernel's event loop: start an ended run again, unless another run has replaced it."""
        if not self._task.done() or Run._newest.get(self.key) is not self:
            return
        self._halt, self._reset, self.error, self.state = False, False, None, "waiting"
        self._clear()
        self._still.update(HTML(""))
        self.picture.layout.display = None
        for name in ("Stop", "Pause"):
            self.buttons[name].disabled = False
        self._task = self._loop.create_task(self._paint(None))

    def _panel(self) -> None:
        """Build and show the buttons, the sliders, the picture and the loss curve."""

        def button(text: str, icon: str, act: Callable[..., None]) -> W.Button:
            made = W.Button(description=text, icon=icon, layout={"width": "auto"})
            made.on_click(act)
            made.add_class(f"vizlib-live-{text.lower().split()[0]}")
            return made

        self.buttons = {
            name: button(name, icon, act)
            for name, icon, act in (
                ("Stop", "stop", self.stop),
                ("Pause", "pause", self.pause),
                ("Reset", "refresh", self.reset),
                ("Save picture", "download", lambda *_: self._save(".png")),
                ("Animation", "film", lambda *_: self._save(".webp")),
            )
        }
        self.bar = W.IntProgress(min=0, max=1, layout={"width": "200px"})
        self.text, self.curve, self.saved = W.HTML(), W.HTML(), W.HTML()
        self.picture = W.Image(format="jpeg", layout={"visibility": "hidden", "max_width": "100%"})
        for name in ("bar", "text", "curve", "picture", "saved"):
            getattr(self, name).add_class(f"vizlib-live-{name}")
        buttons, progress = W.HBox(list(self.buttons.values())), W.HBox([self.bar, self.text])
        pictures = W.HBox([self.picture, self.curve])
        self.panel = W.VBox([buttons, progress, *self._controls.values(), pictures, self.saved])
        show_widget(self.panel, self.alt)
        self._still = display(HTML(""), display_id=True)
        for widget in (*self.buttons.values(), *self._controls.values()):
            for part in (widget, *getattr(widget, "children", ())):  # a picker is a box with a slider in it
                answer_at_once(part)

    def _save(self, suffix: str) -> None:
        try:
            self.saved.value = f"saved as {html.escape(str(self.save(self.key + suffix)))}"
        except (images.ImageError, OSError) as error:
            self.saved.value = f"<b>not saved</b>: {html.escape(str(error))}"

    async def _paint(self, old: "Run | None") -> None:
        """On the kernel's event loop: wait for a turn, start the worker, and show its frames until it ends."""
        Run._turn = Run._turn or asyncio.Lock()
        try:
            self._show("Waiting for the run above to end; stop it to start this one now.")
            if old is not None and old._task is not None:
                await asyncio.wait([old._task])
            async with Run._turn:
                self.state, self._begun = "running", time.perf_counter()
                worker = threading.Thread(target=self._work, daemon=True)
                worker.start()
                while worker.is_alive():
                    await self._tick()
        except BaseException as error:  # the kernel is shutting down, or the task was cancelled
            self.stop()
            self.error = self.error or error
        self._finish()

    async def _tick(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), 0.5)
        self._wake.clear()
        self.state = "running" if self._go.is_set() else "paused"
        self._show()
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # an idle kernel ignores the Interrupt button
            signal.signal(signal.SIGINT, lambda *_: [run.stop() for run in Run._newest.values()])

    def _show(self, text: str = "") -> None:
        frame, self._frame = self._frame, None
        if frame is not None:
            self.picture.value = frame
            self.picture.layout.width = f"{self._width()}px"
            self.picture.layout.visibility = "visible"
        total = max(1, getattr(self._knobs, "steps", 1))
        self.bar.max, self.bar.value = total, min(self._taken, total)
        self.buttons["Pause"].description = "Pause" if self._go.is_set() else "Resume"
        self.text.value = text or self._progress(total)
        self.curve.value = curve(self.history)

    def _progress(self, total: int) -> str:
        seconds = time.perf_counter() - self._begun
        left = seconds / max(1, self._taken) * (total - self._taken)
        losses = ", ".join(f"{html.escape(name)} {values[-1]:.4g}" for name, values in list(self.history.items()))
        ending = f"{left:.0f} s left" if self.state == "running" else self.state
        return f"step {self._taken} of {total}, {seconds:.0f} s, {ending}; {losses}"

    def _finish(self) -> None:
        self.state = "failed" if self.error else "stopped" if self._halt else "done"
        self._show()
        for name in ("Stop", "Pause"):
            self.buttons[name].disabled = True
        if self.step is not None:
            self.picture.layout.display = "none"
            self._still.update(self._still_picture())
        if self.error is not None:
            report = "".join(traceback.format_exception(self.error))
            self.text.value = f"<b>{html.escape(str(self.error))}</b><pre>{html.escape(report)}</pre>"
        if self._reset and not self._halt:  # Reset was pressed between the last step and now
            self._loop.call_soon(self._again)


def _close(steps: Iterator[Step]) -> None:
    """Close a generator so that it can clean up; other iterators need no closing."""
    if hasattr(steps, "close"):
        steps.close()


def _sized(frame: bytes, size: tuple[int, int]) -> bytes:
    """An image file, resized to (height, width) if necessary."""
    picture = images.load(frame)
    return frame if tuple(picture.shape[2:]) == size else images.to_bytes(images.resize(picture, size), "jpeg")


def answer_at_once(widget: W.Widget) -> None:
    """Keep a widget's first message from getting stuck behind a busy cell, as it does in ipykernel 7.4.

    That version sends it to the main shell because of an attribute of the comm; without the attribute, it is handled
    like all later messages. Other versions have no such attribute.
    """
    if hasattr(widget.comm, "__dict__"):
        vars(widget.comm).pop("_reply_subshell_id", None)


def curve(history: Mapping[str, list[float]], width: int = 260, height: int = 120) -> str:
    """The total loss of all steps so far as a small SVG line chart, with the first and the latest value."""
    totals = [sum(values) for values in zip(*history.values(), strict=False)]
    if len(totals) < 2:
        return ""
    shown = totals[:: max(1, len(totals) // 200)]
    low, high = min(shown), max(shown)
    points = " ".join(
        f"{4 + i * (width - 8) / (len(shown) - 1):.1f},{4 + (high - y) * (height - 8) / max(high - low, 1e-12):.1f}"
        for i, y in enumerate(shown)
    )
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="loss curve">'
        f'<polyline points="{points}" fill="none" stroke="#3b528b" stroke-width="1.5"/></svg>'
        f"<div>loss: {totals[0]:.4g} at step 1, {totals[-1]:.4g} now</div>"
    )


def run(
    start: Callable[[], Iterator[Step]],
    knobs: object,
    alt: str,
    key: str = "run",
    quick: int = 30,
    picture: Callable[[Step], Tensor] = sheet,
    anew: Sequence[str] = (),
    **controls: W.Widget,
) -> Run:
    """Show an optimisation while it runs.

    Args:
        start: Returns a fresh iterator of `Step`s, which reads `knobs` at every step.
        knobs: The dataclass that the controls change; `knobs.steps` is the number of steps.
        alt: What the picture shows, in a few words.
        key: Names the run: a new run with the same key replaces it, and saved files are named after it.
        quick: The most steps to take where nobody is watching.
        picture: A function from a step to the image `(1, 3, H, W)` in [0, 1] that is shown.
        anew: Names of controls that restart the run when they change, such as the photo to start from.
        controls: A widget with a `value` for each knob to steer, under the knob's name.

    Returns:
        The run. In a later cell, `await run` waits for its end and `run.result()` gives its latest step.

    Raises:
        ValueError: A control has no knob of its name, or `anew` names something that is not a control.
    """
    made = Run(start, knobs, controls, key, alt, quick, picture, anew)
    old, Run._newest[key] = Run._newest.get(key), made
    if old is not None:
        old.stop()
    loop = event_loop()
    if watched() and loop is not None:
        made._beside(loop, old)
    else:
        made._inside(float("inf") if "google.colab" in sys.modules and watched() else quick, show=watched())
    return made
