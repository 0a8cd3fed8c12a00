"""A hash of all that decides what a network computes: its weights, its settings and its code."""

import hashlib
import inspect
import sys
from collections.abc import Iterable
from functools import partial
from types import CellType, CodeType, FunctionType, MethodType, ModuleType

import numpy as np
import torch
from torch import Tensor, nn

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), slice, torch.dtype, torch.device)
_LIBRARIES = {*sys.stdlib_module_names, "torch", "numpy"} - {"__main__"}  # their names stand for their code
_OF_EVERY_MODULE = {*vars(nn.Module())}  # hooks, the mode, and the parameters, which are hashed by themselves


def fingerprint(*parts: object, weights: bool = True) -> str:
    """A hash of what the parts compute, the same in every process that runs the same Python, torch and numpy.

    Of a module that is the code of its `forward`, of the methods, functions and global numbers that this names, and so
    on from there; the attributes that they name; its parameters, buffers and submodules. Where a line of code stands,
    and how its variables' values came about, makes no difference. Not seen is what is fetched by a computed name.

    Args:
        parts: Modules, functions, tensors and plain values.
        weights: Whether the numbers in tensors count, or only their shapes.
    """
    writer = _Writer(weights)
    writer.all([*parts, torch.__version__, np.__version__, sys.version_info[:2]])
    return writer.digest.hexdigest()


class _Writer:
    """Writes one thing after another into a hash; what has been written before is written as its number."""

    def __init__(self, weights: bool):
        self.digest, self.weights = hashlib.sha256(), weights
        self.seen: dict[int, tuple[int, object]] = {}  # the things themselves are kept, so that no id is used twice

    def all(self, things: Iterable[object]) -> None:
        things = list(things)
        self._text("(", len(things))
        for thing in things:
            self.add(thing)

    def add(self, thing: object) -> None:
        if isinstance(thing, _PLAIN):
            self._text(type(thing).__name__, repr(thing))
        elif isinstance(thing, tuple):
            self.all(thing)
        elif isinstance(thing, set | frozenset):
            self.all(sorted(thing, key=repr))
        elif isinstance(thing, CodeType):
            self.all([thing.co_code, thing.co_names, thing.co_freevars, thing.co_consts])
        elif id(thing) in self.seen:
            self._text("seen", self.seen[id(thing)][0])
        else:
            self.seen[id(thing)] = len(self.seen), thing
            self._object(thing)

    def _object(self, thing: object) -> None:
        if isinstance(thing, Tensor):
            self._tensor(thing)
        elif isinstance(thing, np.ndarray):
            self.all([thing.dtype.str, thing.shape, thing.tobytes()])
        elif isinstance(thing, nn.Module):
            self._module(thing)
        elif isinstance(thing, list):
            self.all(thing)
        elif isinstance(thing, dict):
            self.all(thing.items())
        elif isinstance(thing, FunctionType):
            self._function(thing)
        elif isinstance(thing, MethodType):
            self.all([thing.__func__, thing.__self__])
        elif isinstance(thing, partial):
            self.all([thing.func, thing.args, thing.keywords])
        elif isinstance(thing, property | staticmethod | classmethod):
            self.add(_function_of(thing))
        elif isinstance(thing, type):
            self._name(thing)
            for base in (base for base in thing.__mro__ if not _in_library(base)):
                self.all(vars(base)[name] for name in sorted(vars(base)) if _is_code(name, vars(base)[name]))
        elif (
            isinstance(thing, ModuleType) or not hasattr(thing, "__dict__") or (callable(thing) and _in_library(thing))
        ):
            self._name(thing)
        else:
            self.all([type(thing), *sorted(vars(thing).items(), key=lambda item: item[0])])

    def _tensor(self, tensor: Tensor) -> None:
        self._text("tensor", tensor.dtype, tuple(tensor.shape))
        if self.weights:
            numbers = tensor.detach().cpu().reshape(-1).contiguous()  # in the same order for any memory layout
            self.digest.update(numbers.view(torch.uint8).numpy().data)

    def _module(self, module: nn.Module) -> None:
        self._name(type(module))
        code = getattr(module, "code", None)
        self.add(code if isinstance(code, str) else None)  # of a traced or scripted module
        own = vars(module).get("forward")  # assigned to this module, not to its class
        self.add(own)
        names = self._methods(type(module), {"forward", "__call__", *_names(own)})
        everything = _in_library(type(module)) and code is None
        kept = {name for name in vars(module) if name not in _OF_EVERY_MODULE and (everything or name in names)}
        self.all((name, vars(module)[name]) for name in sorted(kept - {"forward"}))
        self.all(module.named_parameters(recurse=False))
        self.all(module.named_buffers(recurse=False))
        self.all(module.named_children())

    def _methods(self, owner: type, names: set[str]) -> set[str]:
        """Write what a class has under these names and under those that occur there, and return all these names."""
        todo, done = set(names), set()
        bases = [base for base in owner.__mro__ if not _in_library(base)]
        while todo:
            done.add(name := min(todo))
            for attribute in (vars(base)[name] for base in bases if name in vars(base)):
                self.add(attribute)
                todo |= _names(attribute)
            todo -= done
        return done

    def _function(self, function: FunctionType) -> None:
        if _in_library(function):
            self._name(function)
            return
        self.all([function.__code__, function.__defaults__, function.__kwdefaults__])
        self.all(map(_contents, function.__closure__ or ()))
        for name in sorted(_names(function) & function.__globals__.keys()):
            value = function.__globals__[name]
            self.all([name, value])
            if isinstance(value, ModuleType) and not _in_library(value):
                self.all(vars(value)[used] for used in sorted(_names(function) & vars(value).keys()))

    def _name(self, thing: object) -> None:
        name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None) or type(thing).__qualname__
        self._text(getattr(thing, "__module__", None), name)

    def _text(self, *parts: object) -> None:
        text = " ".join(map(str, parts)).encode(errors="surrogatepass")
        self.digest.update(len(text).to_bytes(8, "big") + text)


def _in_library(thing: object) -> bool:
    home = getattr(thing, "__name__" if isinstance(thing, ModuleType) else "__module__", None)
    return isinstance(home, str) and home.split(".")[0] in _LIBRARIES


def _is_code(name: str, value: object) -> bool:
    """Whether a class attribute is a method, a property or a plain value, and not what Python adds by itself."""
    methods = isinstance(value, FunctionType | property | staticmethod | classmethod)
    return methods or (isinstance(value, _PLAIN) and not name.startswith("__"))


def _function_of(thing: object) -> object:
    """The function inside a property, a bound or static method or a decorator, or the thing itself."""
    thing = getattr(thing, "fget", None) or getattr(thing, "__func__", thing)
    return inspect.unwrap(thing) if callable(thing) else thing


def _names(thing: object) -> set[str]:
    """All names of globals and attributes in the code of a function, and of the functions written inside it."""
    code = getattr(_function_of(thing), "__code__", thing)
    if not isinstance(code, CodeType):
        return set()
    return {*code.co_names}.union(*map(_names, code.co_consts))


def _contents(cell: CellType) -> object:
    """What a closure holds; None where it has not been assigned yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return None
