"""The diagram of a Gram matrix: what it averages."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from vizlib.plot.diagrams.shapes import arrow, framed, stage, write
from vizlib.plot.figure import WIDTH

PLACES = ("#e8590c", "#1971c2")  # the two positions


def gram(image: Tensor, features: Tensor, places: Sequence[tuple[int, int]], layer: str, channels: int = 8) -> Figure:
    """How a Gram matrix comes about: the product of each position's feature vector with itself, averaged.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        features: `(1, C, h, w)`, what a layer makes of it, no number below 0.
        places: Two positions (row, column) of the feature maps, drawn with their products.
        layer: The layer's name.
        channels: How many channels are drawn, those that are strongest at the two positions.

    Raises:
        ValueError: Not two positions, or features of another shape.
    """
    if len(places) != 2 or features.ndim != 4 or len(features) != 1:
        raise ValueError(
            f"expected two places and features (1, C, h, w), got {len(places)} places and {tuple(features.shape)}"
        )
    flat = features[0].detach().cpu().float()
    vectors = np.stack([flat[:, row, column].numpy() for row, column in places])
    chosen = np.sort(vectors.max(0).argsort()[::-1][:channels])
    vectors, every = vectors[:, chosen], flat[chosen].flatten(1).numpy()
    matrix = every @ every.T / every.shape[1]
    axes, side = stage(WIDTH, 3.3), 2.1
    framed(axes, image, 0.1, 0.55, side, f"the image: {flat.shape[1]} x {flat.shape[2]} positions")
    cell = side / flat.shape[2], side * image.shape[2] / image.shape[3] / flat.shape[1]
    for (row, column), vector, color, y in zip(places, vectors, PLACES, (0.5, 1.95), strict=True):
        corner = 0.1 + column * cell[0], 0.55 + row * cell[1]
        axes.add_patch(Rectangle(corner, *cell, fill=False, edgecolor=color, linewidth=2.5))
        center = corner[0] + cell[0], corner[1] + cell[1] / 2
        arrow(axes, center, (2.62, y + 0.5), color)
        top = vector.max() or 1.0
        _matrix(axes, vector[:, None], 2.68, y, 0.14, 1.0, top)
        write(axes, 2.98, y + 0.5, "×")
        _matrix(axes, vector[None], 3.12, y + 0.43, 1.0, 0.14, top)
        write(axes, 4.28, y + 0.5, "=")
        _matrix(axes, np.outer(vector, vector), 4.42, y, 1.0, 1.0, top**2)
        for corner in ((2.68, y, 0.14, 1.0), (3.12, y + 0.43, 1.0, 0.14), (4.42, y, 1.0, 1.0)):
            axes.add_patch(Rectangle(corner[:2], *corner[2:], fill=False, edgecolor=color, linewidth=1.8))
        arrow(axes, (5.46, y + 0.5), (5.9, 1.73))
    write(axes, 2.75, 0.3, f"f: {len(chosen)} channels\nof {layer}, dark: strong", fontsize=9)
    write(axes, 4.92, 0.3, "f fᵀ: fired together\nat this position", fontsize=9)
    _matrix(axes, matrix, 5.95, 1.03, 1.4, 1.4, float(matrix.max()) or 1.0)
    write(axes, 6.65, 0.8, "G: the mean over\nall positions", fontsize=9)
    write(axes, 6.65, 2.6, "where it was\nis forgotten", fontsize=9, style="italic")
    write(axes, 4.92, 3.12, "… and so at every position", fontsize=9, style="italic")
    return axes.figure


def _matrix(axes: Axes, values: np.ndarray, x: float, y: float, width: float, height: float, top: float) -> None:
    """Numbers as cells from white (0) to dark."""
    extent = (x, x + width, y + height, y)
    axes.imshow(values, extent=extent, aspect="auto", interpolation="nearest", cmap="magma_r", vmin=0, vmax=top)
    axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="#666666", linewidth=0.8))
