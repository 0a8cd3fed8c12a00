"""Which image would excite this neuron most? Gradient ascent on the image, with the lecture's regularisers.

    I* = arg max over I of  score(I) - R(I)

Without R the result is noise that excites the network; the regulariser decides what we see. Each regulariser has a knob
of its own, and all of them may be changed while the optimisation runs.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vizlib.compute import bf16
from vizlib.hooks import OUTPUT, read, relu_rule
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
    """The regularisers, each off at 0, and the random transformations of the image; read at every step.

    Attributes:
        l2: How much the mean squared distance from the network's mean colour costs (Simonyan et al. 2014).
        total_variation: How much roughness costs (Mahendran and Vedaldi 2015).
        blur: Width in pixels of the Gaussian that blurs the image every `blur_every` steps (Yosinski 2015). Blurring
            and clipping apply to `Pixels` only, not to a `Spectrum`.
        blur_every: How many steps from one blur to the next.
        clip_small: Fraction of the pixels, 0 to 1, that are set to the mean colour after each step: those nearest to
            it.
        clip_gradient: Fraction set to the mean colour because they contribute least, by |gradient x value|.
        jitter: Largest random shift in pixels before the network sees the image (Mordvintsev et al. 2015).
        scale: Largest random change of size, as a fraction: 0.1 is 10% (Olah et al. 2017).
        rotate: Largest random rotation, in degrees.
        diversity: How much it costs when the images of a batch are alike; see `likeness` (Olah et al. 2017).
        diversity_layer: The layer where their textures are compared, such as 'relu5'.
        warm_up: Number of steps during which ReLUs that are off let a gradient through where nothing else does, so
            that a dead neuron can wake up.
        bf16: Run the network in bfloat16 where the processor supports it.
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


_ALIKE = {"steps": 64, "optimizer": "adam", "learning_rate": 0.03}  # so that the regulariser is all that differs
PRESETS = {
    "no regulariser": AscentKnobs(**_ALIKE),
    "L2 (Simonyan 2014)": AscentKnobs(**_ALIKE, l2=300),
    "L2, blur and clipping (Yosinski 2015)": AscentKnobs(
        **_ALIKE, l2=300, blur=0.5, blur_every=2, clip_small=0.25, clip_gradient=0.25
    ),
    "transforms and Fourier (Olah 2017)": AscentKnobs(**_ALIKE, jitter=6, scale=0.3, rotate=10, total_variation=300),
}


def ascend(
    net: Network, picture: Parametrization, objective: Objective, knobs: AscentKnobs, seed: int = 0
) -> Iterator[Step]:
    """Images that score higher and higher, one `Step` at a time.

    Args:
        net: The network whose neuron, channel or class is to be excited.
        picture: The parametrised image to start from, such as `blank` makes.
        objective: What to maximise, such as `objectives.channel("fc8", 12)` or `objectives.neuron("relu5", 3)`.
        knobs: Read at every step.
        seed: Seeds the random transformations.

    Raises:
        LookupError, ValueError: The layer or channel does not exist, the image is too small, or a knob is out of
            range; raised at the first step that meets it.
        ValueError: The objective does not change with the start at all, as for a unit that never fires near it.
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
            with relu_rule(net, _wake, required=False) if iteration <= knobs.warm_up else nullcontext():
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
    for step in minimize(loss, picture, knobs, after=regularize if pixels else None):
        if step.iteration == 1 and not any(parameter.grad.any() for parameter in picture.parameters):
            raise ValueError(
                f"{objective.name} has no slope at the start: nothing that it depends on fires there. Begin with more "
                "contrast, from another image, or choose another channel"
            )
        yield step


def blank(
    net: Network, n: int = 1, side: int | None = None, contrast: float = 0.0, fourier: bool = False, seed: int = 0
) -> Parametrization:
    """A starting point for `ascend`: n square images of random noise.

    Args:
        n: How many images.
        side: Their height and width in pixels; None takes the network's input size.
        contrast: Standard deviation of the noise. For pixels it is in units of [0, 1], around the network's mean
            colour; for a spectrum it applies before the sigmoid, and 0 means 0.1.
        fourier: Parametrise by frequencies and decorrelated colours instead of pixels.
        seed: Seeds the noise.
    """
    side, generator = side or net.input_size, torch.Generator().manual_seed(seed)
    if fourier:
        return Spectrum(n, side, side, contrast or 0.1, generator)
    noise = contrast * torch.randn(n, 3, side, side, generator=generator)
    return Pixels((net.mean.cpu() + noise).clamp(0, 1))


def logit(net: Network, target: Target) -> Objective:
    """The objective for a class: its logit, the score before the softmax (Simonyan et al. 2014).

    The probability would be a poor objective: it also rises when all the other logits fall, which draws no picture of
    the class.

    Args:
        target: The class, by name or index; or a list of classes, one for each image.
    """

    def score(acts: Activations) -> Tensor:
        logits = acts[OUTPUT]
        return logits.gather(1, net.class_indices(target, logits)[:, None])[:, 0]

    return Objective(f"logit of {target}", frozenset([OUTPUT]), score)


def awake(net: Network) -> AbstractContextManager[None]:
    """Inside the `with`, the gradient of a score also passes ReLUs that are off in a whole image, and wakes them up.

    A plain gradient is zero there, and nothing climbs; SqueezeNet's logits, for example, come from a ReLU.
    """
    return relu_rule(net, lambda gradient, slope: -_wake(-gradient, slope), required=False)


def _view(knobs: AscentKnobs):
    parts = []
    if knobs.scale:
        parts.append(transforms.scale(1 - knobs.scale, 1 + knobs.scale))
    if knobs.rotate:
        parts.append(transforms.rotate(knobs.rotate))
    if knobs.jitter:
        parts.append(transforms.jitter(knobs.jitter))
    return transforms.compose(parts)


def _wake(gradient: Tensor, slope: Tensor) -> Tensor:
    """The usual gradient of a ReLU; where it is zero throughout an image, the part that would switch the ReLU on."""
    usual = gradient * slope
    dead = usual.abs().amax(tuple(range(1, slope.ndim)), keepdim=True) == 0
    return torch.where(dead, gradient.clamp(max=0), usual) if dead.any() else usual


# --- how well it worked ---------------------------------------------------------------------------------------------


class Verdict(NamedTuple):
    """What a network makes of images optimised for a class: the class's probability and its rank, `(N,)` each.

    Rank 1 is the network's top answer.
    """

    probability: Tensor
    rank: Tensor


@torch.no_grad()
def verdict(net: Network, images: Tensor, target: Target) -> Verdict:
    """The probability and the rank that a network gives to the class each image was made for.

    Ask a network other than the one that the images were optimised on, which is too easily convinced.

    Args:
        images: `(N, 3, H, W)` in [0, 1].
        target: The class, by name or index; or a list of classes, one for each image.
    """
    probabilities = net.answers(net(images)).softmax(1)
    own = probabilities.gather(1, net.class_indices(target, probabilities)[:, None])
    return Verdict(own[:, 0], (probabilities > own).sum(1) + 1)


def likeness(features: Tensor) -> Tensor:
    """How similar in texture each image is to the others: the mean cosine similarity of its Gram matrix to theirs.

    It does not matter where things are, only which channels fire together.

    Args:
        features: Activations of one layer, `(N, C, h, w)`, of at least two images.

    Returns:
        `(N,)`, at most 1; at least 0 where no activation is negative, as after a ReLU.

    Raises:
        ValueError: There are fewer than two images.

    Paper: Olah et al. 2017, "Diversity".
    """
    n = len(features)
    if n < 2:
        raise ValueError(f"features: expected at least two images to compare, got {n}: optimise a larger batch")
    grams = normalize(losses.gram_matrix(features).flatten(1))
    return ((grams @ grams.T).sum(1) - grams.square().sum(1)) / (n - 1)
