"""Threads and devices."""

import itertools
import platform
import subprocess
import sys
import threading
from types import SimpleNamespace

import psutil
import pytest
import torch

from vizlib import compute


def test_threads_are_lowered_to_the_cpus_and_never_raised(monkeypatch):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        monkeypatch.setattr(compute, "available_cpus", lambda: 1)
        assert compute.limit_threads() == 1 == torch.get_num_threads()
        monkeypatch.setattr(compute, "available_cpus", lambda: 64)
        assert compute.limit_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give memory back by themselves")
def test_memory_that_was_freed_goes_back_to_the_system():
    process = psutil.Process()
    pieces = [torch.ones(20_000) for _ in range(2_000)]  # 160 MB in pieces that glibc takes from its heap
    kept = pieces[-1]
    del pieces
    before = process.memory_info().rss
    compute.release_memory()
    assert before - process.memory_info().rss > 80e6 and kept[0] == 1


def test_without_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    compute.release_memory()


def test_a_container_limit_is_seen():
    """LOKY_MAX_CPU_COUNT stands in for the cgroup's limit: both reach the same count."""
    code = "import vizlib, torch; print(torch.get_num_threads(), vizlib.compute.available_cpus())"
    environment = {"LOKY_MAX_CPU_COUNT": "1", "PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.split() == ["1", "1"]


def test_the_default_device_is_one_that_works():
    device = compute.default_device()
    assert (torch.ones(2, device=device) * 2).sum().item() == 4


def test_bfloat16_is_used_only_where_it_is_faster(monkeypatch):
    seconds = {torch.float32: 2.0, torch.bfloat16: 1.0}
    monkeypatch.setattr(compute, "_convolution_seconds", lambda dtype: seconds[dtype])
    assert compute.bf16_is_faster.__wrapped__()
    seconds[torch.bfloat16] = 1.9
    assert not compute.bf16_is_faster.__wrapped__()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_trial_counts_the_fastest_of_five_runs_and_not_the_first(monkeypatch, dtype):
    """By a clock of its own: the six runs seem to take 1, 90, 40, 60, 80 and 70 seconds."""
    ends = iter(itertools.accumulate([0, 1, 0, 90, 0, 40, 0, 60, 0, 80, 0, 70]))
    monkeypatch.setattr(compute, "time", SimpleNamespace(perf_counter=lambda: next(ends)))
    assert compute._convolution_seconds(dtype) == 40 and next(ends, None) is None


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_work_is_shared_by_the_threads_and_comes_back_in_order(two_threads):
    meet = threading.Barrier(2)  # nobody passes it alone

    def work(item: int) -> tuple[int, int, int]:
        meet.wait(timeout=30)
        return item, threading.get_ident(), torch.get_num_threads()

    items, workers, threads = zip(*compute.in_order(work, range(8)), strict=True)
    assert items == tuple(range(8)) and set(threads) == {1}
    assert len(set(workers)) == 2 and threading.get_ident() not in workers


def test_threads_that_start_during_the_work_and_after_it_have_as_many_as_before(two_threads):
    counts: list[int] = []
    for _ in range(50):  # it is a matter of moments
        for _ in compute.in_order(lambda item: item, range(4)):
            other = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
            other.start()
            other.join()
    assert counts == [2] * 200 and torch.get_num_threads() == 2


def test_little_is_begun_before_it_is_wanted_and_nothing_after_the_end(two_threads):
    begun: list[int] = []
    results = compute.in_order(begun.append, range(100))
    next(results)
    assert len(begun) <= 3
    results.close()
    before = len(begun)
    assert before <= 3 and not any(t.name.startswith("vizlib_") for t in threading.enumerate())


def test_an_error_in_the_work_comes_out_where_its_result_would(two_threads):
    results = compute.in_order(lambda item: 1 / item, [2, 1, 0, 4, 5])
    assert [next(results), next(results)] == [0.5, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_with_one_thread_the_work_is_done_where_it_is_asked_for():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert set(compute.in_order(lambda item: threading.get_ident(), range(3))) == {threading.get_ident()}
    finally:
        torch.set_num_threads(before)
