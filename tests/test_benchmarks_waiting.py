"""The benchmark of waiting, without its browser: what it prints, and that its cells and panels exist."""

import json
from contextlib import contextmanager

import pytest

from benchmarks import waiting as benchmark
from vizlib.widgets import panels


@contextmanager
def no_browser():
    yield "page", "lab"


def test_it_prints_medians_and_the_slow_ones(capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "lab_in_chromium", no_browser)
    monkeypatch.setattr(benchmark, "first_picture", lambda page, lab, name: (1.25, 3.5))
    monkeypatch.setattr(benchmark, "slider", lambda page, lab, what, presses: ([100.0] * 19 + [300.0], 4))
    monkeypatch.setattr(benchmark, "camera", lambda page, lab, what: 7.5)
    benchmark.main(["--notebooks", "04", "06", "--presses", "20"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["04_activations", "1.2", "3.5"] and lines[2].split()[0] == "06_occlusion"
    assert lines[4].split() == ["04", "activation", "map", "100", "290", "4"]
    assert lines[7].split()[-1] == lines[8].split()[-1] == "7.5"
    assert len(lines) == 10


@pytest.mark.parametrize("what", benchmark.SLIDERS)
def test_the_panels_that_are_timed_exist(what):
    name, words, *_ = benchmark.SLIDERS[what]
    cells = json.loads((benchmark.ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    assert any(words in "".join(cell["source"]) for cell in cells), f"{name} has no {words}"


@pytest.mark.parametrize("what", benchmark.CAMERAS)
def test_the_panels_that_follow_a_camera_exist(what):
    panel = benchmark.CAMERAS[what].split("(")[0].removeprefix("panels.")
    assert panel in panels.__all__
