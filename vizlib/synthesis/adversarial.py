"""How small a change of an image changes the network's answer? Gradient steps inside a small ball around the image.

    one step:   x' = x + epsilon * sign(d loss / d x)                            (FGSM, Goodfellow et al. 2015)
    iterated:   x' = x + project(x' + step * sign(d loss / d x') - x), repeated  (PGD, Madry et al. 2018)

The loss is -log p(answer). Sizes are in units of the pixels, [0, 1]: for 'Linf' the largest change of any value, for
'L2' the root mean square change (the Euclidean norm divided by the square root of the number of values). One epsilon
therefore means about the same in both norms, at any image size.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from vizlib import images
from vizlib.models import Network, Target
from vizlib.optimize import Pixels, Step, last, minimize

SURE = 50.0  # the margin of a logit above which no p differs from 1
NORMS = {"Linf": "sign", "L2": "normalized"}  # each norm, and the optimiser whose steps have a fixed size in it


# --- sizes and directions -------------------------------------------------------------------------------------------


def size(change: Tensor, norm: str = "Linf") -> Tensor:
    """The size of each of N changes `(N, 3, H, W)`, as `(N,)`."""
    flat = change.flatten(1)
    return flat.abs().amax(1) if _known(norm) == "Linf" else flat.square().mean(1).sqrt()


def unit(gradient: Tensor, norm: str = "Linf") -> Tensor:
    """The change of size 1 that goes furthest along the gradient: its sign for Linf, the rescaled gradient for L2."""
    if _known(norm) == "Linf":
        return gradient.sign()
    return gradient / size(gradient, "L2").clamp(min=1e-30)[:, None, None, None]


def project(change: Tensor, epsilon: float, norm: str = "Linf") -> Tensor:
    """The change of size at most epsilon that is nearest to `change`."""
    if _known(norm) == "Linf":
        return change.clamp(-epsilon, epsilon)
    return change * (epsilon / size(change, "L2").clamp(min=1e-30)).clamp(max=1)[:, None, None, None]


def random_direction(image: Tensor, norm: str = "Linf", seed: int = 0) -> Tensor:
    """A change of size 1 that ignores the network: random signs for Linf, Gaussian noise for L2."""
    return unit(torch.randn(image.shape, generator=torch.Generator().manual_seed(seed)).to(image.device), norm)


def add(image: Tensor, direction: Tensor, epsilon: float) -> Tensor:
    """`image + epsilon * direction`, clipped to [0, 1]."""
    images.check(image)
    return (image + _radius(epsilon) * direction).clamp(0, 1)


# --- one step -------------------------------------------------------------------------------------------------------


def attack_loss(logits: Tensor, answer: Tensor, target: Tensor | None = None) -> Tensor:
    """The loss that an attack minimises, the mean over N images: log p(answer), or -log p(target) if there is a target.

    Args:
        logits: `(N, K)`.
        answer, target: Class indices `(N,)`.
    """
    wanted = (answer if target is None else target)[:, None]
    others = logits.scatter(1, wanted, -torch.inf).logsumexp(1)
    margin = logits.gather(1, wanted)[:, 0] - others
    # log p; where p rounds to 1, its slope would, too: to 0, and the sign of the gradient would be lost
    log_p = logsigmoid(margin.clamp(max=SURE)) + math.exp(-SURE) * (margin - SURE).clamp(min=0)
    return log_p.mean() if target is None else -log_p.mean()


def direction(net: Network, image: Tensor, target: Target = None, norm: str = "Linf") -> Tensor:
    """The change of size 1 along which the attack's loss falls fastest, `(N, 3, H, W)`.

    Args:
        net: The network to fool.
        image: `(N, 3, H, W)` in [0, 1].
        target: The class to move towards (for a yes/no network 0 for 'yes' and 1 for 'no'); None moves away from the
            network's own answer.
        norm: Which size is meant, 'Linf' or 'L2'.

    Raises:
        ImageError, TypeError: `image` is not an image.
        ValueError, LookupError: The norm is unknown, or the target is not a class.
    """
    images.check(image)
    image = image.detach().requires_grad_()
    with torch.enable_grad():
        logits = net.answers(net(image))
        loss = attack_loss(logits, logits.argmax(1), _target(net, logits, target))
    (gradient,) = torch.autograd.grad(loss, image)
    return unit(-gradient, norm)


def fgsm(net: Network, image: Tensor, target: Target = None, *, epsilon: float = 4 / 255, norm: str = "Linf") -> Tensor:
    """The image after one step of size epsilon, `(N, 3, H, W)` in [0, 1]; see `direction` (Goodfellow et al. 2015)."""
    return add(image, direction(net, image, target, norm), epsilon)


# --- many steps -----------------------------------------------------------------------------------------------------


@dataclass
class AttackKnobs:
    """What may be changed while an attack runs; read at every step.

    Attributes:
        steps: Number of steps.
        epsilon: Largest allowed size of the change, 0 to 1.
        step_size: Length of a step, in the same units.
        norm: 'Linf' or 'L2'.
        target: The class to move towards, by index or name; None or '' moves away from the network's own answer.
        random_start: Start at a random point of the ball instead of its centre; read once, at the start.
    """

    steps: int = 20
    epsilon: float = 4 / 255
    step_size: float = 1 / 255
    norm: str = "Linf"
    target: Target = None
    random_start: bool = False

    @property
    def optimizer(self) -> str:
        """The optimiser that `minimize` uses."""
        return NORMS[_known(self.norm)]

    @property
    def learning_rate(self) -> float:
        """The step size, under the name that `minimize` uses."""
        return self.step_size


def attack(net: Network, image: Tensor, knobs: AttackKnobs, seed: int = 0) -> Iterator[Step]:
    """Images that fool the network better and better, one `Step` at a time, all within the ball and in [0, 1].

    Args:
        net: The network to fool.
        image: The originals, `(N, 3, H, W)` in [0, 1].
        knobs: Read at every step.
        seed: Seeds the random start.

    Raises:
        ImageError, TypeError: `image` is not an image.
        ValueError, LookupError: A knob is out of range, the norm is unknown, or the target is not a class; raised at
            the first step that meets it.
        Diverged: See `optimize.minimize`.

    Paper: Madry et al. 2018.
    """
    images.check(image)
    image = image.detach().clone()
    with torch.no_grad():
        answer = net.answers(net(image)).argmax(1)

    def loss(now: Tensor, iteration: int) -> dict[str, Tensor]:
        logits = net.answers(net(now))
        return {"loss": attack_loss(logits, answer, _target(net, logits, knobs.target))}

    def hold(now: Tensor, gradient: Tensor, iteration: int) -> Tensor:
        return image + project(now - image, _radius(knobs.epsilon), knobs.norm)

    start = _inside(image, _radius(knobs.epsilon), knobs.norm, seed) if knobs.random_start else image
    yield from minimize(loss, Pixels(start), knobs, after=hold)


def pgd(
    net: Network,
    image: Tensor,
    target: Target = None,
    *,
    epsilon: float = 4 / 255,
    norm: str = "Linf",
    steps: int = 10,
) -> Tensor:
    """The last image of an attack from a random start, with steps of 2.5 * epsilon / steps (Madry et al. 2018)."""
    images.check(image)
    if steps < 1:
        raise ValueError(f"steps is {steps}, expected at least one")
    if _radius(epsilon) == 0:
        return image.clone()
    knobs = AttackKnobs(steps, epsilon, 2.5 * epsilon / steps, norm, target, random_start=True)
    return last(attack(net, image, knobs)).image


def fooling(net: Network, knobs: AttackKnobs, n: int = 1, side: int | None = None, seed: int = 0) -> Iterator[Step]:
    """From noise to images that the network takes for `knobs.target` and no person would (Nguyen et al. 2015).

    Args:
        net: The network to fool.
        knobs: With epsilon 1 every image is allowed; with a small epsilon the picture still looks like noise.
        n: How many images.
        side: Their height and width in pixels; None takes the network's input size.
        seed: Seeds the noise.
    """
    side, generator = side or net.input_size, torch.Generator().manual_seed(seed)
    yield from attack(net, torch.rand(n, 3, side, side, generator=generator), knobs, seed)


def _inside(image: Tensor, epsilon: float, norm: str, seed: int) -> Tensor:
    """A random point of the ball: uniform for Linf; for L2, at a random distance in a random direction."""
    generator = torch.Generator().manual_seed(seed)
    if norm == "Linf":
        change = 2 * torch.rand(image.shape, generator=generator) - 1
    else:
        change = unit(torch.randn(image.shape, generator=generator), norm)
        change = change * torch.rand(len(image), 1, 1, 1, generator=generator)
    return add(image, change.to(image.device), epsilon)


# --- what was asked for ---------------------------------------------------------------------------------------------


def _known(norm: str) -> str:
    if norm not in NORMS:
        raise ValueError(f"norm {norm!r} is unknown; choose {' or '.join(NORMS)}")
    return norm


def _radius(epsilon: float) -> float:
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon is {epsilon}, expected 0 to 1, in units of the pixels: one grey level is 1/255")
    return epsilon


def _target(net: Network, logits: Tensor, target: Target) -> Tensor | None:
    """The target as class indices `(N,)`, or None if there is none."""
    if target is None or isinstance(target, str) and target == "":
        return None
    return net.class_indices(target, logits)
