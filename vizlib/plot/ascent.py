"""Images made by gradient ascent: a row for each way, a sheet for each layer, and how sure the networks are."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from vizlib import images
from vizlib.plot.base import WIDTH, draw_array, mosaic, new_figure, to_rgb

BLUE, ORANGE = (0.23, 0.32, 0.55), (0.88, 0.48, 0.15)


def class_rows(
    rows: Mapping[str, Tensor], classes: Sequence[str], sure: Mapping[str, Tensor], title: str = ""
) -> Figure:
    """A row of images for each way to make them, a column for each class; below each how sure a network is of it.

    Args:
        rows: way -> images `(N, 3, H, W)` in [0, 1], one for each class.
        classes: The N names above the columns.
        sure: way -> probabilities `(N,)`, 0 to 1.
    """
    wrong = [way for way, made in rows.items() if not len(made) == len(classes) == len(sure[way])]
    if not rows or wrong:
        raise ValueError(f"expected an image and a probability for each of the {len(classes)} classes in every row")
    cell = min(WIDTH / len(classes), 0.74)
    figure = new_figure(cell * len(classes), len(rows) * (cell + 0.42) + (0.5 if title else 0.2))
    bands = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for band, (way, made) in zip(bands, rows.items(), strict=True):
        band.suptitle(way, fontsize=10, weight="bold")
        for column, axes in enumerate(band.subplots(1, len(classes), squeeze=False)[0]):
            draw_array(axes, to_rgb(made[column]))
            axes.text(0.5, -0.03, f"{sure[way][column]:.0%}", transform=axes.transAxes, ha="center", va="top", size=8)
            if band is bands[0]:
                axes.set_title(classes[column], fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def contact_sheets(sheets: Mapping[str, Tensor], columns: int = 8, title: str = "") -> Figure:
    """For each title a sheet of its images `(N, 3, H, W)` in [0, 1], `columns` in a row, without gaps between rows.

    Where they fit, a pixel of an image is a pixel of the figure: sharp, and a small file.
    """
    if not sheets:
        raise ValueError("sheets: expected at least one title with its images, got none")
    boards = {text: mosaic(made.permute(0, 2, 3, 1).numpy(), columns) for text, made in sheets.items()}
    width = min(WIDTH, max(4.6, max(board.shape[1] for board in boards.values()) / 100 + 0.09))
    heights = [width * board.shape[0] / board.shape[1] + 0.25 for board in boards.values()]
    figure = new_figure(width, sum(heights) + (0.3 if title else 0))
    grid = figure.subplots(len(boards), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (text, board) in zip(grid, boards.items(), strict=True):
        draw_array(axes, torch.from_numpy(board).nan_to_num(1).clamp(0, 1).numpy(), text)
    figure.suptitle(title, fontsize=10)
    return figure


def with_bars(image: Tensor, shares: Sequence[float], side: int = 256) -> Tensor:
    """An image with a bar below it for each share from 0 to 1, blue and orange in turn; cheap enough for every frame.

    Args:
        image: `(1, 3, H, W)` in [0, 1]; it is enlarged to a width of `side` pixels.

    Returns:
        `(1, 3, H', side)` in [0, 1].
    """
    large = images.resize(image, (side * image.shape[2] // image.shape[3], side), "bicubic").clamp(0, 1)
    bars = torch.ones(1, 3, 16 * len(shares) + 4, side)
    for index, share in enumerate(shares):
        color = torch.tensor((BLUE, ORANGE)[index % 2])[:, None, None]
        top = 4 + 16 * index
        bars[0, :, top : top + 12] = 0.9
        bars[0, :, top : top + 12, : round(side * share)] = color
    return torch.cat([large, bars], 2)
