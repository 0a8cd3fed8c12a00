"""A texture sewn from blocks of the sample, each cut along the line where it fits best to those already there.

    E(i, j) = e(i, j) + min(E(i - 1, j - 1), E(i - 1, j), E(i - 1, j + 1))

e is how much the old and the new block differ in their overlap; the seam is the path with the smallest sum.

Paper: Efros and Freeman 2001.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vizlib.optimize import Step, expect
from vizlib.synthesis.pieces import check_sample


@dataclass
class QuiltKnobs:
    """What may be changed while a quilt is sewn, except `block` and `overlap`, which are read at the
    beginning.

    Attributes:
        block: The side of a block in pixels: as large as what the texture repeats.
        overlap: How much of a block, 0 to 0.5, overlaps the one before it.
        tolerance: Blocks whose overlap differs up to so much more than the best, 0.1 is 10%, are drawn from at random.
        cut: Cut along the best seam; otherwise the new block simply covers the old one.
    """

    block: int = 24
    overlap: float = 0.25
    tolerance: float = 0.1
    cut: bool = True


def seam(error: Tensor) -> Tensor:
    """The path from the top row to the bottom one with the smallest sum of errors, `(h,)`: its column in each row.

    From a row to the next it goes straight down or one column to either side. Found by dynamic programming.

    Args:
        error: `(h, w)`.
    """
    if error.ndim != 2 or error.numel() == 0:
        raise ValueError(f"error: expected (h, w) with at least one pixel, got shape {tuple(error.shape)}")
    total = error.clone()
    wall = error.new_full((1,), float("inf"))
    for row in range(1, len(error)):
        above = torch.cat([wall, total[row - 1], wall])
        total[row] += torch.stack([above[:-2], above[1:-1], above[2:]]).amin(0)
    path = [int(total[-1].argmin())]
    for row in range(len(error) - 2, -1, -1):
        left = max(0, path[-1] - 1)
        path.append(left + int(total[row, left : path[-1] + 2].argmin()))
    return torch.tensor(path[::-1])


def quilt(sample: Tensor, knobs: QuiltKnobs, size: tuple[int, int] = (128, 128), seed: int = 0) -> Iterator[Step]:
    """A texture of any size, block by block from the upper left.

    Args:
        sample: `(1, 3, h, w)` in [0, 1], at least as large as a block.
        knobs: How large the blocks are and how they are chosen and cut.
        size: (height, width) of the result, in pixels.
        seed: Of the random choices.

    Yields:
        The quilt after every block. The loss 'overlap' is the root mean square by which the new block differs from the
        old ones in the overlap.

    Raises:
        ImageError: A sample smaller than a block.
        ValueError: A block below 4 pixels, an overlap outside [0, 0.5], an empty size.
    """
    block = knobs.block
    check_sample(sample, block)
    if block < 4 or not 0 <= knobs.overlap <= 0.5 or min(size) < 1:
        raise ValueError(
            f"block is {block}, overlap {knobs.overlap} and size {size[0]}x{size[1]}; expected a block of at least 4 "
            "pixels, an overlap of 0 to 0.5 and a size of at least 1x1"
        )
    generator, lap = torch.Generator().manual_seed(seed), round(block * knobs.overlap)
    starts = [range(0, max(1, side - lap), block - lap) for side in size]
    full = [axis[-1] + block for axis in starts]  # whole blocks; cut to size in the end
    image, origin = sample.new_ones(3, *full), torch.full((*full, 2), -1)
    squares = torch.stack(torch.meshgrid(torch.arange(block), torch.arange(block), indexing="ij"), -1)
    places = [(top, left) for top in starts[0] for left in starts[1]]
    for iteration, (top, left) in enumerate(places, 1):
        window = image[:, top : top + block, left : left + block]
        place = origin[top : top + block, left : left + block]
        expect(knobs, 0, float("inf"), "tolerance")
        row, column, differs = _choose(sample, window, place[..., 0] >= 0, knobs.tolerance, generator)
        new = sample[0, :, row : row + block, column : column + block]
        keep = _kept(window, new, lap if top else 0, lap if left else 0, knobs.cut)
        window.copy_(torch.where(keep, window, new))
        place.copy_(torch.where(keep[..., None], place, squares + torch.tensor([row, column])))
        cut = image[None, :, : size[0], : size[1]].clone(), origin[: size[0], : size[1]].clone()
        yield Step(iteration, cut[0], {"overlap": differs}, cut[1])


def _choose(
    sample: Tensor, window: Tensor, known: Tensor, tolerance: float, generator: torch.Generator
) -> tuple[int, int, float]:
    """A block that continues what is known of the window: its row and column in the sample, and how it differs.

    |a - b|^2 = |b|^2 - 2 a b + |a|^2, summed over what is known, at every place of the sample: two convolutions.
    """
    mask = known.to(sample).expand(1, *window.shape)
    cross = F.conv2d(sample, mask * window)
    distances = (F.conv2d(sample.square(), mask) - 2 * cross)[0, 0] + (mask * window.square()).sum()
    distances = distances.clamp(min=0) / mask.sum().clamp(min=1)  # nothing is known of the first block: all are 0
    near = (distances <= (1 + tolerance) * distances.min() + 1e-6).nonzero()
    row, column = near[torch.randint(len(near), (), generator=generator)].tolist()
    return row, column, distances[row, column].sqrt().item()


def _kept(old: Tensor, new: Tensor, top: int, left: int, cut: bool) -> Tensor:
    """Which pixels of a block `(block, block)` stay the old ones: those above and left of the seams."""
    keep = torch.zeros(old.shape[1:], dtype=torch.bool)
    if not cut:
        return keep
    error, steps = (old - new).square().sum(0), torch.arange(len(keep))
    if left:
        keep |= steps[None] < seam(error[:, :left])[:, None]
    if top:
        keep |= steps[:, None] < seam(error[:top].T)[None]
    return keep
