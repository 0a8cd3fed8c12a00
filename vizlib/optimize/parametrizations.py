"""What an image is made of while it is optimised: its pixels, or the spectrum of decorrelated colours."""

import json
from collections.abc import Callable
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from vizlib import assets, images


class Parametrization(Protocol):
    """Anything with parameters (leaf tensors that require a gradient) and the image that they make."""

    parameters: list[Tensor]

    def image(self) -> Tensor:
        """`(N, 3, H, W)` in [0, 1], with the graph back to the parameters."""

    def change(self, act: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Put `act(image, gradient)` in the image's place, outside the graph."""


class Pixels:
    """The pixels themselves, held in [0, 1] after every step.

    Args:
        start: Where to begin, `(N, 3, H, W)` in [0, 1]; it is copied.
    """

    def __init__(self, start: Tensor):
        images.check(start, "start")
        self.parameters = [start.detach().clone(memory_format=torch.contiguous_format).requires_grad_()]

    def image(self) -> Tensor:
        (pixels,) = self.parameters
        pixels.data.clamp_(0, 1)  # outside the graph: a pixel at the edge still feels which way it is pulled
        return pixels

    @torch.no_grad()
    def change(self, act: Callable[[Tensor, Tensor], Tensor]) -> None:
        (pixels,) = self.parameters
        pixels.data.copy_(act(self.image().detach(), pixels.grad))
        pixels.data.clamp_(0, 1)

    def resize(self, height: int, width: int) -> None:
        """Go on with the same picture at another size; the optimisation carries over what it has learned so far."""
        (pixels,) = self.parameters
        larger = images.resize(pixels.detach().clamp(0, 1), (height, width), "bicubic")
        self.parameters = [larger.clamp(0, 1).contiguous().requires_grad_()]


class Spectrum:
    """Fourier coefficients of decorrelated colours, through a sigmoid: all frequencies and colours move as easily.

    A step in pixels mostly makes high frequencies, because nothing ties neighbours together. Here coefficient k of each
    colour is divided by its frequency |k|, as natural images have it.

    Args:
        n, height, width: The size of the batch.
        contrast: The standard deviation of the random start, in units of the picture before the sigmoid.
        generator: Its randomness.

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

    def _field(self) -> Tensor:
        spectrum = torch.view_as_complex(self.parameters[0]) * self._scale
        return torch.fft.irfft2(spectrum, s=self.size, norm="ortho")

    def image(self) -> Tensor:
        return torch.einsum("ij,njhw->nihw", self._colors, self._field()).sigmoid()

    def change(self, act: Callable[[Tensor, Tensor], Tensor]) -> None:
        raise ValueError("blurring and clipping are done to pixels: use Pixels, or switch them off for a Spectrum")


def frequency_scale(height: int, width: int) -> Tensor:
    """1 / |k| for each coefficient of `rfft2`, `(H, W // 2 + 1)`; |k| in cycles per pixel, at least one per image."""
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    return 1 / torch.sqrt(down**2 + across**2).clamp(min=1 / max(height, width))


@cache
def color_matrix() -> Tensor:
    """From decorrelated to RGB colours, `(3, 3)`: the root of the colours' covariance in photos, largest column 1.

    scripts/measure_colors.py measured it and wrote data/colors.json.
    """
    return torch.tensor(json.loads(assets.data_path("colors.json").read_text())["matrix"])
