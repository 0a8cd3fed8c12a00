"""The pictures in data/styles/ are what scripts/paint_styles.py paints, and fit to be styles."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import paint_styles
import pytest
from brushes import around, streamline
from PIL import Image

from vizlib import images

STYLES = Path(__file__).resolve().parent.parent / "data" / "styles"


def shipped(name: str) -> np.ndarray:
    return np.asarray(Image.open(STYLES / f"{name}.jpg").convert("RGB")).astype(float)


@pytest.mark.slow
@pytest.mark.parametrize("name", paint_styles.STYLES)
def test_the_script_paints_what_is_shipped(name):
    again = np.asarray(paint_styles.paint(name)).astype(float)
    there = shipped(name)
    assert again.shape == there.shape == (512, 512, 3)
    blocks = (again - there).reshape(64, 8, 64, 8, 3).mean((1, 3))
    assert np.abs(blocks).mean() < 1.5, "an 8x8 block of the JPEG should keep its mean colour to a level of 255"
    assert np.abs(again - there).mean() < 10, "what JPEG takes from strokes and stones at quality 90"


def test_the_same_at_every_call():
    assert paint_styles.paint("weave").tobytes() == paint_styles.paint("weave").tobytes()


def test_all_are_shipped_named_and_small():
    assert {path.stem for path in STYLES.iterdir()} == set(paint_styles.STYLES) == set(images.styles())
    assert len(paint_styles.STYLES) >= 6
    assert all(path.stat().st_size <= 150_000 for path in STYLES.iterdir())
    sources = (STYLES.parent / "SOURCES.md").read_text(encoding="utf-8").splitlines()
    for name in paint_styles.STYLES:
        (row,) = [line for line in sources if line.startswith(f"| `styles/{name}.jpg`")]
        assert f"with seed {paint_styles.SEED}" in row


@pytest.mark.parametrize("name", paint_styles.STYLES)
def test_a_style_has_colour_and_texture(name):
    picture = shipped(name)
    assert picture.std((0, 1)).mean() > 35, "a style needs contrast"
    fine = picture - picture.reshape(64, 8, 64, 8, 3).mean((1, 3)).repeat(8, 0).repeat(8, 1)
    assert fine.std() > 15, "and something to see at a few pixels"


def test_they_differ_in_colour():
    def colors(name: str) -> np.ndarray:
        counts = np.histogramdd(shipped(name).reshape(-1, 3), bins=[6] * 3, range=[(0, 256)] * 3)[0]
        return counts / counts.sum()

    shared = {pair: np.minimum(*map(colors, pair)).sum() for pair in combinations(paint_styles.STYLES, 2)}
    assert max(shared.values()) < 0.75, "no two should share three quarters of their colours"


def test_the_command_writes_the_pictures_that_it_is_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paint_styles, "FOLDER", tmp_path / "new")
    monkeypatch.setattr("sys.argv", ["paint_styles.py", "weave"])
    paint_styles.main()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["weave.jpg"]
    monkeypatch.setattr("sys.argv", ["paint_styles.py", "weaves"])
    with pytest.raises(SystemExit):
        paint_styles.main()
    assert re.search("'weaves'.*whirls", capsys.readouterr().err)


def test_a_streamline_follows_a_circle():
    y, x = np.mgrid[:512, :512] - 256.0
    path = streamline(np.arctan2(x, -y), 256, 356, length=120, step=2)
    assert np.abs(np.hypot(*(path - 256).T) - 100).max() < 3


def test_around_stays_on_the_canvas():
    window, down, across = around(0, 511, 5)
    assert down.shape == across.shape == np.empty((512, 512))[window].shape
    assert down.min() == 0 and across.max() == 0
    window, down, _ = around(-50, 100, 5)
    assert down.size == 0 == np.empty((512, 512))[window].size
