"""Timing side by side on one machine: contenders take turns, so that a slow moment affects all of them alike."""

import time
from collections.abc import Callable, Mapping
from statistics import median


def interleaved(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int = 5,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The median seconds of each contender over `rounds` turns, after `warm_up` turns that do not count.

    The clock is the wall clock, or `time.process_time`, which is steadier if others use the same processors.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(warm_up + rounds):
        for name, run in contenders.items():
            start = clock()
            run()
            if turn >= warm_up:
                seconds[name].append(clock() - start)
    return {name: median(times) for name, times in seconds.items()}


def report(title: str, seconds: Mapping[str, float], baseline: str) -> None:
    """Print each contender's time, and how many times as fast as the baseline it is."""
    print(f"\n{title}")
    for name, time_taken in seconds.items():
        print(f"  {name:<44} {1000 * time_taken:>10.1f} ms   {seconds[baseline] / time_taken:>6.2f}x")
