"""A rectangle of pixels: a receptive field, an object's bounds, the place of a patch."""

from typing import NamedTuple

from torch import Tensor


class Box(NamedTuple):
    """Rows from `top` to before `bottom`, columns from `left` to before `right`, in pixels.

    The edges are whole numbers wherever pixels are cut out; only `centered` gives others.
    """

    top: float
    bottom: float
    left: float
    right: float

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def area(self) -> float:
        return self.height * self.width

    def of(self, images: Tensor) -> Tensor:
        """That part of images or maps `(..., H, W)`."""
        return images[..., self.top : self.bottom, self.left : self.right]

    def overlap(self, other: "Box") -> float:
        """Intersection over union with another box: 1 where they are the same, 0 where they do not touch."""
        height = max(0, min(self.bottom, other.bottom) - max(self.top, other.top))
        width = max(0, min(self.right, other.right) - max(self.left, other.left))
        common = height * width
        return common / (self.area + other.area - common) if common else 0.0

    @classmethod
    def around(cls, mask: Tensor) -> "Box":
        """The smallest box around a mask `(H, W)`.

        Raises:
            ValueError: A mask without a pixel.
        """
        rows, columns = (mask.any(dim).nonzero().flatten().tolist() for dim in (1, 0))
        if not rows:
            raise ValueError("mask: there is no pixel in it, so it has no box")
        return cls(rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)

    @classmethod
    def centered(cls, area: float, height: int, width: int) -> "Box":
        """A box of this area in the middle of an image, in the image's own proportions: a guess that has not looked."""
        if not 0 <= area <= height * width:
            raise ValueError(f"area = {area}: expected 0 to {height * width}, the area of {height}x{width} pixels")
        margin = (1 - (area / (height * width)) ** 0.5) / 2
        return cls(margin * height, (1 - margin) * height, margin * width, (1 - margin) * width)
