"""Reading images from a name, a file, a web address, a PIL image or an array."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from vizlib import assets
from vizlib.images.catalog import PAINTINGS, PHOTOS, STYLES, TEXTURES, names, one_of, suggestion
from vizlib.images.contract import MAX_PIXELS, ImageError, check_range, check_size, kind, local_path
from vizlib.images.metadata import bare, upright

_FULL_SCALE = {"bool": 1, "uint8": 255, "uint16": 65535, "bfloat16": 1, "float16": 1, "float32": 1, "float64": 1}


def load(source: Any, *, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Any picture as an image `(1, 3, H, W)`, float32 in [0, 1]. The tensor is always new and shares no memory.

    Transparent pixels are shown on white, grey becomes three equal channels, and EXIF rotation is applied. Of an
    animation the first frame is read. Colour profiles are ignored, and so is anything beside the pixels that is broken
    (with damaged EXIF data, a picture is not turned). 16-bit grey keeps its full depth; 16-bit colour files are read at
    8 bits.

    Args:
        source: One of `names()`; a path; an http(s) address; the bytes of an image file or an open binary file; a PIL
            image; an array `(H, W)` or `(H, W, C)`; or a tensor `(H, W)`, `(C, H, W)` or `(1, C, H, W)`, which stays
            on its device. C is 1, 3 or 4 (RGBA); the values are uint8, uint16, bool, or floats in [0, 1].
        max_pixels: Refuse a picture with more pixels, before decoding it.

    Raises:
        ImageError: The source is not an image or is damaged, has no pixels or too many, or its values have the wrong
            shape, type or range.
        AssetError: A download failed.
        TypeError: `source` is none of these.
    """
    if isinstance(source, Tensor):
        return _from_tensor(source, max_pixels)
    if isinstance(source, np.ndarray):
        return _from_array(source, "the array", max_pixels)
    if isinstance(source, Image.Image):
        return _from_pil(source, "the PIL image", max_pixels)
    if hasattr(source, "read"):
        source = source.read()
        if isinstance(source, str):
            raise TypeError("the file is open as text; open it with mode 'rb'")
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode(BytesIO(source), f"the data ({len(source):,} bytes)", max_pixels)
    if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
        return _decode(BytesIO(assets.fetch_url(source)), source, max_pixels)
    if isinstance(source, str | os.PathLike):
        if source in names():
            return _load_named(source, max_pixels)
        return _from_file(local_path(source), max_pixels)
    raise TypeError(f"cannot make an image from {kind(source)}; give a name, path, address, bytes, PIL image or array")


def style(name: str) -> Tensor:
    """A style image `(1, 3, H, W)` by name: one of `styles()`, or of `paintings()`, which are downloaded.

    Raises:
        ImageError: The name is unknown; the message suggests the nearest.
        AssetError: The painting cannot be downloaded.
    """
    return load(one_of([*STYLES, *PAINTINGS], name, "a style"))


def preview(name: str) -> Tensor:
    """A painting as it is shown beside a result, `(1, 3, H, W)`: one of `styles()` or `paintings()`, with no download.

    Those that are downloaded come with a small copy, at most 224 pixels a side; the others are as `style` gives them.

    Raises:
        ImageError: The name is unknown; the message suggests the nearest.
    """
    name = one_of([*STYLES, *PAINTINGS], name, "a style")
    return load(assets.data_path(f"previews/{name}.jpg")) if name in PAINTINGS else load(name)


def texture(name: str) -> Tensor:
    """A texture sample `(1, 3, H, W)` by name: one of `textures()`.

    Raises:
        ImageError: The name is unknown; the message suggests the nearest.
    """
    return load(one_of([*TEXTURES], name, "a texture"))


def _load_named(name: str, max_pixels: int) -> Tensor:
    """The picture, or the part of a photo, that has this name."""
    if name in STYLES:
        return _from_file(assets.data_path(f"styles/{name}.jpg"), max_pixels)
    photo = (PHOTOS | TEXTURES).get(name)
    if photo is None:
        return _from_file(assets.fetch(name), max_pixels)
    spec = find_spec(photo.package)  # finds the package's folder without importing it
    path = Path(spec.submodule_search_locations[0], photo.file) if spec else None
    if path is None or not path.is_file():
        wheel = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[photo.package]
        raise ImageError(
            f"the photo {name!r} comes inside {wheel} but is missing there: run pip install --upgrade {wheel}"
        )
    image = _from_file(path, max_pixels)
    return image if photo.box is None else photo.box.of(image).clone()


def _from_file(path: Path, max_pixels: int) -> Tensor:
    try:
        if path.is_dir():
            raise ImageError(f"{path} is a folder, expected one image file: choose a file in it")
        with open(path, "rb") as file:
            return _decode(file, str(path), max_pixels)
    except FileNotFoundError:
        if str(path) in names():
            message = f"there is no file {path.name!r} here; load({path.name!r}), with a string, opens the picture"
        elif path.suffix or len(path.parts) > 1:
            message = f"there is no file {path.name!r} in {path.parent.absolute()}: check the name and the folder"
        else:
            message = f"{path.name!r} is neither a file nor the name of a picture{suggestion(path.name, names())}"
        raise ImageError(message) from None
    except ImageError:
        raise
    except (OSError, ValueError) as error:  # a ValueError for a name with a null character
        raise ImageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _decode(file: BinaryIO, what: str, max_pixels: int) -> Tensor:
    try:
        return _opened(file, what, max_pixels)
    except ImageError:
        file.seek(0)
        content = file.read()
        if (without := bare(content)) == content:
            raise
    return _opened(BytesIO(without), what, max_pixels)


def _opened(file: BinaryIO, what: str, max_pixels: int) -> Tensor:
    with _decoding(what):
        picture = Image.open(file)  # reads the header only
    with picture:
        return _from_pil(picture, what, max_pixels)


def _from_pil(picture: Image.Image, what: str, max_pixels: int) -> Tensor:
    check_size(picture.height, picture.width, what, max_pixels)
    with _decoding(what):
        picture.load()
        picture = upright(picture)
        deep = picture.mode in ("I", "F") or picture.mode.startswith("I;16")
        array = np.array(picture if deep else _on_white(picture))
    if array.dtype == np.int32 and array.min() >= 0 and array.max() <= 65535:
        array = array.astype(np.uint16)  # PIL holds some 16-bit files as int32
    return _from_array(array, what, max_pixels)


@contextmanager
def _decoding(what: str) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError:
        raise ImageError(f"{what} is not an image that PIL can read: convert it to JPEG or PNG") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{what} has more pixels than PIL is willing to open ({error}): make it smaller") from error
    except Exception as error:  # decoders may raise almost anything on damaged files
        raise ImageError(
            f"{what} cannot be decoded ({error}): it may be damaged or incomplete, so get it again"
        ) from error


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def _from_array(array: np.ndarray, what: str, max_pixels: int) -> Tensor:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        turn = "; .transpose(1, 2, 0) puts channels last" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise ImageError(f"{what} has shape {array.shape}; expected (H, W) or (H, W, C) with C 1, 3 or 4{turn}")
    check_size(*array.shape[:2], what, max_pixels)
    _check_type(array.dtype.name, what, ".astype('uint8')")
    array = array.astype(
        array.dtype.newbyteorder("="), order="C"
    )  # torch accepts no other byte order and no negative strides
    values = torch.from_numpy(np.atleast_3d(array)).permute(2, 0, 1)
    return _standard(values[None], what)


def _from_tensor(tensor: Tensor, max_pixels: int) -> Tensor:
    what, shape = "the tensor", tuple(tensor.shape)
    batch = tensor.detach() if tensor.ndim == 4 else tensor.detach()[(None,) * (4 - tensor.ndim)]
    if tensor.ndim not in (2, 3, 4) or batch.shape[1] not in (1, 3, 4):
        turn = "; .permute(2, 0, 1) puts channels first" if tensor.ndim == 3 and shape[2] in (1, 3, 4) else ""
        raise ImageError(f"{what} has shape {shape}; expected (C, H, W) or (1, C, H, W) with C 1, 3 or 4{turn}")
    if batch.shape[0] != 1:
        raise ImageError(f"{what} holds {shape[0]} images, expected one: load(batch[i]) opens the i-th")
    check_size(*shape[-2:], what, max_pixels)
    _check_type(str(tensor.dtype).removeprefix("torch."), what, ".to(torch.uint8)")
    return _standard(batch, what)


def _standard(values: Tensor, what: str) -> Tensor:
    """Values `(1, C, H, W)` of any supported type, C 1, 3 or 4, as an image that shares no memory with them."""
    scale = _FULL_SCALE[str(values.dtype).removeprefix("torch.")]
    values = values.to(torch.float32, copy=True, memory_format=torch.contiguous_format).div_(scale)
    check_range(values, what)
    values.clamp_(0, 1)
    if values.shape[1] == 4:
        alpha = values[:, 3:]
        values = values[:, :3] * alpha + (1 - alpha)
    return values if values.shape[1] == 3 else values.repeat(1, 3, 1, 1)


def _check_type(dtype: str, what: str, convert: str) -> None:
    if dtype not in _FULL_SCALE:
        raise ImageError(
            f"{what} holds {dtype} values; expected uint8 (0 to 255), uint16 (0 to 65535), bool, or floats in [0, 1]: "
            f"convert them, for example with {convert}"
        )
