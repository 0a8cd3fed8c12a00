"""Pictures of one idea each: a window that grows, a seam, Gram matrices, what was cut out, bars below an image."""

from collections.abc import Mapping, Sequence

import numpy as np
import PIL.Image
import PIL.ImageDraw
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from vizlib.images import Box, resize
from vizlib.plot.cells import Picture
from vizlib.plot.figure import WIDTH, draw_array, font, new_figure, to_rgb
from vizlib.plot.pictures import pictures

BAR = 21  # pixels from one bar below an image to the next
BLUE, ORANGE = (0.23, 0.32, 0.55), (0.88, 0.48, 0.15)
_SEEDS = torch.tensor([[0.1, 0.2, 0.6], [1.0, 0.8, 0.1], [0.5, 0.6, 0.8], [0.9, 0.9, 0.6]])  # as GrabCut numbers them

Interval = tuple[int, int]


def window_growth(
    image: Tensor, windows: Sequence[tuple[str, Interval, Interval, int, int]], title: str = ""
) -> Figure:
    """The part of each layer's map that an occluder can change (orange), drawn on the whole map.

    Args:
        image: `(1, 3, H, W)` in [0, 1], already covered.
        windows: (name, rows, columns, height, width) of the image and of each layer, as `incremental.work.growth` gives
            them.
    """
    columns = 6
    rows = -(-len(windows) // columns)
    figure = new_figure(WIDTH, rows * (WIDTH / columns + 0.35) + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, (name, (top, bottom), (left, right), height, width) in zip(grid, windows, strict=False):
        picture = to_rgb(image) if axes is grid[0] else np.full((height, width, 3), 0.85)
        draw_array(axes, picture, f"{name}\n{bottom - top}x{right - left} of {height}x{width}")
        options = {"facecolor": "#f98e09", "edgecolor": "#bc3754", "alpha": 0.8}
        axes.add_patch(Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, **options))
    for axes in grid[len(windows) :]:
        axes.set_axis_off()
    figure.suptitle(title, fontsize=10)
    return figure


def cut_out(
    image: Tensor, saliency: Tensor, seeds: Tensor, mask: Tensor, boxes: Mapping[str, Box] | None = None
) -> Figure:
    """An image, its saliency map, the seeds, and the object on white.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        saliency: `(H, W)` in [0, 1].
        seeds, mask: `(H, W)`, as `segmentation.segment` gives them.
        boxes: By colour, drawn into the image.
    """
    cells = {
        "the image": Picture(image, boxes=boxes or {}),
        "saliency": saliency,
        "seeds (yellow: object)": _SEEDS[seeds.long()].permute(2, 0, 1),
        f"cut out ({mask.float().mean():.0%})": torch.where(mask, image, torch.ones_like(image)),
    }
    return pictures(cells, columns=4)


def with_bars(image: Tensor, shares: Mapping[str, float], side: int = 400) -> Tensor:
    """An image with a bar below it for each share from 0 to 1, blue and orange in turn; cheap enough for every frame.

    Args:
        image: `(1, 3, H, W)` in [0, 1]; it is enlarged to a width of `side` pixels.
        shares: By the name that stands at the left of the bar, before the share in percent.

    Returns:
        `(1, 3, H', side)` in [0, 1].
    """
    large = resize(image, (side * image.shape[2] // image.shape[3], side), "bicubic").clamp(0, 1)
    board = PIL.Image.new("RGB", (side, BAR * len(shares) + 4), "white")
    pen, letters = PIL.ImageDraw.Draw(board), font(15)
    left = 6 + max((round(letters.getlength(f"{name} 100%")) for name in shares), default=0)  # where the bars begin
    for index, (name, share) in enumerate(shares.items()):
        top, color = 4 + BAR * index, tuple(round(255 * part) for part in (BLUE, ORANGE)[index % 2])
        pen.text((left - 6, top + 8), f"{name} {share:.0%}", color, letters, "rm")
        pen.rectangle((left, top, side, top + 16), (230, 230, 230))
        if (end := left + round((side - left) * share)) > left:
            pen.rectangle((left, top, end - 1, top + 16), color)
    bars = torch.from_numpy(np.array(board)).permute(2, 0, 1)[None] / 255
    return torch.cat([large, bars], 2)


def grams(
    matrices: Sequence[Tensor],
    titles: Sequence[str],
    title: str = "",
    limit: int = 64,
    images: Sequence[Tensor] = (),
    width: float = WIDTH,
) -> Figure:
    """Gram matrices `(C, C)` or `(1, C, C)` side by side, on one scale of colours.

    The scale is that of the square roots, and ends where 99% of all entries lie: a few channels fire far more than the
    others.

    Args:
        titles: What stands above each matrix, or above its image.
        limit: How many channels are shown, the first ones.
        images: For each matrix the image `(1, 3, H, W)` that it belongs to, drawn above it.
        width: Of three matrices, in inches; more are not wider.
    """
    if len(titles) != len(matrices) or not len(matrices):
        raise ValueError(f"titles: expected one for each of the {len(matrices)} matrices, got {len(titles)}")
    if len(images) not in (0, len(matrices)):
        raise ValueError(f"images: expected one for each of the {len(matrices)} matrices, or none, got {len(images)}")
    rows, side = (2 if images else 1), width / max(3, len(matrices))
    figure = new_figure(min(width, side * len(matrices) + 0.8), rows * side + (0.65 if title else 0.35))
    grid = figure.subplots(rows, len(matrices), squeeze=False)
    for axes, image in zip(grid[0], images, strict=False):
        draw_array(axes, to_rgb(image))
    _draw_grams(grid[-1], matrices, limit)
    for axes, text in zip(grid[0], titles, strict=True):
        axes.set_title(text, fontsize=9)
    figure.suptitle(title, fontsize=10)
    return figure


def _draw_grams(panels: Sequence[Axes], matrices: Sequence[Tensor], limit: int) -> None:
    arrays = [matrix.detach().cpu().reshape(matrix.shape[-2:])[:limit, :limit].numpy() for matrix in matrices]
    roots = [np.sign(array) * np.sqrt(np.abs(array)) for array in arrays]
    high = max(1e-12, float(np.quantile(np.abs(np.concatenate([root.ravel() for root in roots])), 0.99)))
    low, colors = (0, "viridis") if min(root.min() for root in roots) >= 0 else (-high, "RdBu_r")
    for axes, root in zip(panels, roots, strict=True):
        drawn = axes.imshow(root, vmin=low, vmax=high, cmap=colors, interpolation="nearest")
        axes.set_xlabel("channel", fontsize=8)
        axes.tick_params(labelsize=7)
    panels[0].set_ylabel("channel", fontsize=8)
    bar = panels[0].figure.colorbar(drawn, ax=list(panels), shrink=0.75, label="root of the entry")
    bar.ax.tick_params(labelsize=7)


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
