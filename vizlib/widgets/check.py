"""Feedback on the exercises, and the claims of the notebooks: asserted for the bundled network, reported for others."""

import json
import os
from collections.abc import Callable, Sequence
from numbers import Number
from pathlib import Path

import torch
from torch import Tensor

from vizlib.models import Network
from vizlib.widgets.record import note_exercise


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
    note_exercise(hint, right)
    return right


def implementation(
    given: object, reference: Callable, cases: Sequence[tuple], hint: str, tolerance: float = 1e-4
) -> bool:
    """Whether a function that a student wrote gives what the reference gives; also prints the verdict.

    Args:
        given: The student's function; None or `...`, or one that returns either, means that it is not written yet.
        reference: A function of the same arguments, whose result is right: a tensor, a number or a tuple of them.
        cases: The arguments of each call.
        hint: What to look at again when a result is wrong.
        tolerance: As for `answer`.
    """
    if given is None or given is ...:
        print("Not written yet: replace the dots in the cell above and run both cells again.")
        return False
    for number, case in enumerate(cases, 1):
        where = f"on input {number} of {len(cases)}"
        try:
            result = given(*case)
        except Exception as error:  # whatever a student's code may raise
            print(f"Not yet: {where} it raised {type(error).__name__}: {error}. {hint}")
            note_exercise(hint, False)
            return False
        if result is None or result is ...:
            print("Not written yet: replace the dots in the cell above and run both cells again.")
            return False
        if fault := _unlike(result, reference(*case), tolerance):
            print(f"Not yet: {where} {fault}. {hint}")
            note_exercise(hint, False)
            return False
    print(f"Right! It gives what vizlib gives on {len(cases)} inputs.")
    note_exercise(hint, True)
    return True


def _unlike(given: object, expected: object, tolerance: float) -> str:
    """In what a result differs from the expected one; '' if it does not."""
    if isinstance(expected, tuple):
        if not isinstance(given, tuple | list) or len(given) != len(expected):
            return f"it gave {_short(given)} instead of {len(expected)} results"
        faults = (_unlike(one, other, tolerance) for one, other in zip(given, expected, strict=True))
        return next((fault for fault in faults if fault), "")
    if isinstance(expected, Tensor):
        if not isinstance(given, Tensor):
            return f"it gave {_short(given)} instead of a tensor of shape {tuple(expected.shape)}"
        if given.shape != expected.shape:
            return f"it gave shape {tuple(given.shape)} instead of {tuple(expected.shape)}"
        apart = (given.detach().double().cpu() - expected.detach().double().cpu()).abs().max().item()
        largest = expected.detach().abs().max().item()
        return "" if apart <= tolerance * max(1.0, largest) else f"a value is off by {apart:.2g}"
    number = given.item() if isinstance(given, Tensor) and given.numel() == 1 else given
    close = isinstance(number, Number) and abs(number - expected) <= tolerance * max(1, abs(expected))
    return "" if close else f"it gave {_short(given)}, which is not the number expected"


def claim(net: Network, holds: object, text: str) -> None:
    """State what a notebook has seen, and whether it holds: for the bundled network it must, of others it is said.

    Claims are written for the network that the course comes with. Another one may have learned otherwise, and then the
    notebook goes on and says so. What holds of every network (an identity, a sum) is a plain `assert` instead.

    Args:
        net: The network that was asked.
        holds: A truth value, or a tensor with one.
        text: The claim, as a sentence without a full stop.

    Raises:
        AssertionError: It does not hold, and `net` is the bundled network.

    Where the environment variable VIZLIB_CLAIMS names a file, a line of JSON is appended to it for each claim.
    """
    holds = bool(holds)
    if path := os.environ.get("VIZLIB_CLAIMS"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"network": net.name, "claim": text, "holds": holds}, ensure_ascii=False) + "\n")
    if net.name == "minivgg":
        assert holds, text
    else:
        print(f"{'Also' if holds else 'NOT'} true of {net.name}: {text}.")


def _short(given: object) -> str:
    return f"a tensor of shape {tuple(given.shape)}" if isinstance(given, Tensor) and given.numel() > 1 else str(given)
