"""An image of which only the phases are optimised; the strength of each frequency is that of natural images."""

import json
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from vizlib import assets
from vizlib.optimize.parametrizations import color_matrix


class Phases:
    """Phases of a Fourier spectrum, with fixed magnitudes, as a `Parametrization` (MACO, Fel et al. 2023).

    The magnitudes, in decorrelated colours, depend on the frequency alone; `scripts/measure_magnitudes.py` measured
    them on the bundled photos. So no optimisation can fill the image with the high frequencies that networks like and
    photos lack, and no weight has to be chosen for that.

    Args:
        n, height, width: The number of images, and their size in pixels.
        generator: The source of randomness for the phases at the start.

    Attributes:
        importance: `(n, height, width)`: for each pixel the size of the gradient that reached it, summed over the
            steps and the channels. The paper shows the image only where it is large.

    Raises:
        ValueError: n is less than 1, or height or width less than 2.

    Paper: Fel et al. 2023, "Unlocking feature visualization for deeper networks with magnitude constrained
    optimization".
    """

    def __init__(self, n: int, height: int, width: int, generator: torch.Generator | None = None):
        if n < 1 or min(height, width) < 2:
            raise ValueError(f"expected at least one image of 2x2 pixels, got n = {n}, {height}x{width}")
        self.size, self._colors = (height, width), color_matrix()
        self._magnitudes = magnitudes(height, width)
        start = torch.rand(n, *self._magnitudes.shape, generator=generator)
        self.parameters = [(2 * torch.pi * start).requires_grad_()]
        self.importance = torch.zeros(n, height, width)

    def image(self) -> Tensor:
        """The image `(N, 3, H, W)` in (0, 1), with a graph that leads back to the phases."""
        phases = self.parameters[0] * self._free()
        field = torch.fft.irfft2(torch.polar(self._magnitudes.expand_as(phases), phases), s=self.size, norm="ortho")
        image = torch.einsum("ij,njhw->nihw", self._colors, field + _means()[:, None, None]).sigmoid()
        if image.requires_grad:
            image.register_hook(self._remember)
        return image

    def change(self, act: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Pixels cannot be set here.

        Raises:
            ValueError: Always.
        """
        raise ValueError("blurring and clipping work on pixels, not on Phases: use Pixels, or switch them off")

    def _free(self) -> Tensor:
        """1 for each frequency but the lowest, which is the mean colour and stays."""
        free = torch.ones(self._magnitudes.shape[1:])
        free[0, 0] = 0
        return free

    def _remember(self, gradient: Tensor) -> None:
        self.importance += gradient.detach().abs().sum(1).cpu()


def magnitudes(height: int, width: int) -> Tensor:
    """The magnitudes `(3, height, width // 2 + 1)` of natural images for `rfft2`, with 0 for the mean.

    They are measured by cycles per image. Beyond the highest frequency of the measurement they go on falling as 1 / f.
    """
    measured = torch.tensor(_measured()["magnitudes"])  # (3, U), for 0, 1, 2, … cycles per image
    side, most = _measured()["side"], measured.shape[1] - 1
    down, across = torch.fft.fftfreq(height)[:, None] * height, torch.fft.rfftfreq(width)[None] * width
    cycles = torch.sqrt(down**2 + across**2)
    low = cycles.clamp(max=most).floor().long()
    part = cycles.clamp(max=most) - low
    between = measured[:, low] * (1 - part) + measured[:, (low + 1).clamp(max=most)] * part
    beyond = between * (most / cycles.clamp(min=1)).clamp(max=1)
    beyond[:, 0, 0] = 0
    return beyond * (height * width) ** 0.5 / side


def _means() -> Tensor:
    return torch.tensor(_measured()["means"])


@cache
def _measured() -> dict:
    return json.loads(assets.data_path("magnitudes.json").read_text(encoding="utf-8"))
