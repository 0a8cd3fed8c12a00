"""The contract of a labelled collection of images, and the collections that are held in memory."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from vizlib import images


@dataclass(frozen=True)
class Gallery:
    """Images with labels. A gallery can be pickled and sent to another process, and only its own images travel: to that
    end a source has `take(numbers)`, which gives a source of the images with these numbers, counted from 0.

    Attributes:
        name: The name of the gallery.
        names: The class names; a label is an index into them.
        source: A function from i to the i-th image of the whole collection, `(1, 3, H, W)` in [0, 1].
        numbers: Which images of the whole collection this gallery holds, in order.
        classes: The label of each of these images.
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
        """The i-th image at its own size, `(1, 3, H, W)` in [0, 1].

        Raises:
            IndexError: There is no i-th image.
        """
        return self.source(self.numbers[self._index(i)])

    def label(self, i: int) -> int:
        """The label of the i-th image, an index into `names`.

        Raises:
            IndexError: There is no i-th image.
        """
        return self.classes[self._index(i)]

    @property
    def labels(self) -> Tensor:
        """All labels, `(N,)` int64."""
        return torch.tensor(self.classes, dtype=torch.int64)

    def thumbnail(self, i: int, side: int = 48) -> np.ndarray:
        """The i-th image as a small square, uint8 `(side, side, 3)`."""
        return images.to_array(images.prepare(self.image(i), side))

    def batch(self, indices: Iterable[int], side: int) -> Tensor:
        """The images at these indices, each prepared as a square, `(n, 3, side, side)` in [0, 1]."""
        return torch.cat([images.prepare(self.image(i), side) for i in indices])

    def subset(self, indices: Iterable[int]) -> "Gallery":
        """A gallery of the images at these indices, in that order; `numbers` still refers to the whole collection."""
        chosen = [self._index(i) for i in indices]
        numbers, classes = tuple(self.numbers[i] for i in chosen), tuple(self.classes[i] for i in chosen)
        return Gallery(self.name, self.names, self.source, numbers, classes, self.skipped)

    def shards(self, n: int) -> list["Gallery"]:
        """This gallery cut into at most n parts of consecutive images, as equal in length as possible.

        Raises:
            ValueError: n is less than 1.
        """
        if n < 1:
            raise ValueError(f"n = {n}: expected at least 1 shard")
        edges = np.linspace(0, len(self), min(n, len(self)) + 1).round().astype(int)
        return [self.subset(range(a, b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]

    def digest(self, indices: Sequence[int]) -> str:
        """A hash of the content of the images at these indices; it does not depend on names or labels."""
        digests = (_digest(self.source, self.numbers[i]) for i in indices)
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def __getstate__(self) -> dict:
        if not hasattr(self.source, "take"):
            return self.__dict__
        kept = sorted(set(self.numbers))
        part = _Part(self.source.take(kept), {number: i for i, number in enumerate(kept)})
        return {**self.__dict__, "source": part}

    def _index(self, i: int) -> int:
        if not 0 <= i < len(self):
            raise IndexError(f"image {i} is not in gallery {self.name!r}: it has {len(self)}, counted from 0")
        return i


@dataclass(frozen=True, eq=False)
class _Part:
    """Some images of a source, which keep their numbers."""

    source: Callable[[int], Tensor]
    places: Mapping[int, int]

    def __call__(self, i: int) -> Tensor:
        return self.source(self.places[i])

    def take(self, numbers: Iterable[int]) -> Callable[[int], Tensor]:
        return self.source.take([self.places[i] for i in numbers])

    def digest(self, i: int) -> str:
        return _digest(self.source, self.places[i])


def _digest(source: Callable[[int], Tensor], number: int) -> str:
    """A hash of the image's file if the source has one, else of its pixels."""
    if hasattr(source, "digest"):
        return source.digest(number)
    return hashlib.sha256(source(number).numpy().tobytes()).hexdigest()


def stack(pictures: Tensor, labels: Sequence[int], names: Sequence[str], name: str = "images") -> Gallery:
    """A gallery of images `(N, 3, H, W)` in [0, 1] that are already in memory.

    Args:
        pictures: The images.
        labels: A label for each, from 0 to `len(names) - 1`.
        names: The class names.
        name: The name of the gallery.

    Raises:
        ImageError, TypeError: `pictures` break the contract of images.
        ValueError: There is not one label for each image, or a label has no name.
    """
    images.check(pictures, "pictures")
    classes = tuple(int(label) for label in labels)
    if len(classes) != len(pictures) or not all(0 <= label < len(names) for label in classes):
        raise ValueError(
            f"labels: expected {len(pictures)} whole numbers from 0 to {len(names) - 1}, one for each image, got "
            f"{len(classes)} of them, from {min(classes, default=None)} to {max(classes, default=None)}"
        )
    return Gallery(name, tuple(names), _Stack(pictures), tuple(range(len(pictures))), classes)


@dataclass(frozen=True, eq=False)  # == of two tensors is not a single boolean
class _Stack:
    pictures: Tensor

    def __call__(self, i: int) -> Tensor:
        return self.pictures[i : i + 1]

    def take(self, numbers: Iterable[int]) -> "_Stack":
        return _Stack(self.pictures[list(numbers)])


@cache
def digits() -> Gallery:
    """scikit-learn's 1,797 handwritten digits, 8x8 pixels, white on black (Alpaydin and Kaynak 1998)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pictures = torch.from_numpy(data.images).float()[:, None].repeat(1, 3, 1, 1) / 16
    return stack(pictures, data.target, [str(digit) for digit in range(10)], "digits")
