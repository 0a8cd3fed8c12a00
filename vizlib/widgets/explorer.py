"""A figure that follows its controls, at once or step by step.

`explore(draw, ...)` calls `draw` with the values of all controls, again whenever one of them changes, and shows the
figure that comes back. If `draw` is a generator, every figure that it yields replaces the one before: the work is done
on a thread of its own, so that nothing freezes, **Stop** keeps what is there, and a changed control starts again.

Where nobody is watching, as in nbconvert or in a script, the last figure is shown as a still picture instead of the
controls.
"""

import html
from collections import deque
from collections.abc import Callable, Iterator
from threading import Lock, RLock, Thread
from types import GeneratorType
from typing import NamedTuple

import ipywidgets as W
from matplotlib.figure import Figure
from torch import Tensor, nn

from vizlib import plot
from vizlib.widgets.page import event_loop, show_widget, watched


class Progress(NamedTuple):
    """How far a drawing generator has come, and the figure to show from now on (None keeps the current one)."""

    done: int
    total: int
    figure: Figure | None = None


Drawing = Figure | Iterator[Figure | Progress]


class _Encoded(NamedTuple):
    """A figure as the bytes of a file, 'png' or 'jpeg', and how wide it is shown."""

    content: bytes
    format: str
    width: str


_COMPUTING = Lock()  # one step at a time: two at once on the same cores would only slow each other down


class _Run:
    """One call of a drawing generator. Only the thread that takes its steps uses it; any thread may set `halted`."""

    def __init__(self, steps: GeneratorType):
        self.steps, self.halted = steps, False

    def __iter__(self) -> Iterator[Progress]:
        try:
            while not self.halted:
                with _COMPUTING:
                    step = None if self.halted else next(self.steps, None)
                if step is None:
                    return
                yield step if isinstance(step, Progress) else Progress(0, 0, step)
        finally:
            self.steps.close()


def _same(a: object, b: object) -> bool:
    return a is b or (not isinstance(a, Tensor | nn.Module) and a == b)


class Explorer(W.VBox):
    """Controls above a picture that is redrawn whenever one of them changes. Made by `explore`."""

    def __init__(self, draw: Callable[..., Drawing], controls: dict[str, W.Widget]):
        self._draw, self._controls = draw, controls
        self._watched, self._loop = watched(), event_loop()  # found now: inside a callback, no cell is running
        self._last: dict[str, object] | None = None
        self._run: _Run | None = None
        self._one_at_a_time = RLock()
        self.picture = W.Image(format="png", layout={"max_width": "100%", "visibility": "hidden"})
        self.message = W.HTML()
        self.stop_button = W.Button(description="Stop", icon="stop", layout={"width": "80px"})
        self.bar = W.IntProgress(min=0, max=1, layout={"width": "330px"})
        self.running = W.HBox([self.stop_button, self.bar], layout={"visibility": "hidden"})
        for name in ("picture", "message", "stop_button", "bar"):
            getattr(self, name).add_class("vizlib-" + name.removesuffix("_button"))
        super().__init__([*controls.values(), self.message, self.picture])
        self.redraw()
        for control in controls.values():
            control.observe(self.redraw, "value")
        self.stop_button.on_click(self.stop)

    def redraw(self, *_: object) -> None:
        """Draw with the current values, unless they are already shown; an error is reported above the old picture."""
        with self._one_at_a_time:
            values = {name: control.value for name, control in self._controls.items()}
            if self._last is not None and all(_same(values[name], self._last[name]) for name in values):
                return
            self._last = values
            if self._run is not None:
                self._run.halted = True
            try:
                drawing = self._draw(**values)
                if isinstance(drawing, GeneratorType):
                    self._begin(drawing)
                else:
                    self._show(self._encoded(drawing))
            except Exception as error:
                self._fail(error)

    def stop(self, *_: object) -> None:
        """Stop a drawing that is in progress; what it has shown so far stays."""
        if self._run is not None:
            self._run.halted = True

    # Drawing in steps. The worker thread never touches a widget: it hands its results to the kernel's event loop.

    def _begin(self, steps: GeneratorType) -> None:
        self._run = _Run(steps)
        self.children = [*self._controls.values(), self.running, self.message, self.picture]
        if not self._watched:
            figures = deque((step.figure for step in self._run if step.figure is not None), maxlen=1)
            if not figures:
                raise ValueError("draw yielded no figure: yield at least one, or Progress(done, total, figure)")
            self._show(self._encoded(figures[0]))
        elif self._loop is None:
            self._work(self._run, lambda act, *values: act(*values))
        else:
            Thread(target=self._work, args=(self._run, self._loop.call_soon_threadsafe), daemon=True).start()

    def _work(self, run: _Run, post: Callable[..., object]) -> None:
        post(self._progress, run, 0, 0)
        try:
            for done, total, figure in run:
                picture = None if figure is None else self._encoded(figure)
                post(self._progress, run, done, total, picture)
            post(self._end, run)
        except Exception as error:
            post(self._end, run, error)

    def _progress(self, run: _Run, done: int, total: int, picture: _Encoded | None = None) -> None:
        if run is not self._run:  # another run has started since
            return
        self.running.layout.visibility = "visible"
        self.bar.max, self.bar.value = max(total, 1), done
        if picture is not None:
            self._show(picture)

    def _end(self, run: _Run, error: Exception | None = None) -> None:
        if run is not self._run:
            return
        self.running.layout.visibility = "hidden"
        if error is not None:
            self._fail(error)
        elif run.halted:
            self.message.value = "Stopped: this is the result so far. Change any control to start again."

    def _encoded(self, figure: Figure) -> _Encoded:
        content, format = plot.encode(figure, quickly=self._watched)
        return _Encoded(content, format, f"{figure.get_figwidth() * figure.dpi:.0f}px")

    def _show(self, picture: _Encoded) -> None:
        with self.picture.hold_sync():  # the page never sees new bytes under the old format
            self.picture.value, self.picture.format = picture.content, picture.format
        self.picture.layout.width = picture.width  # without a width, the picture would be stretched
        self.picture.layout.visibility = "visible"
        self.message.value = ""

    def _fail(self, error: Exception) -> None:
        self.message.value = f"<b>{type(error).__name__}</b>: {html.escape(str(error))}"
        if not self._watched:
            raise error


def explore(draw: Callable[..., Drawing], alt: str, **controls: W.Widget) -> Explorer:
    """Show `draw(name=value, ...)` under its controls, and redraw it whenever one of them changes.

    Args:
        draw: Takes the controls' values by name and returns a figure; below about 80 ms it follows a slider smoothly.
            If it takes longer, make it a generator: it yields a rough figure first and better ones after it, each as a
            `Figure` or as `Progress(done, total, figure)`, which also moves a progress bar.
        alt: What the picture shows, in a few words.
        controls: Pickers from `vizlib.widgets`, or any ipywidgets with a `value`.

    Returns:
        The explorer. In a browser it is displayed with its controls; elsewhere only its picture is.

    Raises:
        Exception: Whatever `draw` raises, if nobody is watching; in a browser the page shows the error instead.
        ValueError: `draw` yields no figure, if nobody is watching.

    Example:
        >>> def draw(size):
        ...     for step in occlusion.refining(net, photo, target, size):
        ...         yield Progress(step.done, step.total, plot.heat_map(photo, step.heat))
    """
    explorer = Explorer(draw, controls)
    if watched():
        show_widget(explorer, alt)
    else:
        plot.show(bytes(explorer.picture.value), alt)  # ipywidgets keeps a view of them
    return explorer
