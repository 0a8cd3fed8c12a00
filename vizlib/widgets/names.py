"""The names that a notebook's function uses, as they were when it was handed over, and help with missing ones."""

from collections.abc import Callable, Iterator
from types import CodeType, FunctionType

from IPython import get_ipython


def owned(function: Callable) -> Callable:
    """The function with the global names that it uses as they are now; a notebook may reuse them for something else.

    Only functions written in the notebook are changed, and with them those that they call. Anything else, such as a
    function of a module, is returned as it is.
    """
    if not (isinstance(function, FunctionType) and function.__module__ == "__main__"):
        return function
    return _bind(function, function.__globals__, {"__builtins__": function.__globals__.get("__builtins__")})


def _bind(function: FunctionType, names: dict, kept: dict) -> FunctionType:
    bound = FunctionType(function.__code__, kept, function.__name__, function.__defaults__, function.__closure__)
    bound.__kwdefaults__, bound.__module__, bound.__doc__ = function.__kwdefaults__, "__main__", function.__doc__
    kept.setdefault("__name__", "__main__")
    for name in _used(function.__code__):
        if name in names and name not in kept:
            value = kept[name] = names[name]
            if isinstance(value, FunctionType) and value.__globals__ is names:
                kept[name] = None  # while it is bound: functions may call each other
                kept[name] = _bind(value, names, kept)
    return bound


def _used(code: CodeType) -> Iterator[str]:
    """The global names in a function and in the functions within it; names of attributes, too, which do no harm."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _used(constant)


def explain_missing_names() -> None:
    """Have IPython add to a NameError which cells to run first, as after a restart of the kernel."""
    shell = get_ipython()
    if shell is None or not hasattr(shell, "set_custom_exc"):
        return

    def handler(shell: object, kind: type, error: NameError, trace: object, tb_offset: int | None = None) -> None:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        if name := getattr(error, "name", None):
            print(hint(name, shell.user_ns.get("In", [])))

    shell.set_custom_exc((NameError,), handler)


def hint(name: str, executed: list[str]) -> str:
    """What to do about a name that is not there."""
    ran = any(name in code for code in executed[:-1])
    if ran:
        return (
            f"'{name}' is not there: is it spelt as in the cell that makes it, and did that cell end without an error?"
        )
    return (
        f"'{name}' is made in a cell further up that has not run since the kernel started: choose Run > Run All Above "
        "Selected Cell (Runtime > Run before on Colab), then run this cell again."
    )
