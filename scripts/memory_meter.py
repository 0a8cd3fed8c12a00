"""How much memory a process and its children take: of the kernels that run the notebooks."""

import threading
from types import TracebackType
from typing import Self

import psutil


class MemoryMeter(threading.Thread):
    """Samples the memory of a process and its children, and theirs, inside a `with`.

    A kernel that ends is no error: it takes no memory from then on.
    """

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.process = process
        self._peak = 0
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._stopped.set()
        self.join()

    def read(self) -> float:
        """The most that there was until now, in MB."""
        self._peak = max(self._peak, _resident(self.process))
        return self._peak / 1e6

    def run(self) -> None:
        while not self._stopped.wait(0.1):
            self.read()


def _resident(process: psutil.Process) -> int:
    """Bytes of memory that a process and its children hold; those that have just ended hold none."""
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(map(_own, family))


def _own(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0
