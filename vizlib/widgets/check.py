"""Feedback on the exercises: an answer is right, not yet right, or still missing."""

from numbers import Number

import torch
from torch import Tensor


def answer(given: object, expected: object, hint: str, tolerance: float = 1e-4) -> bool:
    """Whether an exercise's answer is right; also prints the verdict, with a hint if it is wrong.

    Args:
        given: The student's answer; None or `...` means that there is none yet, which does not count as wrong.
        expected: The right answer: a number, a string, a tensor, or a set of acceptable strings.
        hint: What to look at again when the answer is wrong.
        tolerance: How far a number, or any element of a tensor, may be off; relative, but absolute near zero.
    """
    if given is None or given is ...:
        print("Not answered yet: replace the dots in the cell above and run both cells again.")
        return False
    if isinstance(expected, set | frozenset):
        right = given in expected
    elif isinstance(expected, Tensor):
        same = isinstance(given, Tensor) and given.shape == expected.shape
        right = same and torch.allclose(given.double(), expected.double(), rtol=tolerance, atol=tolerance)
    elif isinstance(expected, Number) and not isinstance(expected, bool):
        number = given.item() if isinstance(given, Tensor) and given.numel() == 1 else given
        close = isinstance(number, Number) and abs(number - expected) <= tolerance * max(1, abs(expected))
        right = bool(close)
    else:
        right = given == expected
    print("Right!" if right else f"Not yet ({_short(given)}). {hint}")
    return right


def _short(given: object) -> str:
    return f"a tensor of shape {tuple(given.shape)}" if isinstance(given, Tensor) and given.numel() > 1 else str(given)
