"""nanmap: which training settings converge, diverge, overflow, turn NaN or die, found out by running all of them.

>>> import nanmap
>>> line = {"data": {"kind": "line", "n": 20, "start": 1}, "training": {"epochs": 150}}
>>> nanmap.run(line).outcome
<Outcome.NAN: 'nan'>

Importing this package imports nothing heavy; each name below is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors and type checkers; while a program runs, __getattr__ finds the same names
    from nanmap.analysis import Comparison as Comparison
    from nanmap.api import diagnose as diagnose
    from nanmap.api import edge as edge
    from nanmap.api import load as load
    from nanmap.api import run as run
    from nanmap.api import sweep as sweep
    from nanmap.api import verify as verify
    from nanmap.config import Config as Config
    from nanmap.engine import LocalEngine as LocalEngine
    from nanmap.errors import InputError as InputError
    from nanmap.errors import NanmapError as NanmapError
    from nanmap.errors import RunFolderError as RunFolderError
    from nanmap.grid.shorthand import linear as linear
    from nanmap.grid.shorthand import log as log
    from nanmap.models.own.interface import Model as Model
    from nanmap.models.own.keras_settings import from_keras as from_keras
    from nanmap.models.own.torch_settings import from_torch as from_torch
    from nanmap.outcomes import Cause as Cause
    from nanmap.outcomes import Outcome as Outcome
    from nanmap.plan import Sweep as Sweep
    from nanmap.result import Result as Result
    from nanmap.result import compare as compare
    from nanmap.result import concat as concat
    from nanmap.runs.observer import Observer as Observer
    from nanmap.runs.on_ray import RayWorkers as RayWorkers
    from nanmap.runs.on_slurm import SlurmWorkers as SlurmWorkers
    from nanmap.runs.single import TrainingReport as TrainingReport
    from nanmap.runs.verify import Verification as Verification

_HOMES = {
    "Cause": "nanmap.outcomes",
    "Comparison": "nanmap.analysis",
    "Config": "nanmap.config",
    "InputError": "nanmap.errors",
    "LocalEngine": "nanmap.engine",
    "Model": "nanmap.models.own.interface",
    "NanmapError": "nanmap.errors",
    "Observer": "nanmap.runs.observer",
    "Outcome": "nanmap.outcomes",
    "RayWorkers": "nanmap.runs.on_ray",
    "Result": "nanmap.result",
    "RunFolderError": "nanmap.errors",
    "SlurmWorkers": "nanmap.runs.on_slurm",
    "Sweep": "nanmap.plan",
    "TrainingReport": "nanmap.runs.single",
    "Verification": "nanmap.runs.verify",
    "compare": "nanmap.result",
    "concat": "nanmap.result",
    "diagnose": "nanmap.api",
    "edge": "nanmap.api",
    "from_keras": "nanmap.models.own.keras_settings",
    "from_torch": "nanmap.models.own.torch_settings",
    "linear": "nanmap.grid.shorthand",
    "load": "nanmap.api",
    "log": "nanmap.grid.shorthand",
    "run": "nanmap.api",
    "sweep": "nanmap.api",
    "verify": "nanmap.api",
}

__all__ = list(_HOMES)


if not TYPE_CHECKING:  # to a type checker it would say that every name there could be is here

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'nanmap' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
