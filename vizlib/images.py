"""Pictures in and out: files, web addresses, PIL images and arrays become tensors, and tensors become files again.

An image is a float32 tensor `(N, 3, H, W)`, RGB, in [0, 1], on any device. `check` holds everyone to that.
"""

import math
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from importlib.util import find_spec
from io import BytesIO
from operator import index
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from vizlib import assets
from vizlib.pictures import DOWNLOADED_PHOTOS, PAINTINGS, PHOTOS, STYLES, TEXTURES

MAX_PIXELS = 40_000_000  # about 480 MB as a float32 tensor
_TOLERANCE = 1e-5  # how far rounding may carry a value out of [0, 1]
_FULL_SCALE = {"bool": 1, "uint8": 255, "uint16": 65535, "bfloat16": 1, "float16": 1, "float32": 1, "float64": 1}


class ImageError(ValueError):
    """Something is not an image that can be used; the message says what was found, what was expected, what to do."""


# --- pictures by name -----------------------------------------------------------------------------------------------


def photos() -> list[str]:
    """The colour photos that need no network: they come inside scikit-image and scikit-learn."""
    return list(PHOTOS)


def paintings() -> list[str]:
    """The paintings, which are downloaded once."""
    return list(PAINTINGS)


def styles() -> list[str]:
    """The pictures to take a style from that need no network: they come with vizlib."""
    return list(STYLES)


def textures() -> list[str]:
    """The samples of texture that need no network: they are photos, or parts of photos, inside other packages."""
    return list(TEXTURES)


def names() -> list[str]:
    """Every name that `load` knows: photos, styles, textures, paintings and the photos that are downloaded once."""
    return [*PHOTOS, *STYLES, *TEXTURES, *PAINTINGS, *DOWNLOADED_PHOTOS]


def style(name: str) -> Tensor:
    """A picture to take a style from, `(1, 3, H, W)`: one of `styles()` or, after its download, of `paintings()`."""
    return load(_one_of([*STYLES, *PAINTINGS], name, "a style"))


def texture(name: str) -> Tensor:
    """A sample of texture, `(1, 3, H, W)`: one of `textures()`."""
    return load(_one_of([*TEXTURES], name, "a texture"))


def _one_of(known: Sequence[str], name: str, what: str) -> str:
    if name not in known:
        raise ImageError(f"{name!r} is not the name of {what}{_did_you_mean(name, known)}")
    return name


def describe(name: str) -> str:
    """What is on a named picture and whose it is, in one line that can serve as alt text."""
    bundled = PHOTOS | TEXTURES
    if name in bundled:
        return bundled[name].description
    return (STYLES | PAINTINGS | DOWNLOADED_PHOTOS)[_one_of(names(), name, "a picture")]


def _did_you_mean(name: str, known: Sequence[str] | None = None) -> str:
    known = known or names()
    near = get_close_matches(str(name), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"


def _load_named(name: str, max_pixels: int) -> Tensor:
    """The picture of that name, or the part of it that goes by that name."""
    if name in STYLES:
        return _from_file(assets.data_path(f"styles/{name}.jpg"), max_pixels)
    photo = (PHOTOS | TEXTURES).get(name)
    if photo is None:
        return _from_file(assets.fetch(name), max_pixels)
    spec = find_spec(photo.package)  # finds the folder without importing the package
    path = Path(spec.submodule_search_locations[0], photo.file) if spec else None
    if path is None or not path.is_file():
        wheel = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[photo.package]
        raise ImageError(f"the photo {name!r} comes inside {wheel}, and is not there: pip install --upgrade {wheel}")
    image = _from_file(path, max_pixels)
    if photo.box is None:
        return image
    top, bottom, left, right = photo.box
    return image[:, :, top:bottom, left:right].clone()


# --- loading --------------------------------------------------------------------------------------------------------


def load(source: Any, *, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Any picture as an image `(1, 3, H, W)`, float32 in [0, 1]: always a new tensor, whatever it was made from.

    Transparent pixels are laid on white; grey becomes three equal channels; EXIF rotation is applied; of an animation
    it is the first frame; colour profiles are ignored. 16-bit colour files are read at 8 bits, 16-bit grey in full.

    Args:
        source: One of `names()`; a path; an http(s) address; the bytes of an image file or an open binary file; a PIL
            image; an array `(H, W)` or `(H, W, C)`; or a tensor `(H, W)`, `(C, H, W)` or `(1, C, H, W)`, which stays
            on its device. C is 1, 3 or 4 (RGBA); the numbers are uint8, uint16, bool, or floats in [0, 1].
        max_pixels: Refuse anything with more pixels, before decoding it.

    Raises:
        ImageError: Not an image, damaged, too many pixels or none, a wrong shape, type or range of numbers.
        AssetError: A download failed.
        TypeError: `source` is none of these things.
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
        return _decode(BytesIO(source), f"what was given ({len(source):,} bytes)", max_pixels)
    if isinstance(source, str) and source.lower().startswith(("http://", "https://")):
        return _decode(BytesIO(assets.fetch_url(source)), source, max_pixels)
    if isinstance(source, str | os.PathLike):
        if source in names():
            return _load_named(source, max_pixels)
        return _from_file(Path(source).expanduser(), max_pixels)
    raise TypeError(f"cannot make an image of {_kind(source)}; give a name, path, address, bytes, PIL image or array")


def _kind(thing: Any) -> str:
    return f"a {type(thing).__module__}.{type(thing).__qualname__}".replace("builtins.", "")


def _from_file(path: Path, max_pixels: int) -> Tensor:
    try:
        if path.is_dir():
            raise ImageError(f"{path} is a folder: give one image file in it")
        with open(path, "rb") as file:
            return _decode(file, str(path), max_pixels)
    except FileNotFoundError:
        if path.suffix or len(path.parts) > 1:
            message = f"there is no file {path.name!r} in {path.parent.absolute()}: check the name and the folder"
        else:
            message = f"{path.name!r} is neither a file nor the name of a picture{_did_you_mean(path.name)}"
        raise ImageError(message) from None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from error


def _decode(file: BinaryIO, what: str, max_pixels: int) -> Tensor:
    with _decoding(what):
        picture = Image.open(file)  # reads the header only
    with picture:
        return _from_pil(picture, what, max_pixels)


def _from_pil(picture: Image.Image, what: str, max_pixels: int) -> Tensor:
    _check_size(picture.height, picture.width, what, max_pixels)
    with _decoding(what):
        picture = ImageOps.exif_transpose(picture)
        deep = picture.mode in ("I", "F") or picture.mode.startswith("I;16")
        array = np.array(picture if deep else _on_white(picture))
    if array.dtype == np.int32 and array.min() >= 0 and array.max() <= 65535:
        array = array.astype(np.uint16)  # how PIL holds some 16-bit files
    return _from_array(array, what, max_pixels)


@contextmanager
def _decoding(what: str) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError:
        raise ImageError(f"{what} is not an image that PIL can read: convert it to JPEG or PNG") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{what} has more pixels than PIL opens ({error}): make it smaller") from error
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise ImageError(f"{what} cannot be decoded ({error}): if it is damaged or cut short, get it again") from error


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def _from_array(array: np.ndarray, what: str, max_pixels: int) -> Tensor:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        turn = "; .transpose(1, 2, 0) puts channels last" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise ImageError(f"{what} has shape {array.shape}; expected (H, W) or (H, W, C) with C 1, 3 or 4{turn}")
    _check_size(*array.shape[:2], what, max_pixels)
    _check_type(array.dtype.name, what, ".astype('uint8')")
    array = array.astype(array.dtype.newbyteorder("="), order="C")  # torch takes no other byte order or stride
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
    _check_size(*shape[-2:], what, max_pixels)
    _check_type(str(tensor.dtype).removeprefix("torch."), what, ".to(torch.uint8)")
    return _standard(batch, what)


def _standard(values: Tensor, what: str) -> Tensor:
    """Numbers `(1, 1 or 3 or 4, H, W)` of any supported type as an image that shares no memory with them."""
    scale = _FULL_SCALE[str(values.dtype).removeprefix("torch.")]
    values = values.to(torch.float32, copy=True, memory_format=torch.contiguous_format).div_(scale)
    _check_range(values, what)
    values.clamp_(0, 1)
    if values.shape[1] == 4:
        alpha = values[:, 3:]
        values = values[:, :3] * alpha + (1 - alpha)
    return values if values.shape[1] == 3 else values.repeat(1, 3, 1, 1)


# --- the contract ---------------------------------------------------------------------------------------------------


def check(image: Tensor, name: str = "image") -> None:
    """Do nothing if `image` keeps the contract: float32 `(N, 3, H, W)`, N, H and W at least 1, finite, in [0, 1].

    Args:
        image: What to check; values may stray from [0, 1] by rounding, up to 1e-5.
        name: What to call it in the message.

    Raises:
        ImageError: It does not; the message says how, and what to do.
        TypeError: It is not a tensor.
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"{name} is {_kind(image)}, expected a tensor (N, 3, H, W): images.load makes one")
    if image.ndim != 4 or image.shape[1] != 3:
        remedy = "image[None] adds the N" if image.ndim == 3 and image.shape[0] == 3 else "images.load makes one"
        raise ImageError(f"{name} has shape {tuple(image.shape)}, expected (N, 3, H, W): {remedy}")
    if image.dtype != torch.float32:
        raise ImageError(f"{name} is {image.dtype}, expected torch.float32 in [0, 1]: images.load converts it")
    if image.numel() == 0:
        raise ImageError(f"{name} has shape {tuple(image.shape)}: there are no pixels in it")
    _check_range(image, name)


def check_one(image: Tensor, name: str = "image") -> None:
    """Do nothing if `image` keeps the contract, see `check`, and is one image, `(1, 3, H, W)`.

    Raises:
        ImageError, TypeError: It does not, or is several.
    """
    check(image, name)
    if len(image) != 1:
        raise ImageError(f"{name} holds {len(image)} images, expected one: {name}[i : i + 1] is the i-th")


def _check_range(values: Tensor, what: str) -> None:
    low, high = torch.stack(values.detach().aminmax()).tolist()  # one wait for the GPU; a NaN makes both NaN
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ImageError(f"{what} holds NaN or infinite values, expected [0, 1]: look at the step that made them")
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        remedy = "divide by 255" if low >= 0 and 1.5 < high <= 255 else "rescale it, or clip it with .clip(0, 1)"
        raise ImageError(f"{what} has values from {low:.4g} to {high:.4g}, expected [0, 1]: {remedy}")


def _check_type(dtype: str, what: str, convert: str) -> None:
    if dtype not in _FULL_SCALE:
        raise ImageError(
            f"{what} holds {dtype} numbers; expected uint8 (0 to 255), uint16 (0 to 65535), bool, or floats in [0, 1]: "
            f"convert them, for example with {convert}"
        )


def _check_size(height: int, width: int, what: str, max_pixels: int) -> None:
    if height * width == 0:
        raise ImageError(f"{what} is {height}x{width}: there are no pixels in it")
    if height * width > max_pixels:
        raise ImageError(
            f"{what} is {height}x{width}, {height * width:,} pixels, expected at most {max_pixels:,}: make it smaller, "
            "or raise max_pixels"
        )


# --- and back -------------------------------------------------------------------------------------------------------


def to_array(image: Tensor) -> np.ndarray:
    """One image `(1, 3, H, W)` as a uint8 array `(H, W, 3)`, rounded to the nearest of 0 to 255."""
    check_one(image)
    levels = (image[0].detach().clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().cpu().numpy()


def to_pil(image: Tensor) -> Image.Image:
    """One image `(1, 3, H, W)` as an RGB PIL image."""
    return Image.fromarray(to_array(image))


def to_bytes(image: Tensor, format: str = "png", quality: int = 85, colours: int | None = None) -> bytes:
    """One image `(1, 3, H, W)` as the bytes of a file.

    Args:
        format: 'png' (exact to 8 bits) or 'jpeg' (lossy, and at 512x512 a hundred times as fast).
        quality: Of a JPEG, 1 to 95.
        colours: Of a PNG: keep only so many, 2 to 256, for a file of less than half the size. None keeps all.
    """
    if format not in ("png", "jpeg"):
        raise ImageError(f"format is {format!r}, expected 'png' or 'jpeg'")
    if not 1 <= quality <= 95:
        raise ImageError(f"quality is {quality}, expected 1 to 95")
    if colours is not None and not 2 <= colours <= 256:
        raise ImageError(f"colours is {colours}, expected 2 to 256, or None")
    buffer, picture = BytesIO(), to_pil(image)
    if format == "jpeg":
        picture.save(buffer, format, quality=quality)
    else:
        picture = picture if colours is None else picture.quantize(colours)
        picture.save(buffer, format, optimize=colours is not None)
    return buffer.getvalue()


def save(image: Tensor, path: str | os.PathLike) -> Path:
    """Write one image `(1, 3, H, W)` as PNG or JPEG (quality 95), whichever the suffix says, and return the path.

    The file is there either whole or not at all.

    Raises:
        ImageError: Another suffix, or the file cannot be written.
    """
    path = Path(path).expanduser()
    formats = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}
    if path.suffix.lower() not in formats:
        raise ImageError(f"{path.name!r} ends in {path.suffix!r}, expected .png, .jpg or .jpeg")
    return _write(path, to_bytes(image, formats[path.suffix.lower()], quality=95))


def save_animation(frames: Sequence[bytes], path: str | os.PathLike, frames_per_second: float = 4) -> Path:
    """Write image files of one size as an endless GIF or WebP animation, and return the path. Whole, or not at all.

    Raises:
        ImageError: No frames, frames of several sizes, another suffix, or the file cannot be written.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in (".gif", ".webp"):
        raise ImageError(f"{path.name!r} ends in {path.suffix!r}, expected .gif or .webp")
    if not frames:
        raise ImageError("frames: expected at least one, got none")
    if not 0.1 <= frames_per_second <= 100:
        raise ImageError(f"frames_per_second is {frames_per_second}, expected 0.1 to 100")
    first, *others = (Image.open(BytesIO(frame)).convert("RGB") for frame in frames)
    wrong = [other.size for other in others if other.size != first.size]
    if wrong:
        have, want = ("x".join(map(str, size)) for size in (wrong[0], first.size))
        raise ImageError(f"frames: one is {have} and the first {want} pixels wide and high, expected all of one size")
    buffer, duration = BytesIO(), round(1000 / frames_per_second)
    first.save(buffer, path.suffix[1:].lower(), save_all=True, append_images=others, duration=duration, loop=0)
    return _write(path, buffer.getvalue())


def _write(path: Path, content: bytes) -> Path:
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise ImageError(
            f"{path} cannot be written: {error.strerror}; is {path.parent} a folder to write in?"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return path


# --- light ----------------------------------------------------------------------------------------------------------


def luminance(image: Tensor) -> Tensor:
    """How light each pixel is, `(N, 1, H, W)`: the weighted mean of red, green and blue (ITU-R BT.601)."""
    return (image * image.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


# --- sizes ----------------------------------------------------------------------------------------------------------


def resize(image: Tensor, size: int | Sequence[int], mode: str = "bilinear") -> Tensor:
    """The image at another size, antialiased and still in [0, 1].

    Args:
        image: `(N, 3, H, W)`.
        size: The shorter side in pixels, keeping the ratio of the sides, or (height, width).
        mode: 'bilinear', 'bicubic' or 'nearest' (which repeats and drops pixels instead of blending them).
    """
    check(image)
    modes = {"bilinear": "bilinear", "bicubic": "bicubic", "nearest": "nearest-exact"}
    if mode not in modes:
        raise ImageError(f"mode is {mode!r}, expected one of {', '.join(modes)}")
    sides = _sides(size)
    if len(sides) == 1:
        height, width = image.shape[-2:]
        sides = [max(sides[0], side * sides[0] // min(height, width)) for side in (height, width)]
    _check_size(*sides, f"an image resized to {size!r}", MAX_PIXELS)
    return tv.resize(image, sides, InterpolationMode(modes[mode]), antialias=True).clamp(0, 1)


def center_crop(image: Tensor, size: int | Sequence[int]) -> Tensor:
    """A copy of the middle `size` pixels, a square's side or (height, width), of an image `(N, 3, H, W)`."""
    check(image)
    height, width = _sides(size) if len(_sides(size)) == 2 else _sides(size) * 2
    if height > image.shape[-2] or width > image.shape[-1]:
        there = "x".join(map(str, image.shape[-2:]))
        raise ImageError(f"cannot crop {height}x{width} out of an image of {there}: resize it first")
    return tv.center_crop(image, [height, width]).clone()


def prepare(image: Tensor, size: int) -> Tensor:
    """A square `(N, 3, size, size)`: the shorter side resized to `size` pixels, then the middle."""
    side = _sides([size])
    return center_crop(resize(image, side), side)


def _sides(size: int | Sequence[int]) -> list[int]:
    """One or two positive numbers of pixels."""
    try:
        sides = [index(side) for side in (size if isinstance(size, Sequence) else [size])]
    except TypeError:
        raise TypeError(f"size is {size!r}, expected a whole number of pixels or (height, width)") from None
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise ImageError(f"size is {size!r}, expected a number of pixels of at least 1, or (height, width)")
    return sides
