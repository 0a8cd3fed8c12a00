"""Feedback on the exercises, and the claims of the notebooks: asserted for the bundled network, reported for others."""

import json
import os
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from io import StringIO
from numbers import Number
from pathlib import Path

import torch
from torch import Tensor

from vizlib.models import Network


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


def function(
    given: Callable, reference: Callable, inputs: Iterable[tuple], hint: str, tolerance: float = 1e-4
) -> bool:
    """Whether a student's function gives what `reference` gives, on inputs that the student has not seen.

    Args:
        given: The student's function; where it gives None or `...`, it does not count as written yet.
        reference: A function that is right.
        inputs: For each call, its arguments.
        hint: What to look at again when the answer is wrong.
        tolerance: As for `answer`.
    """
    for number, arguments in enumerate(inputs, 1):
        try:
            found = given(*arguments)
        except Exception as error:  # of any kind: it is the student's code
            print(f"Not yet: your function stopped with {type(error).__name__}: {error}. {hint}")
            return False
        if found is None or found is ...:
            print("Not answered yet: replace the dots in the cell above and run both cells again.")
            return False
        expected = reference(*arguments)
        if isinstance(found, Tensor) and isinstance(expected, Tensor) and found.shape != expected.shape:
            print(f"Not yet: on test {number} its shape is {tuple(found.shape)}, not {tuple(expected.shape)}. {hint}")
            return False
        with redirect_stdout(StringIO()):
            right = answer(found, expected, hint, tolerance)
        if not right:
            print(f"Not yet: on test {number} its values are others. {hint}")
            return False
    print("Right!")
    return True


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
