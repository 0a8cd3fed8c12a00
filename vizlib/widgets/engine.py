"""The engine behind live runs and explorers: a thread that computes, orders that it obeys, and news for the page.

A `Job` computes on a thread of its own. It takes its orders (begin, stop, turn a knob) from one queue, between two
steps, so that no step sees half a change and no order is lost. What there is to see it reports through `news`, which
runs on the kernel's event loop, where widgets may be touched; if the loop is busy, only the latest news is delivered.
"""

import asyncio
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import SimpleQueue

from vizlib.compute import release_memory
from vizlib.widgets.turn import TURN, computing

WAITING, RUNNING, PAUSED, STOPPED, DONE, FAILED = "waiting", "running", "paused", "stopped", "done", "failed"
ENDED = {STOPPED, DONE, FAILED}

_jobs: "weakref.WeakSet[Job]" = weakref.WeakSet()


class Job:
    """One computation, which may begin again as often as its inputs change. Its methods may be called from any thread.

    Attributes:
        name: What the others wait for, as a person would call it.
        state: 'waiting', 'running', 'paused', 'stopped', 'done' or 'failed'. Set by the job's own thread alone.
        error: The exception that ended it, or None.
        served: The number of the last `begin` that has been obeyed; `state` is of that one, or of a later one.
        begun: The number of the last `begin` whose steps are being taken.
        seconds: How long it has computed since it began.
    """

    def __init__(
        self,
        name: str,
        loop: asyncio.AbstractEventLoop,
        took: Callable[[object], bool | None],
        news: Callable[[], None],
        rests: Callable[[], None] = lambda: None,
    ):
        """
        Args:
            name: What the others wait for, as a person would call it.
            loop: The kernel's event loop.
            took: Called on the job's thread with every result; returns whether the job is done for now.
            news: Called on the loop when there is something to see.
            rests: Called on the job's thread when it pauses, stops or ends.
        """
        self.name, self.state, self.error, self.seconds = name, WAITING, None, 0.0
        self.served = self.begun = 0
        self.loop, self._took, self._news, self._rests = loop, took, news, rests
        self._orders: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._asked = 0
        self._start: Callable[[], Iterator] | None = None
        self._steps: Iterator | None = None
        self._told, self._closed = threading.Event(), False
        self._thread = threading.Thread(target=self._serve, name=f"vizlib {name}", daemon=True)
        self._thread.start()
        _jobs.add(self)

    # --- orders ---------------------------------------------------------------------------------------------------

    def begin(self, start: Callable[[], Iterator], touched: bool = False) -> int:
        """Begin again with the steps that `start` returns; the number of this order, which `served` will reach."""
        self._asked = number = self._asked + 1

        def obey() -> None:
            self._drop()
            self.error, self._start, self.seconds, self.state = None, start, 0.0, WAITING
            self.served = number  # after the state: who sees this number must not see the end of the steps before
            self.report()
            TURN.ask(self, touched)

        self._orders.put(obey)
        return number

    def tell(self, act: Callable[[], None]) -> None:
        """Do something on the job's thread between two steps, such as turning a knob."""

        def obey() -> None:
            act()
            self.report()

        self._orders.put(obey)

    def pause(self) -> None:
        """Pause after the current step."""
        self._orders.put(lambda: self.state in (WAITING, RUNNING) and self._rest(PAUSED))

    def resume(self) -> None:
        """Go on from where a pause, a stop or the last step left it; now, before all others."""

        def obey() -> None:
            if self.state != FAILED and (self._steps is not None or self._start is not None):
                self._enter(WAITING)
                TURN.ask(self, touched=True)

        self._orders.put(obey)

    def stop(self) -> None:
        """Stop after the current step; what there is stays, and `resume` goes on from it."""
        self._orders.put(lambda: self.state not in ENDED and self._rest(STOPPED))

    def touch(self) -> None:
        """A person is busy with this one: it goes first."""
        self._orders.put(lambda: self.state in (WAITING, RUNNING) and TURN.ask(self, touched=True))

    def close(self) -> None:
        """End the thread after the current step, and forget everything."""
        self._closed = True
        self._news = lambda: None
        self._orders.put(lambda: None)

    def wake(self) -> None:
        """The turn has gone to somebody, perhaps to this one; who waits says for whom."""
        self._orders.put(lambda: self.state == WAITING and self.report())

    @property
    def served_all(self) -> bool:
        """Whether no order to begin is still on its way."""
        return self.served == self._asked

    @property
    def resumable(self) -> bool:
        """Whether `resume` has something to go on with."""
        return self._steps is not None or self._start is not None

    # --- on the job's own thread ----------------------------------------------------------------------------------

    def _serve(self) -> None:
        while not self._closed:
            try:
                self._obey(wait=self.state != RUNNING)
                if self.state in (WAITING, RUNNING) and not self._closed:
                    self._turn()
            except BaseException as error:
                self._fail(error)
        self._drop()
        TURN.leave(self)
        self._took = self._rests = self._start = None
        release_memory()  # of this thread, too: glibc keeps what a thread has freed for the next one

    def _obey(self, wait: bool) -> None:
        if wait:
            self._orders.get()()
        while not self._orders.empty() and not self._closed:
            self._orders.get()()

    def _turn(self) -> None:
        mine = TURN.mine(self)
        if mine != (self.state == RUNNING):
            self._enter(RUNNING if mine else WAITING)
        if mine:
            self._step()

    def _step(self) -> None:
        with computing():
            began = time.perf_counter()
            if self._steps is None:
                start, self._start = self._start, None
                self._steps, self.begun = iter(start()), self.served
            try:
                result = next(self._steps)
            except StopIteration:
                self._steps = None
                return self._rest(DONE)
            done = self._took(result)
            self.seconds += time.perf_counter() - began
        return self._rest(DONE) if done else self.report()

    def _enter(self, state: str) -> None:
        self.state = state
        self.report()

    def _rest(self, state: str) -> None:
        TURN.leave(self)
        self._rests()
        self._enter(state)

    def _fail(self, error: BaseException) -> None:
        """Report what went wrong; whatever else goes wrong meanwhile must not hide it."""
        self.error = error
        self._drop()
        TURN.leave(self)
        with suppress(Exception):
            self._rests()
        self._enter(FAILED)

    def _drop(self) -> None:
        """Forget the steps; a generator is closed, so that it can clean up."""
        steps, self._steps, self._start = self._steps, None, None
        with suppress(Exception):
            getattr(steps, "close", lambda: None)()

    def report(self) -> None:
        """Have `news` called on the event loop, unless it is about to be called anyway."""
        if not self._told.is_set() and not self._closed:
            self._told.set()
            with suppress(RuntimeError):  # the loop is closed: the kernel is shutting down
                self.loop.call_soon_threadsafe(self._deliver)

    # --- on the kernel's event loop -------------------------------------------------------------------------------

    def _deliver(self) -> None:
        self._told.clear()
        obey_interrupts()
        self._news()


def obey_interrupts() -> None:
    """Let the Interrupt button stop what is computing: an idle kernel ignores it otherwise."""
    with suppress(ValueError):  # not the main thread
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, lambda *_: stop_all())


def stop_all() -> None:
    """Stop every live run and every explorer that is computing; their pictures stay."""
    for job in list(_jobs):
        job.stop()
