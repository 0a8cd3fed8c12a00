"""A photo, the change that was made to it, and what a network says before and after."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vizlib.plot.figure import WIDTH, draw_array, new_figure, to_rgb

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
