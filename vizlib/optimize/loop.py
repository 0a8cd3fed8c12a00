"""The one optimization loop: an image that is changed, step by step, until a loss is small.

`minimize(loss, picture, knobs)` is an iterator of `Step(iteration, image, losses)`. Nothing runs until a step is asked
for, so a script loops over it, a test takes the last one, and a notebook drives it while the sliders move: the knobs
are read at every step. Not taking the next step is how to stop; the picture and the network stay as they are.
"""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from vizlib.optimize.optimizers import optimizer_for, shorten
from vizlib.optimize.parametrizations import Parametrization
from vizlib.optimize.steps import Knobs, Step, finite

Losses = Mapping[str, Tensor]


class Diverged(ArithmeticError):
    """The loss or the picture is no longer finite; the step before it was the last good one."""


def minimize(
    loss: Callable[[Tensor, int], Losses],
    picture: Parametrization,
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
    optimizer, iteration = None, 0
    while iteration < knobs.steps:
        iteration += 1
        optimizer = optimizer_for(knobs, picture, optimizer)
        kept = [parameter.detach().clone() for parameter in picture.parameters]
        losses = _take(optimizer, loss, picture, iteration)
        if isinstance(optimizer, torch.optim.LBFGS):
            shorten(optimizer, picture, kept)
        if after is not None:
            picture.change(lambda image, gradient, now=iteration: after(image, gradient, now))
        image = picture.image().detach().clone()
        if not (all(map(finite, losses.values())) and image.isfinite().all()):
            for parameter, good in zip(picture.parameters, kept, strict=True):
                parameter.data.copy_(good)
            parts = ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
            raise Diverged(
                f"the loss is no longer finite at step {iteration} ({parts}); lower the learning rate, now "
                f"{knobs.learning_rate:g}. The picture is that of step {iteration - 1}"
            )
        yield Step(iteration, image, losses)


def _take(
    optimizer: torch.optim.Optimizer, loss: Callable[[Tensor, int], Losses], picture: Parametrization, iteration: int
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

    optimizer.step(closure)
    return first
