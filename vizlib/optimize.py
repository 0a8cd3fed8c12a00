"""The one optimisation loop: an image that is changed, step by step, until a loss is small.

`minimise(loss, picture, knobs)` is an iterator of `Step(iteration, image, losses)`. Nothing runs until a step is asked
for, so a script loops over it, a test takes the last one, and a notebook drives it while the sliders move: the knobs
are read at every step. Not taking the next step is how to stop; the picture and the network stay as they are.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vizlib.parametrise import Parametrisation

Losses = Mapping[str, Tensor]


class Step(NamedTuple):
    """One step of an optimisation.

    Attributes:
        iteration: 1 for the first.
        image: `(N, 3, H, W)` in [0, 1], after the step, detached and not changed by later ones.
        losses: The parts of the loss by name, before the step.
    """

    iteration: int
    image: Tensor
    losses: dict[str, float]


@dataclass
class Knobs:
    """What may be changed while an optimisation runs; it is read at every step.

    Attributes:
        steps: How many to take.
        optimiser: 'adam' (Kingma and Ba 2015), 'lbfgs' (Liu and Nocedal 1989) or 'normalised' gradient steps, each as
            long as `learning_rate` in the root mean square of the pixels, or 'sign': every pixel moves by as much, or
            'gradient': the plain gradient times `learning_rate`.
        learning_rate: In units of the picture's parameters; for pixels of [0, 1].
    """

    steps: int = 256
    optimiser: str = "adam"
    learning_rate: float = 0.05


class Diverged(ArithmeticError):
    """The loss or the picture is no longer finite; the step before it was the last good one."""


def minimise(
    loss: Callable[[Tensor, int], Losses],
    picture: Parametrisation,
    knobs: Knobs,
    after: Callable[[Tensor, Tensor, int], Tensor] | None = None,
) -> Iterator[Step]:
    """Change `picture` so that the sum of the losses falls.

    Args:
        loss: From an image `(N, 3, H, W)` in [0, 1], with its graph, and the iteration to the parts of the loss.
        picture: What the image is made of; its parameters are changed in place.
        knobs: Read at every step.
        after: What to do to the pixels after each step: a function of the image, the gradient and the iteration.

    Raises:
        Diverged: A loss that is NaN or infinite. The picture is put back to the last good step.
        ValueError: An unknown optimiser, a learning rate that is not positive.
    """
    optimiser, iteration = None, 0
    while iteration < knobs.steps:
        iteration += 1
        optimiser = _optimiser(knobs, picture, optimiser)
        kept = [parameter.detach().clone() for parameter in picture.parameters]
        losses = _take(optimiser, loss, picture, iteration)
        if isinstance(optimiser, torch.optim.LBFGS):
            _shorten(optimiser, picture, kept)
        if after is not None:
            picture.change(lambda image, gradient, now=iteration: after(image, gradient, now))
        image = picture.image().detach().clone()
        if not (all(map(_finite, losses.values())) and image.isfinite().all()):
            for parameter, good in zip(picture.parameters, kept, strict=True):
                parameter.data.copy_(good)
            parts = ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
            raise Diverged(
                f"the loss is no longer finite at step {iteration} ({parts}); lower the learning rate, now "
                f"{knobs.learning_rate:g}. The picture is that of step {iteration - 1}"
            )
        yield Step(iteration, image, losses)


def expect(knobs: object, low: float, high: float, *names: str) -> None:
    """Do nothing if these attributes of `knobs` are finite numbers from `low` to `high`.

    Raises:
        ValueError: One is not; the message names it, its value and what was expected.
    """
    for name in names:
        value = getattr(knobs, name)
        if not (low <= value <= high and _finite(value)):
            until = f"to {high:g}" if _finite(high) else "on"
            raise ValueError(f"{name} is {value}, expected a number from {low:g} {until}")


def stage(done: int, steps: int, stages: int) -> int:
    """Which of so many equal stages comes after `done` of the steps; 0 is the first.

    Where there are fewer steps than stages, the first stages are left out: the last one always comes.
    """
    count = min(stages, max(1, steps))
    return stages - count + min(done * count // max(1, steps), count - 1)


def _finite(value: float) -> bool:
    return abs(value) < float("inf")  # false for NaN, too


def _take(
    optimiser: torch.optim.Optimizer, loss: Callable[[Tensor, int], Losses], picture: Parametrisation, iteration: int
) -> dict[str, float]:
    """One step of the optimiser; gives the losses where it began."""
    first: dict[str, float] = {}

    def closure() -> Tensor:
        with torch.enable_grad():
            parts = loss(picture.image(), iteration)
            total = sum(parts.values())
            gradients = torch.autograd.grad(total, picture.parameters)
        for parameter, gradient in zip(picture.parameters, gradients, strict=True):
            parameter.grad = gradient.contiguous()  # a channels_last network gives it in its own layout
        if not first:
            first.update({name: value.item() for name, value in parts.items()})
        return total.detach()

    optimiser.step(closure)
    return first


# --- optimisers -----------------------------------------------------------------------------------------------------


class _Straight(torch.optim.Optimizer):
    """Steps straight along a function of the gradient, without a memory."""

    def __init__(self, parameters: list[Tensor], lr: float):
        super().__init__(parameters, {"lr": lr})

    @staticmethod
    def direction(gradient: Tensor) -> Tensor:
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:
        total = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter -= group["lr"] * self.direction(parameter.grad)
        return total


class NormalisedGradient(_Straight):
    """Steps of one length: each image's gradient is divided by its root mean square, so only its direction counts."""

    @staticmethod
    def direction(gradient: Tensor) -> Tensor:
        dims = tuple(range(1, gradient.ndim))
        return gradient / gradient.square().mean(dims, keepdim=True).sqrt().clamp(min=1e-12)


class SignedGradient(_Straight):
    """Steps in which every number moves equally far: only the sign of its gradient counts (Goodfellow et al. 2015)."""

    direction = staticmethod(torch.sign)


def _lbfgs(parameters: list[Tensor], lr: float) -> torch.optim.LBFGS:
    """One update a step with a short memory; tolerances below zero, or it would stop early and stay where it is."""
    return torch.optim.LBFGS(parameters, lr, max_iter=1, history_size=10, tolerance_grad=-1, tolerance_change=-1)


LONGEST_STEP = 0.1  # of L-BFGS, in the root mean square of the pixels


@torch.no_grad()
def _shorten(optimiser: torch.optim.LBFGS, picture: Parametrisation, kept: list[Tensor]) -> None:
    """Shorten a step of L-BFGS until it is no longer than `LONGEST_STEP`.

    It guesses a step's length from the steps before. One wrong guess would bleach the picture, and where it is white or
    black hardly any gradient brings it back.
    """
    state, ends = optimiser.state[picture.parameters[0]], [end.clone() for end in picture.parameters]

    def go(share: float) -> Tensor:
        for parameter, begin, end in zip(picture.parameters, kept, ends, strict=True):
            parameter.copy_(begin + share * (end - begin))
        return picture.image().clone()

    before, share = go(0.0), 1.0
    while (length := (go(share) - before).square().mean().sqrt().item()) > 1.01 * LONGEST_STEP and share > 1e-3:
        share *= LONGEST_STEP / length
    state["t"] *= share  # what it remembers of this step


OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "lbfgs": _lbfgs,
    "normalised": NormalisedGradient,
    "sign": SignedGradient,
    "gradient": torch.optim.SGD,
}


def _optimiser(knobs: Knobs, picture: Parametrisation, present: torch.optim.Optimizer | None) -> torch.optim.Optimizer:
    """The optimiser that the knobs ask for: the present one with the present learning rate, or a new one."""
    if knobs.optimiser not in OPTIMISERS:
        raise ValueError(f"optimiser {knobs.optimiser!r} is unknown; choose {', '.join(OPTIMISERS)}")
    if not (knobs.learning_rate > 0 and _finite(knobs.learning_rate)):
        raise ValueError(f"learning_rate is {knobs.learning_rate}, expected a number above 0")
    resized = present is not None and present.param_groups[0]["params"][0] is not picture.parameters[0]
    asked = [value for name, value in vars(knobs).items() if name not in ("steps", "learning_rate")]
    stale = present is not None and knobs.optimiser == "lbfgs" and _differ(asked, present.asked)
    if present is None or present.name != knobs.optimiser or resized or stale:
        old, present = present, OPTIMISERS[knobs.optimiser](picture.parameters, lr=knobs.learning_rate)
        present.name = knobs.optimiser
        if resized and old.name == present.name == "adam":
            _carry_over(old, present)
    for group in present.param_groups:
        group["lr"] = knobs.learning_rate
    present.asked = asked
    return present


def _differ(a: list[object], b: list[object]) -> bool:
    """Whether a knob was turned: what L-BFGS remembers of the gradients is then of another loss."""
    return any(x is not y for x, y in zip(a, b, strict=True))


def _carry_over(old: torch.optim.Optimizer, new: torch.optim.Optimizer) -> None:
    """Adam's running averages of the gradient and its square, stretched to the picture's new size."""
    pairs = zip(old.param_groups[0]["params"], new.param_groups[0]["params"], strict=True)
    for before, after in pairs:
        for key, value in old.state[before].items():
            if value.ndim == 4:
                value = nn.functional.interpolate(value, after.shape[2:], mode="bilinear")
            new.state[after][key] = value
