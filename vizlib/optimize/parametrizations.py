"""What an image is made of while it is optimised: its pixels, or the Fourier spectrum of decorrelated colours."""

import json
from collections.abc import Callable
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from vizlib import assets, images


class Parametrization(Protocol):
    """Anything that has parameters (leaf tensors that require a gradient) and makes an image from them."""

    parameters: list[Tensor]

    def image(self) -> Tensor:
        """The image `(N, 3, H, W)` in [0, 1], with a graph that leads back to the parameters."""

    def change(self, act: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Replace the image by `act(image, gradient)`, outside the graph."""


class Pixels:
    """The pixels themselves, clamped to [0, 1] after every step.

    Args:
        start: The image to start from, `(N, 3, H, W)` in [0, 1]; it is copied.

    Raises:
        ImageError, TypeError: `start` breaks the contract of images.
    """

    def __init__(self, start: Tensor):
        images.check(start, "start")
        self.parameters = [start.detach().clone(memory_format=torch.contiguous_format).requires_grad_()]

    def image(self) -> Tensor:
        """The image `(N, 3, H, W)`: the pixels, clamped to [0, 1]."""
        (pixels,) = self.parameters
        pixels.data.clamp_(0, 1)  # outside the graph, so that a pixel at 0 or 1 still has a gradient
        return pixels

    @torch.no_grad()
    def change(self, act: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Replace the pixels by `act(image, gradient)`, clamped to [0, 1]."""
        (pixels,) = self.parameters
        pixels.data.copy_(act(self.image().detach(), pixels.grad))
        pixels.data.clamp_(0, 1)

    def resize(self, height: int, width: int) -> None:
        """Resize the picture in the middle of an optimisation; Adam keeps its running averages."""
        (pixels,) = self.parameters
        larger = images.resize(pixels.detach().clamp(0, 1), (height, width), "bicubic")
        self.parameters = [larger.clamp(0, 1).contiguous().requires_grad_()]


class Spectrum:
    """Fourier coefficients of decorrelated colours, passed through a sigmoid.

    A step taken in pixels mostly adds high frequencies, because nothing ties neighbouring pixels together. Here
    coefficient k of each colour is divided by its frequency |k|, as in the spectrum of natural images, so that all
    frequencies and colours change equally easily.

    Args:
        n, height, width: The number of images, and their size in pixels.
        contrast: The standard deviation of the random start, measured before the sigmoid.
        generator: The source of randomness for the start.

    Raises:
        ValueError: n, height or width is less than 1.

    Paper: Olah et al. 2017, "Preconditioning and Parameterization".
    """

    def __init__(
        self, n: int, height: int, width: int, contrast: float = 0.1, generator: torch.Generator | None = None
    ):
        if min(n, height, width) < 1:
            raise ValueError(f"expected at least one image of 1x1 pixel, got n = {n}, {height}x{width}")
        self.size = (height, width)
        self._scale, self._colors = frequency_scale(height, width), color_matrix()
        start = torch.randn(n, 3, *self._scale.shape, 2, generator=generator)
        with torch.no_grad():
            self.parameters = [start]
            spread = self._field().std((1, 2, 3), keepdim=True)
            self.parameters = [(start * (contrast / spread)[..., None]).requires_grad_()]

    @classmethod
    def of(cls, start: Tensor, power: float = 0.75) -> "Spectrum":
        """The spectrum of an image, to go on from it.

        Its colours are not decorrelated, and coefficient k is divided by |k| to the power of `power`: with L-BFGS this
        takes fewer steps to a good picture than pixels do (benchmarks/style.py).

        Args:
            start: `(N, 3, H, W)` in [0, 1]. Black and white become 0.02 and 0.98: beyond, a sigmoid has hardly a slope.
            power: 0 changes all frequencies as pixels do; the larger, the easier low frequencies change.

        Raises:
            ImageError, TypeError: `start` breaks the contract of images.
        """
        images.check(start, "start")
        spectrum = cls(len(start), *start.shape[2:])
        spectrum._colors, spectrum._scale = torch.eye(3, device=start.device), spectrum._scale.to(start.device) ** power
        coefficients = torch.fft.rfft2(start.clamp(0.02, 0.98).logit(), norm="ortho") / spectrum._scale
        spectrum.parameters = [torch.view_as_real(coefficients).contiguous().requires_grad_()]
        spectrum._power = power
        return spectrum

    def resize(self, height: int, width: int) -> None:
        """Resize the picture in the middle of an optimisation; only for a spectrum `of` an image."""
        larger = images.resize(self.image().detach(), (height, width), "bicubic")
        vars(self).update(vars(Spectrum.of(larger, self._power)))

    def _field(self) -> Tensor:
        spectrum = torch.view_as_complex(self.parameters[0]) * self._scale
        return torch.fft.irfft2(spectrum, s=self.size, norm="ortho")

    def image(self) -> Tensor:
        """The image `(N, 3, H, W)` in (0, 1), with a graph that leads back to the coefficients."""
        return torch.einsum("ij,njhw->nihw", self._colors, self._field()).sigmoid()

    def change(self, act: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Pixels cannot be set here.

        Raises:
            ValueError: Always.
        """
        raise ValueError("blurring and clipping work on pixels, not on a Spectrum: use Pixels, or switch them off")


def frequency_scale(height: int, width: int) -> Tensor:
    """The factor 1 / |k| for each coefficient of `rfft2`, `(height, width // 2 + 1)`.

    |k| is the frequency in cycles per pixel, and counts as at least one cycle per image.
    """
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    return 1 / torch.sqrt(down**2 + across**2).clamp(min=1 / max(height, width))


@cache
def color_matrix() -> Tensor:
    """The matrix `(3, 3)` from decorrelated colours to RGB: a square root of the covariance of colours in photos.

    It is scaled so that its largest column has length 1. scripts/measure_colors.py measured it for data/colors.json.
    """
    return torch.tensor(json.loads(assets.data_path("colors.json").read_text())["matrix"])
