"""Charts: lines, bars and histograms hold their values."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from vizlib import plot

CHARTS = {"PSNR (dB)": {"with": [30, 20], "without": [25, 10]}, "features wrong": {"with": [0.1, 0.01]}}


def values(axes) -> list[list[float]]:
    return [list(line.get_ydata()) for line in axes.lines]


def legend(figure: Figure) -> list[str]:
    made = [axes.get_legend() for axes in figure.axes if axes.get_legend()] + figure.legends
    return [text.get_text() for one in made for text in one.get_texts()]


def test_a_line_for_each_name_over_a_common_axis():
    figure = plot.lines([0, 4, 8], {"a": [1, 2, 3], "b": [3, 2, 1]}, "shift", "share", "two lines")
    (axes,) = figure.axes
    assert values(axes) == [[1, 2, 3], [3, 2, 1]] and list(axes.lines[0].get_xdata()) == [0, 4, 8]
    assert (axes.get_xlabel(), axes.get_ylabel(), figure.get_suptitle()) == ("shift", "share", "two lines")
    assert legend(figure) == ["a", "b"] and axes.get_yscale() == "linear"
    first, second = axes.lines
    assert first.get_color() != second.get_color() and first.get_linestyle() != second.get_linestyle()


def test_shares_are_shown_in_percent():
    (axes,) = plot.lines([0, 1], {"a": [0.1, 0.2]}, percent=True).axes
    assert axes.get_ylim() == (0, 1.05) and axes.yaxis.get_major_formatter()(0.5) == "50%"


def test_many_names_stand_beside_the_lines():
    figure = plot.lines([0, 1], {f"line {i}": [i, i] for i in range(6)})
    plot.to_png(figure)  # lays it out
    (axes,) = figure.axes
    assert axes.get_legend().get_window_extent().x0 >= axes.get_window_extent().x1


def test_charts_side_by_side_share_colours_and_one_is_logarithmic_when_asked():
    figure = plot.lines(["relu1", "relu2"], CHARTS, log=["features wrong"])
    left, right = figure.axes
    assert values(left) == [[30, 20], [25, 10]] and values(right) == [[0.1, 0.01]]
    assert (left.get_title(), right.get_title()) == tuple(CHARTS)
    assert (left.get_yscale(), right.get_yscale()) == ("linear", "log")
    assert left.lines[0].get_color() == right.lines[0].get_color() != left.lines[1].get_color()
    assert legend(figure) == ["with", "without"], "each name once, for both"
    assert [label.get_text() for label in right.get_xticklabels()] == ["relu1", "relu2"]


def test_no_word_makes_an_axis_logarithmic():
    for axes in plot.lines(["a", "b"], {"features": {"with": [1, 2]}, "feature log": {"with": [1, 2]}}).axes:
        assert axes.get_yscale() == "linear"


@pytest.mark.parametrize("shared", [False, True])
def test_charts_share_their_scale_when_asked(shared):
    left, right = plot.lines([-1, 0, 1], {"a": {"x": [1, 2, 3]}, "b": {"x": [7, 8, 9]}}, shared_y=shared).axes
    assert (left.get_ylim() == right.get_ylim()) is shared


def test_several_runs_are_thin_lines_and_their_mean_a_thick_one():
    figure = plot.lines(None, {"batch": [[4.0, 2.0], [2.0, 1.0]], "none": [3.0, 3.0]}, log=True)
    (axes,) = figure.axes
    assert values(axes) == [[4, 2], [2, 1], [3, 1.5], [3, 3]] and axes.get_yscale() == "log"
    widths = [line.get_linewidth() for line in axes.lines]
    assert widths[0] == widths[1] < widths[3] < widths[2]
    assert list(axes.lines[2].get_xdata()) == [1, 2] and legend(figure) == ["batch", "none"]


def test_points_have_names_and_axes_begin_at_zero():
    figure = plot.lines([0.2, 0.5], {"": [0.9, 0.4]}, "content", "style", from_zero=True, points=["1", "10"])
    (axes,) = figure.axes
    assert [(text.get_text(), text.xy) for text in axes.texts] == [("1", (0.2, 0.9)), ("10", (0.5, 0.4))]
    assert axes.get_xlim()[0] == axes.get_ylim()[0] == 0 and legend(figure) == []


def test_marks_stand_in_every_chart():
    charts = {"energy": {"": [1, 3, 2, 5]}, "distance": {"of": [1, 2, 2, 3], "limit": [2, 2, 4, 4]}}
    figure = plot.lines(None, charts, "step", marks=[2.5])
    for axes, lines in zip(figure.axes, charts.values(), strict=True):
        assert values(axes)[: len(lines)] == list(lines.values())
        assert list(axes.lines[-1].get_xdata()) == [2.5, 2.5] and axes.get_xlabel() == "step"
    assert legend(figure) == ["of", "limit"]


def test_long_lines_have_no_markers():
    (axes,) = plot.lines(None, {"short": [1] * 5}).axes
    (crowded,) = plot.lines(None, {"long": [1] * 100}).axes
    assert axes.lines[0].get_marker() == "o" and crowded.lines[0].get_marker() == "None"


def test_predictions_are_bars_in_order():
    figure = plot.predictions(torch.rand(1, 3, 8, 8), [("cat", 0.7, 3), ("dog", 0.2, 1)])
    bars = figure.axes[1]
    assert [bar.get_width() for bar in bars.patches] == [0.7, 0.2]
    assert [text.get_text() for text in bars.texts] == ["70%", "20%"]
    assert [label.get_text() for label in bars.get_yticklabels()] == ["cat", "dog"] and bars.yaxis_inverted()


def test_bars_have_names_and_values():
    (axes,) = plot.bars(["a", "b"], [0.5, 0.25], "share", "two").axes
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.25] and axes.get_xlabel() == "share"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"] and axes.yaxis_inverted()


@pytest.mark.parametrize("width", [4.0, 6.0])
def test_a_long_title_of_bars_is_read_whole(width):
    figure = plot.bars(
        ["a layer's name", "b"], [0.5, 0.25], "share", "a long title of a chart, " * 3 + "and its end", width
    )
    figure.draw_without_rendering()
    title = figure.get_suptitle()
    assert title.replace("\n", " ").endswith("and its end")
    box = figure._suptitle.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height


def test_histograms_tell_their_means():
    figure = plot.histograms({"low": torch.full((5,), 0.2), "high": torch.full((3,), 0.8)}, "share")
    assert legend(figure) == ["low (mean 0.20)", "high (mean 0.80)"]
    np.testing.assert_allclose([line.get_xdata()[0] for line in figure.axes[0].lines], [0.2, 0.8])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.bars([], [], "share"), "at least one, got 0 and 0"),
        (lambda: plot.bars(["a"], [], "share"), "got 1 and 0"),
        (lambda: plot.lines([1], {}), "at least one"),
        (lambda: plot.lines([1], {"a": {}}), "at least one"),
        (lambda: plot.lines([-1, 0, 1], {"a": {"x": [1, 2]}}), "'x' has 2 values, expected 3"),
        (lambda: plot.lines([0, 1], {"x": [[1, 2], [1]]}), "'x' has 1 values, expected 2"),
        (lambda: plot.lines(None, {"x": []}), "'x' has 0 values, expected at least one"),
        (lambda: plot.lines([0, 1], {"x": [1, 0]}, log=True), "'x' reaches 0, expected numbers above 0"),
        (lambda: plot.lines([0, 1], {"a": {"x": [1, 0]}}, log=["b"]), r"no chart 'b'.*\['a'\]"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
