"""Where computation runs: the device, and the number of threads that the process may really use."""

import ctypes
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from threading import Barrier, Thread
from typing import TypeVar

import joblib
import torch

Item, Result = TypeVar("Item"), TypeVar("Result")


def default_device() -> torch.device:
    """The best device available: CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def available_cpus() -> int:
    """The number of CPUs that this process may use, given its affinity and the container's cgroup limit."""
    return joblib.cpu_count()


def limit_threads() -> int:
    """Lower torch's number of threads to `available_cpus()` (never raise it) and return the number now in force.

    A container reports all of the host's processors, and sixty threads that share one processor run slower than one.
    """
    threads = max(1, min(torch.get_num_threads(), available_cpus()))
    torch.set_num_threads(threads)
    return threads


def release_memory() -> None:
    """Give freed memory back to the system. glibc keeps it for later: some 100 MB after a long computation."""
    with suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """What `function` makes of each item, in order, computed on as many threads as torch may use.

    Each of them gives torch one thread: for many small computations that is faster than sharing each of them out,
    because torch releases Python's lock while it computes. At most one item more than there are threads is under way,
    so memory stays flat. When the iterator is closed, what has begun is finished and nothing else is started.

    Args:
        function: It runs in other threads, so it sets its own grad mode.
        items: They are taken one by one in the calling thread.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        yield from map(function, items)
        return
    under_way: deque[Future] = deque()
    ready = Barrier(threads + 1)
    with ThreadPoolExecutor(threads, "vizlib", _one_thread, (threads, ready)) as pool:
        for _ in range(threads):
            pool.submit(int)
        ready.wait()  # no thread of somebody else's can begin, from here on, while torch's number is being changed
        try:
            for item in items:
                under_way.append(pool.submit(function, item))
                if len(under_way) > threads:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


def _one_thread(before: int, ready: Barrier) -> None:
    """Give torch one thread when it is called from this thread, and `before` from threads that start later."""
    torch.get_num_threads()  # a thread's first call takes over the number that was set last in any thread
    torch.set_num_threads(1)
    other = Thread(target=torch.set_num_threads, args=(before,))
    other.start()
    other.join()
    ready.wait()


def bf16(device: torch.device, wanted: bool) -> torch.autocast:
    """Inside the `with`, convolutions and matrix products run in bfloat16 if `wanted`; compute losses outside it.

    The pictures come out different, as they would with another seed. It pays only where `bf16_is_faster()`.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=bool(wanted))


@cache
def bf16_is_faster() -> bool:
    """Whether the CPU runs a convolution faster in bfloat16 than in float32, measured in about ten milliseconds.

    On a processor without bfloat16 units it is several times slower.
    """
    return _convolution_seconds(torch.bfloat16) < 0.8 * _convolution_seconds(torch.float32)


@torch.inference_mode()
def _convolution_seconds(dtype: torch.dtype) -> float:
    """The time in seconds of the fastest of five runs of a small convolution, after one warm-up run."""
    images = torch.ones(1, 64, 56, 56, dtype=dtype).to(memory_format=torch.channels_last)
    kernels = torch.ones(64, 64, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    seconds = []
    for _ in range(6):
        begun = time.perf_counter()
        torch.nn.functional.conv2d(images, kernels)
        seconds.append(time.perf_counter() - begun)
    return min(seconds[1:])
