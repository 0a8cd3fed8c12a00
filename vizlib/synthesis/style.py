"""Can content and style be taken apart? The layout of one image, painted in the style of another.

    I* = arg min over I of  a * content(I) + b * style(I) + c * TV(I)

Content is compared in the features of one deep layer, style in the Gram matrices of several. Both losses have a unit,
so that a weight means the same for every network, layer and pair of images: style 1 is that of the photo itself,
content 1 that of an image whose features are everywhere at their channel's mean, without any layout. Strong features
in wrong places cost more than none: another photo has a content loss of about 2.

Paper: Gatys et al. 2016, "Image style transfer using convolutional neural networks".
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from vizlib import images
from vizlib.compute import bf16
from vizlib.hooks import read
from vizlib.models import Network
from vizlib.models.stages import content_and_style_layers
from vizlib.optimize import (
    OptimizerKnobs,
    Pixels,
    Spectrum,
    Step,
    expect,
    losses,
    minimize,
    objectives,
    regularizers,
    stage,
)

PARAMETRIZATIONS = {"pixels": Pixels, "spectrum": Spectrum.of}
COLORS = ("style", "luminance", "histogram")
# Rows and columns to roll the picture by, from step to step: each step sees a different grid, so strides leave no trace
SHIFTS = ((0, 0), (3, 5), (6, 1), (1, 2), (4, 7), (7, 4), (2, 3), (5, 6))


@dataclass
class StyleKnobs(OptimizerKnobs):
    """What may be changed while a transfer runs; read at every step.

    Attributes:
        content_weight, style_weight, total_variation: How much each of the three losses counts.
        content_layers, style_layers: Names of layers; None takes the network's own, see `models.stages`.
        size: Longer side of the picture in pixels.
        scales: Number of stages in which the picture grows to `size`, each sqrt(2) times the size of the one before;
            1 starts at `size`.
        style_size: Longer side of the style image, as a multiple of the picture's; below 1 gives finer strokes.
        mix: 0 paints in the style of the first style image, 1 in that of the second.
        colors: 'style' takes the style image's colours, 'luminance' keeps the photo's, and 'histogram' first gives the
            style image the photo's colours (both Gatys et al. 2017).
        begin: What to start from, 'content' or 'noise'.
        parametrization: What a picture is made of while it is optimised: 'pixels', or 'spectrum', its Fourier
            coefficients. With L-BFGS the latter takes about half to a third of the steps. Read once, at the start.
        bf16: Run the network in bfloat16 where the processor supports it.
    """

    steps: int = 120
    learning_rate: float = 0.03
    content_weight: float = 1.0
    style_weight: float = 10.0
    total_variation: float = 5.0
    content_layers: Sequence[str] | None = None
    style_layers: Sequence[str] | None = None
    size: int = 256
    scales: int = 4
    style_size: float = 1.0
    mix: float = 0.0
    colors: str = "style"
    begin: str = "content"
    parametrization: str = "pixels"
    bf16: bool = False


class Target(NamedTuple):
    """What a picture of one size is compared with: features and Gram matrices, each with its unit of distance."""

    features: dict[str, Tensor]
    content_unit: dict[str, Tensor]
    grams: dict[str, Tensor]
    style_unit: dict[str, Tensor]


def transfer(
    net: Network, content: Tensor, styles: Sequence[Tensor], knobs: StyleKnobs, seed: int = 0
) -> Iterator[Step]:
    """The content image, painted in the style of the style images, one `Step` at a time, the smallest size first.

    Args:
        net: The network whose features measure content and style.
        content: `(1, 3, H, W)` in [0, 1].
        styles: One image `(1, 3, h, w)`, or two that `knobs.mix` blends.
        knobs: Read at every step.
        seed: Seeds the noise that `begin` may ask for.

    Raises:
        ImageError, TypeError: The content or a style is not one image.
        LookupError, ValueError: A layer does not exist, an image is too small or too narrow, there are more than two
            styles, or a knob is out of range.
        Diverged: See `optimize.minimize`.
    """
    targets = Targets(net, content, styles)
    height, width = _stage(net, content, knobs, 0)
    picture = _parametrized(_begin(content, knobs.begin, (height, width), seed), knobs.parametrization)

    def loss(image: Tensor, iteration: int) -> dict[str, Tensor]:
        # L-BFGS compares gradients from step to step, so the picture must not be rolled for it
        return targets.losses(image, knobs, SHIFTS[0 if knobs.optimizer == "lbfgs" else iteration % len(SHIFTS)])

    for step in minimize(loss, picture, knobs):
        yield replace(step, image=recolor(step.image, content) if knobs.colors == "luminance" else step.image)
        wanted = _stage(net, content, knobs, step.iteration)
        if wanted != tuple(step.image.shape[2:]):
            picture.resize(*wanted)


def _begin(content: Tensor, begin: str, size: tuple[int, int], seed: int) -> Tensor:
    if begin == "content":
        return images.resize(content, size)
    if begin == "noise":
        return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed))
    raise ValueError(f"begin is {begin!r}, expected 'content' or 'noise'")


def _parametrized(start: Tensor, parametrization: str) -> Pixels | Spectrum:
    if parametrization not in PARAMETRIZATIONS:
        expected = " or ".join(map(repr, PARAMETRIZATIONS))
        raise ValueError(f"parametrization is {parametrization!r}, expected {expected}")
    return PARAMETRIZATIONS[parametrization](start)


def _stage(net: Network, content: Tensor, knobs: StyleKnobs, done: int) -> tuple[int, int]:
    """Height and width of the picture after `done` steps: `size`, divided by sqrt(2) for each stage that remains."""
    if knobs.scales < 1:
        raise ValueError(f"scales is {knobs.scales}, expected a whole number, at least 1")
    now = stage(done, knobs.steps, knobs.scales)
    smallest = math.ceil(net.min_size * max(content.shape[2:]) / min(content.shape[2:]))  # what the network accepts
    if knobs.size < smallest:
        height, width = content.shape[2:]
        raise ValueError(
            f"a picture of {height}x{width} at size {knobs.size} is too small for {net.name}, which expects at least "
            f"{net.min_size} pixels a side: choose a size from {smallest} on, or crop the picture"
        )
    side = max(knobs.size / 2 ** ((knobs.scales - 1 - now) / 2), smallest)
    return _fit(content, side)


def _fit(image: Tensor, side: float) -> tuple[int, int]:
    """Height and width of the image when its longer side becomes `side`."""
    factor = side / max(image.shape[2:])
    return tuple(max(1, round(edge * factor)) for edge in image.shape[2:])


# --- what the picture is compared with ------------------------------------------------------------------------------


class Targets:
    """The features and Gram matrices to match, computed once for each size, style and choice of layers."""

    def __init__(self, net: Network, content: Tensor, styles: Sequence[Tensor]):
        self.net, self.content, self.styles = net, content, list(styles)
        images.check_one(content, "content")
        for i, style in enumerate(self.styles, 1):
            images.check_one(style, f"style {i}")
            if max(style.shape[2:]) > 8 * min(style.shape[2:]):
                height, width = style.shape[2:]
                raise ValueError(
                    f"style {i} has {height}x{width} pixels, too narrow to have strokes: crop it until the longer side "
                    "is at most 8 times the shorter one"
                )
        if len(self.styles) not in (1, 2):
            raise ValueError(f"expected one style image or two, got {len(self.styles)}")
        self._key: tuple | None = None

    def losses(self, image: Tensor, knobs: StyleKnobs, shift: tuple[int, int] = (0, 0)) -> dict[str, Tensor]:
        """The weighted parts of the loss of an image `(1, 3, H, W)`: content, style and, unless its weight is 0, TV."""
        weights = knobs.content_weight, knobs.style_weight
        if not (min(weights) >= 0 and 0 < sum(weights) < float("inf")):
            raise ValueError(
                f"content weight {knobs.content_weight:g} and style weight {knobs.style_weight:g}: expected none below "
                "0 and at least one above, or there is nothing to match"
            )
        expect(knobs, 0, float("inf"), "total_variation")
        target = self.at(tuple(image.shape[2:]), knobs, shift)
        with bf16(self.net.device, knobs.bf16):
            found = read(self.net, image.roll(shift, (2, 3)), [*{*target.features, *target.grams}], grad=True)
        content, style = compare({layer: output.float() for layer, output in found.items()}, target)
        parts = {"content": knobs.content_weight * content, "style": knobs.style_weight * style}
        if knobs.total_variation:
            parts["TV"] = knobs.total_variation * regularizers.total_variation(image)
        return parts

    def measure(self, image: Tensor, knobs: StyleKnobs) -> tuple[float, float]:
        """Content and style loss of an image `(1, 3, H, W)`, unweighted: (0, 1) for the photo itself."""
        target = self.at(tuple(image.shape[2:]), knobs)
        content, style = compare(read(self.net, image, [*{*target.features, *target.grams}]), target)
        return content.item(), style.item()

    def at(self, size: tuple[int, int], knobs: StyleKnobs, shift: tuple[int, int] = (0, 0)) -> Target:
        """What a picture of this size, rolled by `shift`, is compared with, given the knobs."""
        content_layers, style_layers = _layers(self.net, knobs)
        key = (size, knobs.mix, knobs.style_size, knobs.colors, tuple(content_layers), tuple(style_layers))
        if self._key != key:
            self._known, self._grams = {}, self._style_target(size, knobs, style_layers)
            self._key = key
        if shift not in self._known:
            self._known[shift] = self._target(size, shift, content_layers, self._grams)
        return self._known[shift]

    def _target(
        self, size: tuple[int, int], shift: tuple[int, int], content_layers: Sequence[str], grams: dict[str, Tensor]
    ) -> Target:
        photo = images.resize(self.content, size).roll(shift, (2, 3))
        here = read(self.net, photo, [*{*content_layers, *grams}])
        features = {layer: losses.alive(objectives.map_of(here, layer), layer) for layer in content_layers}
        flat = {layer: f.mean((2, 3), keepdim=True).expand_as(f) for layer, f in features.items()}
        return Target(
            features,
            {layer: losses.content_loss(flat[layer], f).clamp(min=1e-3) for layer, f in features.items()},
            grams,
            {layer: losses.style_loss(here[layer], gram).clamp(min=1e-3) for layer, gram in grams.items()},
        )

    def _style_target(self, size: tuple[int, int], knobs: StyleKnobs, layers: Sequence[str]) -> dict[str, Tensor]:
        if not 0 <= knobs.mix <= 1:
            raise ValueError(f"mix is {knobs.mix}, expected 0 (the first style) to 1 (the second)")
        if knobs.mix and len(self.styles) < 2:
            raise ValueError(f"mix is {knobs.mix:g}, but there is only one style image: give two")
        grams = {layer: torch.tensor(0.0) for layer in layers}
        for i, weight in enumerate((1 - knobs.mix, knobs.mix)):
            if weight:
                found = read(self.net, self._style(i, size, knobs), layers)
                grams = {layer: grams[layer] + weight * losses.gram_matrix(found[layer]) for layer in layers}
        return grams

    def _style(self, i: int, size: tuple[int, int], knobs: StyleKnobs) -> Tensor:
        """The i-th style image at the size that the knobs ask for, but never smaller than the network accepts."""
        if not 0 < knobs.style_size <= 8:
            raise ValueError(f"style_size is {knobs.style_size}, expected a multiple of the picture's size, up to 8")
        style = self.styles[i]
        style = images.resize(style, _fit(style, max(size) * knobs.style_size))
        if min(style.shape[2:]) < self.net.min_size:
            style = images.resize(style, self.net.min_size)
        if knobs.colors == "histogram":
            style = match_colors(style, self.content)
        if knobs.colors not in COLORS:
            raise ValueError(f"colors is {knobs.colors!r}, expected one of {', '.join(COLORS)}")
        return style


def compare(found: dict[str, Tensor], target: Target) -> tuple[Tensor, Tensor]:
    """Content and style loss of some activations, each the mean over its layers, in the target's units."""
    content = [losses.content_loss(found[i], f) / target.content_unit[i] for i, f in target.features.items()]
    style = [losses.style_loss(found[i], gram) / target.style_unit[i] for i, gram in target.grams.items()]
    return torch.stack(content).mean(), torch.stack(style).mean()


def _layers(net: Network, knobs: StyleKnobs) -> tuple[Sequence[str], Sequence[str]]:
    content, style = content_and_style_layers(net)
    return knobs.content_layers or content, knobs.style_layers or style


# --- colours --------------------------------------------------------------------------------------------------------


def recolor(image: Tensor, colors: Tensor) -> Tensor:
    """The luminance of `image` with the colours of another image, `(1, 3, h, w)`, which is resized to match.

    Paper: Gatys et al. 2017, "Controlling perceptual factors in neural style transfer", section 5.
    """
    colors = images.resize(colors, tuple(image.shape[2:])).to(image)
    return (colors + images.luminance(image - colors)).clamp(0, 1)


def match_colors(image: Tensor, colors: Tensor) -> Tensor:
    """`image`, changed to have the mean and covariance of another image's colours (Gatys et al. 2017, appendix)."""
    x, y = (picture.flatten(2)[0].double() for picture in (image, colors))
    matrix = _root(y) @ torch.linalg.inv(_root(x))
    matched = matrix @ (x - x.mean(1, keepdim=True)) + y.mean(1, keepdim=True)
    return matched.to(image.dtype).view_as(image).clamp(0, 1)


def _root(pixels: Tensor) -> Tensor:
    """The symmetric square root of the covariance matrix of pixels `(3, n)`."""
    values, vectors = torch.linalg.eigh(torch.cov(pixels) + 1e-5 * torch.eye(3, dtype=pixels.dtype))
    return vectors @ values.sqrt().diag() @ vectors.T
