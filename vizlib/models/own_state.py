"""Whether a module keeps something of a pass in itself, so that two passes at a time would disturb each other."""

from torch import Tensor, nn


class Seen:
    """What the parts of a module hold, as it is now: their attributes, and what is in their lists and dictionaries.

    Example:
        >>> seen = Seen(module)
        >>> module(images)
        >>> seen.changed()  # whether the pass has left something behind
    """

    def __init__(self, module: nn.Module):
        self._module = module
        self._before = _held_by(module)

    def changed(self) -> bool:
        """Whether anything was set, added, taken away or overwritten since."""
        now = _held_by(self._module)
        return now.keys() != self._before.keys() or any(
            value is not before or version != then
            for (value, version), (before, then) in zip(now.values(), self._before.values(), strict=True)
        )


def _held_by(module: nn.Module) -> dict[tuple, tuple[object, int]]:
    """Where something is kept -> the thing itself, and how often torch counted a change of it in place."""
    held = {}
    for part in module.modules():
        for name, value in vars(part).items():
            held[id(part), name] = value, _version(value)
            inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            held |= {(id(part), name, key): (inner, _version(inner)) for key, inner in inside}
    return held


def _version(value: object) -> int:
    return value._version if isinstance(value, Tensor) and not value.is_inference() else 0
