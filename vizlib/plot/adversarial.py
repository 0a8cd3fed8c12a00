"""A photo, the change that was made to it, and what a network says before and after; logits along lines."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vizlib.plot.base import WIDTH, draw_array, new_figure, to_rgb
from vizlib.plot.charts import STYLES

BEFORE, AFTER, OTHER = "#21918c", "#d1495b", "#c8c8c8"  # the class it was, the class it is, all others

Answers = Sequence[tuple[str, float, int]]  # as Network.predict gives them for one image


def attack_view(
    image: Tensor,
    changed: Tensor,
    before: Answers,
    after: Answers,
    amplified: float = 10,
    title: str = "",
    width: float = WIDTH,
) -> Figure:
    """An image, the change and the changed image, with the most probable classes of the first and the last below them.

    Args:
        image, changed: `(1, 3, H, W)` in [0, 1].
        before, after: As `Network.predict` gives them for one image.
        amplified: The change is multiplied by this and shown around grey; what does not fit is clipped.
        width: In inches, 100 pixels each.
    """
    if amplified <= 0:
        raise ValueError(f"amplified is {amplified}, expected a number above 0")
    difference = changed - image
    largest, mean = 255 * difference.abs().max().item(), 255 * difference.square().mean().sqrt().item()
    pictures = [image, 0.5 + amplified * difference, changed]
    titles = ["the image", f"the change × {amplified:g}", "image + change"]
    figure, rows = _frame(width, image.shape[2] / image.shape[3], title)
    for axes, picture, text in zip(rows[0], pictures, titles, strict=True):
        draw_array(axes, to_rgb(picture), text)
    old, new = before[0][2], after[0][2]
    _answers(rows[1][0], before, old, new)
    rows[1][1].set_axis_off()
    size = f"in grey levels of 255:\nat most {largest:.1f}\ntypically {mean:.1f}"  # the root mean square
    rows[1][1].text(0.5, 0.6, size, ha="center", va="center", fontsize=9)
    _answers(rows[1][2], after, old, new)
    return figure


def _frame(width: float, aspect: float, title: str) -> tuple[Figure, list[list[Axes]]]:
    """Two rows of three axes at fixed places, which is twice as fast as having them laid out: a slider turns this."""
    side, gap = (width - 0.3) / 3, 0.1  # inches, as all that follows
    image, bars, below, above = side * aspect, 0.9, 0.25, 0.55 if title else 0.3
    figure = new_figure(width, below + bars + gap + image + above)
    figure.set_layout_engine("none")
    whole = [width, figure.get_figheight()] * 2

    def row(bottom: float, height: float) -> list[Axes]:
        boxes = [[0.05 + column * (side + gap), bottom, side, height] for column in range(3)]
        return [figure.add_axes([inches / full for inches, full in zip(box, whole, strict=True)]) for box in boxes]

    figure.suptitle(title, fontsize=10, y=1 - 0.08 / figure.get_figheight(), va="top")
    return figure, [row(below + bars + gap, image), row(below, bars)]


def _answers(axes: Axes, answers: Answers, old: int, new: int) -> None:
    """Bars of probability, each with its name written on it; the old and the new class in their colours."""
    room = int(14 * axes.get_position().width * axes.figure.get_figwidth()) - 6  # characters, beside the number
    for place, (name, probability, index) in enumerate(answers):
        color = BEFORE if index == old else AFTER if index == new else OTHER
        axes.barh(place, probability, color=color, alpha=0.75)
        name = name if len(name) <= room else name[: room - 1] + "…"
        axes.text(0.02, place, f"{name}, {probability:.0%}", va="center", fontsize=9)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(answers) - 0.5, -0.5)
    axes.set_xticks([0, 1], ["0", "probability 1"], fontsize=8)
    axes.get_xticklabels()[1].set_horizontalalignment("right")
    axes.set_yticks([])
    axes.spines[["top", "right"]].set_visible(False)


def line_panels(
    distances: Sequence[float],
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    x_label: str,
    y_label: str,
    title: str = "",
    y_shared: bool = True,
) -> Figure:
    """Curves over the same distances, several panels side by side; a name has one colour in all of them.

    Args:
        distances: Where the curves were measured; 0 is the image itself, and is marked.
        panels: title of the panel -> name of the curve -> its values.
    """
    if any(len(line) != len(distances) for lines in panels.values() for line in lines.values()):
        raise ValueError(f"panels: expected {len(distances)} values in every curve, one for each distance")
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    figure = new_figure(WIDTH, 3.1 + 0.2 * (len(names) > 3))
    for place, (text, lines) in enumerate(panels.items()):
        shared = figure.axes[0] if figure.axes and y_shared else None
        axes = figure.add_subplot(1, len(panels), place + 1, sharey=shared)
        for name, line in lines.items():
            color, _, dashes = STYLES[names.index(name) % len(STYLES)]
            axes.plot(distances, line, color=color, linestyle=dashes, label=name if place == 0 else None)
        axes.axvline(0, color="#999999", linewidth=0.8)
        axes.set_title(text, fontsize=9)
        axes.set_xlabel(x_label, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel(y_label, fontsize=9)
    figure.legend(loc="outside lower center", ncols=min(len(names), 3), fontsize=9, frameon=False)
    figure.suptitle(title, fontsize=10)
    return figure
