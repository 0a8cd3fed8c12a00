"""On demand, `make try-classic`: classic Notebook 6.5 with ipywidgets 7.7 shows the controls of 04 and 09 by itself."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from classic_server import classic_notebook, the_picture_obeys
from playwright.sync_api import Browser, Page

PYTHON = Path(os.environ.get("VIZLIB_CLASSIC", Path(sys.prefix) / "classic")) / "bin" / "python"


@pytest.fixture(scope="module")
def classic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """The address and the token of a classic Notebook, and the folder that it serves."""
    with classic_notebook(PYTHON, tmp_path_factory.mktemp("classic")) as served:
        yield served


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(90_000)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    ("name", "words", "slider"),
    [
        ("04_activations", "panels.activation_map(", ".vizlib-channel .ui-slider-handle"),
        ("09_gradient_ascent", "panels.gradient_ascent(", ".vizlib-jitter .ui-slider-handle"),
    ],
)
def test_controls_are_there_and_the_picture_obeys(classic, page, name, words, slider):
    the_picture_obeys(classic, page, name, words, slider)
