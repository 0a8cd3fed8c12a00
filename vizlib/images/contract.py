"""What an image is: a float32 tensor `(N, 3, H, W)`, RGB, in [0, 1], on any device. `check` enforces that."""

import math
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

MAX_PIXELS = 40_000_000  # about 480 MB as a float32 tensor


_TOLERANCE = 1e-5  # how far rounding may carry a value out of [0, 1]


class ImageError(ValueError):
    """Something cannot be used as an image; the message says what was found, what was expected and what to do."""


def check(image: Tensor, name: str = "image") -> None:
    """Raise unless `image` keeps the contract: float32 `(N, 3, H, W)`, N, H and W at least 1, finite, in [0, 1].

    Args:
        image: The image or images to check; values may lie outside [0, 1] by a rounding error of up to 1e-5.
        name: What the message calls them.

    Raises:
        ImageError: The contract is broken; the message says how, and what to do.
        TypeError: `image` is not a tensor.
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"{name} is {kind(image)}, expected a tensor (N, 3, H, W): images.load makes one")
    if image.ndim != 4 or image.shape[1] != 3:
        remedy = "image[None] adds the N" if image.ndim == 3 and image.shape[0] == 3 else "images.load makes one"
        raise ImageError(f"{name} has shape {tuple(image.shape)}, expected (N, 3, H, W): {remedy}")
    if image.dtype != torch.float32:
        raise ImageError(f"{name} is {image.dtype}, expected torch.float32 in [0, 1]: images.load converts it")
    if image.numel() == 0:
        raise ImageError(f"{name} has shape {tuple(image.shape)}: there are no pixels in it")
    check_range(image, name)


def check_one(image: Tensor, name: str = "image") -> None:
    """Raise unless `image` keeps the contract (see `check`) and is a single image, `(1, 3, H, W)`.

    Raises:
        ImageError: The contract is broken, or there are several images.
        TypeError: `image` is not a tensor.
    """
    check(image, name)
    if len(image) != 1:
        raise ImageError(f"{name} holds {len(image)} images, expected one: {name}[i : i + 1] is the i-th")


def check_range(values: Tensor, what: str) -> None:
    """Raise `ImageError` unless all values are finite and in [0, 1], up to a rounding error of 1e-5."""
    low, high = torch.stack(values.detach().aminmax()).tolist()  # waits for the GPU only once; a NaN makes both NaN
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ImageError(f"{what} holds NaN or infinite values, expected [0, 1]: check the step that produced them")
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        remedy = "divide by 255" if low >= 0 and 1.5 < high <= 255 else "rescale it, or clip it with .clip(0, 1)"
        raise ImageError(f"{what} has values from {low:.4g} to {high:.4g}, expected [0, 1]: {remedy}")


def check_size(height: int, width: int, what: str, max_pixels: int) -> None:
    """Raise `ImageError` unless there is at least one pixel and there are at most `max_pixels`."""
    if height * width == 0:
        raise ImageError(f"{what} is {height}x{width}: there are no pixels in it")
    if height * width > max_pixels:
        raise ImageError(
            f"{what} is {height}x{width}, {height * width:,} pixels, expected at most {max_pixels:,}: make it smaller, "
            "or raise max_pixels"
        )


def local_path(path: str | os.PathLike) -> Path:
    """A path with `~` as the home folder, unless it is only the first letter of a name ('~draft.png')."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # there is no user of that name
        return Path(path)


def kind(thing: Any) -> str:
    """The type of something, as a message says it: 'a PIL.Image.Image', 'a list'."""
    return f"a {type(thing).__module__}.{type(thing).__qualname__}".replace("builtins.", "")
