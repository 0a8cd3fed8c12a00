"""A gallery of the user's own photos, read from a folder."""

import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from vizlib import assets, images
from vizlib.images.contract import local_path
from vizlib.images.galleries.gallery import Gallery


def folder(path: str | Path, workers: int = 2) -> Gallery:
    """Every photo in a folder and its subfolders, labelled with the folder that it lies in.

    Each file is opened once to see whether it can be read; files that cannot are listed in `skipped`, with the reason.
    Names that begin with a dot are ignored.

    Args:
        path: The folder.
        workers: How many threads check the files.

    Raises:
        ImageError: `path` is not a folder, or there is no image in it.
    """
    root = local_path(path).resolve()  # a worker may have another working folder
    if not root.is_dir():
        raise images.ImageError(f"{root} is not a folder: give the folder that holds your photos")
    files = [
        file
        for file in sorted(root.rglob("*"))
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(root).parts)
    ]
    with ThreadPoolExecutor(workers) as pool, warnings.catch_warnings():
        # PIL's warning is not needed: MAX_PIXELS is stricter, and `skipped` says which files are too large.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        faults = list(pool.map(_fault, files))
    good = [file for file, fault in zip(files, faults, strict=True) if fault is None]
    skipped = tuple(fault for fault in faults if fault is not None)
    if not good:
        first = f" (the first of {len(skipped)} that cannot be read: {skipped[0]})" if skipped else ""
        raise images.ImageError(f"there is no image in {root}: put photos (JPEG, PNG …) there{first}")
    labels = [file.parent.relative_to(root).as_posix() if file.parent != root else root.name for file in good]
    names = tuple(sorted(set(labels)))
    classes = tuple(names.index(label) for label in labels)
    return Gallery(root.name, names, Files(tuple(map(str, good))), tuple(range(len(good))), classes, skipped)


def _fault(file: Path) -> str | None:
    """Why a file cannot be used, or None if it can. A JPEG is decoded at an eighth of its size, which is enough."""
    try:
        with Image.open(file) as picture:
            if picture.width * picture.height > images.MAX_PIXELS:
                return f"{file.name}: {picture.width * picture.height:,} pixels, more than {images.MAX_PIXELS:,}"
            if picture.mode in ("I", "F"):  # only a full decode shows whether their values can be used
                images.load(file)
            picture.draft("RGB", (1, 1))
            picture.load()
    except Exception:  # decoders may raise almost anything on damaged files
        try:
            images.load(file)  # perhaps the pixels are sound
        except images.ImageError as error:
            return f"{file.name}: {error}"
    return None


@dataclass(frozen=True)
class Files:
    """A `source` of a `Gallery`: image files on disk, decoded when they are asked for."""

    paths: tuple[str, ...]

    def __call__(self, i: int) -> Tensor:
        return images.load(Path(self.paths[i]))

    def take(self, numbers: Iterable[int]) -> "Files":
        return Files(tuple(self.paths[i] for i in numbers))

    def digest(self, i: int) -> str:
        return assets.sha256(self.paths[i])
