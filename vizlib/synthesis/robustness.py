"""How often changed images fool one network or another, and how the logits vary along a line through an image."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from vizlib.images.galleries import Gallery
from vizlib.models import Network
from vizlib.optimize import last


class Rates(NamedTuple):
    """The fraction of images that are fooled, `(judges, epsilons)` in [0, 1], over the first `done` of `total`."""

    shares: Tensor
    done: int
    total: int


class Attack(Protocol):
    """A function from a network and images to changed images, such as `adversarial.fgsm`."""

    def __call__(self, net: Network, image: Tensor, *, epsilon: float) -> Tensor: ...


def measuring(
    net: Network,
    gallery: Gallery,
    epsilons: Sequence[float],
    make: Attack,
    judges: Sequence[Network] = (),
    batch: int = 16,
    side: int | None = None,
) -> Iterator[Rates]:
    """How often images made against `net` change the judges' answers, batch by batch.

    Args:
        net: The network that the images are made against.
        gallery: The clean images.
        epsilons: The sizes of the change to try.
        make: How the images are changed, such as `adversarial.fgsm`.
        judges: The networks whose answers are compared, each with its own answer to the clean image; by default `net`.
        batch: How many images are changed at once.
        side: Their height and width in pixels; None takes the input size of `net`. A judge that was made for another
            size sees them at that.

    Raises:
        ValueError: The gallery is empty.
    """
    if not len(gallery):
        raise ValueError(f"gallery {gallery.name!r} is empty, expected at least one image to fool {net.name} with")
    judges = judges or (net,)
    counts, total = torch.zeros(len(judges), len(epsilons)), len(gallery)
    for begin in range(0, total, batch):
        end = min(begin + batch, total)
        clean = gallery.batch(range(begin, end), side or net.input_size)
        answers = [_answers(judge, at_home(net, judge, clean)) for judge in judges]
        for e, epsilon in enumerate(epsilons):
            changed = make(net, clean, epsilon=epsilon)
            for j, (judge, answer) in enumerate(zip(judges, answers, strict=True)):
                counts[j, e] += (_answers(judge, at_home(net, judge, changed)) != answer).sum().item()
        yield Rates(counts / end, end, total)


def fooling_rates(*args: object, **options: object) -> Rates:
    """The rates over the whole gallery: the last result of `measuring`, with the same arguments."""
    return last(measuring(*args, **options))


def at_home(net: Network, judge: Network, pictures: Tensor) -> Tensor:
    """Pictures made for `net`, at the size that another network was made for, if that is a different one."""
    if judge.input_size == net.input_size:
        return pictures
    return interpolate(pictures, (judge.input_size, judge.input_size), mode="bilinear", antialias=True)


def fooled(net: Network, clean: Tensor, changed: Tensor) -> Tensor:
    """Whether the network answers differently to each changed image than to the clean one, `(N,)`."""
    return _answers(net, clean) != _answers(net, changed)


@torch.no_grad()
def _answers(net: Network, pictures: Tensor) -> Tensor:
    return net.answers(net(pictures)).argmax(1)


@torch.no_grad()
def along(net: Network, image: Tensor, direction: Tensor, distances: Sequence[float]) -> Tensor:
    """The logits `(T, K)` at T points on the line `image + t * direction`; pixels may stray a little from [0, 1].

    Args:
        net: The network to ask.
        image, direction: `(1, 3, H, W)`.
        distances: The T values of t.
    """
    points = torch.tensor(distances, device=image.device)[:, None, None, None]
    return net(image + points * direction)
