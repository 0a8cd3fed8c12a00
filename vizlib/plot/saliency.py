"""Saliency maps beside their image, in rows, and what was cut out with their help."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from vizlib.plot.base import WIDTH, draw_array, new_figure, to_rgb

_SEEDS = torch.tensor([[0.1, 0.2, 0.6], [1.0, 0.8, 0.1], [0.5, 0.6, 0.8], [0.9, 0.9, 0.6]])  # as GrabCut numbers them


def maps(pictures: Mapping[str, Tensor], title: str = "", columns: int = 4) -> Figure:
    """Images and maps under their names, row after row.

    Args:
        pictures: By name, an image `(3, H, W)` or `(1, 3, H, W)` in [0, 1], or a map `(H, W)` in [0, 1] as
            `saliency.rescaled` gives it: black is 0, white-yellow is 1 or more.
    """
    if not pictures:
        raise ValueError("pictures: expected at least one, by name")
    rows = -(-len(pictures) // columns)
    figure = new_figure(WIDTH, rows * (WIDTH / columns + 0.2) + (0.3 if title else 0))
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in grid:
        axes.set_axis_off()
    for axes, (name, picture) in zip(grid, pictures.items(), strict=False):
        _tile(axes, picture, name)
    figure.suptitle(title, fontsize=10)
    return figure


def map_rows(rows: Mapping[str, Sequence[Tensor]], heads: Sequence[str], title: str = "") -> Figure:
    """A table of small pictures: a row of images or maps for each name, and a head for each column."""
    if not rows or any(len(row) != len(heads) for row in rows.values()):
        lengths = [len(row) for row in rows.values()]
        raise ValueError(
            f"rows: expected at least one, each with {len(heads)} pictures, one for each head, got {lengths}"
        )
    cell = (WIDTH - 0.3) / len(heads)
    figure = new_figure(WIDTH, len(rows) * (cell + 0.03) + 0.25 + (0.3 if title else 0))
    grid = figure.subplots(len(rows), len(heads), squeeze=False)
    for number, (line, (name, row)) in enumerate(zip(grid, rows.items(), strict=True)):
        for axes, picture, head in zip(line, row, heads, strict=True):
            _tile(axes, picture, head if number == 0 else "")
        line[0].text(-0.05, 0.5, name, rotation=90, ha="right", va="center", fontsize=8, transform=line[0].transAxes)
    figure.suptitle(title, fontsize=10)
    return figure


def cut_out(
    image: Tensor, saliency: Tensor, seeds: Tensor, mask: Tensor, boxes: Mapping[str, tuple] | None = None
) -> Figure:
    """An image, its saliency map, the seeds, and the object on white.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        saliency: `(H, W)` in [0, 1].
        seeds, mask: `(H, W)`, as `segmentation.segment` gives them.
        boxes: (top, bottom, left, right) by colour, in pixels, drawn into the image.
    """
    share = mask.float().mean()
    figure = maps(
        {
            "the image": image,
            "saliency": saliency,
            "seeds (yellow: object)": _SEEDS[seeds.long()].permute(2, 0, 1),
            f"cut out ({share:.0%})": torch.where(mask, image, torch.ones_like(image)),
        }
    )
    for color, (top, bottom, left, right) in (boxes or {}).items():
        corner = (left - 0.5, top - 0.5)
        frame = Rectangle(corner, right - left, bottom - top, fill=False, edgecolor=color, linewidth=2)
        figure.axes[0].add_patch(frame)
    return figure


def _tile(axes: Axes, picture: Tensor, title: str) -> None:
    if picture.ndim == 2:
        draw_array(axes, picture.detach().cpu().numpy(), title, cmap="magma", vmin=0, vmax=1)
    else:
        draw_array(axes, to_rgb(picture), title)
