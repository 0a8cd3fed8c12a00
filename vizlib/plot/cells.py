"""What stands in a cell of a table of pictures, and what is made of an image so that it can stand there."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vizlib.images import Box
from vizlib.images.galleries import Gallery

RIGHT, WRONG = "#21918c", "#d1495b"


class Picture(NamedTuple):
    """A picture with what is written and drawn around it; where a table needs nothing of that, the tensor will do.

    Attributes:
        image: An image `(3, H, W)` or `(1, 3, H, W)` in [0, 1], or a map `(H, W)`.
        title: What stands above it.
        caption: What stands below it.
        frame: The colour of a frame around it.
        boxes: By colour, boxes of its pixels that are framed.
    """

    image: Tensor
    title: str = ""
    caption: str = ""
    frame: str | None = None
    boxes: Mapping[str, Box] = MappingProxyType({})

    @property
    def is_map(self) -> bool:
        return self.image.ndim == 2


def as_picture(cell: Tensor | Picture) -> Picture:
    """The cell as a `Picture`.

    Raises:
        ValueError: It is neither one image nor one map.
    """
    picture = cell if isinstance(cell, Picture) else Picture(cell)
    shape = tuple(picture.image.shape)
    if len(shape) != 2 and shape[:-2] not in ((3,), (1, 3)):
        raise ValueError(
            f"a picture has shape {shape}: expected an image (3, H, W) or (1, 3, H, W), or a map (H, W); for a single "
            "image write [image]"
        )
    return picture


def match(gallery: Gallery, i: int | Tensor, truth: int | None = None) -> Picture:
    """The i-th image of a gallery under its name; where `truth` is its label ticked and framed in green, else in red.

    Args:
        truth: The label that was looked for; None judges nothing.
    """
    label = gallery.label(int(i))
    image, name = gallery.image(int(i)), gallery.names[label]
    if truth is None:
        return Picture(image, name)
    sign, color = ("✓", RIGHT) if label == truth else ("✗", WRONG)
    return Picture(image, f"{sign}\N{NO-BREAK SPACE}{name}", frame=color)


def around_gray(gradients: Tensor, quantile: float = 0.999, *, together: bool = False) -> Tensor:
    """Gradients as images: grey (0.5) is zero, brighter is positive, darker negative, in each of R, G and B.

    Args:
        gradients: `(N, 3, H, W)`, any range.
        quantile: Each picture is stretched until this share of its values that are not zero fits into [0, 1]; the
            few beyond are clipped.
        together: All are stretched alike, so that their strengths can be compared.

    Returns:
        `(N, 3, H, W)` in [0, 1]. A gradient of zeros is grey all over.
    """
    if gradients.ndim != 4 or not 0 < quantile <= 1:
        shape = tuple(gradients.shape)
        raise ValueError(f"expected gradients (N, 3, H, W) and a quantile in (0, 1], got shape {shape} and {quantile}")
    pictures = []
    gradients = gradients.detach().float().cpu()
    for part in [gradients] if together else gradients.split(1):
        sizes = part[part != 0].abs()
        top = np.quantile(sizes.numpy(), quantile) if len(sizes) else 1.0
        pictures.append(0.5 + 0.5 * (part / float(top)).clamp(-1, 1))
    return torch.cat(pictures)


def spotlight(image: Tensor, box: Box, light: float = 0.4) -> Tensor:
    """The image `(1, 3, H, W)` with all outside of a box darkened to `light`."""
    dark = image * light
    box.of(dark)[:] = box.of(image)
    return dark
