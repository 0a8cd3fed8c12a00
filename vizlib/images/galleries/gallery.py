"""Labelled collections of images: what they all have in common, and those that are in memory."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from vizlib import images


@dataclass(frozen=True)
class Gallery:
    """Images with labels. It can be pickled, and sent to another process.

    Attributes:
        name: What it is called.
        names: The names that labels stand for.
        source: Opens the i-th image of the whole collection as `(1, 3, H, W)` in [0, 1].
        numbers: Which of the whole collection are in here, in order.
        classes: The label of each of them, an index into `names`.
        skipped: For a folder, the files that could not be read, each with the reason.
    """

    name: str
    names: tuple[str, ...]
    source: Callable[[int], Tensor]
    numbers: tuple[int, ...]
    classes: tuple[int, ...]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    def image(self, i: int) -> Tensor:
        """The i-th image, `(1, 3, H, W)` in [0, 1], of its own size."""
        return self.source(self.numbers[self._index(i)])

    def label(self, i: int) -> int:
        """The i-th label, an index into `names`."""
        return self.classes[self._index(i)]

    @property
    def labels(self) -> Tensor:
        """All labels, `(N,)` int64."""
        return torch.tensor(self.classes, dtype=torch.int64)

    def thumbnail(self, i: int, side: int = 48) -> np.ndarray:
        """The i-th image as a small square, uint8 `(side, side, 3)`."""
        return images.to_array(images.prepare(self.image(i), side))

    def batch(self, indices: Iterable[int], side: int) -> Tensor:
        """Several images as squares of one size, `(n, 3, side, side)`."""
        return torch.cat([images.prepare(self.image(i), side) for i in indices])

    def subset(self, indices: Iterable[int]) -> "Gallery":
        """Some of the images, in the order given; their `numbers` still say where they stand in the whole."""
        chosen = [self._index(i) for i in indices]
        numbers, classes = tuple(self.numbers[i] for i in chosen), tuple(self.classes[i] for i in chosen)
        return Gallery(self.name, self.names, self.source, numbers, classes, self.skipped)

    def shards(self, n: int) -> list["Gallery"]:
        """At most n galleries of neighbouring images, as equal in length as can be, that make up this one."""
        if n < 1:
            raise ValueError(f"n = {n}: expected at least 1 shard")
        edges = np.linspace(0, len(self), min(n, len(self)) + 1).round().astype(int)
        return [self.subset(range(a, b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]

    def digest(self, indices: Sequence[int]) -> str:
        """A hash of the content of these images: the same images have the same, whatever they are called."""
        digests = (_digest(self.source, self.numbers[i]) for i in indices)
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def _index(self, i: int) -> int:
        if not 0 <= i < len(self):
            raise IndexError(f"image {i} is not in gallery {self.name!r}: it has {len(self)}, counted from 0")
        return i


def _digest(source: Callable[[int], Tensor], number: int) -> str:
    """From the file's bytes where there is a file, else from the pixels."""
    if hasattr(source, "digest"):
        return source.digest(number)
    return hashlib.sha256(source(number).numpy().tobytes()).hexdigest()


def stack(pictures: Tensor, labels: Sequence[int], names: Sequence[str], name: str = "images") -> Gallery:
    """A gallery of images `(N, 3, H, W)` in [0, 1] that are in memory already, with a label for each."""
    images.check(pictures, "pictures")
    classes = tuple(int(label) for label in labels)
    if len(classes) != len(pictures) or not all(0 <= label < len(names) for label in classes):
        raise ValueError(
            f"labels: expected {len(pictures)} whole numbers from 0 to {len(names) - 1}, one for each image, got "
            f"{len(classes)} from {min(classes, default=None)} to {max(classes, default=None)}"
        )
    return Gallery(name, tuple(names), _Stack(pictures), tuple(range(len(pictures))), classes)


@dataclass(frozen=True, eq=False)  # tensors and arrays have no single answer to ==
class _Stack:
    pictures: Tensor

    def __call__(self, i: int) -> Tensor:
        return self.pictures[i : i + 1]


@cache
def digits() -> Gallery:
    """The 1,797 handwritten digits of scikit-learn, 8x8 pixels, white on black (Alpaydin and Kaynak 1998)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pictures = torch.from_numpy(data.images).float()[:, None].repeat(1, 3, 1, 1) / 16
    return stack(pictures, data.target, [str(digit) for digit in range(10)], "digits")
