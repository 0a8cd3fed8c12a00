"""Datasets from torchvision, downloaded at their first use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from vizlib import assets, images
from vizlib.images.galleries.folder import Files
from vizlib.images.galleries.gallery import Gallery


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


@dataclass(frozen=True, eq=False)
class _Arrays:
    arrays: np.ndarray

    def __call__(self, i: int) -> Tensor:
        return images.load(self.arrays[i])


def _one_of(what: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise ValueError(f"{what} is {given!r}, expected {' or '.join(map(repr, known))}")
