"""One channel on several images, all on one scale: where it fires, and where it does not."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor, nn

from vizlib.images import Box
from vizlib.plot.figure import WIDTH, draw_array, draw_box, new_figure, to_rgb

LIGHT = 0.55  # of the grey image below a map


def one_channel(
    photo: Tensor,
    heat: Tensor,
    others: Sequence[Tensor] = (),
    other_heats: Sequence[Tensor] = (),
    title: str = "",
    label: str = "activation",
    *,
    box: Box | None = None,
    written: int = 2,
) -> Figure:
    """A photo, one channel's map of it cell by cell, and the same channel on other images; one scale for all of them.

    Args:
        photo: `(1, 3, H, W)` in [0, 1].
        heat: `(h, w)`, the channel's map of the photo.
        others, other_heats: Images and their maps, as many; the peak of each is written above it.
        label: What the colour bar measures.
        box: In pixels of the photo, framed in it and in its map.
        written: In how many cells of the photo's map, the strongest, the value is written.

    Raises:
        ValueError: Not a map for each of the other images, or `heat` is not a map.
    """
    if heat.ndim != 2 or len(others) != len(other_heats):
        shape, counts = tuple(heat.shape), (len(others), len(other_heats))
        raise ValueError(f"expected a heat (h, w) and a map for each other image, got shape {shape} and {counts}")
    top = max(float(one.max()) for one in (heat, *other_heats))
    columns = math.ceil(math.sqrt(len(others))) if len(others) else 0
    rows = math.ceil(len(others) / columns) if len(others) else 1
    widths = [3, 3, *([3 / rows] * columns)]
    high = (WIDTH - 0.75) * 3 / sum(widths)
    figure = new_figure(WIDTH, high + 0.35 + 0.16 * max(0, rows - 1) + (0.25 if title else 0))
    grid = figure.add_gridspec(rows, 2 + columns, width_ratios=widths)
    left, right = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[:, 1])
    draw_array(left, to_rgb(photo), "the photo")
    drawn = _draw_cells(right, photo, heat, top)
    right.set_title(f"{heat.shape[0]}x{heat.shape[1]} cells, peak {heat.max():.1f}", fontsize=9)
    _write(right, photo, heat, written)
    for axes in (left, right) if box is not None else ():
        draw_box(axes, box)
    smalls = [figure.add_subplot(grid[n // columns, 2 + n % columns]) for n in range(len(others))]
    for axes, image, other in zip(smalls, others, other_heats, strict=True):
        _draw_cells(axes, image, other, top)
        axes.set_title(f"{other.max():.1f}", fontsize=9, pad=2)
    figure.colorbar(drawn, ax=[left, right, *smalls], shrink=0.85, pad=0.01, label=label)
    figure.suptitle(title, fontsize=10)
    return figure


def _draw_cells(axes: Axes, image: Tensor, heat: Tensor, top: float) -> AxesImage:
    """The image, grey and dark, under the cells of a map, which are clearer the stronger they are."""
    gray, (height, width) = LIGHT * to_rgb(image).mean(2), image.shape[-2:]
    values = heat.detach().float().cpu().numpy()
    draw_array(axes, gray, cmap="gray", vmin=0, vmax=1)
    share = np.clip(values / max(top, 1e-12), 0, 1)
    extent, options = (-0.5, width - 0.5, height - 0.5, -0.5), {"interpolation": "nearest", "cmap": "viridis"}
    return axes.imshow(values, vmin=0, vmax=max(top, 1e-12), alpha=0.35 + 0.5 * share, extent=extent, **options)


def _write(axes: Axes, image: Tensor, heat: Tensor, count: int) -> None:
    """The strongest values, each above its cell; of neighbouring cells only the strongest counts."""
    rows, columns = heat.shape
    heat = heat.detach().float().cpu()
    around = nn.functional.max_pool2d(heat[None, None], 3, 1, 1)[0, 0]
    summits = heat.where((heat == around) & (heat > 0), torch.zeros(()))
    height, width = image.shape[-2:]
    for place in summits.flatten().topk(min(count, int((summits > 0).sum()))).indices.tolist():
        row, column = divmod(place, columns)
        x, y = (column + 0.5) * width / columns - 0.5, row * height / rows - 0.5
        text = f"{heat[row, column]:.1f}"
        axes.annotate(
            text, (x, y), (0, 3), textcoords="offset points", ha="center", fontsize=11, weight="bold", color="white"
        )
