"""A gallery of square crops of the bundled photos."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from vizlib import images
from vizlib.images.galleries.gallery import Gallery

FRACTIONS = (1, 2, 3, 4)  # a patch's side is the photo's shorter side divided by one of these


@cache
def patches() -> Gallery:
    """Square crops of the bundled colour photos at four scales, each also mirrored, labelled by photo.

    Patches of the same scale lie side by side without overlap. Patches of different scales may share pixels;
    `overlapping` says which ones do.
    """
    crops = tuple(_crops())
    names = tuple(images.photos())
    classes = tuple(names.index(crop.photo) for crop in crops)
    return Gallery("patches", names, _Patches(crops), tuple(range(len(crops))), classes)


class Crop(NamedTuple):
    """Where a patch comes from: the name of the photo, the square in it, and whether it is mirrored."""

    photo: str
    box: images.Box
    mirrored: bool


def _crops() -> Iterator[Crop]:
    for photo in images.photos():
        height, width = _photo(photo).shape[2:]
        for fraction in FRACTIONS:
            side = min(height, width) // fraction
            rows, columns = height // side, width // side
            top, left = (height - rows * side) // 2, (width - columns * side) // 2
            for y, x in product(range(top, top + rows * side, side), range(left, left + columns * side, side)):
                box = images.Box(y, y + side, x, x + side)
                yield from (Crop(photo, box, mirrored) for mirrored in (False, True))


@lru_cache(maxsize=16)
def _photo(name: str) -> Tensor:
    """A photo, reduced so that its shorter side is at most 300 pixels; together the photos take about 15 MB."""
    photo = images.load(name)
    return images.resize(photo, 300) if min(photo.shape[2:]) > 300 else photo


@cache
def _photo_digest(name: str) -> str:
    return hashlib.sha256(_photo(name).numpy().tobytes()).hexdigest()


@dataclass(frozen=True)
class _Patches:
    crops: tuple[Crop, ...]

    def __call__(self, i: int) -> Tensor:
        photo, box, mirrored = self.crops[i]
        patch = box.of(_photo(photo))
        return patch.flip(3) if mirrored else patch

    def take(self, numbers: Iterable[int]) -> "_Patches":
        return _Patches(tuple(self.crops[i] for i in numbers))

    def digest(self, i: int) -> str:
        photo, box, mirrored = self.crops[i]
        return f"{_photo_digest(photo)} {tuple(box)} {mirrored}"


def overlapping(gallery: Gallery) -> Tensor:
    """Which images of a gallery share pixels: booleans `(N, N)`, true on the diagonal.

    Only images of `patches()` can overlap. A mirrored patch overlaps whatever its original overlaps.
    """
    if not isinstance(gallery.source, _Patches):
        return torch.eye(len(gallery), dtype=torch.bool)
    boxes = torch.tensor([gallery.source.crops[number].box for number in gallery.numbers])
    top, below, left, right = boxes.T
    rows = torch.maximum(top, top[:, None]) < torch.minimum(below, below[:, None])
    columns = torch.maximum(left, left[:, None]) < torch.minimum(right, right[:, None])
    return rows & columns & (gallery.labels == gallery.labels[:, None])
