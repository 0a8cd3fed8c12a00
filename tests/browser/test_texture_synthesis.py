"""Notebook 13 in JupyterLab: the window slider changes a texture as it grows, the weights one as it is synthesised."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from notebook_page import NotebookPage

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "13_texture_synthesis.ipynb"
PICTURE = "img.vizlib-live-picture"


def cells(start: str) -> str:
    """The source of the first code cell that holds these words, and of the one after it."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    sources = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    first = next(i for i, source in enumerate(sources) if start in source)
    return "\n".join(sources[first : first + 2])


def step(notebook: NotebookPage) -> int:
    words = notebook.page.locator(".vizlib-live-text").first.inner_text().split()
    return int(words[1]) if words[:1] == ["step"] else 0


def state(notebook: NotebookPage, index: int, expression: str) -> str:
    """What an expression is worth in the kernel; cell `index` prints it."""
    notebook.run_cell(index)
    return notebook.outputs(index)[0]["text"].strip()


GROWTH = [
    "from vizlib import images, widgets\nfrom vizlib.synthesis import growth, pieces",
    cells("class Garden").replace("steps=64", "steps=400"),
    "print(garden.window, len(run.history['mismatch']), round(pieces.copied_share(run.step.origin), 3))",
]


@pytest.fixture
def growing(open_notebook) -> NotebookPage:
    notebook = open_notebook("growth", GROWTH)
    notebook.run_cell(0)
    notebook.run_cell(1)
    notebook.until(lambda: notebook.page.locator(PICTURE).is_visible(), "there is a picture", 30)
    return notebook


def test_the_window_slider_turns_a_growing_texture(growing):
    def white() -> float:
        return (growing.pixels(PICTURE) > 250).all(2).mean()

    before = white()
    growing.until(lambda: white() < before - 0.02, "white becomes texture", 60)
    assert state(growing, 2, "window").split()[0] == "11"
    growing.press("vizlib-window", "ArrowRight")
    growing.until(lambda: state(growing, 2, "window").split()[0] == "15", "the knob has moved")
    at = step(growing)
    growing.until(lambda: step(growing) > at, "and it grows on", 60)
    assert growing.errors() == []


def test_another_sample_begins_anew(growing):
    growing.until(lambda: step(growing) > 5, "it has grown a little", 60)
    growing.page.locator(".vizlib-image select").first.select_option("glass")

    def colorful() -> bool:
        pixels = growing.pixels(PICTURE).astype(float)
        return (np.ptp(pixels, axis=2) > 80).mean() > 0.02

    growing.until(colorful, "bricks are grey, panes of glass are not", 60)
    assert growing.errors() == []


def test_the_weights_of_the_layers_turn_a_synthesis(open_notebook):
    setup = (
        "from dataclasses import dataclass\nfrom typing import Any\n"
        "from vizlib import images, live, widgets\nfrom vizlib.synthesis import texture\n"
        "choices = [*images.styles(), *images.textures()]"
    )
    loom = (
        cells("class Loom").replace("steps=160", "steps=1600").replace("(160, 192)", "(96, 96)").replace("160)", "96)")
    )
    notebook = open_notebook("loom", [setup, loom, "print({k: v[-1] for k, v in run.history.items()})"])
    notebook.run_cell(0)
    notebook.run_cell(1)
    notebook.until(lambda: notebook.page.locator(PICTURE).is_visible(), "there is a picture", 60)
    first = notebook.pixels(PICTURE).astype(float)
    notebook.until(lambda: np.abs(notebook.pixels(PICTURE) - first).mean() > 3, "noise becomes a mosaic", 60)
    losses = ast.literal_eval(state(notebook, 2, "losses"))
    assert set(losses) == {"relu1", "relu2", "relu3", "relu4", "relu5", "TV"} and losses["relu1"] > 0
    notebook.press("vizlib-weight1", "Home")
    notebook.until(lambda: ast.literal_eval(state(notebook, 2, "losses"))["relu1"] == 0, "a step saw the weight 0", 60)
    for i in range(2, 6):
        notebook.press(f"vizlib-weight{i}", "Home")
    message = notebook.page.locator(".vizlib-live-text").first
    notebook.until(lambda: "nothing to match" in message.inner_text(), "no weight at all is refused in words", 60)
