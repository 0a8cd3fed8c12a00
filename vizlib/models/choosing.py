"""The one way to choose a class or a channel: a whole number, of any library's type, or one for each image."""

import operator

import torch
from torch import Tensor


def whole_numbers(given: object, what: str) -> Tensor:
    """One or several whole numbers of Python, numpy or torch, as `(n,)` int64 on the CPU.

    Args:
        given: An integer, or a list, array or tensor of integers.
        what: What the message calls them, such as 'channel'.

    Raises:
        ValueError: `given` is anything else, or holds no number.
    """
    try:
        numbers = torch.as_tensor(given).reshape(-1)
    except (TypeError, ValueError, RuntimeError):  # a string, None, a list of mixed types
        numbers = torch.empty(0)
    if not len(numbers) or numbers.dtype == torch.bool or numbers.is_floating_point() or numbers.is_complex():
        raise ValueError(f"{what} {given!r}: expected a whole number of at least 0, or several of them")
    return numbers.cpu().long()


def as_integer(given: object) -> int | None:
    """A whole number of Python, numpy or torch as an `int`; None if it is anything else (a truth value is, too)."""
    if isinstance(given, bool):
        return None
    try:
        return operator.index(given)
    except (TypeError, ValueError):  # a string, a fraction, a tensor of several numbers
        return None


def one_for_each(given: object, n: int, count: int, what: str, place: str) -> Tensor:
    """The chosen class or channel of each of n images, `(n,)` int64 on the CPU.

    Args:
        given: One or several whole numbers, as in `whole_numbers`; a single number applies to all images.
        n: How many images there are.
        count: How many classes or channels there are to choose from.
        what: What the message calls them, such as 'channel'.
        place: Where they are, such as "layer 'relu5'".

    Raises:
        ValueError: `given` is not whole numbers, a number is outside 0 … count - 1, or there are neither one nor n.
    """
    numbers = whole_numbers(given, what)
    outside = numbers[(numbers < 0) | (numbers >= count)]
    if len(outside):
        raise ValueError(f"{what} {outside[0].item()} is not in {place}: expected 0 … {count - 1}")
    if len(numbers) not in (1, n):
        raise ValueError(
            f"{what}: got {len(numbers)} numbers for {n} images, expected one for all or one for each image"
        )
    return numbers.expand(n)
