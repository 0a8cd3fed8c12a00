"""A figure that follows its controls, at once or step by step.

`explore(draw, ...)` calls `draw` with the values of all controls, again whenever one of them changes, and shows the
figure that comes back. If `draw` is a generator, every figure that it yields replaces the one before: the work is done
by a `Job` on a thread of its own, so that nothing freezes, **Stop** keeps what is there, and a changed control begins
again.

Where nobody is watching, as in nbconvert or in a script, the last figure is shown as a still picture instead of the
controls.
"""

import html
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import RLock
from types import GeneratorType
from typing import NamedTuple

import ipywidgets as W
from matplotlib.figure import Figure
from torch import Tensor, nn

from vizlib import images, plot
from vizlib.widgets import cells, engine
from vizlib.widgets.engine import Job
from vizlib.widgets.page import answer_at_once, event_loop, on_colab, show_widget, still_hint, watched
from vizlib.widgets.panel import frame, more
from vizlib.widgets.picture import Picture, bar
from vizlib.widgets.turn import TURN, computing

DENSITY = 134  # pixels per inch where somebody is watching: the widest figures are then about 1,000 pixels wide
PATIENCE = 0.25  # seconds that a figure without steps waits for the step of another panel to end


class Progress(NamedTuple):
    """How far a drawing generator has come, and the figure to show from now on (None keeps the current one)."""

    done: int
    total: int
    figure: Figure | None = None


Drawing = Figure | Tensor | Iterator[Figure | Progress]


class _Drawn(NamedTuple):
    """What there is to see of one drawing: how far it is, and its figure as the bytes of a file with its width."""

    done: int
    total: int
    content: bytes
    format: str
    width: str


def _same(a: object, b: object) -> bool:
    return a is b or (not isinstance(a, Tensor | nn.Module) and a == b)


class Explorer:
    """Controls and a picture that is redrawn whenever one of them changes. Made by `explore`.

    Attributes:
        widget: What is put onto the page.
        picture, message: The picture, and the line for progress and errors.
        error: What the last drawing failed with, or None.
    """

    def __init__(
        self,
        draw: Callable[..., Drawing],
        alt: str,
        controls: Mapping[str, W.Widget],
        shown: Sequence[str] = (),
        layout: str = "above",
        title: str = "explorer",
    ):
        self._draw, self._controls, self._title = draw, dict(controls), title
        self._watched, self._loop = watched(), event_loop()  # found now: inside a callback, no cell is running
        self._last: dict[str, object] | None = None
        self._job: Job | None = None
        self._drawing, self._stepwise = 0, 0  # the numbers of the latest drawing, and of the latest one with steps
        self._drawn: tuple[int, _Drawn] | None = None  # what there is to see of the latter
        self._one_at_a_time = RLock()
        self.error: Exception | None = None
        self.picture, self.message = Picture(alt, "vizlib-explorer-picture"), W.HTML()
        self.stop_button = W.Button(description="Stop", icon="stop", layout={"width": "80px"})
        self.now_button = W.Button(description="This one now", icon="forward", layout={"width": "auto"})
        self.bar = W.HTML()
        self.running = W.HBox([self.stop_button, self.now_button, self.bar], layout={"visibility": "hidden"})
        for name in ("message", "stop_button", "bar"):
            getattr(self, name).add_class("vizlib-" + name.removesuffix("_button"))
        visible = [c for name, c in self._controls.items() if name in shown or not shown]
        folded = [c for name, c in self._controls.items() if shown and name not in shown]
        status, (button, *box) = [self.running, self.message], more(folded) or [None]
        self.widget = frame([self.picture], [*visible, *([button] if folded else []), *status, *box], layout)
        self.widget.add_class("vizlib-explorer")
        answer_at_once(self.widget)
        self.stop_button.on_click(self.stop)
        self.now_button.on_click(self.go_on)
        self._parts = cells.Parts(self.widget)
        for control in self._controls.values():
            control.observe(self.redraw, "value")

    def redraw(self, *_: object) -> None:
        """Draw with the current values, unless they are already shown; an error is reported beside the old picture."""
        with self._one_at_a_time:
            values = {name: control.value for name, control in self._controls.items()}
            if self._last is not None and all(_same(values[name], self._last[name]) for name in values):
                return
            touched, self._last, self.error = self._last is not None, values, None
            self._drawing += 1
            if self._job is not None:
                self._job.stop()
            try:
                with computing(PATIENCE):
                    drawing = self._draw(**values)
                if isinstance(drawing, GeneratorType):
                    self._begin(drawing, touched)
                else:
                    self._show(self._encoded(drawing))
                    self._say()
            except Exception as error:
                self._fail(error)

    def stop(self, *_: object) -> None:
        """Stop a drawing that is in progress; what it has shown so far stays."""
        if self._job is not None:
            self.message.value = "Stopping after this step …"
            self._job.stop()

    def go_on(self, *_: object) -> None:
        """Go on with a drawing that was stopped, or with one that waits for other panels, before them."""
        if self._job is not None:
            self._job.resume()

    def close(self) -> None:
        """End what is being drawn, stop following the controls, and take the panel off the page."""
        for control in self._controls.values():
            control.unobserve(self.redraw, "value")
        if self._job is not None:
            self._job.close()
            self._job = None
        self._parts.close()
        self._last = self._drawn = None
        cells.disown(self)

    # --- drawing in steps -------------------------------------------------------------------------------------------

    def _begin(self, steps: GeneratorType, touched: bool) -> None:
        if not self._watched:
            figures = deque((step.figure for step in map(_progress, steps) if step.figure is not None), maxlen=1)
            if not figures:
                raise ValueError("draw yielded no figure: yield at least one, or Progress(done, total, figure)")
            return self._show(self._encoded(figures[0]))
        if self._loop is None:  # no picture can be sent later: draw while the cell or the callback lasts
            return self._draw_inside(steps)
        if self._job is None:
            self._job = Job(self._title, self._loop, self._took, self._refresh)
        self._say("", running=True)
        number = self._stepwise = self._drawing
        self._job.begin(lambda: ((number, _progress(step)) for step in _closing(steps)), touched)

    def _draw_inside(self, steps: Iterator[Figure | Progress]) -> None:
        for step in map(_progress, steps):
            self.message.value = f"{bar('drawing', step.done, step.total)} {step.done} of {step.total}"
            if step.figure is not None:
                self._show(self._encoded(step.figure))
        self._say()

    def _took(self, result: tuple[int, Progress]) -> None:
        """On the job's thread: encode the figure, for the event loop to show."""
        number, step = result
        seen = self._drawn[1] if self._drawn and self._drawn[0] == number else None
        if step.figure is None:
            content = seen[2:] if seen else (b"", "", "")
            self._drawn = number, _Drawn(step.done, step.total, *content)
        else:
            self._drawn = number, self._encoded(step.figure)._replace(done=step.done, total=step.total)

    def _refresh(self) -> None:
        """On the event loop: show what there is of the latest drawing, and nothing of an older one."""
        job = self._job
        if job is None or self._stepwise != self._drawing:
            return  # closed, or the latest drawing came at once
        number, drawn = self._drawn or (0, None)
        if number != self._drawing:
            drawn = None
        if drawn is not None and drawn.content and drawn.content != self.picture.content:
            self._show(drawn)
        if job.state in engine.ENDED and not job.served_all:
            return  # the next drawing is on its way
        if job.state == engine.STOPPED:
            self._say("Stopped: this is the result so far.", running=True)
        elif job.state == engine.FAILED:
            self._fail(job.error)
        elif job.state == engine.DONE:
            self._say()
        else:
            self._say("", running=True)
        other = TURN.holder() if job.state == engine.WAITING else ""
        done, total = (drawn.done, drawn.total) if drawn else (0, 0)
        self.bar.value = f"waiting for {html.escape(other)}" if other else bar("drawing", done, total)
        self.stop_button.disabled = job.state == engine.STOPPED
        self.now_button.description = "Go on" if job.state == engine.STOPPED else "This one now"
        self.now_button.layout.display = None if other or job.state == engine.STOPPED else "none"

    # --- what there is to see ---------------------------------------------------------------------------------------

    def _say(self, text: str = "", running: bool = False) -> None:
        self.message.value = text
        self.running.layout.visibility = "visible" if running else "hidden"

    def _encoded(self, figure: Figure | Tensor) -> _Drawn:
        if isinstance(figure, Tensor):
            content = images.to_bytes(figure, "jpeg", quality=90, full_chroma=True)
            return _Drawn(0, 0, content, "jpeg", f"{figure.shape[-1]}px")
        if self._watched:
            figure.set_dpi(DENSITY)
        content, format = plot.encode(figure, quickly=self._watched)
        return _Drawn(0, 0, content, format, f"{figure.get_figwidth() * figure.dpi:.0f}px")

    def _show(self, drawn: _Drawn) -> None:
        self.picture.show(drawn.content, drawn.format, drawn.width)

    def _fail(self, error: Exception) -> None:
        self.error = error
        self._say(f'<span role="alert"><b>{type(error).__name__}</b>: {html.escape(str(error))}</span>')
        if not self._watched:
            raise error


def _progress(step: Figure | Progress) -> Progress:
    return step if isinstance(step, Progress) else Progress(0, 0, step)


def _closing(steps: GeneratorType) -> Iterator[Figure | Progress]:
    """The steps; when this iterator is closed, so are they."""
    try:
        yield from steps
    finally:
        steps.close()


def explore(
    draw: Callable[..., Drawing],
    alt: str,
    *,
    shown: Sequence[str] = (),
    layout: str = "above",
    title: str = "",
    **controls: W.Widget,
) -> Explorer:
    """Show `draw(name=value, ...)` with its controls, and redraw it whenever one of them changes.

    Args:
        draw: Takes the controls' values by name and returns a figure, or an image `(1, 3, H, W)` in [0, 1], which is
            shown as it is and takes no time to lay out; below about 80 ms it follows a slider smoothly.
            If it takes longer, make it a generator: it yields a rough figure first and better ones after it, each as a
            `Figure` or as `Progress(done, total, figure)`, which also moves a progress bar.
        alt: What the picture shows, in a few words.
        shown: The names of the controls that are always in sight; the others are folded under *more*. All by default.
        layout: Whether the picture stands 'above' its controls, or 'beside' them.
        title: What other panels call this one while they wait for it; by default `alt`.
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
    if unknown := [name for name in shown if name not in controls]:
        raise ValueError(f"shown names {unknown[0]!r}, expected some of {', '.join(controls)}")
    explorer = Explorer(draw, alt, controls, shown, layout, title or alt)
    if not watched():
        explorer.redraw()
        plot.show(explorer.picture.content, alt)
        still_hint()
        return explorer
    cells.own(explorer)
    if on_colab():
        explorer.running.layout.display = "none"  # a Stop that nothing would hear
        show_widget(explorer.widget, alt)
        explorer.redraw()
    else:
        explorer.redraw()
        show_widget(explorer.widget, alt)
    return explorer
