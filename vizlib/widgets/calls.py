"""Calling a function with what it names, and checking beforehand that it names what there is."""

import inspect
from collections.abc import Callable, Mapping


def check_controls(start: Callable, knobs: object, inputs: Mapping, sliders: Mapping) -> None:
    """Raise unless every slider has a knob, and `start` takes every input."""
    known = ", ".join(vars(knobs)) if hasattr(knobs, "__dict__") else "none"
    for name in sliders:
        if not hasattr(knobs, name):
            raise ValueError(f"slider {name!r} has no knob, expected one of {known}")
    takes = inspect.signature(start).parameters
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
    for name in inputs:
        if name not in takes and not anything:
            raise ValueError(f"input {name!r}: start takes {', '.join(takes) or 'nothing'}; give it this parameter")
    for name, parameter in takes.items():
        given = name in inputs or name == "knobs" or parameter.default is not parameter.empty
        if not given and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ValueError(
                f"start expects {name!r}, which is none of the inputs: {', '.join(inputs) or 'there are none'}"
            )


def call(function: Callable, *arguments: object, **offered: object) -> object:
    """Call a function with the offered arguments that its signature names."""
    takes = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes):
        return function(*arguments, **{name: value for name, value in offered.items() if name != "knobs"})
    names = {parameter.name for parameter in takes}
    return function(*arguments, **{name: value for name, value in offered.items() if name in names})
