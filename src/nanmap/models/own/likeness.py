"""What a model in memory does, as text the same in every process: the code of its classes, and the settings that its parts hold."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType
from typing import Any

import numpy as np

UNSAID = ("__doc__", "__module__", "__dict__", "__firstlineno__", "__static_attributes__", "__annotations__")
PLAIN = (int, float, complex, str, bytes, type(None))


def code_of(kind: type, framework: str) -> str:
    """SHA-256 of the functions that a class and its ancestors have of the user's; "" where all of them are the framework's.

    Two cells of a notebook may write one class after the other, of the same name, and of weights that are the same.

    >>> one, other = type("Net", (), {"forward": lambda self, x: x}), type("Net", (), {"forward": lambda self, x: -x})
    >>> code_of(one, "torch") == code_of(other, "torch"), code_of(dict, "builtins")
    (False, '')
    """
    own = [
        each for each in kind.__mro__ if each is not object and not f"{each.__module__}.".startswith(f"{framework}.")
    ]
    held = [(name, value) for each in own for name, value in sorted(vars(each).items()) if name not in UNSAID]
    found = [f"{name} {_settled(value)}" for name, value in held if _says(value)]
    return hashlib.sha256("\n".join(found).encode()).hexdigest() if own else ""


def settings_of(part: Any, leave: Iterable[str]) -> str:
    """The plain values, arrays and functions among an object's attributes, but for those of some names.

    >>> class Part:
    ...     def __init__(self):
    ...         self.heads, self.act, self.inner = 2, len, object()
    >>> settings_of(Part(), ())
    "{'act': 'builtins.len', 'heads': 2}"
    """
    held = {name: value for name, value in vars(part).items() if name not in leave and _says(value)}
    return repr({name: _settled(held[name]) for name in sorted(held)})


def _says(value: Any) -> bool:
    return isinstance(value, (*PLAIN, property)) or callable(value) or _is_nested(value) or hasattr(value, "__array__")


def _is_nested(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset | Mapping)


def _settled(value: Any) -> Any:
    """A value without addresses and without the order of sets, which differ from process to process."""
    if isinstance(value, CodeType):
        return value.co_code.hex(), value.co_names, list(map(_settled, value.co_consts))
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Mapping):
        return {repr(key): _settled(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(repr, map(_settled, value)))
    if isinstance(value, list | tuple):
        return list(map(_settled, value))
    if isinstance(value, property):
        return _settled(value.fget)
    if callable(value):
        return _function(value)
    return _array(value) if hasattr(value, "__array__") else type(value).__qualname__


def _function(value: Any) -> Any:
    """What a function does; of one without code, and of classes and objects that can be called, what they are called."""
    code = getattr(value, "__code__", None)
    if code is None:
        named = value if hasattr(value, "__qualname__") else type(value)
        return f"{named.__module__}.{named.__qualname__}"
    return _settled(code), _settled(value.__defaults__), list(_closed_over(value))


def _closed_over(function: Any) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:  # not filled yet
            continue
        yield _settled(value) if isinstance(value, PLAIN) else type(value).__qualname__


def _array(value: Any) -> str:
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    return f"{array.dtype} {array.shape} {hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}"
