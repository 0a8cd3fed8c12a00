"""A tiny run of the benchmark: every contender is timed and all agree."""

import re

import torch

from benchmarks import occlusion as benchmark
from benchmarks.timing import interleaved
from vizlib import models


def test_it_times_every_contender_and_they_agree(capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "SETTINGS", (4,))
    net = models.load("squeezenet1_0", "cpu", weights="untrained")
    net.input_size = 48
    seconds = benchmark.compare(net, "squeezenet1_0", size=16, stride=8, rounds=1, fewer=2)
    assert list(seconds) == [
        "Captum (4) on torchvision's network",
        "Captum (4) on vizlib's network",
        benchmark.BATCHES,
        benchmark.OURS,
    ]
    printed = capsys.readouterr().out
    assert "48 px, occluder 16, stride 8: milliseconds for each of 25 positions" in printed
    assert float(re.search(r"difference from Captum on the same weights: (\S+)", printed)[1]) < 1e-4


def test_a_whole_run(capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "SETTINGS", (8,))
    noted = lambda net, name, *rest: print(name, *rest[:3], rest[4], torch.get_num_threads())  # noqa: E731
    monkeypatch.setattr(benchmark, "compare", noted)
    threads = torch.get_num_threads()
    try:
        benchmark.main(["--networks", "minivgg", "--rounds", "2", "--threads", "1", "--clock", "process"])
    finally:
        torch.set_num_threads(threads)
    assert capsys.readouterr().out == "minivgg 4 2 2 1 1\n"


def test_the_clock_can_be_chosen():
    ticks = iter(range(100))
    assert interleaved({"a": lambda: None, "b": lambda: next(ticks)}, 3, 0, lambda: next(ticks)) == {"a": 1, "b": 2}
