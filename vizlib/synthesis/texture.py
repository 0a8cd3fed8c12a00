"""Texture synthesis: an image whose Gram matrices, which record what features fire together, match a sample's.

    I* = arg min over I of  sum over layers l of  w_l |G_l(I) - G_l(sample)|^2 / |G_l(sample)|^2  +  c * TV(I)

A Gram matrix averages over all positions, so it records what is in the sample but not where; that is what makes the
result a texture, and lets it be of any size. The image starts as a small piece of noise and grows in stages.

Paper: Gatys et al. 2015, "Texture synthesis using convolutional neural networks".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from vizlib import images
from vizlib.hooks import read
from vizlib.models import Network
from vizlib.models.stages import content_and_style_layers
from vizlib.optimize import OptimizerKnobs, Pixels, Step, expect, losses, minimize, regularizers, stage

CONTRAST = 0.25  # the standard deviation of the noise to begin with


@dataclass
class TextureKnobs(OptimizerKnobs):
    """What may be changed while a texture is synthesised; read at every step unless stated otherwise.

    Attributes:
        weight1, weight2, …: How much the Gram matrix of the first, second … layer counts.
        total_variation: How much roughness costs; a little removes the grid pattern that strides leave.
        stages: Number of stages in which the picture grows, each with as many steps, each twice the size of the one
            before. Read once, at the beginning.
        levels: Number of sizes of the picture, each half the one before, at which the Gram matrices are matched, so
            that a small network sees large structures as well. Read at the beginning of each stage.
    """

    steps: int = 120
    optimizer: str = "lbfgs"
    learning_rate: float = 1.0
    weight1: float = 1.0
    weight2: float = 1.0
    weight3: float = 1.0
    weight4: float = 1.0
    weight5: float = 1.0
    weight6: float = 1.0
    total_variation: float = 0.3
    stages: int = 2
    levels: int = 2

    def weights(self, n: int) -> list[float]:
        """The weights of the first n layers, scaled to sum to 1.

        Raises:
            ValueError: A weight is negative or not finite, or all are 0.
        """
        given = [getattr(self, field.name) for field in fields(self) if field.name.startswith("weight")][:n]
        if not (min(given) >= 0 and 0 < sum(given) < float("inf")):
            raise ValueError(
                f"the layers' weights are {', '.join(f'{weight:g}' for weight in given)}: expected none below 0 and "
                "at least one above, or there is nothing to match"
            )
        return [weight / sum(given) for weight in given]


def synthesize(
    net: Network,
    sample: Tensor,
    knobs: TextureKnobs,
    size: tuple[int, int] = (192, 192),
    layers: Sequence[str] | None = None,
    seed: int = 0,
) -> Iterator[Step]:
    """A sample's texture at any size, synthesised from noise, one `Step` at a time, the smallest stage first.

    Args:
        net: The network whose Gram matrices are matched.
        sample: `(1, 3, h, w)` in [0, 1]. Where it is smaller than a layer's receptive field, the layer sees beyond its
            edge.
        knobs: Read at every step, but for the exceptions that `TextureKnobs` names.
        size: (height, width) of the result in pixels.
        layers: One to six layers to match; None takes the network's own, see `models.stages`.
        seed: Seeds the noise.

    Raises:
        ImageError, TypeError: The sample is not one image.
        ValueError: The sample or the result is smaller than the network accepts, there are more than six layers, or a
            knob is out of range.
        LookupError: A layer does not exist.
        Diverged: See `optimize.minimize`.
    """
    layers = list(layers or content_and_style_layers(net)[1])
    _check(net, sample, size, layers)
    expect(knobs, 1, float("inf"), "stages", "levels")
    generator, stages = torch.Generator().manual_seed(seed), _stages(net, sample, knobs.stages, size)
    done, image = 0, None
    while done < knobs.steps:
        now = stage(done, knobs.steps, stages)
        halvings = stages - 1 - now
        goal, side = _smaller(sample, 2**halvings), [edge >> halvings for edge in size]
        if image is None:
            noise = CONTRAST * torch.randn(1, 3, *side, generator=generator)
            image = (goal.mean((2, 3), keepdim=True) + noise).clamp(0, 1)
        for step in minimize(Match(net, goal, layers, knobs), Pixels(images.resize(image, side)), knobs):
            done, image = done + 1, step.image
            yield replace(step, iteration=done)
            if done >= knobs.steps or stage(done, knobs.steps, stages) != now:
                break


class Match:
    """The loss of `synthesize`: the distance between the Gram matrices of a picture and those of a sample."""

    def __init__(self, net: Network, sample: Tensor, layers: Sequence[str], knobs: TextureKnobs):
        self.net, self.layers, self.knobs = net, list(layers), knobs
        self.targets = [gram_matrices(net, smaller, layers) for smaller in pyramid(net, sample, knobs.levels)]

    def __call__(self, image: Tensor, iteration: int) -> dict[str, Tensor]:
        expect(self.knobs, 0, float("inf"), "total_variation")
        levels = list(zip(pyramid(self.net, image, len(self.targets)), self.targets, strict=False))
        parts = dict.fromkeys(self.layers, 0.0)
        for smaller, target in levels:
            found = read(self.net, smaller, self.layers, grad=True)
            for layer, weight in zip(self.layers, self.knobs.weights(len(self.layers)), strict=True):
                parts[layer] += weight / len(levels) * losses.style_loss(found[layer], target[layer])
        if self.knobs.total_variation:
            parts["TV"] = self.knobs.total_variation * regularizers.total_variation(image)
        return parts


def gram_matrices(net: Network, image: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """The Gram matrix `(1, C, C)` of an image at each layer."""
    return {layer: losses.gram_matrix(losses.alive(f, layer)) for layer, f in read(net, image, layers).items()}


def style_distances(net: Network, image: Tensor, sample: Tensor, layers: Sequence[str]) -> dict[str, float]:
    """The distance between the Gram matrices of two images at each layer, 0 if equal; see `losses.style_loss`."""
    found, target = read(net, image, layers), gram_matrices(net, sample, layers)
    return {layer: losses.style_loss(found[layer], target[layer]).item() for layer in layers}


def pyramid(net: Network, image: Tensor, levels: int) -> list[Tensor]:
    """The image and its repeated halvings: at most `levels` images, none of them smaller than the network accepts."""
    smallest = min(image.shape[2:])
    return [
        _smaller(image, 2**level) for level in range(int(levels)) if level == 0 or smallest >> level >= net.min_size
    ]


def _smaller(image: Tensor, factor: int) -> Tensor:
    return image if factor == 1 else F.avg_pool2d(image, factor)


def _stages(net: Network, sample: Tensor, wanted: int, size: tuple[int, int]) -> int:
    """The number of stages: `wanted`, or as many as the network's minimum size allows; each doubles the size."""
    smallest = min(*sample.shape[2:], *size)
    return max(stage + 1 for stage in range(max(1, int(wanted))) if stage == 0 or smallest >> stage >= net.min_size)


def _check(net: Network, sample: Tensor, size: tuple[int, int], layers: Sequence[str]) -> None:
    images.check_one(sample, "sample")
    for what, (height, width) in (("the sample", sample.shape[2:]), ("the result", size)):
        if min(height, width) < net.min_size:
            raise ValueError(
                f"{what} is {height}x{width} pixels, and {net.name} needs at least {net.min_size} a side: take a "
                "larger one, or enlarge it with images.resize"
            )
    most = sum(field.name.startswith("weight") for field in fields(TextureKnobs))
    if not 1 <= len(layers) <= most:
        raise ValueError(f"there are {len(layers)} layers, expected 1 to {most}, one for each weight")
