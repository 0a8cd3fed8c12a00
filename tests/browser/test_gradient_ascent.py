"""Notebook 09 in JupyterLab: a climb to a class obeys its regularisers, and another class begins anew."""

import numpy as np
from notebook_page import LiveRun

from vizlib.plot.one_offs import BLUE, ORANGE


def bars(picture: np.ndarray) -> tuple[float, float]:
    """How long the blue and the orange bar below the image are, as shares of their rows; the rest of a row is grey."""

    def share(row: np.ndarray, color: np.ndarray) -> float:
        filled, empty = np.abs(row - color).max(1) < 50, np.abs(row - 230).max(1) < 8
        return filled.sum() / max(1, (filled | empty).sum())

    return share(picture[-34], 255 * np.array(BLUE)), share(picture[-13], 255 * np.array(ORANGE))


def choose(run: LiveRun, name: str) -> None:
    box = run.find(".vizlib-class input")
    box.fill(name)
    box.press("Enter")


def test_a_climb_obeys_its_regularisers_and_begins_anew_with_another_class(open_cells):
    notebook = open_cells("09_gradient_ascent", "panels.gradient_ascent(", replace={"steps=3000": "steps=100_000"})
    run = LiveRun(notebook)
    first = run.pixels()
    run.until(lambda: np.abs(run.pixels() - first).mean() > 10, "the image grows")
    run.until(lambda: min(bars(run.pixels())) > 0.8, "both networks are sure of it")

    rough = run.part("TV")
    run.press("vizlib-roughness", "End")
    run.until(lambda: run.part("TV") > 2 * rough > 0, "roughness costs more")
    run.press("vizlib-roughness", "Home")
    run.until(lambda: run.part("TV") == 0, "and nothing")
    run.find(".vizlib-more").click()
    run.press("vizlib-L2", "ArrowRight")
    run.until(lambda: run.part("L2") > 0, "strong colours do")
    run.goes_on(10)

    before = run.step()
    choose(run, "monarch")
    run.until(lambda: 0 < run.step() < before, "another class begins anew")
    run.until(lambda: run.step() > 100 and bars(run.pixels())[0] > 0.9, "the network is sure of that class")
    notebook.screenshot("09_gradient_ascent")
    choose(run, "unicorn")
    run.until(lambda: "unicorn" in run.text(), "a class that it does not know is named")
    choose(run, "lemon")
    run.until(lambda: run.step() > 10, "and the next one begins")
    run.stop()
    assert notebook.errors() == []
