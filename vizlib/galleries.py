"""Labelled collections of images that several notebooks share.

`patches()` and `digits()` are there offline, `imagenette()` and `cifar10()` are downloaded when asked for,
`folder(path)` holds a user's own photos, and `stack(images, labels, names)` whatever else. All keep one contract,
`Gallery`.
`vizlib.features` reads a network's features of a whole gallery.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vizlib import assets, images


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


# --- images that are there ------------------------------------------------------------------------------------------


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


# --- patches of the bundled photos ----------------------------------------------------------------------------------

FRACTIONS = (1, 2, 3, 4)  # a patch's side is the photo's shorter one divided by these


@cache
def patches() -> Gallery:
    """Square crops of the bundled colour photos at four scales, each also mirrored, labelled by photo.

    At every scale they lie side by side without overlap; patches of different scales may share pixels, and
    `overlapping` says which do.
    """
    boxes = tuple(_boxes())
    names = tuple(images.photos())
    classes = tuple(names.index(box[0]) for box in boxes)
    return Gallery("patches", names, _Patches(boxes), tuple(range(len(boxes))), classes)


Box = tuple[str, int, int, int, bool]  # photo, top, left, side, mirrored


def _boxes() -> Iterable[Box]:
    for photo in images.photos():
        height, width = _photo(photo).shape[2:]
        for fraction in FRACTIONS:
            side = min(height, width) // fraction
            rows, columns = height // side, width // side
            top, left = (height - rows * side) // 2, (width - columns * side) // 2
            for row in range(rows):
                for column in range(columns):
                    for mirrored in (False, True):
                        yield photo, top + row * side, left + column * side, side, mirrored


@lru_cache(maxsize=16)
def _photo(name: str) -> Tensor:
    """A photo with its shorter side at most 300 pixels: all of them together take about 15 MB."""
    photo = images.load(name)
    return images.resize(photo, 300) if min(photo.shape[2:]) > 300 else photo


@cache
def _photo_digest(name: str) -> str:
    return hashlib.sha256(_photo(name).numpy().tobytes()).hexdigest()


@dataclass(frozen=True)
class _Patches:
    boxes: tuple[Box, ...]

    def __call__(self, i: int) -> Tensor:
        photo, top, left, side, mirrored = self.boxes[i]
        patch = _photo(photo)[:, :, top : top + side, left : left + side]
        return patch.flip(3) if mirrored else patch

    def digest(self, i: int) -> str:
        return f"{_photo_digest(self.boxes[i][0])} {self.boxes[i][1:]}"


def overlapping(gallery: Gallery) -> Tensor:
    """Which images show the same pixels: `(N, N)` of booleans, true for an image and itself.

    Only patches overlap. For them it also holds between a patch and a mirrored one.
    """
    if not isinstance(gallery.source, _Patches):
        return torch.eye(len(gallery), dtype=torch.bool)
    boxes = [gallery.source.boxes[number] for number in gallery.numbers]
    top, left, side = (torch.tensor([box[k] for box in boxes]) for k in (1, 2, 3))
    below, right = top + side, left + side
    rows = torch.maximum(top, top[:, None]) < torch.minimum(below, below[:, None])
    columns = torch.maximum(left, left[:, None]) < torch.minimum(right, right[:, None])
    return rows & columns & (gallery.labels == gallery.labels[:, None])


# --- a user's own photos --------------------------------------------------------------------------------------------


def folder(path: str | Path, workers: int = 2) -> Gallery:
    """Every photo in a folder and the folders in it, labelled by the folder that it lies in.

    Each file is opened once to see whether it can be read; those that cannot are in `skipped`, with the reason.
    Names that begin with a dot are passed over.

    Raises:
        ImageError: Not a folder, or no image in it.
    """
    root = Path(path).expanduser().resolve()  # a worker may have another working folder
    if not root.is_dir():
        raise images.ImageError(f"{root} is not a folder: give the folder that holds your photos")
    files = [
        file
        for file in sorted(root.rglob("*"))
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(root).parts)
    ]
    with ThreadPoolExecutor(workers) as pool, warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", Image.DecompressionBombWarning
        )  # MAX_PIXELS is stricter, and says so in `skipped`
        faults = list(pool.map(_fault, files))
    good = [file for file, fault in zip(files, faults, strict=True) if fault is None]
    skipped = tuple(fault for fault in faults if fault is not None)
    if not good:
        first = f" (the first of {len(skipped)} that cannot be read: {skipped[0]})" if skipped else ""
        raise images.ImageError(f"there is no image in {root}: put photos (JPEG, PNG …) there{first}")
    labels = [file.parent.relative_to(root).as_posix() if file.parent != root else root.name for file in good]
    names = tuple(sorted(set(labels)))
    classes = tuple(names.index(label) for label in labels)
    return Gallery(root.name, names, _Files(tuple(map(str, good))), tuple(range(len(good))), classes, skipped)


def _fault(file: Path) -> str | None:
    """Why a file cannot be used, or None. JPEGs are decoded at an eighth of their size, which still finds damage."""
    try:
        with Image.open(file) as picture:
            if picture.width * picture.height > images.MAX_PIXELS:
                return f"{file.name}: {picture.width * picture.height:,} pixels, more than {images.MAX_PIXELS:,}"
            if picture.mode in ("I", "F"):  # whether their numbers can be used is seen only in full
                images.load(file)
            picture.draft("RGB", (1, 1))
            picture.load()
    except Exception as error:  # decoders raise nearly anything on damaged files
        return f"{file.name}: {error}"
    return None


@dataclass(frozen=True)
class _Files:
    paths: tuple[str, ...]

    def __call__(self, i: int) -> Tensor:
        return images.load(Path(self.paths[i]))

    def digest(self, i: int) -> str:
        return assets.sha256(self.paths[i])


# --- torchvision's datasets -----------------------------------------------------------------------------------------


def imagenette(split: str = "val", size: str = "160px") -> Gallery:
    """Ten easy classes of ImageNet (Howard 2019): 3,925 validation photos at 160 pixels, a download of 99 MB.

    Args:
        split: 'val' or 'train' (9,469 photos).
        size: '160px', '320px' or 'full'.

    Raises:
        AssetError: It cannot be downloaded or stored.
    """
    from torchvision.datasets import Imagenette

    _one_of("split", split, ("val", "train"))
    _one_of("size", size, ("160px", "320px", "full"))
    dataset = assets.torchvision_dataset(Imagenette, f"imagenette-{size}", split=split, size=size)
    paths, classes = zip(*dataset._samples, strict=True)
    names = tuple(words[0] for words in dataset.classes)
    return Gallery(f"imagenette {split}", names, _Files(tuple(paths)), tuple(range(len(paths))), classes)


def cifar10(split: str = "test") -> Gallery:
    """CIFAR-10 (Krizhevsky 2009): 32x32 photos of ten classes, 10,000 for the test, a download of 170 MB.

    Args:
        split: 'test' or 'train' (50,000 photos).

    Raises:
        AssetError: It cannot be downloaded or stored.
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
