"""Networks, losses and optimizers that a program in Python hands over as they are: kept under a name while the process lives."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from nanmap.config.code import GIVEN, Code
from nanmap.errors import InputError

_HELD: dict[str, Callable[..., Any]] = {}


def give_code(key: str, made: Any) -> str:
    """A setting's value that stands for what a program gave: its name, under which the newest is found.

    Args:
        key: the setting, `model.kind` and the like.
        made: a function, as a setting names one; or a network itself.

    >>> give_code("model.kind", lambda: None), give_code("model.kind", dict)
    ('python:<given>:network', 'python:<given>:dict')
    """
    called = inspect.isroutine(made) or inspect.isclass(made) or isinstance(made, partial)
    if key != "model.kind" and not callable(made):
        raise InputError("expects a name, or a function of your own", key=key, value=type(made).__name__)
    factory = made if called or key != "model.kind" else lambda: made
    name = getattr(made, "__name__", type(made).__name__)
    text = str(Code(GIVEN, name if name.isidentifier() else key.partition(".")[0].replace("model", "network")))
    if _HELD.get(text) is not factory:
        forget()
        _HELD[text] = factory
    return text


def given_function(text: str, key: str) -> Callable[..., Any]:
    """What was given under a name.

    Raises:
        InputError: nothing was, in this process.
    """
    if text not in _HELD:
        word = key.partition(".")[0]
        mend = f'give it again, {word}=…, or write it into a file: {key} = "python:file.py:{Code.of(text).name}"'
        raise InputError(
            "was given by a program in Python that has ended", key=key, value=Code.of(text).name, mend=mend
        )
    return _HELD[text]


def forget() -> None:
    """Forgets what was traced: another network goes by the name of one before."""
    from nanmap.models.own.live import live
    from nanmap.models.own.spec import _own_model

    live.cache_clear()
    _own_model.cache_clear()
