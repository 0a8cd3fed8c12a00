"""A texture from nothing but which features fire together: images whose Gram matrices are those of a sample.

    I* = arg min over I of  sum over layers l of  w_l |G_l(I) - G_l(sample)|^2 / |G_l(sample)|^2  +  c * TV(I)

A Gram matrix averages over all positions, so it knows what is in the sample and not where; that is what makes the
result a texture, and of any size. It begins with noise, small, and grows to its size in stages.

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
    """What may be turned while a texture is synthesised; read at every step.

    Attributes:
        weight1, weight2, …: How much the Gram matrix of the first, second … layer counts.
        total_variation: How much roughness costs: a little takes away what strides leave.
        stages: The picture grows to its size in so many stages of equally many steps, each twice the one before; read
            at the beginning.
        levels: The Gram matrices are matched at so many sizes of the picture, each half the one before, so that a
            small network sees large structures, too.
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
        """The weights of the first n layers, made to add up to 1.

        Raises:
            ValueError: One is negative, or all are 0.
        """
        given = [getattr(self, field.name) for field in fields(self) if field.name.startswith("weight")][:n]
        if not (min(given) >= 0 and 0 < sum(given) < float("inf")):
            raise ValueError(
                f"the layers' weights are {', '.join(f'{weight:g}' for weight in given)}: expected none below 0 and "
                "one above, or there is nothing to match"
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
    """The texture of a sample over a picture of any size, from noise, one `Step` after the other, small sizes first.

    Args:
        net: Its features are what is counted.
        sample: `(1, 3, h, w)` in [0, 1]. Where it is smaller than a layer's receptive field, the layer sees the edge.
        knobs: Read at every step.
        size: (height, width) of the result in pixels.
        layers: At most six layers to match; None takes the network's own, see `models.stages`.
        seed: Of the noise.

    Raises:
        ValueError: A sample or a size below what the network takes, weights of which none counts, too many layers.
        LookupError: An unknown layer.
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
    """The loss of `synthesize`: how far the Gram matrices of a picture are from those of a sample."""

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
    return {layer: losses.gram_matrix(output) for layer, output in read(net, image, layers).items()}


def style_distances(net: Network, image: Tensor, sample: Tensor, layers: Sequence[str]) -> dict[str, float]:
    """How far the Gram matrices of two images are apart at each layer: 0 for the same, see `losses.style_loss`."""
    found, target = read(net, image, layers), gram_matrices(net, sample, layers)
    return {layer: losses.style_loss(found[layer], target[layer]).item() for layer in layers}


def pyramid(net: Network, image: Tensor, levels: int) -> list[Tensor]:
    """The image, and halved again and again: at most so many levels, none smaller than what the network takes."""
    smallest = min(image.shape[2:])
    return [
        _smaller(image, 2**level) for level in range(int(levels)) if level == 0 or smallest >> level >= net.min_size
    ]


def _smaller(image: Tensor, factor: int) -> Tensor:
    return image if factor == 1 else F.avg_pool2d(image, factor)


def _stages(net: Network, sample: Tensor, wanted: int, size: tuple[int, int]) -> int:
    """As many stages as were asked for, or as the network can look at: each begins at half the size of the next."""
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
        raise ValueError(f"{len(layers)} layers, expected 1 to {most}, for which there are weights")
