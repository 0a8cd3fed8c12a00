"""Which image would excite this neuron most? Gradient ascent on the image, with the lecture's regularisers.

    I* = arg max over I of  score(I) - R(I)

Without R the result is noise that excites the network: the regulariser decides what is seen. Every one has its own
knob, and all of them may be turned while it runs.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vizlib.compute import bf16
from vizlib.hooks import read, relu_rule
from vizlib.models import Network, Target
from vizlib.optimize import (
    OptimizerKnobs,
    Parametrization,
    Pixels,
    Spectrum,
    Step,
    expect,
    losses,
    minimize,
    regularizers,
    transforms,
)
from vizlib.optimize.objectives import Activations, Objective


@dataclass
class AscentKnobs(OptimizerKnobs):
    """The regularisers, each off at 0, and how the image is moved about; read at every step.

    Attributes:
        l2: How much the mean squared distance from the network's mean colour costs (Simonyan et al. 2014).
        total_variation: How much roughness costs (Mahendran and Vedaldi 2015).
        blur: Width in pixels of the Gaussian that the image is blurred with, every `blur_every` steps (Yosinski 2015).
            This and the clipping are done to `Pixels`; a `Spectrum` has none, and goes without.
        clip_small: Share, 0 to 1, of the pixels with the smallest value that are put to the mean colour after a step.
        clip_gradient: Share of the pixels that contribute least, |gradient x value|, that are put to the mean colour.
        jitter: Pixels that the image is moved by at random before the network sees it (Mordvintsev et al. 2015).
        scale: By how much, 0.1 is 10%, it is enlarged or shrunk at random (Olah et al. 2017).
        rotate: Degrees that it is turned by at random.
        diversity: How much it costs that the images of a batch are alike; see `likeness` (Olah et al. 2017).
        diversity_layer: The layer where their textures are compared, such as 'relu5'.
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
    diversity: float = 0.0
    diversity_layer: str = ""
    warm_up: int = 16
    bf16: bool = False


PRESETS = {
    "no regulariser": AscentKnobs(steps=64, learning_rate=0.02),
    "L2 (Simonyan 2014)": AscentKnobs(steps=64, learning_rate=0.02, l2=600),
    "blur and clipping (Yosinski 2015)": AscentKnobs(
        steps=96, optimizer="normalized", learning_rate=0.03,
        blur=0.5, blur_every=2, clip_small=0.25, clip_gradient=0.25,
    ),
    "transforms and Fourier (Olah 2017)": AscentKnobs(
        steps=96, learning_rate=0.03, jitter=6, scale=0.3, rotate=10, total_variation=300
    ),
}  # fmt: skip


def ascend(
    net: Network, picture: Parametrization, objective: Objective, knobs: AscentKnobs, seed: int = 0
) -> Iterator[Step]:
    """Images that score ever higher, one `Step` after the other.

    Args:
        net: The network to excite.
        picture: What the image is made of; see `blank`.
        objective: What to make large, such as `objectives.channel("fc8", 281)` or `objectives.neuron("relu5", 3)`.
        knobs: Read at every step.
        seed: Of the random movements.

    Raises:
        LookupError, ValueError: An unknown layer or channel, or an image too small, at the first step.
        Diverged: See `optimize.minimize`.
    """
    generator = torch.Generator().manual_seed(seed)
    center = net.mean.to(picture.parameters[0].device)

    def loss(image: Tensor, iteration: int) -> dict[str, Tensor]:
        expect(knobs, 0, float("inf"), "l2", "total_variation", "diversity", "blur", "jitter", "rotate")
        expect(knobs, 0, 0.9, "scale")
        expect(knobs, 0, 1, "clip_small", "clip_gradient")
        expect(knobs, 1, float("inf"), "blur_every")
        seen = _view(knobs)(image, generator)
        layers = objective.layers | ({knobs.diversity_layer} if knobs.diversity else set())
        with bf16(net.device, knobs.bf16):
            with relu_rule(net, _wake) if iteration <= knobs.warm_up else nullcontext():
                activations = read(net, seen, layers, grad=True)
        activations = {layer: output.float() for layer, output in activations.items()}
        parts = {"activation": -objective.score(activations).mean()}
        if knobs.diversity:
            parts["likeness"] = knobs.diversity * likeness(activations[knobs.diversity_layer]).mean()
        if knobs.l2:
            parts["L2"] = knobs.l2 * regularizers.l2_norm(image, center)
        if knobs.total_variation:
            parts["TV"] = knobs.total_variation * regularizers.total_variation(image)
        return parts

    def regularize(image: Tensor, gradient: Tensor, iteration: int) -> Tensor:
        value = image - center
        if knobs.blur and iteration % knobs.blur_every == 0:
            value = regularizers.blur(value, knobs.blur)
        if knobs.clip_small:
            value = regularizers.clip(value, value.abs().amax(1, keepdim=True), knobs.clip_small)
        if knobs.clip_gradient:
            value = regularizers.clip(value, (gradient * value).sum(1, keepdim=True).abs(), knobs.clip_gradient)
        return (value + center).clamp(0, 1)

    pixels = isinstance(picture, Pixels)
    yield from minimize(loss, picture, knobs, after=regularize if pixels else None)


def blank(
    net: Network, n: int = 1, side: int | None = None, contrast: float = 0.0, fourier: bool = False, seed: int = 0
) -> Parametrization:
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


def logit(net: Network, target: Target) -> Objective:
    """What excites a class: its logit, before the softmax (Simonyan et al. 2014).

    A probability also rises when all other logits fall, and that makes no picture of the class.

    Args:
        target: The class by name or index, or a list of classes, one for each image.
    """
    layer = list(net.layers)[-1]

    def score(acts: Activations) -> Tensor:
        logits = acts[layer].flatten(2).mean(2) if acts[layer].ndim == 4 else acts[layer]
        return logits.gather(1, net.class_indices(target, logits)[:, None])[:, 0]

    return Objective(f"logit of {target}", frozenset([layer]), score)


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
    dead = usual.abs().amax(tuple(range(1, x.ndim)), keepdim=True) == 0
    return torch.where(dead, gradient.clamp(max=0), usual) if dead.any() else usual


# --- what came out --------------------------------------------------------------------------------------------------


class Verdict(NamedTuple):
    """What a network thinks of images that were made for some class: that class's probability and rank, `(N,)` each.

    Rank 1 is the network's first answer.
    """

    probability: Tensor
    rank: Tensor


@torch.no_grad()
def verdict(net: Network, images: Tensor, target: Target) -> Verdict:
    """Ask a network, best one that the images were not made for, how sure it is of their class.

    Args:
        images: `(N, 3, H, W)` in [0, 1].
        target: The class by name or index, or a list of classes, one for each image.
    """
    probabilities = net(images).softmax(1)
    own = probabilities.gather(1, net.class_indices(target, probabilities)[:, None])
    return Verdict(own[:, 0], (probabilities > own).sum(1) + 1)


def likeness(features: Tensor) -> Tensor:
    """How alike in texture each image is to the others: the mean cosine of its Gram matrix with theirs, up to 1.

    Where things are does not count, which channels fire together does.

    Args:
        features: Activations of one layer, `(N, C, h, w)`, of at least two images.

    Returns:
        `(N,)`; from 0 on where no activation is negative, as after a ReLU.

    Paper: Olah et al. 2017, "Diversity".
    """
    n = len(features)
    if n < 2:
        raise ValueError(f"features: expected those of at least two images to compare, got {n}")
    grams = normalize(losses.gram_matrix(features).flatten(1))
    return ((grams @ grams.T).sum(1) - grams.square().sum(1)) / (n - 1)
