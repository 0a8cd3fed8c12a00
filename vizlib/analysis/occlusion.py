"""Which pixels matter: cover a part of the image and see how far the class score drops.

Paper: Zeiler and Fergus 2014, section 4.2.
"""

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from vizlib import images
from vizlib.analysis.incremental import Clean, Interval, clean_run, occlude, work
from vizlib.models import Network, Target
from vizlib.models.choosing import as_integer
from vizlib.optimize import last

FILLS = ("mean", "blur", "gray", "black", "noise")
SCORES = ("logit", "probability")
COARSEST = 4  # the most rows and columns of positions that the first, coarsest map has
Fill = str | Sequence[float] | Tensor


# --- where the occluder goes, and what it shows ---------------------------------------------------------------------


def positions(length: int, size: int, stride: int) -> list[Interval]:
    """The intervals of pixels that an occluder covers along one side of the image, one every `stride` pixels.

    The last one is the first that reaches the border; it is cut off there if it does not fit, as in Captum.

    Args:
        length: The length of the side, in pixels.
        size: The length of the occluder, in pixels.
        stride: The distance between its positions, in pixels.

    Returns:
        For each position (first, one past the last).

    Raises:
        ValueError: `size` or `stride` is not a whole number of at least 1, or the occluder is larger than the image.
    """
    for name, value in (("size", size), ("stride", stride)):
        if (as_integer(value) or 0) < 1:
            raise ValueError(f"{name} = {value!r}: expected a whole number of pixels, at least 1")
    size, stride = as_integer(size), as_integer(stride)
    if size > length:
        raise ValueError(f"size = {size}: the occluder is larger than the image of {length} pixels; make it smaller")
    starts = range(0, min(length - size + stride, length), stride)
    return [(start, min(start + size, length)) for start in starts]


def shown(net: Network, image: Tensor, fill: Fill = "mean", seed: int = 0) -> Tensor:
    """What the occluder shows, as an image `(1, 3, H, W)` in [0, 1] that it is cut out of.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        fill: 'mean' (the mean of the training images, as in the lecture, which is zero after normalisation), 'blur'
            (the image without its details), 'gray', 'black' or 'noise' (uniform); or a colour, three numbers in
            [0, 1]; or an image of the same shape.
        seed: The seed of the noise.

    Raises:
        ValueError: `fill` is none of these.
    """
    if isinstance(fill, Tensor) and fill.shape == image.shape:
        return fill.to(image)
    if isinstance(fill, str) and fill == "blur":
        sigma = max(image.shape[2:]) / 16
        down, across = (min(math.ceil(3 * sigma), side - 1) for side in image.shape[2:])
        return images.gaussian_blur(image, sigma, (down, across))
    if isinstance(fill, str) and fill == "noise":
        return torch.rand(image.shape, generator=torch.Generator().manual_seed(seed)).to(image)
    mean = net.mean.flatten().tolist()
    colors = {"mean": mean if len(mean) == 3 else 3 * mean, "gray": (0.5, 0.5, 0.5), "black": (0.0, 0.0, 0.0)}
    color = colors.get(fill) if isinstance(fill, str) else fill
    three = isinstance(color, Sequence) and len(color) == 3 and all(isinstance(c, Real) for c in color)
    if not three or not all(0 <= c <= 1 for c in color):
        given = f"a tensor of shape {tuple(fill.shape)}" if isinstance(fill, Tensor) else repr(fill)
        raise ValueError(
            f"fill: expected one of {', '.join(FILLS)}, three numbers in [0, 1] or an image of shape "
            f"{tuple(image.shape)}, got {given}"
        )
    return image.new_tensor(color)[None, :, None, None].expand_as(image)


def cover(image: Tensor, shows: Tensor, rows: Interval, columns: Interval) -> Tensor:
    """A copy of the image `(1, 3, H, W)` in which these rows and columns show `shows`, an image of the same shape."""
    covered = image.clone()
    covered[:, :, slice(*rows), slice(*columns)] = shows[:, :, slice(*rows), slice(*columns)]
    return covered


# --- the map --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Map:
    """An occlusion map: the class score with the occluder at each position.

    Attributes:
        heat: The scores, `(h, w)`; a position that has not been tried yet has the score of the nearest one that has.
        tried: Which positions have been tried, booleans `(h, w)`.
        clean: The score of the uncovered image.
        rows, columns: The h and w intervals that the occluder covers, in pixels: (first, one past the last).
        target: The index of the class.
        note: Why every position takes a forward pass through the whole network; '' where windows are enough.
    """

    heat: Tensor
    tried: Tensor
    clean: float
    rows: list[Interval]
    columns: list[Interval]
    target: int
    note: str = ""

    @property
    def done(self) -> int:
        """How many positions have been tried."""
        return int(self.tried.sum())

    @property
    def total(self) -> int:
        """How many positions there are."""
        return self.tried.numel()

    @property
    def drop(self) -> Tensor:
        """How far the score drops at each position, `(h, w)`: positive where the class needs what is covered."""
        return self.clean - self.heat

    @property
    def peak(self) -> tuple[Interval, Interval]:
        """The rows and columns, in pixels, of the position at which the score is lowest."""
        row, column = divmod(int(self.heat.argmin()), len(self.columns))
        return self.rows[row], self.columns[column]

    def pixels(self) -> Tensor:
        """The mean drop over the occluders that cover each pixel, `(H, W)`, as in Captum.

        A pixel that no occluder covers, because the stride is larger than the size, has 0.
        """
        above, across = _covered(self.rows), _covered(self.columns)
        total = above.T @ self.drop.float() @ across
        count = torch.outer(above.sum(0), across.sum(0))
        return total / count.clamp(min=1)


def _covered(intervals: list[Interval]) -> Tensor:
    """1 where an interval covers a pixel, otherwise 0, `(intervals, pixels up to the end of the last)`."""
    starts, ends = torch.tensor(intervals)[:, :, None].unbind(1)
    pixels = torch.arange(intervals[-1][1])
    return ((starts <= pixels) & (pixels < ends)).float()


def refining(
    net: Network,
    image: Tensor,
    target: Target,
    size: int = 16,
    stride: int = 8,
    fill: Fill = "mean",
    score: str = "logit",
    seed: int = 0,
    coarse_first: bool = True,
) -> Iterator[Map]:
    """Occlusion maps that become finer and finer: first, say, every eighth position, then every fourth, and so on.

    The scores are exact: `vizlib.analysis.incremental` recomputes only what an occluder can change. Where it finds that
    it cannot do so with this network, it makes whole forward passes, and a warning says why. You may stop at any time;
    a map that was yielded does not change later, and the network is not modified.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        target: The class by name or index, or None for the class that the network predicts; see
            `Network.class_indices`.
        size, stride: The side of the square occluder and the distance between its positions, in pixels.
        fill, seed: What the occluder shows; see `shown`.
        score: 'logit' or 'probability'. The probability needs the logits of all classes, so it takes a little longer.
        coarse_first: Whether to go from coarse to fine. Otherwise the positions are tried in order, block by block,
            which is faster because the windows of neighbouring positions have nearly the same size.

    Yields:
        The `Map` so far, after every few positions.

    Raises:
        LookupError: There is no class of this name.
        TypeError, ValueError: The image, class index, size, stride, fill or score cannot be used.
    """
    if score not in SCORES:
        raise ValueError(f"score: expected one of {', '.join(SCORES)}, got {score!r}")
    images.check_one(image)
    with torch.no_grad():
        logits = net(image)
    index = net.class_indices(target, logits).item()
    rows, columns = (positions(length, size, stride) for length in image.shape[2:])
    shows = shown(net, image, fill, seed)
    clean = clean_run(net, image, [index] if score == "logit" else None, logits)
    if clean.graph.whole:
        note = f"{net.name} makes a whole forward pass for each position, which is exact but slow: {clean.graph.whole}"
        warnings.warn(note, stacklevel=2)
    grids = _coarse_first(len(rows), len(columns)) if coarse_first else [(range(len(rows)), range(len(columns)))]
    return _fill_in(clean, shows, rows, columns, grids, index, score)


def _fill_in(
    clean: Clean,
    shows: Tensor,
    rows: list[Interval],
    columns: list[Interval],
    grids: Iterable[tuple[range, range]],
    index: int,
    score: str,
) -> Iterator[Map]:
    scores, note = torch.full((len(rows), len(columns)), math.nan), clean.graph.whole

    def read(logits: Tensor) -> Tensor:
        return (logits[:, 0] if score == "logit" else clean.net.probabilities(logits.float())[:, index]).float().cpu()

    for cells, logits in occlude(clean, shows, rows, columns, grids):
        i, j = torch.tensor(cells).T
        scores[i, j] = read(logits)
        yield Map(_nearest(scores), ~scores.isnan(), read(clean.logits).item(), rows, columns, index, note)


def occlusion(
    net: Network,
    image: Tensor,
    target: Target,
    size: int = 16,
    stride: int = 8,
    fill: Fill = "mean",
    score: str = "logit",
    seed: int = 0,
) -> Map:
    """The complete occlusion map: the last result of `refining`, which explains the arguments.

    Raises:
        LookupError, TypeError, ValueError: As for `refining`.

    Example:
        >>> lost = occlusion(net, photo, "Egyptian cat", size=16, stride=4, fill="blur").drop
    """
    return last(refining(net, image, target, size, stride, fill, score, seed, coarse_first=False))


def _coarse_first(height: int, width: int) -> Iterator[tuple[range, range]]:
    """Rows and columns of positions, coarse grids first; together their pairs are all positions, each exactly once."""
    step = 2 ** max(0, math.ceil(math.log2(max(height, width) / COARSEST)))
    yield range(0, height, step), range(0, width, step)
    while step > 1:
        step, wide = step // 2, step
        if step < width:
            yield range(0, height, wide), range(step, width, wide)
        if step < height:
            yield range(step, height, wide), range(0, width, step)


def _nearest(scores: Tensor) -> Tensor:
    """The scores `(h, w)` with every NaN replaced by the nearest score that is a number."""
    from scipy.ndimage import distance_transform_edt  # not with the module: it takes half a second

    i, j = distance_transform_edt(scores.isnan().numpy(), return_distances=False, return_indices=True)
    return scores[torch.from_numpy(i).long(), torch.from_numpy(j).long()]


# --- numbers behind the map -----------------------------------------------------------------------------------------


@torch.inference_mode()
def deletion(net: Network, image: Tensor, result: Map, order: Sequence[int], shows: Tensor) -> Tensor:
    """The probability of the class as more and more of the image is covered (Petsiuk et al. 2018).

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        result: The occlusion map of that image, whose positions and class are used.
        order: Positions, numbered row by row from 0, in the order in which they are covered; they stay covered.
        shows: What a covered position shows; see `shown`.

    Returns:
        `(1 + len(order),)`; the first number is for the uncovered image.
    """
    covered, probabilities = image, []
    for position in [None, *order]:
        if position is not None:
            row, column = divmod(int(position), len(result.columns))
            covered = cover(covered, shows, result.rows[row], result.columns[column])
        probabilities.append(net.probabilities(net(covered))[0, result.target])
    return torch.stack(probabilities).cpu()


def saving(net: Network, image: Tensor, target: Target, size: int, stride: int) -> float:
    """How many times fewer multiply-adds the convolutions need than in full forward passes, over all positions.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        target, size, stride: As in `refining`.
    """
    images.check_one(image)
    rows, columns = (positions(length, size, stride) for length in image.shape[2:])
    with torch.no_grad():
        index = net.class_indices(target, net(image)).item()
    return work.saving(net, image, rows, columns, [index])
