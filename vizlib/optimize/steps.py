"""The steps of an optimization, the knobs that steer it, and how steps are shared out."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True, eq=False)  # tensors have no single answer to ==
class Step:
    """One step of an optimization.

    Attributes:
        iteration: 1 for the first.
        image: `(N, 3, H, W)` in [0, 1], after the step, detached and not changed by later ones.
        losses: The parts of the loss by name, before the step.
        origin: Where the image is put together from a sample, `(H, W, 2)`: the row and column in the sample that each
            pixel was taken from, -1 if not yet (such pixels are white). Otherwise None.
    """

    iteration: int
    image: Tensor
    losses: dict[str, float]
    origin: Tensor | None = None


class Partial(Protocol):
    """What a long analysis yields as it goes on: the result so far, of the first `done` of `total` parts."""

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int: ...


def last(results: Iterable[T]) -> T:
    """The last of the steps of an optimization, or of the ever better results of an analysis; none but it is kept.

    Raises:
        ValueError: There was none.
    """
    for held in deque(results, maxlen=1):
        return held
    raise ValueError("there was no step at all: are any asked for (knobs.steps, an empty gallery)?")


@runtime_checkable
class Knobs(Protocol):
    """What every optimization lets you turn while it runs; it is read at every step.

    Attributes:
        steps: How many to take.
        optimizer: One of `optimizers.OPTIMIZERS`.
        learning_rate: In units of the picture's parameters; for pixels of [0, 1].
    """

    @property
    def steps(self) -> int: ...

    @property
    def optimizer(self) -> str: ...

    @property
    def learning_rate(self) -> float: ...


@dataclass
class OptimizerKnobs:
    """The plainest `Knobs`: how many steps, and how each is taken.

    Attributes:
        steps: How many to take.
        optimizer: 'adam' (Kingma and Ba 2015), 'lbfgs' (Liu and Nocedal 1989) or 'normalized' gradient steps, each as
            long as `learning_rate` in the root mean square of the pixels, or 'sign': every pixel moves by as much, or
            'gradient': the plain gradient times `learning_rate`.
        learning_rate: In units of the picture's parameters; for pixels of [0, 1].
    """

    steps: int = 256
    optimizer: str = "adam"
    learning_rate: float = 0.05


def expect(knobs: object, low: float, high: float, *names: str) -> None:
    """Raise unless these attributes of `knobs` are finite numbers from `low` to `high`.

    Raises:
        ValueError: One is not; the message names it, its value and what was expected.
    """
    for name in names:
        value = getattr(knobs, name)
        if not (low <= value <= high and finite(value)):
            until = f"to {high:g}" if finite(high) else "on"
            raise ValueError(f"{name} is {value}, expected a number from {low:g} {until}")


def stage(done: int, steps: int, stages: int) -> int:
    """Which of so many equal stages comes after `done` of the steps; 0 is the first.

    Where there are fewer steps than stages, the first stages are left out: the last one always comes.
    """
    count = min(stages, max(1, steps))
    return stages - count + min(done * count // max(1, steps), count - 1)


def finite(value: float) -> bool:
    """Whether it is a number: neither infinite nor NaN."""
    return abs(value) < float("inf")
