"""An image becomes an array, a PIL image, the bytes of a file, or a file; several become an animation."""

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vizlib import assets
from vizlib.images.contract import ImageError, check_one


def to_array(image: Tensor) -> np.ndarray:
    """One image `(1, 3, H, W)` as a uint8 array `(H, W, 3)`, rounded to the nearest of 0 to 255."""
    check_one(image)
    levels = (image[0].detach().clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().cpu().numpy()


def to_pil(image: Tensor) -> Image.Image:
    """One image `(1, 3, H, W)` as an RGB PIL image."""
    return Image.fromarray(to_array(image))


def to_bytes(image: Tensor, format: str = "png", quality: int = 85, full_chroma: bool = False) -> bytes:
    """One image `(1, 3, H, W)` as the bytes of a file.

    Args:
        format: 'png' (exact to 8 bits) or 'jpeg' (lossy, and at 512x512 a hundred times as fast).
        quality: Of a JPEG, 1 to 95.
        full_chroma: Of a JPEG: each pixel keeps its own colour (4:4:4); otherwise four share one (4:2:0).
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
    try:
        with assets.whole(path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise ImageError(
            f"{path} cannot be written: {error.strerror or error}; choose a folder that can be written to"
        ) from error
    return path
