"""A running optimisation that you can watch, steer and stop while other cells run.

`run(start, knobs, ...)` shows the image as it changes, its loss curve, and its controls. There are two kinds: a
*slider* turns a knob, which the next step reads; an *input* (a network, a photo, a class) is what a run starts from, so
a change of it begins anew, with `start(**inputs)`. The steps are taken by a `Job` on a thread of its own.

Where nobody is watching (nbval, nbconvert, papermill), a limited number of steps runs inside the cell and leaves the
picture as a still. On Colab, where nothing can be sent once a cell has ended, the steps run inside the cell for half a
minute.
"""

import asyncio
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import ipywidgets as W
from IPython.display import HTML, display
from IPython.display import Image as Still
from torch import Tensor

from vizlib import images
from vizlib.compute import release_memory
from vizlib.optimize import Step
from vizlib.widgets import cells, engine
from vizlib.widgets.calls import call, check_controls
from vizlib.widgets.engine import Job
from vizlib.widgets.names import owned
from vizlib.widgets.page import event_loop, on_colab, show_widget, still_hint, watched
from vizlib.widgets.run_panel import Frame, RunPanel, in_cell

FRAMES_PER_SECOND = 4
KEPT_FRAMES = 120  # for the animation; beyond that, every other frame is dropped
COLAB_SECONDS = 30


def sheet(step: Step) -> Tensor:
    """What a run shows by default: the image, or a batch as a grid four images wide, `(1, 3, H, W)`."""
    return images.sheet(step.image, columns=4)


class Run:
    """One optimisation, from its first step until it is done, stopped or failed. Made by `run`.

    Attributes:
        step: The most recent `Step`, or None.
        history: The losses of all steps, by name; 0 where a step had no such part.
        inputs: What it started from, by name.
        knobs: What its sliders turn.
        panel: Its widgets, where a person is watching.
    """

    def __init__(
        self,
        start: Callable[..., Iterator[Step]],
        knobs: object,
        picture: Callable[..., Tensor],
        alt: str,
        key: str,
        controls: tuple[Mapping[str, W.Widget], Mapping[str, W.Widget]],
    ):
        self._inputs, self._sliders = controls
        self._start, self._picture = owned(start), owned(picture)
        check_controls(self._start, knobs, *controls)
        self.knobs, self.alt, self.key = knobs, alt, key
        self.step: Step | None = None
        self.inputs: dict[str, object] = {}
        self._job: Job | None = None
        self._going: Iterator[Step] | None = None  # the steps that are taken inside cells
        self._asked, self._beyond, self._asked_steps = 0, False, 0
        self._state, self._error = engine.WAITING, None
        self._closing: list[Callable[[], None]] = []
        self._clear()
        for name, control in self._sliders.items():
            setattr(knobs, name, control.value)

    def _clear(self) -> None:
        if self._beyond:
            self.knobs.steps, self._beyond = self._asked_steps, False
        self.history: dict[str, list[float]] = {}
        self._frames: list[bytes] = []
        self._every, self._painted, self.frame = 1, 0, None
        self.taken, self._last_paint, self._shown = 0, 0.0, None
        self.goal, self.steered = getattr(self.knobs, "steps", 0), False

    @property
    def state(self) -> str:
        """'waiting', 'running', 'paused', 'stopped', 'done' or 'failed'."""
        return self._job.state if self._job else self._state

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the run, or None."""
        return self._job.error if self._job else self._error

    @property
    def seconds(self) -> float:
        """How long it has computed."""
        return self._job.seconds if self._job else 0.0

    @property
    def resumable(self) -> bool:
        """Whether `go_on` has something to go on with."""
        return self._job is not None and self._job.resumable

    # --- the buttons ------------------------------------------------------------------------------------------------

    def stop(self, *_: object) -> None:
        """Stop after the current step; the picture stays. May be called from any thread."""
        if self._job:
            self._job.stop()

    def pause(self, *_: object) -> None:
        """Pause after the current step, or resume."""
        if self._job:
            self._job.resume() if self.state == engine.PAUSED else self._job.pause()

    def reset(self, *_: object) -> None:
        """Start again from the first step, with the controls as they are now; also when the run has ended."""
        self._begin(touched=True)

    def go_on(self, *_: object) -> None:
        """Take further steps from where the run stopped or ended: as many again as it was asked for at first.

        On Colab they are taken inside the cell that calls this, for half a minute.
        """
        if self._job is None:
            return self._inside(COLAB_SECONDS, show=watched())
        self._job.tell(self._extend)
        self._job.resume()

    def close(self) -> None:
        """End the run and take its panel off the page. Its last step, its history and its frames remain readable."""
        for act in reversed(self._closing):
            act()
        self._closing = []
        if self._job:
            self._state, self._error = self.state, self.error
            job, self._job = self._job, None
            job.close()
        self._picture = self._start = None
        cells.disown(self)

    # --- the result -------------------------------------------------------------------------------------------------

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
        yield from self._wait(float("inf")).__await__()
        return self

    async def reach(self, steps: int) -> Step:
        """Wait, with a progress bar, until so many steps have been taken or the run has ended; the latest step.

        Raises:
            Exception: The run failed; the error is the run's own.
        """
        await self._wait(steps)
        return self.result()

    async def _wait(self, steps: float) -> None:
        handle = None
        try:
            asked = self._asked if self._job else 0
            while self._job and not self._there(asked, steps):
                await asyncio.sleep(0.1 if handle else 0.02)
                if watched():
                    handle = handle or display(HTML(""), display_id=True)
                    handle.update(HTML(in_cell(self, f"waiting for {self.alt}", min(steps, self.goal))))
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.stop()
            raise
        finally:
            if handle:
                handle.update(HTML(""))
        if self.error is not None:
            raise self.error

    def _there(self, asked: int, steps: float) -> bool:
        """Whether the run that was begun by order `asked`, and not one before it, has ended or taken so many steps."""
        ended = self._job.served >= asked and self._job.state in engine.ENDED
        return ended or (self._job.begun >= asked and self.taken >= steps)

    def save(self, path: str | Path) -> Path:
        """Write the picture (.png, .jpg) or an animation of how it changed (.gif, .webp), and return the path.

        The file is written completely or not at all.

        Raises:
            ImageError: There is no picture yet, the suffix is unknown, or the folder cannot be written.
        """
        path, frame = Path(path).expanduser(), self.frame
        if frame is None or self._shown is None:
            raise images.ImageError("there is no picture to save yet: wait for the first step")
        if path.suffix.lower() not in (".gif", ".webp"):
            return images.save(self._shown, path)
        size, end = tuple(self._shown.shape[2:]), images.to_bytes(self._shown, "png")
        frames = [_sized(kept, size) for kept in [*self._frames, end]]  # some pictures grow during the run
        return images.save_animation(frames, path, FRAMES_PER_SECOND)

    # --- the steps, on the job's thread -----------------------------------------------------------------------------

    def _steps(self, inputs: Mapping[str, object]) -> Iterator[Step]:
        self._clear()
        self.inputs = dict(inputs)
        return iter(call(self._start, **inputs, knobs=self.knobs))

    def _took(self, step: Step) -> bool:
        """Note a step; a frame for the page every quarter of a second. Returns whether it was the last."""
        if not step.image.isfinite().all():
            raise ArithmeticError(
                f"step {step.iteration}: the picture is no longer finite (NaN or infinite). The one before is shown; "
                "press Reset, and choose smaller steps"
            )
        self.step, self.taken = step, self.taken + 1
        for name in {**self.history, **step.losses}:
            values = self.history.setdefault(name, [0.0] * (self.taken - 1))
            values.append(step.losses.get(name, 0.0))
        if time.perf_counter() - self._last_paint > 1 / FRAMES_PER_SECOND:
            self._paint("jpeg")
            self._keep(self.frame.content)
        return self._ends()

    def _ends(self) -> bool:
        """Whether the goal is reached; a run that goes on beyond its steps is granted one more at a time."""
        asked = getattr(self.knobs, "steps", None)
        if asked is None:
            return False
        if self._beyond:
            self.knobs.steps = self.taken + 1
        else:
            self.goal = asked
        return self.taken >= self.goal

    def _extend(self) -> None:
        asked = getattr(self.knobs, "steps", None)
        if asked is None or self.taken < self.goal:
            return
        if not self._beyond:
            self._asked_steps = asked
        self._beyond, self.goal = True, self.taken + self._asked_steps
        self.knobs.steps = self.taken + 1

    def _paint(self, format: str, **options: object) -> None:
        shown = call(self._picture, self.step, **self.inputs, knobs=self.knobs)
        self.frame = Frame(images.to_bytes(shown, format, **options), format, *shown.shape[2:])
        self._shown, self._last_paint = shown, time.perf_counter()

    def _rests(self) -> None:
        """The picture of the last step, as it stays in the notebook: a JPEG in full colour, or a smaller PNG."""
        if self.step is not None and self.taken:
            self._paint("jpeg", quality=90, full_chroma=True)
            png = images.to_bytes(self._shown, "png")
            if len(png) < len(self.frame.content):
                self.frame = self.frame._replace(content=png, format="png")
        release_memory()

    def _keep(self, frame: bytes) -> None:
        """Keep the frame for the animation; beyond `KEPT_FRAMES`, drop every other one and record half as often."""
        if self._painted % self._every == 0:
            self._frames.append(frame)
        self._painted += 1
        if len(self._frames) > KEPT_FRAMES:
            self._frames, self._every = self._frames[::2], 2 * self._every

    # --- inside the cell --------------------------------------------------------------------------------------------

    def _inside(self, seconds: float, show: bool, limit: float = float("inf")) -> None:
        """Where nothing can be shown later: take the steps now. Interrupting keeps the last picture."""
        handle = display(HTML("Waiting for the first step."), display_id=True) if show else None
        asked, began = getattr(self.knobs, "steps", 0), time.perf_counter()
        if limit < asked:
            self.knobs.steps = limit  # so that schedules spread over all steps still reach their end
        if self._going is None:
            self._going = self._steps({name: control.value for name, control in self._inputs.items()})
        elif self.taken >= self.goal:
            self._extend()
        self._state, until = engine.STOPPED, self.taken + limit
        try:
            while self.taken < until and (not show or time.perf_counter() - began < seconds):
                step = next(self._going, None)
                if step is None or self._took(step):
                    self._state = engine.DONE
                    break
                if handle and self._last_paint > began:
                    handle.update(HTML(in_cell(self, "live", self.goal, self.frame, began + seconds)))
            else:
                self._state = engine.DONE if self.taken >= until else engine.STOPPED
        except KeyboardInterrupt:
            if self.step is None:
                raise
        except Exception as error:
            self._state, self._error = engine.FAILED, error
            raise
        finally:
            if limit < asked:
                self.knobs.steps = asked
                self._going = self._going.close() if hasattr(self._going, "close") else None
        if self.step is None:
            raise ValueError("the optimisation took no step: expected at least one, so raise knobs.steps")
        self._rests()
        if handle:
            handle.update(HTML(in_cell(self, "live", self.goal, self.frame, colab=True)))
        else:
            display(self._still())
            still_hint()

    def _still(self) -> Still:
        return Still(self.frame.content, format=self.frame.format, width=self._width(), metadata={"alt": self.alt})

    def _width(self) -> int:
        """Width of a still on the page, in CSS pixels."""
        return max(400, min(800, self.frame.width))

    # --- beside other cells -----------------------------------------------------------------------------------------

    def _beside(self, loop: asyncio.AbstractEventLoop, layout: str, shown: Sequence[str], title: str) -> None:
        panel = self.panel = RunPanel(self, loop, layout, shown, self._inputs, self._sliders)
        self._job = Job(title, loop, self._took, panel.refresh, self._rests)
        parts = cells.Parts(panel.widget)
        self._closing = [parts.close, panel.close]
        for names, act in ((self._inputs, self._input_changed), (self._sliders, self._slider_changed)):
            for name, control in names.items():
                listen = partial(act, name)
                control.observe(listen, "value")
                self._closing.append(partial(control.unobserve, listen, "value"))
        show_widget(panel.widget, self.alt)
        panel.show_still = display(HTML(""), display_id=True).update
        self._begin()

    def _begin(self, touched: bool = False) -> None:
        if self._job is None:
            return
        inputs = {name: control.value for name, control in self._inputs.items()}
        self._asked = self._job.begin(partial(self._steps, inputs), touched)

    def _input_changed(self, name: str, change: dict) -> None:
        self._begin(touched=True)

    def _slider_changed(self, name: str, change: dict) -> None:
        value = change["new"]

        def turn() -> None:
            setattr(self.knobs, name, value)
            self._last_paint = 0.0  # the first step that has read it is shown at once
            if name == "steps":
                self._beyond = False
            self.steered = self.steered or self._job.state in engine.ENDED

        self._job.tell(turn)
        self._job.touch()


def _sized(frame: bytes, size: tuple[int, int]) -> bytes:
    """An image file, resized to (height, width) if necessary."""
    picture = images.load(frame)
    return frame if tuple(picture.shape[2:]) == size else images.to_bytes(images.resize(picture, size), "jpeg")


def run(
    start: Callable[..., Iterator[Step]],
    knobs: object,
    alt: str,
    *,
    inputs: Mapping[str, W.Widget] | None = None,
    sliders: Mapping[str, W.Widget] | None = None,
    picture: Callable[..., Tensor] = sheet,
    key: str = "run",
    quick: int = 30,
    shown: Sequence[str] = (),
    layout: str = "beside",
    title: str = "",
) -> Run:
    """Show an optimisation while it runs.

    Args:
        start: Returns a fresh iterator of `Step`s, which reads `knobs` at every step. It is called with the values of
            the inputs by name (and with `knobs`, if it has a parameter of that name).
        knobs: The dataclass that the sliders change; `knobs.steps`, if it has one, is the number of steps.
        alt: What the picture shows, in a few words.
        inputs: A widget with a `value` for each argument of `start`; when one changes, the run begins anew.
        sliders: A widget with a `value` for each knob to steer, under the knob's name.
        picture: A function from a step to the image `(1, 3, H, W)` in [0, 1] that is shown. If it has parameters named
            like inputs, or `knobs`, it gets the run's own.
        key: Names the run: a new run with the same key replaces it, and saved files are named after it.
        quick: The most steps to take where nobody is watching.
        shown: The names of the controls that are always in sight; the others are folded under *more*. By default, all
            of them up to five, otherwise the first three sliders and the first input.
        layout: Whether the picture stands 'beside' its controls, or 'above' them because it is wide.
        title: What other panels call this run while they wait for it; by default its key.

    Returns:
        The run. In a later cell, `await run` waits for its end, `await run.reach(50)` for its 50th step, and
        `run.result()` gives its latest step.

    Raises:
        ValueError: A slider has no knob of its name, or an input is not a parameter of `start`.
    """
    controls = dict(inputs or {}), dict(sliders or {})
    made = Run(start, knobs, picture, alt, key, controls)
    cells.own(made, key)
    loop = event_loop()
    if watched() and loop is not None:
        made._beside(loop, layout, shown, title or key.replace("_", " "))
    elif on_colab() and watched():
        made._inside(COLAB_SECONDS, show=True)
    else:
        made._inside(float("inf"), watched(), quick)
    return made
