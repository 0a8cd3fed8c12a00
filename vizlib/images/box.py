"""A rectangle of pixels: a receptive field, the bounds of an object, the position of a patch."""

from typing import NamedTuple

from torch import Tensor


class Box(NamedTuple):
    """Rows from `top` up to but not including `bottom`, columns from `left` up to but not including `right`.

    The edges are in pixels. They are whole numbers, except those of a box from `centered`.
    """

    top: float
    bottom: float
    left: float
    right: float

    @property
    def height(self) -> float:
        """The height in pixels."""
        return self.bottom - self.top

    @property
    def width(self) -> float:
        """The width in pixels."""
        return self.right - self.left

    @property
    def area(self) -> float:
        """The area in pixels."""
        return self.height * self.width

    def of(self, images: Tensor) -> Tensor:
        """The part of images or maps `(..., H, W)` inside this box, `(..., height, width)`: a view, not a copy."""
        return images[..., self.top : self.bottom, self.left : self.right]

    def overlap(self, other: "Box") -> float:
        """The intersection over union with another box: 1 if they are the same, 0 if they do not overlap."""
        height = max(0, min(self.bottom, other.bottom) - max(self.top, other.top))
        width = max(0, min(self.right, other.right) - max(self.left, other.left))
        common = height * width
        return common / (self.area + other.area - common) if common else 0.0

    @classmethod
    def around(cls, mask: Tensor) -> "Box":
        """The smallest box around the true pixels of a mask `(H, W)`.

        Raises:
            ValueError: The mask is empty.
        """
        rows, columns = (mask.any(dim).nonzero().flatten().tolist() for dim in (1, 0))
        if not rows:
            raise ValueError("mask: expected at least one true pixel, got none")
        return cls(rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)

    @classmethod
    def centered(cls, area: float, height: int, width: int) -> "Box":
        """A box of a given area (in pixels) in the middle of an image, with the image's proportions.

        It is the baseline for localisation: a guess made without looking at the image.

        Raises:
            ValueError: The area is negative or larger than the image.
        """
        if not 0 <= area <= height * width:
            raise ValueError(f"area = {area}: expected 0 to {height * width}, the area of {height}x{width} pixels")
        margin = (1 - (area / (height * width)) ** 0.5) / 2
        return cls(margin * height, (1 - margin) * height, margin * width, (1 - margin) * width)
