"""The one optimisation loop: it changes an image, step by step, so that a loss falls.

`minimize(loss, picture, knobs)` is an iterator of `Step(iteration, image, losses)`. Nothing runs until a step is asked
for: a script loops over the steps, a test takes the last one, and a notebook takes them one by one while the sliders
move, because the knobs are read at every step. To stop, take no further step; picture and network stay as they are.
"""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from vizlib.optimize.optimizers import optimizer_for, shorten
from vizlib.optimize.parametrizations import Parametrization
from vizlib.optimize.steps import Knobs, Step, finite

Losses = Mapping[str, Tensor]


class Diverged(ArithmeticError):
    """The loss or the picture is no longer finite; the step before was the last good one."""


def minimize(
    loss: Callable[[Tensor, int], Losses],
    picture: Parametrization,
    knobs: Knobs,
    after: Callable[[Tensor, Tensor, int], Tensor] | None = None,
) -> Iterator[Step]:
    """The steps of an optimisation that changes `picture` so that the sum of the losses falls.

    Args:
        loss: A function of the image `(N, 3, H, W)` in [0, 1], which has a graph, and the iteration, which counts from
            1. It returns the parts of the loss by name.
        picture: The parametrisation of the image; its parameters are changed in place.
        knobs: The number of steps, the optimiser and the learning rate, read at every step.
        after: A function of the image, its gradient and the iteration that returns the new pixels; it is applied
            after each step.

    Yields:
        A `Step` after each of `knobs.steps` steps.

    Raises:
        Diverged: The loss or the picture is NaN or infinite. The picture is put back to the last good step.
        ValueError: The optimiser is unknown, or the learning rate is not a positive number.
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
            raise Diverged(_reason(losses, picture, knobs, iteration))
        yield Step(iteration, image, losses)


def _reason(losses: Mapping[str, float], picture: Parametrization, knobs: Knobs, iteration: int) -> str:
    """Why there is no next step, and what to do: the learning rate is not always the cause."""
    parts = ", ".join(f"{name} {value:.3g}" for name, value in losses.items())
    back = f"The picture has been put back to step {iteration - 1}"
    if all(map(finite, losses.values())) and not all(p.grad.isfinite().all() for p in picture.parameters):
        return (
            f"the loss is finite at step {iteration} ({parts}), but it has no slope there: a length of zero or a "
            f"constant image has none. Begin from another image, or leave that part of the loss out. {back}"
        )
    if iteration == 1 and not all(map(finite, losses.values())):
        return (
            f"the loss is not finite at step 1 ({parts}), before anything was changed: look for NaN in the start, the "
            "target and the network's weights"
        )
    return (
        f"the loss is no longer finite at step {iteration} ({parts}); lower the learning rate, now "
        f"{knobs.learning_rate:g}. {back}"
    )


def _take(
    optimizer: torch.optim.Optimizer, loss: Callable[[Tensor, int], Losses], picture: Parametrization, iteration: int
) -> dict[str, float]:
    """Take one step of the optimiser and return the losses from before it."""
    first: dict[str, float] = {}

    def closure() -> Tensor:
        with torch.enable_grad():
            parts = loss(picture.image(), iteration)
            total = sum(parts.values())
            gradients = torch.autograd.grad(total, picture.parameters)
        for parameter, gradient in zip(picture.parameters, gradients, strict=True):
            parameter.grad = gradient.contiguous()  # a channels_last network gives another memory layout
        if not first:
            first.update({name: value.item() for name, value in parts.items()})
        return total.detach()

    optimizer.step(closure)
    return first
