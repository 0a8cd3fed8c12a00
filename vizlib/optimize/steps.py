"""The steps of an optimisation, the knobs that steer it, and how steps are divided into stages."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True, eq=False)  # == of two tensors is not a single boolean
class Step:
    """One step of an optimisation.

    Attributes:
        iteration: The number of the step; 1 is the first.
        image: The image after the step, `(N, 3, H, W)` in [0, 1], detached; later steps do not change it.
        losses: The parts of the loss by name, measured before the step.
        origin: For an image assembled from a sample, `(H, W, 2)`: the row and column of the sample that each pixel was
            taken from, or -1 where there is no pixel yet (it is shown white). None for any other image.
    """

    iteration: int
    image: Tensor
    losses: dict[str, float]
    origin: Tensor | None = None


class Partial(Protocol):
    """What a long analysis yields as it proceeds: the result so far, after `done` of `total` parts."""

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int: ...


def last(results: Iterable[T]) -> T:
    """The last step of an optimisation, or the last result of an analysis; no other is kept in memory.

    Raises:
        ValueError: There is none.
    """
    for held in deque(results, maxlen=1):
        return held
    raise ValueError("there was no step: expected at least one, so check knobs.steps, or whether the gallery is empty")


@runtime_checkable
class Knobs(Protocol):
    """The settings of an optimisation that may be changed while it runs, because they are read at every step.

    Attributes:
        steps: How many steps to take.
        optimizer: One of `optimizers.OPTIMIZERS`.
        learning_rate: The learning rate, in units of the picture's parameters; for `Pixels`, 1 is the full range.
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
        steps: How many steps to take.
        optimizer: 'adam' (Kingma and Ba 2015); 'lbfgs' (Liu and Nocedal 1989); 'normalized', gradient steps whose root
            mean square is `learning_rate`; 'sign', steps in which every value moves by `learning_rate`; or 'gradient',
            the plain gradient times `learning_rate`.
        learning_rate: The learning rate, in units of the picture's parameters; for `Pixels`, 1 is the full range.
    """

    steps: int = 256
    optimizer: str = "adam"
    learning_rate: float = 0.05


def expect(knobs: object, low: float, high: float, *names: str) -> None:
    """Raise unless these attributes of `knobs` are finite numbers from `low` to `high`.

    Raises:
        ValueError: One of them is not; the message gives its name, its value and what was expected.
    """
    for name in names:
        value = getattr(knobs, name)
        if not (low <= value <= high and finite(value)):
            bounds = f"from {low:g} to {high:g}" if finite(high) else f"of at least {low:g}"
            raise ValueError(f"{name} is {value}, expected a number {bounds}")


def stage(done: int, steps: int, stages: int) -> int:
    """The stage of the next step, from 0 to `stages` - 1, when `done` of `steps` steps have been taken.

    The stages are as equal in length as possible. If there are fewer steps than stages, the first stages are left out,
    so that the last one always takes place.
    """
    count = min(stages, max(1, steps))
    return stages - count + min(done * count // max(1, steps), count - 1)


def finite(value: float) -> bool:
    """Whether a value is a finite number, neither infinite nor NaN."""
    return abs(value) < float("inf")
