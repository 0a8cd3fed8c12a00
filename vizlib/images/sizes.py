"""Resizing and cropping images, and their luminance."""

from collections.abc import Sequence
from operator import index

from torch import Tensor
from torch.nn.functional import interpolate

from vizlib.images.contract import MAX_PIXELS, ImageError, check, check_size


def luminance(image: Tensor) -> Tensor:
    """The luminance of each pixel of images `(N, 3, H, W)`: the weighted mean of R, G and B (ITU-R BT.601).

    Returns:
        `(N, 1, H, W)`, in [0, 1] for images in [0, 1].
    """
    return (image * image.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def resize(image: Tensor, size: int | Sequence[int], mode: str = "bilinear") -> Tensor:
    """The image at another size, antialiased and still in [0, 1].

    Args:
        image: `(N, 3, H, W)` in [0, 1].
        size: The new length of the shorter side in pixels, which keeps the proportions, or (height, width).
        mode: 'bilinear', 'bicubic' or 'nearest' (which repeats or drops pixels instead of blending them).

    Raises:
        ImageError: The image breaks the contract, the mode is unknown, or the size is not positive or is too large.
        TypeError: `image` is not a tensor, or `size` is not made of whole numbers.
    """
    check(image)
    modes = {"bilinear": "bilinear", "bicubic": "bicubic", "nearest": "nearest-exact"}
    if mode not in modes:
        raise ImageError(f"mode is {mode!r}, expected one of {', '.join(modes)}")
    sides = _sides(size)
    if len(sides) == 1:
        height, width = image.shape[-2:]
        sides = [max(sides[0], side * sides[0] // min(height, width)) for side in (height, width)]
    check_size(*sides, f"an image resized to {size!r}", MAX_PIXELS)
    if list(image.shape[-2:]) == sides:
        return image.clamp(0, 1)
    smooth = {} if mode == "nearest" else {"align_corners": False, "antialias": True}
    return interpolate(image, sides, mode=modes[mode], **smooth).clamp(0, 1)


def center_crop(image: Tensor, size: int | Sequence[int]) -> Tensor:
    """A copy of the middle of an image `(N, 3, H, W)`.

    Args:
        size: The side of a square in pixels, or (height, width).

    Raises:
        ImageError: The image breaks the contract or is smaller than `size`, or the size is not positive.
        TypeError: `image` is not a tensor, or `size` is not made of whole numbers.
    """
    check(image)
    height, width = _sides(size) if len(_sides(size)) == 2 else _sides(size) * 2
    if height > image.shape[-2] or width > image.shape[-1]:
        there = "x".join(map(str, image.shape[-2:]))
        raise ImageError(f"cannot crop {height}x{width} out of an image of {there}: resize it first")
    top, left = (round((have - want) / 2) for have, want in zip(image.shape[-2:], (height, width), strict=True))
    return image[:, :, top : top + height, left : left + width].clone()


def prepare(image: Tensor, size: int) -> Tensor:
    """The image as a square `(N, 3, size, size)`: its shorter side is resized to `size`, then the middle is cut out.

    Raises:
        ImageError, TypeError: As for `resize`.
    """
    side = _sides([size])
    return center_crop(resize(image, side), side)


def _sides(size: int | Sequence[int]) -> list[int]:
    """The size as a list of one or two positive whole numbers."""
    try:
        sides = [index(side) for side in (size if isinstance(size, Sequence) else [size])]
    except TypeError:
        raise TypeError(f"size is {size!r}, expected a whole number of pixels or (height, width)") from None
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise ImageError(f"size is {size!r}, expected a number of pixels of at least 1, or (height, width)")
    return sides
