"""A tiny run of the benchmark, with something in torch-lucent's place, which the tests do not need."""

import asyncio
import json
import sys
from types import SimpleNamespace

import pytest

from benchmarks import ascent as benchmark
from vizlib import models
from vizlib.widgets import live


def test_it_times_every_contender(capsys, monkeypatch):
    steps = []
    monkeypatch.setattr(benchmark, "lucent", lambda module, layer, count: lambda: steps.append((layer, count)))
    monkeypatch.setattr(benchmark, "SIDE", 48)
    net = models.load("squeezenet1_0", "cpu", "untrained")
    seconds = benchmark.compare(net, "squeezenet1_0", "features_7", "fire5", 1, 1, "process")
    assert list(seconds)[2:] == ["vizlib, float32", "vizlib, bfloat16"]
    assert steps == 4 * [("features_7", 1)]
    assert "fire5: milliseconds per step" in capsys.readouterr().out


def test_without_torch_lucent_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "lucent", None)
    monkeypatch.setitem(sys.modules, "lucent.optvis", None)
    with pytest.raises(SystemExit, match="pip install torch-lucent"):
        benchmark.lucent(None, "features_7", 1)


def test_bare_and_watched_take_the_same_steps(capsys, monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    monkeypatch.setattr(live, "display", lambda *_, **__: SimpleNamespace(update=lambda *_: None))
    monkeypatch.setattr(live, "show_widget", lambda *_: None)
    runs, run = [], live.run
    monkeypatch.setattr(live, "run", lambda *given, **named: runs.append(run(*given, **named)) or runs[-1])
    monkeypatch.setattr(benchmark.torch, "set_num_threads", lambda count: None)
    asyncio.run(benchmark.bare_and_watched("minivgg", 2, 1, 1, "wall"))
    seconds = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(seconds) == [benchmark.BARE, benchmark.WATCHED]
    assert runs[-1].step.iteration == 2
    runs[-1].close()
