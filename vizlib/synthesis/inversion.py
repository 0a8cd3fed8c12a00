"""What does a layer know about an image? Search, from noise, for an image that gives the same features there.

    I* = arg min over I of  |f(I) - f(photo)|^2 / |f(photo)|^2  +  w * TV(I)  +  l2 * |I - mean|^2

The parts of the photo that come back are what the features hold; the rest, the layers up to here have discarded.

Paper: Mahendran and Vedaldi 2015, "Understanding deep image representations by inverting them".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vizlib import images
from vizlib.hooks import read
from vizlib.models import Network
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
)


@dataclass(kw_only=True)
class InversionKnobs(OptimizerKnobs):
    """Which features to match, and what else the image should look like; read at every step.

    Attributes:
        layer: The layer whose features are matched.
        total_variation: How much roughness costs; 0 is off (eq. 4 of the paper with beta = 2).
        l2: How much the mean squared distance from the network's mean colour costs; 0 is off (eq. 3 with alpha = 2).
        mirror: Match the photo's features flipped left to right.
    """

    layer: str
    steps: int = 60
    optimizer: str = "lbfgs"
    learning_rate: float = 1.0
    total_variation: float = 2.0
    l2: float = 0.0
    mirror: bool = False


def invert(net: Network, photo: Tensor, picture: Parametrization, knobs: InversionKnobs) -> Iterator[Step]:
    """Images whose features come closer and closer to the photo's, one `Step` at a time.

    Args:
        net: The network to look into.
        photo: `(1, 3, H, W)` in [0, 1].
        picture: The parametrised image to start from, of the photo's size; see `noise`. A batch inverts the same
            features several times.
        knobs: Read at every step; a new layer takes effect at the next step.

    Raises:
        ImageError, TypeError: The photo is not one image.
        LookupError: The layer does not exist; raised at the first step that uses it.
        ValueError: The photo is too small for the network, the picture has another size, or a weight is negative.
        Diverged: See `optimize.minimize`.
    """
    if picture.image().shape[2:] != photo.shape[2:]:
        have, want = ("x".join(map(str, image.shape[2:])) for image in (picture.image(), photo))
        raise ValueError(f"the picture has {have} pixels and the photo {want}: begin with noise(net, photo)")
    yield from minimize(mismatch(net, photo, knobs), picture, knobs)


def mismatch(net: Network, photo: Tensor, knobs: InversionKnobs) -> Callable[[Tensor, int], dict[str, Tensor]]:
    """The loss of `invert`: a function from images `(N, 3, H, W)` and the step to its parts, as means over N."""
    images.check_one(photo.float(), "photo")
    known: dict[str, Tensor] = {}

    def target(layer: str) -> Tensor:
        if layer not in known:
            known[layer] = losses.alive(read(net, photo, [layer])[layer], layer)
        return known[layer].flip(-1) if knobs.mirror and known[layer].ndim == 4 else known[layer]

    def loss(image: Tensor, iteration: int) -> dict[str, Tensor]:
        layer, roughness, l2 = knobs.layer, knobs.total_variation, knobs.l2
        expect(knobs, 0, float("inf"), "total_variation", "l2")
        wanted = target(layer)
        features = read(net, image, [layer], grad=True)[layer]
        return {
            "features": losses.content_loss(features, wanted),
            "TV": roughness * regularizers.total_variation(image),
            "L2": l2 * regularizers.l2_norm(image, net.mean.to(image.device)),
        }

    return loss


def noise(
    net: Network, photo: Tensor, n: int = 1, contrast: float = 0.05, fourier: bool = True, seed: int = 0
) -> Parametrization:
    """A starting point for `invert`: n noise images of the photo's size.

    Args:
        net: The network whose mean colour the noise has, if `fourier` is off.
        photo: `(1, 3, H, W)` in [0, 1]; only its size matters.
        n: How many images.
        contrast: Standard deviation of the noise; for pixels in units of [0, 1], for a spectrum before the sigmoid.
        fourier: Parametrise by frequencies and decorrelated colours (Olah et al. 2017), which finds smooth areas and
            colours far sooner than pixels do.
        seed: Seeds the noise.
    """
    images.check(photo.float(), "photo")
    generator = torch.Generator().manual_seed(seed)
    if fourier:
        return Spectrum(n, *photo.shape[2:], contrast, generator)
    grains = contrast * torch.randn(n, *photo.shape[1:], generator=generator)
    return Pixels((net.mean.cpu() + grains).clamp(0, 1))


# --- how much came back ---------------------------------------------------------------------------------------------


def psnr(image: Tensor, photo: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in decibels, `(N,)`: -10 log10 of the mean squared error, infinite if identical."""
    return -10 * (image - photo).square().flatten(1).mean(1).log10()


def feature_distance(net: Network, image: Tensor, photo: Tensor, layer: str) -> Tensor:
    """|f(I) - f(photo)|^2 / |f(photo)|^2 for each image, `(N,)`: 0 if the layer cannot tell it from the photo."""
    wanted, found = read(net, photo, [layer])[layer], read(net, image, [layer])[layer]
    return torch.stack([losses.content_loss(one[None], wanted) for one in found])


class Parts(NamedTuple):
    """The parts of an image, from `split`; or, from `kept`, how well each part came back.

    Attributes:
        layout: The blurred luminance: where it is light and where dark.
        detail: The luminance minus its blur: edges and texture.
        color: The blurred image minus its luminance.
    """

    layout: Tensor
    detail: Tensor
    color: Tensor


def split(image: Tensor) -> Parts:
    """Layout `(N, 1, H, W)`, detail `(N, 1, H, W)` and colour `(N, 3, H, W)`; the Gaussian is side / 32 pixels wide."""
    sigma = max(1.0, min(image.shape[2:]) / 32)
    smooth = regularizers.blur(image, sigma)
    light, layout = images.luminance(image), images.luminance(smooth)
    return Parts(layout, light - layout, smooth - layout)


def kept(image: Tensor, photo: Tensor) -> Parts:
    """The correlation of each image's parts with the photo's, `(N,)` each: 1 if all of it came back, 0 if nothing."""
    return Parts(*(correlation(a, b) for a, b in zip(split(image), split(photo), strict=True)))


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's correlation of each of N images with its counterpart in the other batch, or with the only one there."""
    a, b = (x.flatten(1) - x.flatten(1).mean(1, keepdim=True) for x in (a, b))
    return torch.nn.functional.cosine_similarity(a, b, dim=1, eps=1e-12)


def agreement(images: Tensor) -> Tensor:
    """How much several inversions agree: the mean correlation over all pairs; 1 means that they are identical.

    Raises:
        ValueError: There are fewer than two images.
    """
    if len(images) < 2:
        raise ValueError(f"images: expected at least two to compare, got {len(images)}")
    pairs = torch.combinations(torch.arange(len(images)))
    return correlation(images[pairs[:, 0]], images[pairs[:, 1]]).mean()
