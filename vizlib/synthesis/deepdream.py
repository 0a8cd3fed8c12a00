"""What does the network see in this picture? Whatever it is, make it more, at every size.

    I <- I + step * g / |g|,    g = the gradient of how strongly a layer responds, made smooth

Nothing is added that a layer did not find, however faintly: a dog in a cloud becomes more of a dog, and is found more.

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
from vizlib.optimize import Pixels, Step, minimize, objectives, regularizers, stage
from vizlib.optimize.objectives import Activations, Objective

AIMS = ("layer", "channel", "guide")


@dataclass(kw_only=True)
class DreamKnobs:
    """What is made more, and how; read at every step.

    Attributes:
        layer: Where to look.
        aim: 'layer': all that it finds; 'channel': what one channel finds, or several; 'guide': what it also finds in
            another image.
        channel: One channel, or several whose mean is made large.
        steps: How many in all, shared out evenly over the octaves.
        octaves: How many sizes, from small to large.
        octave_scale: How much larger each is than the one before, above 1.
        learning_rate: How far a step goes: in the root mean square of the pixels when normalised, else a factor of
            the gradient.
        normalize: Divide the gradient by its root mean square, so that every step is as long on any layer and size.
        jitter: Pixels by which the image is rolled at random, down and across, before the network sees it.
        smoothing: Width in pixels of the Gaussians that the gradient is blurred with, 0 is off.
        reach: How far each octave may take the image from the photo, in the root mean square of the pixels: octave k
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
        """What `minimize` takes its steps with."""
        return "normalized" if self.normalize else "gradient"


def dream(net: Network, photo: Tensor, knobs: DreamKnobs, guide: Tensor | None = None, seed: int = 0) -> Iterator[Step]:
    """Dreams that begin with a photo, one `Step` after the other; the image grows from octave to octave.

    Args:
        net: Whose dream it is.
        photo: `(1, 3, H, W)` in [0, 1]; the last octave has its size.
        knobs: Read at every step.
        guide: The image `(1, 3, h, w)` that `aim = 'guide'` takes its features from.
        seed: Of the jitter.

    Raises:
        LookupError, ValueError: An unknown layer or channel, a knob out of range, an image that is too small, at the
            step that finds it.
        Diverged: See `optimize.minimize`.
    """
    images.check_one(photo, "photo")
    generator = torch.Generator().manual_seed(seed)
    objective = seeker(net, guide)
    picture = Detail(photo)

    def loss(image: Tensor, iteration: int) -> dict[str, Tensor]:
        image = image.view_as(image)  # on the way back, the gradient passes here and is smoothed
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


# --- octaves --------------------------------------------------------------------------------------------------------


def octave(knobs: DreamKnobs, done: int) -> int:
    """Which octave comes after `done` steps; 0 is the first and smallest."""
    if not (knobs.octaves == int(min(knobs.octaves, 99)) >= 1 and 1 < knobs.octave_scale < float("inf")):
        raise ValueError(
            f"octaves = {knobs.octaves}, octave_scale = {knobs.octave_scale}: expected 1 to 99 octaves, each a "
            "factor above 1 larger than the one before"
        )
    return stage(done, knobs.steps, knobs.octaves)


def octave_size(net: Network, photo: Tensor, knobs: DreamKnobs, done: int) -> tuple[int, int]:
    """Height and width after `done` steps: the photo's, divided by `octave_scale` for each octave still to come.

    No octave is made smaller than what the network takes.
    """
    sides = photo.shape[2:]
    shrink = knobs.octave_scale ** (knobs.octaves - 1 - octave(knobs, done))
    shrink = max(1.0, min(shrink, min(sides) / net.min_size))
    return tuple(round(side / shrink) for side in sides)


class Detail(Pixels):
    """A photo at the size of an octave, and the detail that was dreamt into it: only that is carried to the next.

    An enlarged dream would be blurred. So the photo is taken afresh at each size: `photo + enlarged(dream - photo)`.
    """

    def __init__(self, photo: Tensor):
        super().__init__(photo)
        self.original = self.photo = photo.detach()

    def resize(self, height: int, width: int) -> None:
        (pixels,) = self.parameters
        if (height, width) == tuple(pixels.shape[2:]):
            return
        detail = pixels.detach() - self.photo
        detail = nn.functional.interpolate(detail, (height, width), mode="bicubic", antialias=True)
        self.photo = images.resize(self.original, (height, width))
        self.parameters = [(self.photo + detail).clamp(0, 1).requires_grad_()]


# --- a step ---------------------------------------------------------------------------------------------------------


def shift(pixels: int, generator: torch.Generator) -> tuple[int, int]:
    """How far to roll an image, down and across: each from -pixels to pixels."""
    if not (pixels >= 0 and pixels == int(pixels)):
        raise ValueError(f"jitter is {pixels}, expected a whole number of pixels from 0 on")
    pixels = int(pixels)
    return tuple(torch.randint(-pixels, pixels + 1, (2,), generator=generator).tolist())


def smooth(gradient: Tensor, sigma: float) -> Tensor:
    """The mean of three Gaussian blurs, of half, once and twice `sigma` pixels: less of it the finer the detail."""
    if not 0 <= sigma < float("inf"):
        raise ValueError(f"smoothing is {sigma}, expected a width in pixels from 0 on")
    if sigma == 0:
        return gradient
    return torch.stack([regularizers.blur(gradient, sigma * factor) for factor in (0.5, 1, 2)]).mean(0)


def within(image: Tensor, photo: Tensor, reach: float) -> Tensor:
    """The image nearest to `image` whose distance from the photo, the root mean square, is at most `reach`."""
    if not 0 < reach < float("inf"):
        raise ValueError(f"reach is {reach}, expected a distance above 0, in units of the pixels")
    return photo + (image - photo) * (reach / distance(image, photo).clamp(min=1e-12)).clamp(max=1)


def distance(image: Tensor, photo: Tensor) -> Tensor:
    """The root mean square of the difference of two images, in units of [0, 1]."""
    return (image - photo).square().mean().sqrt()


# --- what is made more ----------------------------------------------------------------------------------------------


def guided(layer: str, features: Tensor) -> Objective:
    """How well each place of a layer matches its best place in a guide: the mean of the largest dot products.

    Its gradient with respect to the activation at a place is the guide's feature there, as in the notebook of
    Mordvintsev et al.

    Args:
        features: `(M, C)`, the guide's activations at M places.
    """

    def score(acts: Activations) -> Tensor:
        return (objectives.map_of(acts, layer).flatten(2).transpose(1, 2) @ features.T).amax(2).mean(1)

    return Objective(f"{layer} as in the guide", frozenset([layer]), score)


PLACES = 1024  # of a guide, at most: more cost memory and hardly match better


def seeker(net: Network, guide: Tensor | None) -> Callable[[DreamKnobs], Objective]:
    """From the knobs to what they ask to be made more; a guide is looked at once for each layer."""
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
    """What a layer finds in the guide `(1, 3, h, w)`, at the network's own scale: `(M, C)` of M places."""
    if guide is None:
        raise ValueError("aim is 'guide', but there is no guide: give an image, dream(..., guide=image)")
    images.check_one(guide, "guide")
    found = objectives.map_of(read(net, images.resize(guide, net.input_size), [layer]), layer).flatten(2)[0].T
    return found[:: math.ceil(len(found) / PLACES)]
