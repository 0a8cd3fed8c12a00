"""Cover a part of the image and see what the network loses (Zeiler and Fergus 2014, section 4.2)."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from numbers import Real

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from vizlib import images
from vizlib.analysis.incremental import Clean, Interval, clean_run, occlude, work
from vizlib.models import Network, Target
from vizlib.optimize import last

FILLS = ("mean", "blur", "gray", "black", "noise")
SCORES = ("logit", "probability")
COARSEST = 4  # rows and columns of positions, at most, in the first picture of the map
Fill = str | Sequence[float] | Tensor


# --- where the occluder goes, and what it shows ---------------------------------------------------------------------


def positions(length: int, size: int, stride: int) -> list[Interval]:
    """What an occluder covers along one side of the image: it starts every `stride` pixels and may end at the border.

    The last one is the first that reaches the border, where it is cut off if it does not fit, as in Captum.

    Raises:
        ValueError: Size or stride is not a whole number from 1, or the occluder is larger than the image.
    """
    for name, value in (("size", size), ("stride", stride)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} = {value!r}: expected a whole number of pixels, at least 1")
    if size > length:
        raise ValueError(f"size = {size}: the occluder is larger than the image of {length} pixels; make it smaller")
    starts = range(0, min(length - size + stride, length), stride)
    return [(start, min(start + size, length)) for start in starts]


def shown(net: Network, image: Tensor, fill: Fill = "mean", seed: int = 0) -> Tensor:
    """What is seen where the occluder is, as an image `(1, 3, H, W)` in [0, 1].

    Args:
        fill: 'mean' (the mean of the training images, as in the lecture: zero after normalisation), 'blur' (the image
            itself without its details), 'grey', 'black' or 'noise' (uniform); or a colour of three numbers in [0, 1];
            or an image of the same size.
        seed: Of the noise.

    Raises:
        ValueError: None of these.
    """
    if isinstance(fill, Tensor) and fill.shape == image.shape:
        return fill.to(image)
    if isinstance(fill, str) and fill == "blur":
        sigma = max(image.shape[2:]) / 16
        kernel = [2 * min(math.ceil(3 * sigma), side - 1) + 1 for side in reversed(image.shape[2:])]
        return gaussian_blur(image, kernel, sigma)
    if isinstance(fill, str) and fill == "noise":
        return torch.rand(image.shape, generator=torch.Generator().manual_seed(seed)).to(image)
    colors = {"mean": net.mean.flatten().tolist(), "gray": (0.5, 0.5, 0.5), "black": (0.0, 0.0, 0.0)}
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
    """The image `(1, 3, H, W)` with an occluder on it."""
    covered = image.clone()
    covered[:, :, slice(*rows), slice(*columns)] = shows[:, :, slice(*rows), slice(*columns)]
    return covered


# --- the map --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Map:
    """The class's score with the occluder at every position.

    Attributes:
        heat: `(h, w)`, row by row from the top; a position that has not been tried has the score of the nearest tried.
        tried: `(h, w)`, booleans.
        clean: The score of the image as it is.
        rows, columns: The h and w intervals that the occluder covers, in pixels: (first, one past the last).
        target: The class's index.
    """

    heat: Tensor
    tried: Tensor
    clean: float
    rows: list[Interval]
    columns: list[Interval]
    target: int

    @property
    def done(self) -> int:
        return int(self.tried.sum())

    @property
    def total(self) -> int:
        return self.tried.numel()

    @property
    def drop(self) -> Tensor:
        """How much of the score is lost, `(h, w)`: positive where the class needs what is covered."""
        return self.clean - self.heat

    @property
    def peak(self) -> tuple[Interval, Interval]:
        """The rows and columns of the image that cost most when they are covered."""
        row, column = divmod(int(self.heat.argmin()), len(self.columns))
        return self.rows[row], self.columns[column]

    def pixels(self) -> Tensor:
        """For every pixel the mean drop of the occluders that cover it, `(H, W)`: Captum's attribution.

        A pixel that no occluder covers (a stride larger than the size) has 0.
        """
        total = torch.zeros(self.rows[-1][1], self.columns[-1][1])
        count = torch.zeros_like(total)
        for (row, column), drop in zip(product(self.rows, self.columns), self.drop.flatten(), strict=True):
            total[slice(*row), slice(*column)] += drop
            count[slice(*row), slice(*column)] += 1
        return total / count.clamp(min=1)


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
    """Ever finer occlusion maps: every eighth position of the grid first, say, then every fourth, and so on.

    The scores are exact (`vizlib.incremental` recomputes what an occluder can change, and nothing else). Stop at any
    time: a map that was yielded stays as it is, and nothing is done to the network.

    Args:
        image: `(1, 3, H, W)` in [0, 1].
        target: The class by name or index, or None for the network's own answer; see `Network.class_indices`.
        size, stride: Side of the square occluder, and the distance between its positions, in pixels.
        fill, seed: What the occluder shows; see `shown`.
        score: 'logit', or 'probability' (which needs the logits of all classes, and so takes somewhat longer).
        coarse_first: Otherwise from top to bottom, which saves more: neighbours have windows of nearly the same size.

    Raises:
        LookupError: A class name that does not exist.
        TypeError, ValueError: An image, class index, size, stride, fill or score that cannot be used.
    """
    if score not in SCORES:
        raise ValueError(f"score: expected one of {', '.join(SCORES)}, got {score!r}")
    index = _class(net, image, target)
    rows, columns = (positions(length, size, stride) for length in image.shape[2:])
    clean = clean_run(net, image, [index] if score == "logit" else None)
    shows = net.normalize(shown(net, image, fill, seed))
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
    scores = torch.full((len(rows), len(columns)), math.nan)

    def read(logits: Tensor) -> Tensor:
        return (logits[:, 0] if score == "logit" else logits.softmax(1)[:, index]).float().cpu()

    for rows_now, columns_now in grids:
        some_rows, some_columns = [rows[i] for i in rows_now], [columns[j] for j in columns_now]
        for cells, logits in occlude(clean, shows, some_rows, some_columns):
            i, j = torch.tensor(cells).T
            scores[torch.tensor(rows_now)[i], torch.tensor(columns_now)[j]] = read(logits)
            yield Map(_nearest(scores), ~scores.isnan(), read(clean.logits).item(), rows, columns, index)


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
    """The finished occlusion map at once; see `refining`.

    Example:
        >>> lost = occlusion(net, photo, "Egyptian cat", size=16, stride=4, fill="blur").drop
    """
    return last(refining(net, image, target, size, stride, fill, score, seed, coarse_first=False))


def _class(net: Network, image: Tensor, target: Target) -> int:
    images.check_one(image)
    with torch.inference_mode():
        return net.class_indices(target, net(image)).item()


def _coarse_first(height: int, width: int) -> Iterator[tuple[range, range]]:
    """Rows and columns of positions whose pairs are all positions, each once, the wide grid before the narrow."""
    step = 2 ** max(0, math.ceil(math.log2(max(height, width) / COARSEST)))
    yield range(0, height, step), range(0, width, step)
    while step > 1:
        step, wide = step // 2, step
        if step < width:
            yield range(0, height, wide), range(step, width, wide)
        if step < height:
            yield range(step, height, wide), range(0, width, step)


def _nearest(scores: Tensor) -> Tensor:
    """Scores with every NaN replaced by the nearest that is none."""
    i, j = distance_transform_edt(scores.isnan().numpy(), return_distances=False, return_indices=True)
    return scores[torch.from_numpy(i).long(), torch.from_numpy(j).long()]


# --- numbers --------------------------------------------------------------------------------------------------------


@torch.inference_mode()
def deletion(net: Network, image: Tensor, result: Map, order: Sequence[int], shows: Tensor) -> Tensor:
    """The class's probability as more and more is covered (Petsiuk et al. 2018).

    Args:
        order: Positions by number, row by row; after n + 1 steps the first n + 1 of them are covered together.
        shows: What is seen there; see `shown`.

    Returns:
        `(1 + len(order),)`, the first for the whole image.
    """
    covered, probabilities = image, []
    for position in [None, *order]:
        if position is not None:
            row, column = divmod(int(position), len(result.columns))
            covered = cover(covered, shows, result.rows[row], result.columns[column])
        probabilities.append(net(covered).softmax(1)[0, result.target])
    return torch.stack(probabilities).cpu()


def saving(net: Network, image: Tensor, target: Target, size: int, stride: int) -> float:
    """How many times fewer multiply-adds the convolutions need than whole forwards, over all positions."""
    rows, columns = (positions(length, size, stride) for length in image.shape[2:])
    return work.saving(net, image, rows, columns, [_class(net, image, target)])
