"""The one optimisation loop: an image that is changed, step by step, until a loss is small.

`minimise(loss, picture, knobs)` is an iterator of `Step(iteration, image, losses)`. Nothing runs until a step is asked
for, so a script loops over it, a test takes the last one, and a notebook drives it while the sliders move: the knobs
are read at every step. Not taking the next step is how to stop; the picture and the network stay as they are.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

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
            long as `learning_rate` in the root mean square of the pixels.
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
            parameter.grad = gradient
        if not first:
            first.update({name: value.item() for name, value in parts.items()})
        return total.detach()

    optimiser.step(closure)
    return first


# --- optimisers -----------------------------------------------------------------------------------------------------


class NormalisedGradient(torch.optim.Optimizer):
    """Steps of one length: each image's gradient is divided by its root mean square, so only its direction counts."""

    def __init__(self, parameters: list[Tensor], lr: float):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:
        total = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                dims = tuple(range(1, parameter.ndim))
                size = parameter.grad.square().mean(dims, keepdim=True).sqrt().clamp(min=1e-12)
                parameter -= group["lr"] * parameter.grad / size
        return total


def _lbfgs(parameters: list[Tensor], lr: float) -> torch.optim.LBFGS:
    """One update a step with a short memory; tolerances below zero, or it would stop early and stay where it is."""
    return torch.optim.LBFGS(parameters, lr, max_iter=1, history_size=10, tolerance_grad=-1, tolerance_change=-1)


OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "lbfgs": _lbfgs,
    "normalised": NormalisedGradient,
}


def _optimiser(knobs: Knobs, picture: Parametrisation, present: torch.optim.Optimizer | None) -> torch.optim.Optimizer:
    """The optimiser that the knobs ask for: the present one with the present learning rate, or a new one."""
    if knobs.optimiser not in OPTIMISERS:
        raise ValueError(f"optimiser {knobs.optimiser!r} is unknown; choose {', '.join(OPTIMISERS)}")
    if not (knobs.learning_rate > 0 and _finite(knobs.learning_rate)):
        raise ValueError(f"learning_rate is {knobs.learning_rate}, expected a number above 0")
    if present is None or present.name != knobs.optimiser:
        present = OPTIMISERS[knobs.optimiser](picture.parameters, lr=knobs.learning_rate)
        present.name = knobs.optimiser
    for group in present.param_groups:
        group["lr"] = knobs.learning_rate
    return present
