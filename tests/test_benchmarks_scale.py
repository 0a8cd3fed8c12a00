"""The benchmark of large scans: a tiny one, in one process, and what it makes of its figures."""

from contextlib import nullcontext

import pytest
import torch

from benchmarks import scale as benchmark
from vizlib import models
from vizlib.images import galleries


def test_a_line_through_two_points():
    start, rate = benchmark.fit([1000, 10_000], [7.0, 25.0])
    assert rate == pytest.approx(500) and start == pytest.approx(5)


def test_a_scan_is_timed_and_the_first_photos_are_scanned():
    net, photos = models.load("minivgg", "cpu"), galleries.patches()
    some = benchmark.first(photos, 5)
    assert len(some) == 5 and torch.equal(some.image(4), photos.image(4))
    top, seconds, memory = benchmark.scan(net, some, nullcontext)
    assert top.total == 5 and seconds > 0 and memory < 2000
    assert benchmark.same(top, top)
    other, *_ = benchmark.scan(net, benchmark.first(photos, 4), nullcontext)
    assert not benchmark.same(top, other)


def test_a_whole_run(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "processes", lambda workers: nullcontext())
    monkeypatch.setattr(benchmark, "dask", lambda workers: nullcontext())
    monkeypatch.setattr(benchmark.galleries, "folder", lambda path: galleries.patches())
    threads = torch.get_num_threads()
    try:
        benchmark.main(["--data", str(tmp_path), "--counts", "2", "6"])
    finally:
        torch.set_num_threads(threads)
    lines = capsys.readouterr().out.splitlines()
    assert "3,976 channels" in lines[0] and len(lines) == 1 + 2 * 3 + 3
    assert all("ImageNet's 1,281,167 in" in line for line in lines[-3:])
