"""nanmap: which training settings converge, diverge, overflow, turn NaN or die, found out by running all of them.

>>> import nanmap
>>> config = nanmap.load("configs/keras_line.toml")  # doctest: +SKIP
>>> nanmap.run(config).outcome  # doctest: +SKIP
<Outcome.NAN: 'nan'>

Importing this package imports nothing heavy; each name below is loaded when it is first used.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "load": "nanmap.api",
    "run": "nanmap.api",
    "sweep": "nanmap.api",
    "edge": "nanmap.api",
    "Result": "nanmap.result",
    "Config": "nanmap.config",
    "Sweep": "nanmap.plan",
    "LocalEngine": "nanmap.engine",
    "Outcome": "nanmap.outcomes",
    "Cause": "nanmap.outcomes",
    "InputError": "nanmap.errors",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nanmap' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
