"""One way to say which class or channel is meant: a whole number of any library, or one for each image."""

import torch
from torch import Tensor


def whole_numbers(given: object, what: str) -> Tensor:
    """A whole number, or several, of Python, numpy or torch, as `(n,)` int64 on the CPU.

    Args:
        given: An integer, or a list, array or tensor of integers.
        what: What a message calls it, such as 'channel'.

    Raises:
        ValueError: Anything else, or none at all.
    """
    try:
        numbers = torch.as_tensor(given).reshape(-1)
    except (TypeError, ValueError, RuntimeError):  # text, None, a list of unlike things
        numbers = torch.empty(0)
    if not len(numbers) or numbers.dtype == torch.bool or numbers.is_floating_point() or numbers.is_complex():
        raise ValueError(f"{what} {given!r}: expected a whole number from 0 on, or several of them")
    return numbers.cpu().long()


def one_for_each(given: object, n: int, count: int, what: str, place: str) -> Tensor:
    """Which of `count` things is meant for each of n images, `(n,)` int64 on the CPU.

    Args:
        given: As `whole_numbers` takes it; a single number is meant for all images.
        what: What a message calls it, such as 'channel'.
        place: Where it is looked for, such as "layer 'relu5'".

    Raises:
        ValueError: Not whole numbers, one outside 0 … count - 1, or neither one nor n of them.
    """
    numbers = whole_numbers(given, what)
    outside = numbers[(numbers < 0) | (numbers >= count)]
    if len(outside):
        raise ValueError(f"{what} {outside[0].item()} is not in {place}: expected 0 … {count - 1}")
    if len(numbers) not in (1, n):
        raise ValueError(f"{len(numbers)} of {what} for {n} images: expected one for all, or one for each image")
    return numbers.expand(n)
