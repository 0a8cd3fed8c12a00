"""Pictures for what changes many times a second: put together from pixels in a few milliseconds, without a figure."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageDraw
import torch
from matplotlib import colormaps
from torch import Tensor

from vizlib import images
from vizlib.plot.figure import font

SPACE, LINE = 8, 26  # pixels between tiles, and above each for its title
LETTERS = {True: 17, False: 14}  # the height of a title's letters, above a large tile and above a small one


class Tile(NamedTuple):
    """One picture on a board.

    Attributes:
        title: The line above it.
        picture: An image `(1, 3, H, W)` in [0, 1], which is enlarged smoothly, or a map `(h, w)`, in sharp cells.
        top: What is brightest in a map; zero and below are darkest.
    """

    title: str
    picture: Tensor
    top: float = 1.0


def board(large: Sequence[Tile], small: Sequence[Tile] = (), side: int = 320) -> Tensor:
    """Large square tiles side by side, and small ones in two rows at their right, as an image `(1, 3, H, W)`.

    Args:
        side: Pixels of a side of the large tiles.

    Raises:
        ValueError: There is no large tile, or a picture is neither an image nor a map.
    """
    if not large:
        raise ValueError("large: expected at least one tile, got none")
    little = (side - LINE - SPACE) // 2
    columns = (len(small) + 1) // 2
    width = len(large) * (side + SPACE) + columns * (little + SPACE) - SPACE
    sheet = PIL.Image.new("RGB", (width, side + LINE), "white")
    for place, tile in enumerate(large):
        _paste(sheet, tile, place * (side + SPACE), 0, side, True)
    for place, tile in enumerate(small):
        row, column = divmod(place, columns)
        left = len(large) * (side + SPACE) + column * (little + SPACE)
        _paste(sheet, tile, left, row * (little + LINE + SPACE), little, False)
    return torch.from_numpy(np.asarray(sheet).copy()).permute(2, 0, 1)[None].float() / 255


def _paste(sheet: PIL.Image.Image, tile: Tile, left: int, above: int, side: int, large: bool) -> None:
    pen, middle = PIL.ImageDraw.Draw(sheet), (left + side / 2, above + LINE / 2)
    pen.text(middle, tile.title, fill="black", font=font(LETTERS[large]), anchor="mm")
    sheet.paste(_square(tile, side), (left, above + LINE))


def _square(tile: Tile, side: int) -> PIL.Image.Image:
    if tile.picture.ndim == 2:
        shares = (tile.picture.detach().float().cpu() / max(tile.top, 1e-12)).nan_to_num().clamp(0, 1).numpy()
        cells = PIL.Image.fromarray(_colors()[(255 * shares).astype(np.uint8)])
        return cells.resize((side, side), PIL.Image.Resampling.NEAREST)
    if tile.picture.ndim != 4 or tile.picture.shape[:2] != (1, 3):
        shape = tuple(tile.picture.shape)
        raise ValueError(f"{tile.title}: expected an image (1, 3, H, W) or a map (h, w), got shape {shape}")
    return images.to_pil(tile.picture).resize((side, side), PIL.Image.Resampling.BICUBIC)


@cache
def _colors() -> np.ndarray:
    """The colours of heat maps, from dark to bright, as bytes `(256, 3)`."""
    return (255 * colormaps["viridis"](np.arange(256))[:, :3]).round().astype(np.uint8)
