"""Notebook 14 in JupyterLab: a running transfer follows its style weight, and blends two styles by the mix slider."""

import numpy as np
import pytest
from notebook_page import LiveRun, NotebookPage

from vizlib import images


@pytest.fixture
def painting(open_cells) -> NotebookPage:
    # another photo and painting, smaller, and more steps than a test takes
    known = 'photo="chelsea", first="whirls", size=128, steps=100_000)'
    changed = {'photo="coffee", first="meadow", style_weight=10, size=192)': known}
    return open_cells("14_style_transfer", "panels.style_transfer(", replace=changed)


def blue(picture: np.ndarray) -> float:
    """How much bluer than red the picture is: whirls are blue, a mosaic is not."""
    return picture[..., 2].mean() - picture[..., 0].mean()


def layout(picture: np.ndarray) -> float:
    """How far light and dark are where the photo has them: the correlation, at most 1."""
    photo = images.resize(images.load("chelsea"), picture.shape[:2]).mean(1)
    return np.corrcoef(photo.flatten(), picture.mean(2).flatten())[0, 1]


def test_a_transfer_follows_the_weight_of_the_style(painting):
    run = LiveRun(painting)
    first = run.pixels()
    run.until(lambda: np.abs(run.pixels() - first).mean() > 5, "the photo is painted over")
    run.until(lambda: run.part("content") > 0.8, "content is lost")
    run.until(lambda: blue(run.pixels()) > 60, "it takes the blue of the style")
    painted = layout(run.pixels())

    run.press("vizlib-style-weight", "Home")
    run.until(lambda: run.part("style") == 0, "no style is asked for")
    run.until(lambda: run.part("content") < 0.2, "the content comes back")
    run.until(lambda: layout(run.pixels()) > max(painted + 0.1, 0.9), "light and dark are the photo's")
    run.press("vizlib-style-weight", "End")
    run.until(lambda: run.part("style") > 1, "ten times as much style as at first")
    run.until(lambda: blue(run.pixels()) > 60, "and blue again")
    run.stop()
    assert painting.errors() == []


def test_the_mix_slider_blends_two_styles(painting):
    run = LiveRun(painting)
    run.until(lambda: blue(run.pixels()) > 60, "whirls are blue")
    run.find(".vizlib-more").click()
    run.press("vizlib-mix", *["ArrowRight"] * 25)
    assert 0.4 < float(run.find(".vizlib-mix .widget-readout").inner_text()) < 0.6
    run.until(lambda: 10 < blue(run.pixels()) < 50, "half as blue")
    run.goes_on(50)
    assert 10 < blue(run.pixels()) < 50, "and stays between the two"
    run.press("vizlib-mix", "End")
    run.until(lambda: blue(run.pixels()) < -10, "a mosaic is not blue")
    painting.screenshot("14_style_transfer")
    run.stop()
    assert painting.errors() == []
