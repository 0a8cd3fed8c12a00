"""Numbers: lines over a common axis, bars, and how values are spread."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vizlib.plot.figure import WIDTH, draw_array, new_figure, to_rgb
from vizlib.plot.layout import fitted

# colours that differ in lightness too, markers and dashes: lines can be told apart without colour
STYLES = [
    ("#440154", "o", "-"),
    ("#21918c", "s", "--"),
    ("#fca50a", "^", "-."),
    ("#d1495b", "D", ":"),
    ("#3b528b", "v", "-"),
    ("#5ec962", "P", "--"),
    ("#7f7f7f", "X", "-."),
    ("#8c564b", "*", ":"),
]
MARKED = 20  # a line of more points has no markers

Line = Sequence[float] | Sequence[Sequence[float]]  # a value for each x; or several runs


def lines(
    x: Sequence[float] | Sequence[str] | None,
    lines: Mapping[str, Line] | Mapping[str, Mapping[str, Line]],
    x_label: str = "",
    y_label: str = "",
    title: str = "",
    *,
    percent: bool = False,
    log: bool | Sequence[str] = False,
    from_zero: bool = False,
    shared_y: bool = False,
    points: Sequence[str] = (),
    marks: Sequence[float] = (),
) -> Figure:
    """A line for each name over a common x axis, in one chart or in several side by side.

    Args:
        x: Numbers, or names such as those of layers; None counts 1, 2, 3, …
        lines: By name, a value for each x, or several runs of them: thin lines with their mean drawn thick. Or by the
            title of a chart, such lines; a name has one colour in all charts. The name "" is not written anywhere.
        percent: The values are shares from 0 to 1: the axis shows all of that, in percent.
        log: A logarithmic y axis, of all charts or of those with these titles.
        from_zero: Both axes begin at 0.
        shared_y: All charts have one scale.
        points: What is written beside each point of a line.
        marks: Where on the x axis a thin grey line stands.

    Raises:
        ValueError: No lines, or one with more or fewer values than there are x; values up to 0 on a logarithmic axis.
    """
    charts = lines if isinstance(next(iter(lines.values()), None), Mapping) else {"": lines}
    logarithmic = set(charts) if log is True else set(log or ())
    names = list(dict.fromkeys(name for inside in charts.values() for name in inside))
    _check(x, charts, logarithmic)
    figure = new_figure(WIDTH * 0.8, 2.9) if len(charts) == 1 else new_figure(WIDTH, 3.1 + 0.2 * (len(names) > 3))
    grid = figure.subplots(1, len(charts), squeeze=False, sharey=shared_y)[0]
    for axes, (heading, inside) in zip(grid, charts.items(), strict=True):
        for name, line in inside.items():
            _draw_line(axes, x, line, name, STYLES[names.index(name) % len(STYLES)], points)
        for mark in marks:
            axes.axvline(mark, color="#bbbbbb", linewidth=0.8, zorder=0)
        if heading in logarithmic:
            axes.set_yscale("log")
        _finish(axes, x, x_label, heading, percent, from_zero)
    grid[0].set_ylabel(y_label, fontsize=9)
    _legend(figure, grid, [name for name in names if name])
    figure.suptitle(title, fontsize=10)
    return figure


def _check(x: Sequence | None, charts: Mapping[str, Mapping[str, Line]], logarithmic: set[str]) -> None:
    if not charts or not all(charts.values()):
        raise ValueError("lines: expected at least one, by name, in every chart")
    if unknown := logarithmic - set(charts):
        raise ValueError(f"log: there is no chart {unknown.pop()!r}, expected some of {list(charts)}")
    for heading, inside in charts.items():
        for name, line in inside.items():
            for run in _runs(line):
                if not len(run) or (x is not None and len(run) != len(x)):
                    wanted = "at least one value" if x is None else f"{len(x)} values, one for each x"
                    raise ValueError(f"lines: {name!r} has {len(run)} values, expected {wanted}")
                if heading in logarithmic and min(run) <= 0:
                    raise ValueError(f"lines: {name!r} reaches {min(run)}, expected numbers above 0 for a log axis")


def _runs(line: Line) -> Sequence[Sequence[float]]:
    return line if len(line) and isinstance(line[0], Sequence) else [line]


def _draw_line(
    axes: Axes, x: Sequence | None, line: Line, name: str, style: tuple[str, str, str], points: Sequence[str]
) -> None:
    """A line with its markers, or several runs and their mean; with what is written beside its points."""
    color, marker, dashes = style
    runs = _runs(line)
    mean = [sum(values) / len(values) for values in zip(*runs, strict=False)]
    places = range(1, len(mean) + 1) if x is None else range(len(x)) if isinstance(x[0], str) else x
    for run in runs if len(runs) > 1 else ():
        axes.plot(places, run[: len(mean)], color=color, linewidth=0.6, alpha=0.5)
    marker, linewidth = (marker if len(mean) <= MARKED else None), (2 if len(runs) > 1 else 1.5)
    label = name or "_nolegend_"
    axes.plot(places, mean, color=color, marker=marker, linestyle=dashes, linewidth=linewidth, label=label)
    for place, value, text in zip(places, mean, points, strict=False):
        axes.annotate(text, (place, value), xytext=(6, 5), textcoords="offset points", fontsize=9)


def _finish(axes: Axes, x: Sequence | None, x_label: str, heading: str, percent: bool, from_zero: bool) -> None:
    if x is not None and isinstance(x[0], str):
        axes.set_xticks(range(len(x)), x, fontsize=8, rotation=40 if len(x) > 5 else 0)
    if from_zero:
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
    if percent:
        axes.set_ylim(0, 1.05)
        axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel(x_label, fontsize=9)
    axes.set_title(heading, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: Figure, grid: Sequence[Axes], names: Sequence[str]) -> None:
    """Below several charts; in a single one, or beside it where many names would hide the lines."""
    if len(grid) == 1 and names:
        beside = {"loc": "center left", "bbox_to_anchor": (1, 0.5)} if len(names) > 4 else {}
        grid[0].legend(fontsize=9, frameon=False, **beside)
    elif names:
        handles = {}
        for axes in grid:
            handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        places = {"loc": "outside lower center", "ncols": min(len(names), 4)}
        figure.legend(handles.values(), handles.keys(), fontsize=9, frameon=False, **places)


def bars(
    names: Sequence[str], values: Sequence[float], label: str, title: str = "", width: float = WIDTH * 0.8
) -> Figure:
    """A horizontal bar for each name, first on top; `values` are shares from 0 to 1, `width` is in inches."""
    if len(names) != len(values) or not names:
        raise ValueError(f"expected a value for each name and at least one, got {len(names)} and {len(values)}")
    figure = new_figure(width, 0.6 + 0.24 * len(names))
    axes = figure.add_subplot()
    _draw_bars(axes, names, values)
    axes.set_xlim(0, 1.1)
    axes.set_xlabel(label, fontsize=9)
    figure.suptitle(fitted(title, width), fontsize=10)
    return figure


def predictions(image: Tensor, answers: Sequence[tuple[str, float, int]], title: str = "") -> Figure:
    """The image beside a bar for each of its most probable classes, as `Network.predict` gives them for one image."""
    figure = new_figure(WIDTH, 2.6)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.6])
    draw_array(left, to_rgb(image), title)
    shares = [answer[1] for answer in answers]
    _draw_bars(right, [answer[0] for answer in answers], shares)
    right.set_xlim(0, max(0.3, 1.2 * max(shares)))
    right.set_xlabel("probability", fontsize=9)
    return figure


def _draw_bars(axes: Axes, names: Sequence[str], shares: Sequence[float]) -> None:
    drawn = axes.barh(range(len(names)), shares, color="#3b528b")
    axes.bar_label(drawn, [f"{share:.0%}" for share in shares], padding=3, fontsize=9)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def histograms(values: Mapping[str, Tensor], label: str, title: str = "", bins: int = 20) -> Figure:
    """Histograms of several groups of numbers in [0, 1] on one axis, each with its mean as a dashed line."""
    figure = new_figure(WIDTH * 0.8, 2.8)
    axes = figure.add_subplot()
    for (name, numbers), color in zip(values.items(), ("#21918c", "#fca50a", "#440154"), strict=False):
        mean = numbers.mean().item()
        options = {"alpha": 0.65, "color": color, "label": f"{name} (mean {mean:.2f})"}
        axes.hist(numbers.cpu().numpy(), bins, range=(0, 1), **options)
        axes.axvline(mean, color=color, linestyle="--")
    axes.set_xlabel(label, fontsize=9)
    axes.set_ylabel("how many", fontsize=9)
    figure.suptitle(fitted(title, figure.get_figwidth()), fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=9, frameon=False)
    return figure
