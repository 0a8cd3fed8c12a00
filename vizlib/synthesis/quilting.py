"""Image quilting: a texture sewn from blocks of the sample, each cut where it fits its neighbours best.

    E(i, j) = e(i, j) + min(E(i - 1, j - 1), E(i - 1, j), E(i - 1, j + 1))

e is the squared difference between the old and the new block in their overlap; the seam is the path with the smallest
sum.

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
    """What may be changed while a quilt is sewn, except `block` and `overlap`, which are read at the beginning.

    Attributes:
        block: Side of a block in pixels; about as large as the elements of the texture.
        overlap: Fraction of a block, 0 to 0.5, that overlaps the one before it.
        tolerance: Any block whose overlap differs by at most this fraction more than the best one (0.1 is 10%) may be
            drawn at random.
        cut: Cut along the best seam; otherwise the new block simply covers the old one.
    """

    block: int = 24
    overlap: float = 0.25
    tolerance: float = 0.1
    cut: bool = True


def seam(error: Tensor) -> Tensor:
    """The path from the top row to the bottom row with the smallest sum of errors, as the column in each row, `(h,)`.

    From one row to the next it goes straight down or one column to either side. It is found by dynamic programming.

    Args:
        error: `(h, w)`, at least one pixel.

    Raises:
        ValueError: `error` has another number of dimensions, or no pixels.
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
    """A texture of any size, sewn block by block from the upper left.

    Args:
        sample: `(1, 3, h, w)` in [0, 1], at least as large as a block.
        knobs: How large the blocks are and how they are chosen and cut.
        size: (height, width) of the result, in pixels.
        seed: Seeds the random choices.

    Yields:
        The quilt after every block. The loss 'overlap' is the root mean square difference between the new block and
        the old ones where they overlap.

    Raises:
        ImageError, TypeError: The sample is not one image, or is smaller than a block.
        ValueError: The block is smaller than 4 pixels, the overlap is outside [0, 0.5], the size is empty, or the
            tolerance is negative.
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
    full = [axis[-1] + block for axis in starts]  # whole blocks; the result is cropped to `size`
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


def next_block(sample: Tensor, strip: Tensor, block: int) -> Tensor:
    """One step along a row: the block that continues a strip best, joined to it along the cheapest seam.

    Args:
        sample: `(1, 3, H, W)` in [0, 1], at least as large as a block.
        strip: `(3, block, lap)`, the right edge of what has been sewn.
        block: Side of a block in pixels.

    Returns:
        `(3, block, block)`: left of the seam the strip, from the seam on the new block.

    Raises:
        ImageError, TypeError: The sample is not one image, or is smaller than a block.
        ValueError: The strip is not as high as the block, or is as wide.
    """
    check_sample(sample, block)
    if strip.shape[:2] != (3, block) or not 0 < strip.shape[2] < block:
        raise ValueError(f"strip has shape {tuple(strip.shape)}, expected (3, {block}, fewer than {block})")
    lap = strip.shape[2]
    window, known = sample.new_zeros(3, block, block), torch.zeros(block, block, dtype=torch.bool)
    window[..., :lap], known[:, :lap] = strip, True
    row, column, _ = _choose(sample, window, known, 0.0, torch.Generator().manual_seed(0))
    new = sample[0, :, row : row + block, column : column + block]
    return torch.where(_kept(window, new, 0, lap, True), window, new)


def _choose(
    sample: Tensor, window: Tensor, known: Tensor, tolerance: float, generator: torch.Generator
) -> tuple[int, int, float]:
    """A block that continues the known part of the window: its row and column in the sample, and its difference.

    |a - b|^2 = |b|^2 - 2 a b + |a|^2, summed over the known pixels at every position in the sample: two convolutions.
    """
    mask = known.to(sample).expand(1, *window.shape)
    cross = F.conv2d(sample, mask * window)
    distances = (F.conv2d(sample.square(), mask) - 2 * cross)[0, 0] + (mask * window.square()).sum()
    distances = distances.clamp(min=0) / mask.sum().clamp(min=1)  # for the first block nothing is known: all are 0
    near = (distances <= (1 + tolerance) * distances.min() + 1e-6).nonzero()
    row, column = near[torch.randint(len(near), (), generator=generator)].tolist()
    return row, column, distances[row, column].sqrt().item()


def _kept(old: Tensor, new: Tensor, top: int, left: int, cut: bool) -> Tensor:
    """Which pixels of a block `(block, block)` keep their old values: those above and to the left of the seams."""
    keep = torch.zeros(old.shape[1:], dtype=torch.bool)
    if not cut:
        return keep
    error, steps = (old - new).square().sum(0), torch.arange(len(keep))
    if left:
        keep |= steps[None] < seam(error[:, :left])[:, None]
    if top:
        keep |= steps[:, None] < seam(error[:top].T)[None]
    return keep
