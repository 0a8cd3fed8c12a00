"""A tiny run of the benchmark: it measures what it says, and adds up what it does not run."""

import pytest
import torch

from benchmarks import patches as benchmark
from vizlib import models


def test_it_times_every_contender_and_adds_up_the_neurons(capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "interleaved", lambda contenders, rounds: made_up(contenders))
    slower, faster = benchmark.compare(models.load("minivgg", "cpu"), count=3, rounds=1)
    printed = capsys.readouterr().out
    assert slower == pytest.approx(1.25)
    # layers nearest to conv1, pool2, pool4, pool6 and fc8 of the nineteen, times 1, 2, 3, 4 and 5 seconds
    by_hand = 1 * 192 + 2 * 384 + 3 * 896 + 4 * 1792 + 5 * 712
    assert faster == pytest.approx(by_hand / 2.5)
    assert "minivgg: 3976 neurons in 19 layers, 3 images of 64 px" in printed
    for name in (
        benchmark.ALONE,
        benchmark.WATCHED,
        "one pass for one neuron of conv1",
        "one pass for one neuron of fc8",
    ):
        assert name in printed


def made_up(contenders: dict) -> dict[str, float]:
    """Run each once, as the real one does, and give chosen times."""
    for run in contenders.values():
        run()
    return dict(zip(contenders, (2.0, 2.5, 1.0, 2.0, 3.0, 4.0, 5.0), strict=True))


def test_a_whole_run(capsys):
    threads = torch.get_num_threads()
    try:
        benchmark.main(["--networks", "minivgg", "--images", "9", "--rounds", "1", "--threads", "1"])
    finally:
        torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert "1 threads, median of 1 rounds" in printed and "times the forward alone; a pass per neuron" in printed
