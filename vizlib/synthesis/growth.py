"""A texture grown pixel by pixel: the sample tells what each pixel should be, given what is already around it.

To fill a pixel, compare its neighbourhood, as far as it is known, with every window of the sample:

    d(window) = sum over known neighbours of  weight * (neighbour - window)^2

and take the middle pixel of one of the windows whose d is close to the smallest. There is no model and no training: the
sample is the model. The only choice to make is how wide a window is.

Paper: Efros and Leung 1999.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vizlib.optimize import Step, expect
from vizlib.synthesis.pieces import check_sample, windows

SEED_SIDE = 3  # the growth begins with a square of the sample this many pixels wide
UNSEEN = 0.02**2  # windows below this d look the same; without it, an exact match would be followed pixel by pixel


@dataclass
class GrowthKnobs:
    """What may be changed while a texture grows; `window` and `tolerance` are read at every pixel.

    Attributes:
        steps: How many times the growing texture is shown; each step grows an equal share of its pixels.
        window: Height and width of a neighbourhood in pixels, an odd number. A window smaller than the elements of the
            texture loses its structure; a far larger one copies the sample.
        tolerance: Any window whose d is at most this fraction above the smallest (0.1 is 10%) may be drawn at random.
    """

    steps: int = 64
    window: int = 11
    tolerance: float = 0.1


class Library:
    """The windows of a sample, laid out so that one product compares a neighbourhood with all of them.

    Raises:
        ImageError, TypeError: The sample is not one image, or is smaller than the window.
        ValueError: The window is even or below 3.
    """

    def __init__(self, sample: Tensor, window: int):
        if window < 3 or window % 2 == 0:
            raise ValueError(f"window is {window}, expected an odd number of pixels, at least 3")
        check_sample(sample, window)
        found = windows(sample, window, window)
        self.window, self.width = window, found.shape[1]
        self.rows = found.flatten(2).flatten(0, 1).contiguous()  # (windows, 3 * window * window)
        self.squares = found.square().sum(2).flatten(2).flatten(0, 1).contiguous()  # (windows, window * window)
        reach = torch.arange(window) - window // 2
        self.weight = torch.exp(-(reach[:, None] ** 2 + reach[None] ** 2) / (2 * (window / 6.4) ** 2))

    def distances(self, around: Tensor, known: Tensor) -> Tensor:
        """The distance d of every window, `(windows,)`: |a - b|^2 = |b|^2 - 2 a b + |a|^2, in two products.

        Args:
            around: The neighbourhood, `(3, window, window)`.
            known: `(window, window)`, 1 where `around` is known and 0 elsewhere.
        """
        weight = self.weight * known / (self.weight * known).sum()
        cross = self.rows @ (around * weight).flatten()
        return (self.squares @ weight.flatten() - 2 * cross + (around.square() * weight).sum()).clamp(min=0)

    def middle(self, index: int) -> tuple[int, int]:
        """The row and column in the sample of a window's middle pixel."""
        return index // self.width + self.window // 2, index % self.width + self.window // 2


class _Canvas:
    """The texture grown so far, with a margin of half a window around it."""

    def __init__(self, sample: Tensor, size: tuple[int, int], generator: torch.Generator):
        self.sample, self.generator = sample, generator
        self.origin = torch.full((*size, 2), -1)
        self.turn = torch.rand(*size, generator=generator)  # the order: most known neighbours first, ties at random
        self.pixels, self.known, self.reach = sample.new_zeros(3, *size), sample.new_zeros(size), 0
        height, width = sample.shape[2:]
        top, left = (int(torch.randint(side - SEED_SIDE + 1, (), generator=generator)) for side in (height, width))
        down, across = ((side - SEED_SIDE) // 2 for side in size)
        for i in range(SEED_SIDE**2):
            row, column = divmod(i, SEED_SIDE)
            self.put((down + row, across + column), (top + row, left + column))

    def put(self, place: tuple[int, int], source: tuple[int, int]) -> None:
        """Copy a pixel of the sample to a place in the texture."""
        (y, x), reach = place, self.reach
        self.origin[y, x] = torch.tensor(source)
        self.pixels[:, y + reach, x + reach] = self.sample[0, :, source[0], source[1]]
        self.known[y + reach, x + reach] = 1
        self.turn[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] += 1
        self.turn[y, x] = -float("inf")

    def next(self) -> tuple[int, int]:
        """The unfilled pixel with the most filled neighbours within two pixels."""
        return divmod(int(self.turn.argmax()), self.turn.shape[1])

    def around(self, place: tuple[int, int], window: int) -> tuple[Tensor, Tensor]:
        """The neighbourhood `(3, window, window)` of a pixel, and which parts of it are known, `(window, window)`."""
        if window // 2 != self.reach:
            margin = [window // 2 - self.reach] * 4  # a negative margin crops
            self.pixels, self.known, self.reach = F.pad(self.pixels, margin), F.pad(self.known, margin), window // 2
        (y, x) = place
        return self.pixels[:, y : y + window, x : x + window], self.known[y : y + window, x : x + window]


def grow(sample: Tensor, knobs: GrowthKnobs, size: tuple[int, int] = (64, 64), seed: int = 0) -> Iterator[Step]:
    """A texture of any size, grown outwards from a few pixels of the sample.

    Args:
        sample: `(1, 3, h, w)` in [0, 1], at least as large as the window.
        knobs: The window and the tolerance are read at every pixel.
        size: (height, width) of the result, in pixels.
        seed: Seeds the random choices.

    Yields:
        The texture so far, `knobs.steps` times. The loss 'mismatch' is the square root of the smallest d, with weights
        that sum to 1, averaged over the new pixels.

    Raises:
        ImageError, TypeError: The sample is not one image, or is smaller than the window.
        ValueError: The window is even or below 3, the size is smaller than the seed of 3x3 pixels, or the tolerance is
            negative.
    """
    check_sample(sample, SEED_SIDE)
    if min(size) < SEED_SIDE:
        raise ValueError(f"size is {size[0]}x{size[1]}, expected at least {SEED_SIDE}x{SEED_SIDE}, the seed's size")
    generator = torch.Generator().manual_seed(seed)
    library, canvas = Library(sample, knobs.window), _Canvas(sample, size, generator)
    steps, left = knobs.steps, size[0] * size[1] - SEED_SIDE**2
    for iteration in range(1, steps + 1):
        share, mismatch = -(-left // (steps - iteration + 1)), 0.0
        for _ in range(share):
            if library.window != knobs.window:
                library = Library(sample, knobs.window)
            place = canvas.next()
            distances = library.distances(*canvas.around(place, library.window))
            expect(knobs, 0, float("inf"), "tolerance")
            smallest = distances.min().item()
            near = (distances <= (1 + knobs.tolerance) * max(smallest, UNSEEN)).nonzero()[:, 0]
            canvas.put(place, library.middle(int(near[torch.randint(len(near), (), generator=generator)])))
            mismatch += smallest**0.5 / share
        left -= share
        yield Step(iteration, paint(canvas.origin, sample), {"mismatch": mismatch}, canvas.origin.clone())


def paint(origin: Tensor, sample: Tensor) -> Tensor:
    """The image `(1, 3, H, W)` of the sample's pixels at `origin` `(H, W, 2)`; white where `origin` is negative."""
    picture = sample[:, :, origin[..., 0].clamp(min=0), origin[..., 1].clamp(min=0)]
    return torch.where(origin[..., 0] < 0, torch.ones(()), picture)
