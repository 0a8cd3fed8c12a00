"""What a classifier gives: logits `(N, K)`. Anything else is refused in one sentence that says what to wrap instead."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def logits_of(output: object, n: int, name: str) -> Tensor:
    """The logits `(N, K)` in what a module gave for n images; K is 1 for a yes/no network.

    A vector `(N,)` is one logit for each image, and an output with a field 'logits' is that field.

    Args:
        output: What the module returned.
        n: How many images it was given.
        name: The network's name, for messages.

    Raises:
        ValueError: There are no logits of this shape in it.
    """
    if not isinstance(output, Tensor):
        fields = output if isinstance(output, Mapping) else getattr(output, "_asdict", dict)() or vars_of(output)
        if not isinstance(fields.get("logits"), Tensor):
            kind = f"a {type(output).__name__}"
            kind += f" of {len(output)} parts" if isinstance(output, tuple | list) else ""
            kind += f" with {', '.join(map(str, fields))}" if fields else ""
            raise ValueError(
                f"{name} gives {kind}, expected one tensor of logits (N, K): wrap a module whose forward returns only "
                "the classifier's output"
            )
        output = fields["logits"]
    shape = tuple(output.shape)
    if len(shape) == 1 and shape[0] == n:
        output = output[:, None]
    elif len(shape) == 4 and shape[0] == n and shape[2] * shape[3] > 1:
        raise ValueError(
            f"{name} gives a map of shape {shape}, expected logits (N, K), one row for each image: to ask about the "
            "whole image, wrap a module that returns output.mean((2, 3))"
        )
    elif len(shape) == 4 and shape[0] == n:
        output = output.flatten(1)
    if output.ndim != 2 or len(output) != n or not output.is_floating_point():
        raise ValueError(
            f"{name} gives {output.dtype} of shape {shape} for {n} images, expected logits (N, K) = ({n}, number of "
            "classes) in floating point: wrap a module that returns those"
        )
    return output


def vars_of(output: object) -> dict[str, object]:
    """The attributes of an object, where it has any."""
    return dict(getattr(output, "__dict__", {}))


def check_logits(logits: Tensor, last: nn.Module | None, name: str) -> None:
    """Raise unless the rows may be logits: finite, and not already probabilities.

    Args:
        logits: `(N, K)` for some images of noise.
        last: The last layer that ran, if it is known.
        name: The network's name, for messages.

    Raises:
        ValueError: They are not finite, or each row is a probability or sums to one.
    """
    if not logits.isfinite().all():
        raise ValueError(f"{name} gives NaN or infinite logits for an image of noise: are its weights damaged?")
    bounded = bool((logits >= 0).all() and (logits <= 1).all())
    rows = bounded and logits.shape[1] > 1 and torch.allclose(logits.sum(1), torch.ones(()).to(logits), atol=1e-3)
    if rows or (bounded and isinstance(last, nn.Softmax | nn.Sigmoid)):
        end = "sigmoid" if isinstance(last, nn.Sigmoid) else "softmax"
        raise ValueError(
            f"{name} ends in a {end}: its rows are probabilities already, expected logits; wrap it without that last "
            f"layer, which the loss and the methods here apply themselves"
        )
