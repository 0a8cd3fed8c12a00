"""How a dream went, step by step; and a film in a notebook."""

import base64
import html
from collections.abc import Sequence

from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vizlib.plot.base import WIDTH, new_figure

DREAM, LIMIT = "#21918c", "#d1495b"


def dream_chart(
    activations: Sequence[float], distances: Sequence[float], limits: Sequence[float], title: str = ""
) -> Figure:
    """How strongly the layer responds at each step, and how far the image is from the photo.

    Args:
        activations: Before each step.
        distances: After each step, in units of the pixels.
        limits: How far it may be after each step; where that changes, a new octave begins, and a line is drawn.
    """
    if not len(activations) == len(distances) == len(limits) > 0:
        counts = f"{len(activations)}, {len(distances)} and {len(limits)}"
        raise ValueError(f"expected as many activations, distances and limits, and at least one, got {counts}")
    figure = new_figure(WIDTH, 2.6)
    left, right = figure.subplots(1, 2)
    steps = range(1, len(limits) + 1)
    left.plot(steps, activations, color=DREAM)
    right.plot(steps, distances, color=DREAM, label="distance")
    right.step(steps, limits, where="mid", color=LIMIT, linestyle="--", label="limit")
    right.legend(fontsize=8, frameon=False)
    for axes, label in ((left, "how strongly the layer responds"), (right, "distance from the photo")):
        _octaves(axes, limits)
        axes.set_ylim(bottom=0)
        axes.set_ylabel(label, fontsize=9)
    figure.suptitle(title, fontsize=10)
    return figure


def _octaves(axes: Axes, limits: Sequence[float]) -> None:
    for step in range(1, len(limits)):
        if limits[step] != limits[step - 1]:
            axes.axvline(step + 0.5, color="#bbbbbb", linewidth=0.8)
    axes.set_xlabel("step", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def film(animation: bytes, alt: str, width: int) -> HTML:
    """An animation in a notebook, from the bytes of a WebP or GIF file.

    Args:
        alt: What it shows, in a few words.
        width: How wide it is shown, in pixels.
    """
    if not alt.strip():
        raise ValueError("alt: expected a few words that say what the film shows, got none")
    kind = "webp" if animation[8:12] == b"WEBP" else "gif" if animation[:3] == b"GIF" else None
    if kind is None:
        raise ValueError(f"animation: expected the bytes of a WebP or GIF file, got {animation[:12]!r} …")
    source = f"data:image/{kind};base64,{base64.b64encode(animation).decode()}"
    return HTML(f'<img src="{source}" width="{width}" alt="{html.escape(alt)}">')
