"""Why a training fails: `diagnose`, of a config, of a network itself, or of a cell of a run."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from nanmap.analysis import config_of_cell
from nanmap.api.over import made_config, what_is_over
from nanmap.config import Config
from nanmap.diagnosis.answer import Answer, Criterion
from nanmap.diagnosis.diagnose import BUDGET
from nanmap.diagnosis.diagnose import diagnose as find_cause
from nanmap.diagnosis.intake import looked_at
from nanmap.engine import Engine
from nanmap.errors import InputError
from nanmap.grid.keywords import Keywords
from nanmap.models.own.keras_dense import dense_settings
from nanmap.models.own.keras_model import is_keras
from nanmap.models.own.keras_settings import from_keras
from nanmap.plan import Plan, Sweep
from nanmap.results.folder import RunFolder
from nanmap.runs.observer import Observer
from nanmap.runs.progress import watched


def diagnose(
    config: object = None,
    x: object = None,
    y: object = None,
    *,
    cell: int | None = None,
    of: str | Path | None = None,
    success: float | None = None,
    budget: float = BUDGET,
    engine: Engine | None = None,
    observer: Observer | None = None,
    progress: bool | None = None,
    allow_python: bool = False,
    **settings: Unpack[Keywords],
) -> Answer:
    """Why a training fails, and the smallest change that mends it, with its share of fresh starts that succeed.

    Args:
        config: what `run` takes: a config as `load` reads it, its file, or nested tables. Or a network itself, of Keras, PyTorch,
            Flax or Equinox; what a compiled one of Keras says of optimizer and loss is taken over.
        x, y: as for `run`. Missing values are trained on, as NumPy and Keras do, unless `missing` says otherwise.
        cell, of: in place of a config, a cell of a run folder by its number.
        success: the skill (of numbers R²) from which on a training succeeds; the outcome `converged` if None.
        budget: seconds after which nothing new is tried.
        engine: trains; the devices of this process if None.
        observer: told how many of its steps are done, and how many trainings were made.
        progress: whether to show a bar; if None, where lines are typed one by one, as in a notebook, and not in scripts.
        allow_python: import code that the config names.
        settings: as for `run`.

    Returns:
        What happens, why, the smallest fix and its proof. A training with which nothing is wrong is an answer, too.

    Raises:
        InputError: a setting is wrong, the rows cannot be trained on or say nothing, or the budget does not hold its trainings once.

    >>> import nanmap
    >>> answer = nanmap.diagnose(x=range(1, 21), y=[n / 2 for n in range(1, 21)], learning_rate=0.01, epochs=500)
    >>> answer.cause, round(answer.edge.factor, 2), sorted(answer.fix.trial.changes)
    (<RootCause.RATE_ABOVE_EDGE: 'rate_above_edge'>, 1.44, ['optimizer.learning_rate'])
    """
    criterion = Criterion(success)
    for key, value in {"success": success, "budget": budget}.items():
        _check_positive(key, value)
    if success is not None and success > 1:
        raise InputError("is more than a perfect answer has", key="success", value=success, allowed="a skill up to 1")
    config, settings = _network_as_keyword(config, y, settings)
    over = what_is_over(diagnose.__kwdefaults__ or (), x, y, settings)
    seen = looked_at(made_config(_of_cell(config, cell, of), over), over.arrays)
    over = over._replace(arrays=seen.given)
    with watched(progress, observer, "diagnosis", "steps") as told:
        answer = find_cause(
            seen.config,
            allow_python=allow_python,
            engine=engine,
            budget=budget,
            criterion=criterion,
            observer=told,
            notes=seen.notes,
        )
    return replace(answer, whole=seen.whole, given=(config, over))


def _check_positive(key: str, value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and 0 < value < math.inf):  # type: ignore[operator]
        raise InputError("must be a positive number", key=key, value=value)


def _network_as_keyword(config: object, y: object, settings: Keywords) -> tuple[Any, Any]:
    """A network that was given in place of a config: as the setting that it is, with what it was compiled with."""
    if (
        config is None
        or isinstance(config, Config | Sweep | Plan | str | Path | Mapping)
        or hasattr(config, "__array__")
    ):
        return config, settings
    if "model" in settings:
        raise InputError("is given twice", key="model", value=type(config).__name__)
    compiled = is_keras(config) and getattr(config, "optimizer", None) is not None
    if not compiled:
        return None, {**settings, "model": config}
    return dense_settings(config, y) or from_keras(config), settings


def _of_cell(config: Any, cell: int | None, of: str | Path | None) -> Any:
    """The settings of a cell of a run, or the config that is given."""
    if cell is None and of is None:
        return config
    if config is not None:
        raise InputError("is given beside a config", key="cell", value=cell, mend="leave one of the two out")
    if cell is None or of is None:
        missing, mend = ("of", "of='results/keras_line'") if of is None else ("cell", "cell=12")
        raise InputError("is missing: a cell and its run go together", key=missing, mend=mend)
    return config_of_cell(RunFolder(of), cell)
