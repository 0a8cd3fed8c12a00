"""What does the network see in this picture? Amplify it, whatever it is, at every scale.

    I <- I + step * g / |g|,    g = the gradient of how strongly a layer responds, smoothed

Only what the layer already detects, however faintly, is amplified: a cloud that looks a little like a dog is made to
look more like one, and the layer then responds more strongly still.

Paper: Mordvintsev, Olah and Tyka 2015, "Inceptionism: going deeper into neural networks".
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn

from vizlib import images
from vizlib.hooks import read
from vizlib.models import Network
from vizlib.models.choosing import whole_numbers
from vizlib.optimize import Pixels, Step, losses, minimize, objectives, regularizers, stage
from vizlib.optimize.objectives import Activations, Objective

AIMS = ("layer", "channel", "guide")


@dataclass(kw_only=True)
class DreamKnobs:
    """What is amplified, and how; read at every step.

    Attributes:
        layer: The layer whose response is amplified.
        aim: 'layer' amplifies everything that the layer responds to; 'channel' what one channel, or several, respond
            to; 'guide' what the layer also finds in another image.
        channel: For the aim 'channel': one index, or several, whose mean activation is raised.
        steps: Total number of steps, shared evenly among the octaves.
        octaves: Number of image sizes, from small to large.
        octave_scale: Ratio of each size to the one before, above 1.
        learning_rate: Length of a step: the root mean square change of the pixels if `normalize` is on, otherwise a
            factor on the gradient.
        normalize: Divide the gradient by its root mean square, so that steps are equally long for any layer and size.
        jitter: Largest random shift of the image, in pixels down and across, before the network sees it.
        smoothing: Width in pixels of the Gaussians that blur the gradient; 0 is off.
        reach: How far each octave may take the image from the photo, as a root mean square over the pixels: octave k
            ends at most k * reach away.
    """

    layer: str
    aim: str = "layer"
    channel: int | Sequence[int] = 0
    steps: int = 60
    octaves: int = 4
    octave_scale: float = 1.4
    learning_rate: float = 0.015
    normalize: bool = True
    jitter: int = 16
    smoothing: float = 1.0
    reach: float = 0.05

    @property
    def optimizer(self) -> str:
        """The optimiser that `minimize` uses."""
        return "normalized" if self.normalize else "gradient"


def dream(net: Network, photo: Tensor, knobs: DreamKnobs, guide: Tensor | None = None, seed: int = 0) -> Iterator[Step]:
    """A photo that turns into a dream, one `Step` at a time; the image grows from octave to octave.

    Args:
        net: The network that dreams.
        photo: `(1, 3, H, W)` in [0, 1]; the last octave has its size.
        knobs: Read at every step.
        guide: The image `(1, 3, h, w)` in [0, 1] that provides the features for the aim 'guide'.
        seed: Seeds the jitter.

    Raises:
        ImageError, TypeError: The photo or the guide is not one image.
        LookupError, ValueError: The layer or channel does not exist, a knob is out of range, or an image is too small;
            raised at the first step that meets it.
        Diverged: See `optimize.minimize`.
    """
    images.check_one(photo, "photo")
    generator = torch.Generator().manual_seed(seed)
    objective = seeker(net, guide)
    picture = Detail(photo)

    def loss(image: Tensor, iteration: int) -> dict[str, Tensor]:
        image = image.view_as(image)  # the backward pass goes through this view, where the hook smooths the gradient
        image.register_hook(lambda gradient: smooth(gradient, knobs.smoothing))
        rolled = image.roll(shift(knobs.jitter, generator), (2, 3))
        wanted = objective(knobs)
        return {"activation": -wanted.score(read(net, rolled, wanted.layers, grad=True)).mean()}

    def hold(image: Tensor, gradient: Tensor, iteration: int) -> Tensor:
        return within(image, picture.photo, (octave(knobs, iteration - 1) + 1) * knobs.reach)

    picture.resize(*octave_size(net, photo, knobs, 0))
    for step in minimize(loss, picture, knobs, after=hold):
        yield step
        picture.resize(*octave_size(net, photo, knobs, step.iteration))


def over_octaves(
    photo: Tensor, change: Callable[[Tensor], Tensor], octaves: int = 5, octave_scale: float = 1.4, steps: int = 12
) -> Iterator[Step]:
    """A photo after each call of `change`, which is made at several sizes, from small to large.

    Only the detail, what `change` added, is enlarged from one size to the next; the photo is resized afresh. It is the
    bare loop of a dream, for a step that was written by hand.

    Args:
        photo: `(1, 3, H, W)` in [0, 1]; the last octave has its size.
        change: From an image `(1, 3, h, w)` to one of the same size.
        octaves: Number of sizes.
        octave_scale: Ratio of each size to the one before, above 1.
        steps: Calls of `change` in each octave.

    Raises:
        ImageError, TypeError: The photo is not one image.
        ValueError: `octaves`, `octave_scale` or `steps` is out of range.
    """
    images.check_one(photo, "photo")
    if not (octaves >= 1 and octave_scale > 1 and steps >= 1):
        raise ValueError(
            f"octaves = {octaves}, octave_scale = {octave_scale}, steps = {steps}: expected at least one octave "
            "and one step, and a scale above 1"
        )
    detail = torch.zeros_like(photo)
    for remaining in reversed(range(octaves)):
        size = [max(1, round(side / octave_scale**remaining)) for side in photo.shape[2:]]
        small = images.resize(photo, size)
        image = small + nn.functional.interpolate(detail, size, mode="bicubic", antialias=True)
        for number in range(1, steps + 1):
            image = change(image.clamp(0, 1))
            yield Step((octaves - 1 - remaining) * steps + number, image, {})
        detail = image - small


# --- octaves --------------------------------------------------------------------------------------------------------


def octave(knobs: DreamKnobs, done: int) -> int:
    """The octave that follows after `done` steps; 0 is the first and smallest.

    Raises:
        ValueError: `octaves` or `octave_scale` is out of range.
    """
    if not (knobs.octaves == int(min(knobs.octaves, 99)) >= 1 and 1 < knobs.octave_scale < float("inf")):
        raise ValueError(
            f"octaves = {knobs.octaves}, octave_scale = {knobs.octave_scale}: expected 1 to 99 octaves, each larger "
            "than the one before by a factor above 1"
        )
    return stage(done, knobs.steps, knobs.octaves)


def octave_size(net: Network, photo: Tensor, knobs: DreamKnobs, done: int) -> tuple[int, int]:
    """Height and width after `done` steps: the photo's, divided by `octave_scale` for each octave that remains.

    No octave is smaller than the network accepts.
    """
    sides = photo.shape[2:]
    shrink = knobs.octave_scale ** (knobs.octaves - 1 - octave(knobs, done))
    shrink = max(1.0, min(shrink, min(sides) / net.min_size))
    return tuple(round(side / shrink) for side in sides)


class Detail(Pixels):
    """A photo at the size of an octave plus the detail dreamt so far; only the detail is carried to the next octave.

    Enlarging the whole dream would blur it, so the photo is resized afresh: `photo + enlarged(dream - photo)`.
    """

    def __init__(self, photo: Tensor):
        super().__init__(photo)
        self.original = self.photo = photo.detach()

    def resize(self, height: int, width: int) -> None:
        """Bring the photo and the detail to another size, and add them up again."""
        (pixels,) = self.parameters
        if (height, width) == tuple(pixels.shape[2:]):
            return
        detail = pixels.detach() - self.photo
        detail = nn.functional.interpolate(detail, (height, width), mode="bicubic", antialias=True)
        self.photo = images.resize(self.original, (height, width))
        self.parameters = [(self.photo + detail).clamp(0, 1).requires_grad_()]


# --- a step ---------------------------------------------------------------------------------------------------------


def shift(pixels: int, generator: torch.Generator) -> tuple[int, int]:
    """A random shift of the image, down and across: each from -pixels to pixels."""
    if not (pixels >= 0 and pixels == int(pixels)):
        raise ValueError(f"jitter is {pixels}, expected a whole number of pixels, at least 0")
    pixels = int(pixels)
    return tuple(torch.randint(-pixels, pixels + 1, (2,), generator=generator).tolist())


def smooth(gradient: Tensor, sigma: float) -> Tensor:
    """The mean of three Gaussian blurs, `sigma / 2`, `sigma` and `2 * sigma` wide: finer detail is damped more."""
    if not 0 <= sigma < float("inf"):
        raise ValueError(f"smoothing is {sigma}, expected a width in pixels, at least 0")
    if sigma == 0:
        return gradient
    return torch.stack([regularizers.blur(gradient, sigma * factor) for factor in (0.5, 1, 2)]).mean(0)


def within(image: Tensor, photo: Tensor, reach: float) -> Tensor:
    """The image nearest to `image` whose root mean square distance from the photo is at most `reach`."""
    if not 0 < reach < float("inf"):
        raise ValueError(f"reach is {reach}, expected a distance above 0, in units of [0, 1]")
    return photo + (image - photo) * (reach / distance(image, photo).clamp(min=1e-12)).clamp(max=1)


def distance(image: Tensor, photo: Tensor) -> Tensor:
    """The root mean square difference between two images, in units of [0, 1]."""
    return (image - photo).square().mean().sqrt()


# --- what is amplified ----------------------------------------------------------------------------------------------


def guided(layer: str, features: Tensor) -> Objective:
    """The objective of a guided dream: the largest dot product of each place with the guide's features, averaged.

    Its gradient at a place points along the guide's feature that matches best there, as in the notebook of Mordvintsev
    et al.

    Args:
        features: `(M, C)`, the guide's activations at M places.
    """

    def score(acts: Activations) -> Tensor:
        return (objectives.map_of(acts, layer).flatten(2).transpose(1, 2) @ features.T).amax(2).mean(1)

    return Objective(f"{layer} as in the guide", frozenset([layer]), score)


PLACES = 1024  # the most places of a guide to compare with: more would cost memory and hardly match better


def seeker(net: Network, guide: Tensor | None) -> Callable[[DreamKnobs], Objective]:
    """A function from the knobs to the objective they ask for; it looks at the guide only once for each layer."""
    known: dict[str, Tensor] = {}

    def objective(knobs: DreamKnobs) -> Objective:
        layer, channel = knobs.layer, knobs.channel
        if knobs.aim == "layer":
            return objectives.energy(layer)
        if knobs.aim == "channel":
            several = whole_numbers(channel, "channel").tolist()
            return (1 / len(several)) * reduce(add, [objectives.channel(layer, index) for index in several])
        if knobs.aim != "guide":
            raise ValueError(f"aim is {knobs.aim!r}, expected one of {', '.join(AIMS)}")
        if layer not in known:
            known[layer] = guide_features(net, guide, layer)
        return guided(layer, known[layer])

    return objective


def guide_features(net: Network, guide: Tensor | None, layer: str) -> Tensor:
    """A layer's activations for the guide `(1, 3, h, w)`, resized to the network's input size: `(M, C)` at M places.

    Raises:
        ValueError: There is no guide, or it is not one image.
        LookupError: The layer does not exist.
    """
    if guide is None:
        raise ValueError("aim is 'guide', but there is no guide: give an image with dream(..., guide=image)")
    images.check_one(guide, "guide")
    maps = losses.alive(read(net, images.resize(guide, net.input_size), [layer])[layer], layer)
    found = objectives.map_of({layer: maps}, layer).flatten(2)[0].T
    return found[:: math.ceil(len(found) / PLACES)]
