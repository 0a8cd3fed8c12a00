"""Numbers: probabilities, shares and how they are spread."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vizlib.plot.base import WIDTH, draw_array, new_figure, to_rgb

# colours that differ in lightness too, markers and dashes: lines can be told apart without colour
STYLES = [
    ("#440154", "o", "-"),
    ("#21918c", "s", "--"),
    ("#fca50a", "^", "-."),
    ("#d1495b", "D", ":"),
    ("#3b528b", "v", "-"),
    ("#5ec962", "P", "--"),
    ("#7f7f7f", "X", "-."),
]


def predictions(image: Tensor, answers: Sequence[tuple[str, float, int]], title: str = "") -> Figure:
    """The image beside a bar for each of its most probable classes, as `Network.predict` gives them for one image."""
    figure = new_figure(WIDTH, 2.6)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.6])
    draw_array(left, to_rgb(image), title)
    names, shares = [answer[0] for answer in answers], [answer[1] for answer in answers]
    _bars(right, names, shares, [f"{share:.0%}" for share in shares])
    right.set_xlim(0, max(0.3, 1.2 * max(shares)))
    right.set_xlabel("probability", fontsize=9)
    return figure


def bars(names: Sequence[str], values: Sequence[float], label: str, title: str = "") -> Figure:
    """A horizontal bar for each name, first on top; `values` are shares from 0 to 1."""
    if len(names) != len(values) or not names:
        raise ValueError(f"expected a value for each name and at least one, got {len(names)} and {len(values)}")
    figure = new_figure(WIDTH * 0.8, 0.6 + 0.24 * len(names))
    axes = figure.add_subplot()
    _bars(axes, names, values, [f"{value:.0%}" for value in values])
    axes.set_xlim(0, 1.1)
    axes.set_xlabel(label, fontsize=9)
    axes.set_title(title, fontsize=10)
    return figure


def _bars(axes: Axes, names: Sequence[str], values: Sequence[float], labels: Sequence[str]) -> None:
    axes.bar_label(axes.barh(range(len(names)), values, color="#3b528b"), labels, padding=3, fontsize=9)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def histograms(values: Mapping[str, Tensor], label: str, title: str = "", bins: int = 20) -> Figure:
    """Histograms of several groups of numbers in [0, 1] on one axis, each with its mean as a dashed line."""
    figure = new_figure(WIDTH * 0.8, 2.8)
    axes = figure.add_subplot()
    for (name, numbers), color in zip(values.items(), ("#21918c", "#fca50a", "#440154"), strict=False):
        axes.hist(
            numbers.cpu().numpy(),
            bins,
            range=(0, 1),
            alpha=0.65,
            color=color,
            label=f"{name} (mean {numbers.mean():.2f})",
        )
        axes.axvline(numbers.mean().item(), color=color, linestyle="--")
    axes.set_xlabel(label, fontsize=9)
    axes.set_ylabel("how many", fontsize=9)
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=9, frameon=False)
    return figure


def curves(
    x: Sequence[float],
    values: Mapping[str, Sequence[float]],
    x_label: str,
    label: str,
    title: str = "",
    share: bool = True,
) -> Figure:
    """A line with markers for each name over a common x axis, named at its end.

    Args:
        share: The values are shares from 0 to 1: the axis shows all of that, in percent.
    """
    figure = new_figure(WIDTH * 0.8, 2.9)
    axes = figure.add_subplot()
    for (name, line), style in zip(values.items(), STYLES, strict=False):
        color, marker, dashes = style
        axes.plot(x, line, color=color, marker=marker, linestyle=dashes, label=name)
    if share:
        axes.set_ylim(0, 1.05)
        axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel(x_label, fontsize=9)
    axes.set_ylabel(label, fontsize=9)
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    beside = {"loc": "center left", "bbox_to_anchor": (1, 0.5)} if len(values) > 4 else {}  # many would hide the lines
    axes.legend(fontsize=9, frameon=False, **beside)
    return figure
