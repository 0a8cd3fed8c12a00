"""A progress bar for a long computation in a cell; interrupting the cell keeps the result so far."""

import html
import time
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple, TypeVar

from IPython.display import HTML, display

from vizlib.compute import default_device, in_order, release_memory
from vizlib.optimize import Partial, Step, last
from vizlib.widgets.page import watched
from vizlib.widgets.picture import bar

K, P = TypeVar("K", bound=Hashable), TypeVar("P", bound=Partial | Step)


class _Ended(NamedTuple):
    """How many of several optimisations have ended."""

    done: int
    total: int


def finish(steps: Iterable[P], label: str, total: int = 0) -> P:
    """The last result of a long computation, with a progress bar while a person is waiting.

    Interrupting the kernel (the square button) ends the computation early and returns the result so far.

    Args:
        steps: Better and better results, each with the counts `done` and `total`, such as `features.extracting(...)`
            yields, or the steps of an optimisation, such as `ascend(...)` yields.
        label: What is being done, in a few words.
        total: How many steps of an optimisation there will be; 0 if that is not known.

    Raises:
        ValueError: There was no result at all.
        KeyboardInterrupt: The kernel was interrupted before the first result.
    """
    shown = display(HTML(""), display_id=True) if watched() else None
    result, start, painted = None, time.perf_counter(), 0.0
    steps, state = iter(steps), "done"
    try:
        for result in steps:
            if shown and time.perf_counter() - painted > 0.25:
                painted = time.perf_counter()
                shown.update(HTML(_line(label, result, total, painted - start)))
    except KeyboardInterrupt:
        if result is None:
            raise
        state = "stopped"
    finally:
        getattr(steps, "close", lambda: None)()
        if time.perf_counter() - start > 1:
            release_memory()
    if result is None:
        raise ValueError(f"{label}: there was nothing to do, expected at least one step")
    if shown:
        shown.update(HTML(_line(label, result, total, time.perf_counter() - start, state)))
    return result


def finish_all(runs: Mapping[K, Iterator[Step]], label: str) -> dict[K, Step]:
    """The last step of each of several optimisations, as many at a time as there are cores, with one progress bar.

    One small picture keeps one core busy and hardly a second: two pictures at a time, a core for each, are done in
    about two thirds of the time that they take one after the other.

    Interrupting the kernel ends it early: with several cores, what is being computed is finished; with one, it stays as
    far as it is. The others make one step.

    Args:
        runs: A name for each optimisation, and its steps, such as `style.transfer(...)` gives; none may need another.
        label: What is being done, in a few words.

    Raises:
        ValueError: An optimisation has no step.
        KeyboardInterrupt: The kernel was interrupted in the very first step of one of them.
    """
    reached: dict[K, Step] = {}

    def steps_of(name: K) -> Iterator[Step]:
        for step in runs[name]:
            reached[name] = step
            yield step

    def run(name: K) -> None:
        last(steps_of(name))

    def counted() -> Iterator[_Ended]:
        alone = default_device().type != "cpu"
        for done, _ in enumerate(map(run, runs) if alone else in_order(run, runs), 1):
            yield _Ended(done, len(runs))

    with suppress(KeyboardInterrupt):  # before the first of them had ended
        finish(counted(), label)
    for name in runs:
        if name not in reached and next(steps_of(name), None) is None:
            raise KeyboardInterrupt
    return {name: reached[name] for name in runs}


def _line(label: str, result: Partial | Step, total: int, seconds: float, state: str = "") -> str:
    done, total = (result.iteration, total) if isinstance(result, Step) else (result.done, result.total)
    if state:
        ending = f"{state} in {seconds:.0f} s"
    else:
        ending = f"{seconds / max(done, 1) * (total - done):.0f} s left" if total else f"{seconds:.0f} s"
    count = f"{done} of {total}" if total else f"step {done}"
    return f"{html.escape(label)} {bar(label, done, total)} {count}, {ending}"
