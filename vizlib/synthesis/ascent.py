"""Which image would excite this neuron most? Gradient ascent on the image, with the lecture's regularisers.

    I* = arg max over I of  score(I) - R(I)

Without R the result is noise that excites the network: the regulariser decides what is seen. Every one has its own
knob, and all of them may be turned while it runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from vizlib import losses, transforms
from vizlib.hooks import read, relu_rule
from vizlib.losses import Objective
from vizlib.network import Network
from vizlib.optimize import Knobs, Step, minimise
from vizlib.parametrise import Parametrisation, Pixels, Spectrum


@dataclass
class AscentKnobs(Knobs):
    """The regularisers, each off at 0, and how the image is moved about; read at every step.

    Attributes:
        l2: How much the mean squared distance from the network's mean colour costs (Simonyan et al. 2014).
        total_variation: How much roughness costs (Mahendran and Vedaldi 2015).
        blur: Width in pixels of the Gaussian that the image is blurred with, every `blur_every` steps (Yosinski 2015).
        clip_small: Share, 0 to 1, of the pixels with the smallest value that are put to the mean colour after a step.
        clip_gradient: Share of the pixels that contribute least, |gradient x value|, that are put to the mean colour.
        jitter: Pixels that the image is moved by at random before the network sees it (Mordvintsev et al. 2015).
        scale: By how much, 0.1 is 10%, it is enlarged or shrunk at random (Olah et al. 2017).
        rotate: Degrees that it is turned by at random.
        warm_up: For so many steps a ReLU that is off lets a gradient through where nothing else does, so that a dead
            neuron can wake up.
        bf16: Run the network in bfloat16, where the processor has units for it.
    """

    l2: float = 0.0
    total_variation: float = 0.0
    blur: float = 0.0
    blur_every: int = 4
    clip_small: float = 0.0
    clip_gradient: float = 0.0
    jitter: float = 0.0
    scale: float = 0.0
    rotate: float = 0.0
    warm_up: int = 16
    bf16: bool = False


PRESETS = {
    "no regulariser": AscentKnobs(steps=100, learning_rate=0.02),
    "L2 (Simonyan 2014)": AscentKnobs(steps=100, learning_rate=0.02, l2=200),
    "blur and clipping (Yosinski 2015)": AscentKnobs(
        steps=200, optimiser="normalised", learning_rate=0.02, blur=0.6, clip_small=0.2, clip_gradient=0.2
    ),
    "transforms and Fourier (Olah 2017)": AscentKnobs(
        steps=256, learning_rate=0.05, jitter=8, scale=0.1, rotate=10
    ),
}  # fmt: skip


def ascend(
    net: Network, objective: Objective, picture: Parametrisation, knobs: AscentKnobs, seed: int = 0
) -> Iterator[Step]:
    """Images that score ever higher, one `Step` after the other.

    Args:
        net: The network to excite.
        objective: What to make large, such as `losses.channel("fc8", 281)` or `losses.neuron("relu5", 3)`.
        picture: What the image is made of; see `blank`.
        knobs: Read at every step.
        seed: Of the random movements.

    Raises:
        LookupError, ValueError: An unknown layer or channel, or an image too small, at the first step.
        Diverged: See `optimize.minimise`.
    """
    generator = torch.Generator().manual_seed(seed)
    centre = net.mean

    def loss(image: Tensor, iteration: int) -> dict[str, Tensor]:
        seen = _view(knobs)(image, generator)
        with torch.autocast(net.device.type, torch.bfloat16, enabled=knobs.bf16):
            rule = _wake if iteration <= knobs.warm_up else "backprop"
            with relu_rule(net, rule):
                activations = read(net, seen, objective.layers, grad=True)
        score = objective.score({layer: output.float() for layer, output in activations.items()})
        n = len(image)
        parts = {"activation": -score.sum() / n}
        if knobs.l2:
            parts["L2"] = knobs.l2 * losses.l2_norm(image, centre)
        if knobs.total_variation:
            parts["TV"] = knobs.total_variation * losses.total_variation(image)
        return parts

    def regularise(image: Tensor, gradient: Tensor, iteration: int) -> Tensor:
        value = image - centre
        if knobs.blur and iteration % knobs.blur_every == 0:
            value = blur(value, knobs.blur)
        if knobs.clip_small:
            value = clip(value, value.abs().amax(1, keepdim=True), knobs.clip_small)
        if knobs.clip_gradient:
            value = clip(value, (gradient * value).sum(1, keepdim=True).abs(), knobs.clip_gradient)
        return (value + centre).clamp(0, 1)

    pixels = isinstance(picture, Pixels)
    yield from minimise(loss, picture, knobs, after=regularise if pixels else None)


def blank(
    net: Network, n: int = 1, side: int | None = None, contrast: float = 0.0, fourier: bool = False, seed: int = 0
) -> Parametrisation:
    """Something to begin with: images of the network's mean colour with a little noise.

    Args:
        n, side: So many squares of so many pixels; None takes the network's input size.
        contrast: Standard deviation of the noise, in units of [0, 1].
        fourier: Parametrise by frequencies and decorrelated colours instead of pixels.
    """
    side, generator = side or net.input_size, torch.Generator().manual_seed(seed)
    if fourier:
        return Spectrum(n, side, side, contrast or 0.1, generator)
    noise = contrast * torch.randn(n, 3, side, side, generator=generator)
    return Pixels((net.mean.cpu() + noise).clamp(0, 1))


def with_steps(knobs: AscentKnobs, steps: int) -> AscentKnobs:
    """The same knobs, for another number of steps."""
    return replace(knobs, steps=steps)


def _view(knobs: AscentKnobs):
    parts = []
    if knobs.scale:
        parts.append(transforms.scale(1 - knobs.scale, 1 + knobs.scale))
    if knobs.rotate:
        parts.append(transforms.rotate(knobs.rotate))
    if knobs.jitter:
        parts.append(transforms.jitter(knobs.jitter))
    return transforms.compose(parts)


def _wake(gradient: Tensor, x: Tensor) -> Tensor:
    """The usual rule; but where nothing comes through for an image, whatever asks a ReLU that is off for more."""
    usual = gradient * (x > 0)
    dead = (usual.flatten(1) == 0).all(1).view(-1, *[1] * (x.ndim - 1))
    return torch.where(dead, gradient.clamp(max=0), usual)


# --- regularisers of pixels -----------------------------------------------------------------------------------------


def blur(value: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur of `sigma` pixels: high frequencies fade, low ones stay (Yosinski et al. 2015)."""
    reach = max(1, round(3 * sigma))
    return gaussian_blur(value, [2 * reach + 1] * 2, [sigma] * 2)


def clip(value: Tensor, size: Tensor, share: float) -> Tensor:
    """`value` with the share of the pixels whose `size` is smallest put to zero, image by image.

    Args:
        value: `(N, 3, H, W)`, 0 meaning the mean colour.
        size: `(N, 1, H, W)`: the pixels' strength, or their contribution to the score.
        share: 0 to 1.
    """
    threshold = torch.quantile(size.flatten(1), share, dim=1)[:, None, None, None]
    return value * (size >= threshold)
