"""How often changed images fool a network, or another one, and what it answers along a line through the pixels."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from vizlib.images.galleries import Gallery
from vizlib.models import Network
from vizlib.optimize import last


class Rates(NamedTuple):
    """Shares of fooled images, `(judges, epsilons)` in [0, 1], over the first `done` images of `total`."""

    shares: Tensor
    done: int
    total: int


class Attack(Protocol):
    """From a network and images to changed images, such as `adversarial.fgsm`."""

    def __call__(self, net: Network, image: Tensor, *, epsilon: float) -> Tensor: ...


def measuring(
    net: Network,
    gallery: Gallery,
    epsilons: Sequence[float],
    make: Attack,
    judges: Sequence[Network] = (),
    batch: int = 16,
) -> Iterator[Rates]:
    """How often images made against `net` change a network's answer, batch by batch.

    Args:
        make: How the images are changed, such as `adversarial.fgsm`.
        judges: Whose answers are compared; none gives `net` itself. Each is held to its own answer on the clean image.

    Raises:
        ValueError: An empty gallery.
    """
    if not len(gallery):
        raise ValueError(f"gallery {gallery.name!r} is empty: there is nothing to fool {net.name} with")
    judges = judges or (net,)
    counts, total = torch.zeros(len(judges), len(epsilons)), len(gallery)
    for begin in range(0, total, batch):
        end = min(begin + batch, total)
        clean = gallery.batch(range(begin, end), net.input_size)
        answers = [_answers(judge, clean) for judge in judges]
        for e, epsilon in enumerate(epsilons):
            changed = make(net, clean, epsilon=epsilon)
            for j, (judge, answer) in enumerate(zip(judges, answers, strict=True)):
                counts[j, e] += (_answers(judge, changed) != answer).sum().item()
        yield Rates(counts / end, end, total)


def fooling_rates(*args: object, **options: object) -> Rates:
    """The last of `measuring`, over the whole gallery."""
    return last(measuring(*args, **options))


def fooled(net: Network, clean: Tensor, changed: Tensor) -> Tensor:
    """Whether the network's answer to each changed image is another one than to the clean one, `(N,)`."""
    return _answers(net, clean) != _answers(net, changed)


@torch.no_grad()
def _answers(net: Network, pictures: Tensor) -> Tensor:
    return net(pictures).argmax(1)


@torch.no_grad()
def along(net: Network, image: Tensor, direction: Tensor, distances: Sequence[float]) -> Tensor:
    """The logits `(T, K)` at T points of the line `image + t * direction`, which may leave [0, 1] a little.

    Args:
        image, direction: `(1, 3, H, W)`.
    """
    points = torch.tensor(distances, device=image.device)[:, None, None, None]
    return net(image + points * direction)
