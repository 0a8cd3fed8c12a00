"""Datasets from torchvision, downloaded at their first use."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from vizlib import assets, images
from vizlib.images.galleries.folder import Files
from vizlib.images.galleries.gallery import Gallery
from vizlib.images.galleries.photo_patches import patches


def imagenette(split: str = "val", size: str = "160px") -> Gallery:
    """Ten easily told classes of ImageNet (Howard 2019): 3,925 validation photos at 160 pixels, a 99 MB download.

    Args:
        split: 'val' or 'train' (9,469 photos).
        size: '160px', '320px' or 'full'.

    Raises:
        AssetError: The dataset cannot be downloaded, stored or read.
        ValueError: `split` or `size` is none of these.
    """
    from torchvision.datasets import Imagenette

    _one_of("split", split, ("val", "train"))
    _one_of("size", size, ("160px", "320px", "full"))
    dataset = assets.torchvision_dataset(Imagenette, f"imagenette-{size}", split=split, size=size)
    paths, classes = zip(*dataset._samples, strict=True)
    names = tuple(words[0] for words in dataset.classes)
    return Gallery(f"imagenette {split}", names, Files(tuple(paths)), tuple(range(len(paths))), classes)


def cifar10(split: str = "test") -> Gallery:
    """CIFAR-10 (Krizhevsky 2009): 32x32 photos of ten classes, 10,000 of them in the test set, a 170 MB download.

    Args:
        split: 'test' or 'train' (50,000 photos).

    Raises:
        AssetError: The dataset cannot be downloaded, stored or read.
        ValueError: `split` is neither of these.
    """
    from torchvision.datasets import CIFAR10

    _one_of("split", split, ("test", "train"))
    dataset = assets.torchvision_dataset(CIFAR10, "cifar10", train=split == "train")
    source, classes = _Arrays(dataset.data), tuple(dataset.targets)
    return Gallery(f"cifar10 {split}", tuple(dataset.classes), source, tuple(range(len(classes))), classes)


class Collection(NamedTuple):
    """A labelled collection that can be downloaded: its folder in the cache, the bytes, and what opens it."""

    folder: str
    size: int
    open: Callable[[], Gallery]


COLLECTIONS = {  # the first that is here is preferred
    "imagenette": Collection("imagenette-160px", 99_003_388, imagenette),
    "cifar10": Collection("cifar10", 170_498_071, cifar10),
}


class Fetched(NamedTuple):
    """How many of `total` bytes of a collection are on disk, and at the end the `gallery`."""

    done: int
    total: int
    gallery: Gallery | None = None


def is_here(name: str) -> bool:
    """Whether a labelled collection needs no download any more: it stays in the cache until somebody deletes it.

    Raises:
        ValueError: The name is not one of `COLLECTIONS`.
    """
    _one_of("name", name, tuple(COLLECTIONS))
    return assets.dataset_folder(COLLECTIONS[name].folder).is_dir()


def fetching(name: str = "imagenette", every: float = 0.2) -> Iterator[Fetched]:
    """Download a labelled collection, and say how far it is; what is in the cache comes at once.

    Args:
        name: One of `COLLECTIONS`.
        every: Seconds from one report to the next.

    Yields:
        What is on disk so far; the last one has the gallery.

    Raises:
        AssetError: As for `imagenette`.
        ValueError: The name is not one of `COLLECTIONS`.
    """
    _one_of("name", name, tuple(COLLECTIONS))
    folder, total, opened = COLLECTIONS[name]
    with ThreadPoolExecutor(1) as pool:
        waiting, done = pool.submit(opened), 0
        while not waiting.done():
            done = max(done, min(assets.bytes_arrived(folder), total))  # the archive goes when it has been unpacked
            yield Fetched(done, total)
            time.sleep(every)
        yield Fetched(total, total, waiting.result())


def preferred() -> Gallery:
    """The labelled collection that is here, with other poses and backgrounds in each class; else `patches()`."""
    here = [name for name in COLLECTIONS if is_here(name)]
    return COLLECTIONS[here[0]].open() if here else patches()


@dataclass(frozen=True, eq=False)
class _Arrays:
    arrays: np.ndarray

    def __call__(self, i: int) -> Tensor:
        return images.load(self.arrays[i])

    def take(self, numbers: Iterable[int]) -> "_Arrays":
        return _Arrays(self.arrays[list(numbers)])


def _one_of(what: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise ValueError(f"{what} is {given!r}, expected {' or '.join(map(repr, known))}")
