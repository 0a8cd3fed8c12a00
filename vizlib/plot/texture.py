"""Figures of textures: Gram matrices, a table of syntheses, and the seam between two blocks."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vizlib.plot.base import WIDTH, draw_array, new_figure, to_rgb


def grams(matrices: Sequence[Tensor], titles: Sequence[str], title: str = "", limit: int = 64) -> Figure:
    """Gram matrices `(C, C)` or `(1, C, C)` side by side, their first channels, on one scale of colours.

    The scale is that of the square roots, and ends where 99% of all entries lie: a few channels fire far more than the
    others.
    """
    if len(titles) != len(matrices) or not len(matrices):
        raise ValueError(f"titles: expected one for each of the {len(matrices)} matrices, got {len(titles)}")
    figure = new_figure(WIDTH, WIDTH / max(3, len(matrices)) + (0.65 if title else 0.35))
    _draw_grams(figure, figure.subplots(1, len(matrices), squeeze=False)[0], matrices, titles, limit)
    figure.suptitle(title, fontsize=10)
    return figure


def beside_grams(images: Sequence[Tensor], matrices: Sequence[Tensor], title: str = "", limit: int = 64) -> Figure:
    """Images `(1, 3, H, W)` one below the other, and beside each its Gram matrix, on one scale of colours."""
    if len(images) != len(matrices) or not len(images):
        raise ValueError(f"matrices: expected one for each of the {len(images)} images, got {len(matrices)}")
    figure = new_figure(WIDTH * 0.64, 2.05 * len(images) + 0.4)
    panels = figure.subplots(len(images), 2, squeeze=False)
    for axes, image in zip(panels[:, 0], images, strict=True):
        draw_array(axes, to_rgb(image))
    _draw_grams(figure, panels[:, 1], matrices, [""] * len(matrices), limit)
    figure.suptitle(title, fontsize=10)
    return figure


def _draw_grams(
    figure: Figure, panels: Sequence[Axes], matrices: Sequence[Tensor], titles: Sequence[str], limit: int
) -> None:
    arrays = [matrix.detach().cpu().reshape(matrix.shape[-2:])[:limit, :limit].numpy() for matrix in matrices]
    roots = [np.sign(array) * np.sqrt(np.abs(array)) for array in arrays]
    high = max(1e-12, float(np.quantile(np.abs(np.concatenate([root.ravel() for root in roots])), 0.99)))
    low, colors = (0, "viridis") if min(root.min() for root in roots) >= 0 else (-high, "RdBu_r")
    for axes, root, text in zip(panels, roots, titles, strict=True):
        drawn = axes.imshow(root, vmin=low, vmax=high, cmap=colors, interpolation="nearest")
        axes.set_title(text, fontsize=9)
        axes.set_xlabel("channel", fontsize=8)
        axes.tick_params(labelsize=7)
    panels[0].set_ylabel("channel", fontsize=8)
    bar = figure.colorbar(drawn, ax=list(panels), shrink=0.75, label="root of the entry")
    bar.ax.tick_params(labelsize=7)


def labeled_rows(
    rows: Sequence[Sequence[Tensor]], labels: Sequence[str], titles: Sequence[str] = (), title: str = ""
) -> Figure:
    """Images `(1, 3, H, W)` in a table: a label at the left of each row, a title above each column."""
    if len(labels) != len(rows) or not rows or len({len(row) for row in rows}) != 1:
        raise ValueError(f"expected rows of one length, and a label for each of the {len(rows)}; got {len(labels)}")
    columns = len(rows[0])
    if titles and len(titles) != columns:
        raise ValueError(f"titles: expected one for each of the {columns} columns, got {len(titles)}")
    height, width = rows[0][0].shape[-2:]
    cell = (WIDTH - 0.6) / max(columns, 5)
    figure = new_figure(0.6 + cell * columns, len(rows) * cell * height / width + (0.3 if titles else 0) + 0.35)
    for r, (axes_row, row) in enumerate(zip(figure.subplots(len(rows), columns, squeeze=False), rows, strict=True)):
        for c, (axes, image) in enumerate(zip(axes_row, row, strict=True)):
            draw_array(axes, to_rgb(image), titles[c] if titles and r == 0 else "")
        axes_row[0].text(-0.04, 0.5, labels[r], transform=axes_row[0].transAxes, ha="right", va="center", fontsize=9)
    figure.suptitle(title, fontsize=10)
    return figure


def to_scale(images: Sequence[Tensor], titles: Sequence[str], title: str = "") -> Figure:
    """Images `(1, 3, H, W)` of several sizes side by side, a pixel as large in one as in the other."""
    if len(titles) != len(images) or not len(images):
        raise ValueError(f"titles: expected one for each of the {len(images)} images, got {len(titles)}")
    widths, tallest = [image.shape[-1] for image in images], max(image.shape[-2] for image in images)
    width = min(WIDTH, 1.25 * sum(widths) / 100 + 0.2)
    figure = new_figure(width, (width - 0.2) * tallest / sum(widths) + (0.7 if title else 0.4))
    panels = figure.subplots(1, len(images), squeeze=False, width_ratios=widths)[0]
    for axes, image, text in zip(panels, images, titles, strict=True):
        draw_array(axes, to_rgb(image), text)
        axes.set_anchor("N")
    figure.suptitle(title, fontsize=10)
    return figure


def seam_view(old: Tensor, new: Tensor, path: Tensor, title: str = "") -> Figure:
    """An overlap in four panels: the old block, the new one, how much they differ, and both joined along the seam.

    Args:
        old, new: `(3, h, w)`, the same place in the two blocks.
        path: `(h,)`: the first column of the new block in each row.
    """
    if old.shape != new.shape or old.ndim != 3 or path.shape != old.shape[1:2]:
        shapes = tuple(old.shape), tuple(new.shape), tuple(path.shape)
        raise ValueError(f"expected two overlaps (3, h, w) and a path (h,), got shapes {shapes}")
    height, width = old.shape[1:]
    keep = np.arange(width)[None] < path.numpy()[:, None]
    joined = np.where(keep[..., None], to_rgb(old), to_rgb(new))
    error = (old - new).square().sum(0).sqrt().numpy()
    figure = new_figure(WIDTH * 0.8, 0.5 + min(3.2, 1.45 * height / width))
    panels = figure.subplots(1, 4)
    for axes, array, text in zip(
        panels, (to_rgb(old), to_rgb(new), error, joined), ("old", "new", "difference", "joined"), strict=True
    ):
        draw_array(axes, array, text, **({"cmap": "magma"} if array.ndim == 2 else {}))
    edges = np.repeat(path.numpy(), 2) - 0.5
    rows = np.stack([np.arange(height) - 0.5, np.arange(height) + 0.5], 1).ravel()
    for axes in panels[2:]:
        axes.plot(edges, rows, color="white", linewidth=2.2)
        axes.plot(edges, rows, color="crimson", linewidth=1)
    figure.suptitle(title, fontsize=10)
    return figure
