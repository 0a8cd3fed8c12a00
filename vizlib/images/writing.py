"""Turning an image into an array, a PIL image, the bytes of a file or a file, and several into an animation."""

import errno
import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vizlib import assets
from vizlib.images.contract import ImageError, check_one, local_path


def to_array(image: Tensor) -> np.ndarray:
    """One image `(1, 3, H, W)` as a uint8 array `(H, W, 3)`, rounded to the nearest whole number from 0 to 255.

    Raises:
        ImageError: The image breaks the contract, or there are several.
        TypeError: `image` is not a tensor.
    """
    check_one(image)
    levels = (image[0].detach().clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().cpu().numpy()


def to_pil(image: Tensor) -> Image.Image:
    """One image `(1, 3, H, W)` as an RGB PIL image."""
    return Image.fromarray(to_array(image))


def to_bytes(image: Tensor, format: str = "png", quality: int = 85, full_chroma: bool = False) -> bytes:
    """One image `(1, 3, H, W)` as the bytes of an image file.

    Args:
        format: 'png' (exact to 8 bits) or 'jpeg' (lossy, but about a hundred times as fast at 512x512).
        quality: The quality of a JPEG, 1 to 95.
        full_chroma: Whether each pixel of a JPEG keeps its own colour (4:4:4); otherwise four share one (4:2:0).

    Raises:
        ImageError: The image breaks the contract, or `format` or `quality` is none of these.
    """
    if format not in ("png", "jpeg"):
        raise ImageError(f"format is {format!r}, expected 'png' or 'jpeg'")
    if not 1 <= quality <= 95:
        raise ImageError(f"quality is {quality}, expected 1 to 95")
    buffer, picture = BytesIO(), to_pil(image)
    if format == "jpeg":
        picture.save(buffer, format, quality=quality, subsampling=0 if full_chroma else 2)
    else:
        picture.save(buffer, format)
    return buffer.getvalue()


def save(image: Tensor, path: str | os.PathLike) -> Path:
    """Write one image `(1, 3, H, W)` as PNG or JPEG (quality 95), depending on the suffix, and return the path.

    The file is written completely or not at all.

    Raises:
        ImageError: The suffix is another one, the image breaks the contract, or the file cannot be written.
    """
    path = local_path(path)
    formats = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}
    if path.suffix.lower() not in formats:
        raise ImageError(f"{path.name!r} ends in {path.suffix!r}, expected .png, .jpg or .jpeg")
    return _write(path, to_bytes(image, formats[path.suffix.lower()], quality=95))


def save_animation(frames: Sequence[bytes], path: str | os.PathLike, frames_per_second: float = 4) -> Path:
    """Write frames as a GIF or WebP animation that repeats for ever, and return the path.

    The file is written completely or not at all.

    Args:
        frames: The bytes of image files, all of the same size in pixels.
        path: Where to write; the suffix is .gif or .webp.
        frames_per_second: 0.1 to 100.

    Raises:
        ImageError: There are no frames, their sizes differ, the suffix or the speed is another one, or the file cannot
            be written.
    """
    path = local_path(path)
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
        raise ImageError(f"frames: one is {have} pixels and the first is {want}, expected all of the same size")
    buffer, duration = BytesIO(), round(1000 / frames_per_second)
    first.save(buffer, path.suffix[1:].lower(), save_all=True, append_images=others, duration=duration, loop=0)
    return _write(path, buffer.getvalue())


def _write(path: Path, content: bytes) -> Path:
    try:
        with assets.whole(path) as part:
            part.write_bytes(content)
    except (OSError, ValueError) as error:  # a ValueError for a name with a null character
        reason, number = getattr(error, "strerror", None) or error, getattr(error, "errno", None)
        raise ImageError(f"{path} cannot be written: {reason}; {_REMEDIES.get(number, _ELSEWHERE)}") from error
    return path


_ELSEWHERE = "choose a folder that can be written to"
_REMEDIES = {
    errno.ENOSPC: "delete something, or choose a folder on another disk",
    errno.ENOENT: "make that folder first, or choose one that is there",
}
