"""The optimisers that the knobs choose from: how each turns a gradient into a step.

Adam and plain gradient descent take the very steps of `torch.optim`. Those import the compiler of PyTorch at their
first step, which nothing here needs: two seconds and 150 MB before the first picture.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from vizlib.optimize.parametrizations import Parametrization
from vizlib.optimize.steps import Knobs, finite


def _plain(method: Callable) -> Callable:
    """A method of torch's, without the wrapper that imports the compiler to tell it to keep out."""
    return getattr(method, "__wrapped__", method)


class _Light(torch.optim.Optimizer):
    """An optimiser that imports no compiler."""

    add_param_group = _plain(torch.optim.Optimizer.add_param_group)
    zero_grad = _plain(torch.optim.Optimizer.zero_grad)


class Adam(_Light):
    """The steps of `torch.optim.Adam`: the mean of past gradients, divided by the root of the mean of their squares.

    Args:
        parameters: Tensors that are changed in place.
        lr: The learning rate, about how far each value moves in a step.
        betas: How much of the old mean, and of the old mean of the squares, each step keeps.
        eps: Added to the root.

    Paper: Kingma and Ba 2015, "Adam: a method for stochastic optimization".
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        total = None if closure is None else closure()
        for group in self.param_groups:
            keep, keep_squares = group["betas"]
            for parameter in (p for p in group["params"] if p.grad is not None):
                state, gradient = self.state[parameter], parameter.grad
                if not state:
                    state |= {"step": torch.zeros(()), "exp_avg": torch.zeros_like(parameter)}
                    state["exp_avg_sq"] = torch.zeros_like(parameter)
                state["step"] += 1
                mean = state["exp_avg"].lerp_(gradient, 1 - keep)
                squares = state["exp_avg_sq"].mul_(keep_squares).addcmul_(gradient, gradient, value=1 - keep_squares)
                steps = state["step"].item()
                root = (squares.sqrt() / (1 - keep_squares**steps) ** 0.5).add_(group["eps"])
                parameter.addcdiv_(mean, root, value=-group["lr"] / (1 - keep**steps))
        return total


class GradientDescent(_Light):
    """The steps of `torch.optim.SGD` without momentum."""

    def __init__(self, parameters: Iterable[Tensor], lr: float):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:
        total = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.add_(parameter.grad, alpha=-group["lr"])
        return total


class _Straight(_Light):
    """Steps along a function of the current gradient only, with no memory of earlier ones."""

    def __init__(self, parameters: list[Tensor], lr: float):
        super().__init__(parameters, {"lr": lr})

    @staticmethod
    def direction(gradient: Tensor) -> Tensor:
        """The direction that is subtracted, scaled by the learning rate; of the gradient's shape."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:
        total = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter -= group["lr"] * self.direction(parameter.grad)
        return total


class NormalizedGradient(_Straight):
    """Steps of equal length: each image's gradient is divided by its root mean square, so only its direction counts."""

    @staticmethod
    def direction(gradient: Tensor) -> Tensor:
        dims = tuple(range(1, gradient.ndim))
        return gradient / gradient.square().mean(dims, keepdim=True).sqrt().clamp(min=1e-12)


class SignedGradient(_Straight):
    """Steps in which every value moves equally far: only the sign of its gradient counts (Goodfellow et al. 2015)."""

    direction = staticmethod(torch.sign)


class _LBFGS(_Light, torch.optim.LBFGS):
    """L-BFGS with one update per step and a short memory; negative tolerances keep it from stopping early."""

    def __init__(self, parameters: list[Tensor], lr: float):
        super().__init__(parameters, lr, max_iter=1, history_size=10, tolerance_grad=-1, tolerance_change=-1)


LONGEST_STEP = 0.1  # the longest step of L-BFGS, as the root mean square change of the pixels


@torch.no_grad()
def shorten(optimizer: torch.optim.LBFGS, picture: Parametrization, kept: list[Tensor]) -> None:
    """Shorten the last step of L-BFGS until it is no longer than `LONGEST_STEP`.

    L-BFGS guesses the length of a step from earlier steps. A single wrong guess would drive pixels to white or black,
    where the gradient is too small to bring them back.

    Args:
        picture: The picture after the step; its parameters are changed in place.
        kept: The parameters before the step.
    """
    state, ends = optimizer.state[picture.parameters[0]], [end.clone() for end in picture.parameters]

    def go(share: float) -> Tensor:
        for parameter, begin, end in zip(picture.parameters, kept, ends, strict=True):
            parameter.copy_(begin + share * (end - begin))
        return picture.image().clone()

    before, share = go(0.0), 1.0
    while (length := (go(share) - before).square().mean().sqrt().item()) > 1.01 * LONGEST_STEP and share > 1e-3:
        share *= LONGEST_STEP / length
    state["t"] *= share  # the step length that L-BFGS remembers


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": Adam,
    "lbfgs": _LBFGS,
    "normalized": NormalizedGradient,
    "sign": SignedGradient,
    "gradient": GradientDescent,
}


def optimizer_for(
    knobs: Knobs, picture: Parametrization, present: torch.optim.Optimizer | None
) -> torch.optim.Optimizer:
    """The optimiser that the knobs ask for: the present one with its learning rate updated, or a new one.

    A new one is made if another kind is asked for or the picture was resized (Adam then keeps its running averages),
    and for L-BFGS also if any other knob was turned.

    Args:
        present: The optimiser of the step before; None for the first step.

    Raises:
        ValueError: The optimiser is unknown, or the learning rate is not a positive number.
    """
    if knobs.optimizer not in OPTIMIZERS:
        raise ValueError(f"optimiser {knobs.optimizer!r} is unknown; choose {', '.join(OPTIMIZERS)}")
    if not (knobs.learning_rate > 0 and finite(knobs.learning_rate)):
        raise ValueError(f"learning_rate is {knobs.learning_rate}, expected a number above 0")
    resized = present is not None and present.param_groups[0]["params"][0] is not picture.parameters[0]
    asked = {name: value for name, value in vars(knobs).items() if name not in ("steps", "learning_rate")}
    stale = present is not None and knobs.optimizer == "lbfgs" and _differ(asked, present.asked)
    if present is None or present.name != knobs.optimizer or resized or stale:
        old, present = present, OPTIMIZERS[knobs.optimizer](picture.parameters, lr=knobs.learning_rate)
        present.name = knobs.optimizer
        if resized and old.name == present.name == "adam":
            _carry_over(old, present)
    for group in present.param_groups:
        group["lr"] = knobs.learning_rate
    present.asked = asked
    return present


def _differ(a: dict[str, object], b: dict[str, object]) -> bool:
    """Whether a knob was turned or added, so that the gradients that L-BFGS remembers belong to another loss."""
    return a.keys() != b.keys() or any(value is not b[name] for name, value in a.items())


def _carry_over(old: torch.optim.Optimizer, new: torch.optim.Optimizer) -> None:
    """Give the new Adam the running averages of the old one, resized to the picture's new size."""
    pairs = zip(old.param_groups[0]["params"], new.param_groups[0]["params"], strict=True)
    for before, after in pairs:
        if before.ndim != 4:  # Fourier coefficients of a picture of another size belong to other frequencies
            continue
        for key, value in old.state[before].items():
            if value.ndim == 4:
                value = nn.functional.interpolate(value, after.shape[2:], mode="bilinear")
            new.state[after][key] = value
