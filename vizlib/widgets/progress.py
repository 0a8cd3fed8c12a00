"""A progress bar for a long computation in a cell; interrupting the cell keeps the result so far."""

import html
import time
from collections.abc import Iterable
from typing import TypeVar

from IPython.display import HTML, display

from vizlib.optimize import Partial
from vizlib.widgets.page import watched

P = TypeVar("P", bound=Partial)


def finish(steps: Iterable[P], label: str) -> P:
    """The last result of a long computation, with a progress bar while a person is waiting.

    Interrupting the kernel (the square button) ends the computation early and returns the result so far.

    Args:
        steps: Better and better results, each with the counts `done` and `total`, such as `features.extracting(...)`
            yields.
        label: What is being done, in a few words.

    Raises:
        ValueError: There was no result at all.
        KeyboardInterrupt: The kernel was interrupted before the first result.
    """
    bar = display(HTML(""), display_id=True) if watched() else None
    result, start, painted = None, time.perf_counter(), 0.0
    steps, state = iter(steps), "done"
    try:
        for result in steps:
            if bar and time.perf_counter() - painted > 0.25:
                painted = time.perf_counter()
                bar.update(HTML(_bar(label, result, painted - start)))
    except KeyboardInterrupt:
        if result is None:
            raise
        state = "stopped"
    finally:
        getattr(steps, "close", lambda: None)()
    if result is None:
        raise ValueError(f"{label}: there was nothing to do, expected at least one step")
    if bar:
        bar.update(HTML(_bar(label, result, time.perf_counter() - start, state)))
    return result


def _bar(label: str, result: Partial, seconds: float, state: str = "") -> str:
    left = seconds / max(result.done, 1) * (result.total - result.done)
    text = f"{result.done} of {result.total}, " + (f"{state} in {seconds:.0f} s" if state else f"{left:.0f} s left")
    return f"{html.escape(label)} <progress value={result.done} max={result.total}></progress> {text}"
