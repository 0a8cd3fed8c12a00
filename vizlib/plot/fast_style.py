"""Figures for networks that paint: learning curves of rivals, several seeds each."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from vizlib.plot.base import WIDTH, new_figure
from vizlib.plot.charts import STYLES


def rivals(runs: Mapping[str, Sequence[Sequence[float]]], x_label: str, label: str, title: str = "") -> Figure:
    """A thin line for every run of every rival on a logarithmic axis, and a thick one for a rival's mean.

    Args:
        runs: By the rival's name its runs, each a sequence of positive numbers, one for each step.
    """
    if not runs or any(not lines or min(map(min, lines)) <= 0 for lines in runs.values()):
        raise ValueError("runs: expected at least one run of positive numbers for each name")
    figure = new_figure(WIDTH * 0.8, 2.9)
    axes = figure.add_subplot()
    for (name, lines), (color, _, dashes) in zip(runs.items(), STYLES, strict=False):
        for line in lines:
            axes.plot(range(1, len(line) + 1), line, color=color, linewidth=0.6, alpha=0.5)
        mean = [sum(values) / len(values) for values in zip(*lines, strict=False)]
        axes.plot(range(1, len(mean) + 1), mean, color=color, linestyle=dashes, linewidth=2, label=name)
    axes.set_yscale("log")
    axes.set_xlabel(x_label, fontsize=9)
    axes.set_ylabel(label, fontsize=9)
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=9, frameon=False)
    return figure
