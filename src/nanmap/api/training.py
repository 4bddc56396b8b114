"""One training: `load` reads it, `run` trains it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from nanmap.api.over import Given, made_config, what_is_over
from nanmap.config import Config, load_config, read_toml
from nanmap.engine import Engine
from nanmap.errors import InputError, typed
from nanmap.grid.keywords import Keywords
from nanmap.plan import Plan, Sweep, load_sweep
from nanmap.runs.progress import watched_epochs
from nanmap.runs.single import EpochLoss, Input, TrainingReport, plan_one, train_one


def load(path: str | Path, overrides: Iterable[str] = ()) -> Config | Sweep:
    r"""Reads a config, or a sweep if the file has axes.

    Args:
        path: a TOML file.
        overrides: `key=value` texts laid over it, as after `--set`.

    Returns:
        What `run` or `sweep` takes.

    Raises:
        InputError: for whatever is wrong in it.

    >>> import nanmap
    >>> from pathlib import Path
    >>> _ = Path("line.toml").write_text('[data]\nkind = "line"\nn = 5\n[training]\nepochs = 3\n')
    >>> config = nanmap.load("line.toml", ["training.epochs=7"])
    >>> isinstance(config, nanmap.Config) and config.training.epochs
    7
    """
    if isinstance(overrides, str):  # whose letters would be taken for overrides
        raise InputError("expects a list of key=value texts", key="overrides", value=overrides)
    if not isinstance(path, str | Path):
        raise InputError("expects the path of a TOML file", key="path", value=path)
    given, tree = list(overrides), read_toml(Path(path))
    with typed("overrides", given):
        return load_sweep(path, given) if "axes" in tree or "config" in tree else load_config(path, given)


def run(
    config: Given | None = None,
    *,
    x: object = None,
    y: object = None,
    predict: Sequence[Input] = (),
    engine: Engine | None = None,
    on_epoch: Callable[[int, EpochLoss], None] | None = None,
    progress: bool | None = None,
    allow_python: bool = False,
    **settings: Unpack[Keywords],
) -> TrainingReport:
    """Trains one config.

    Args:
        config: a config as `load` reads it, its file, or nested tables; or the plan of a single cell.
        x, y: inputs and targets to train on, a row per example, in place of the config's `[data]`: arrays or tensors
            `[n]`, `[n, columns]` of NumPy, JAX, PyTorch and others, frames and series of pandas, Polars and Arrow, or lists.
            Columns of a frame keep their names, and texts in them are categories, as in a file; `y` may be the name of one.
            `[data]` may still say what is done to them: `scale_inputs`, `missing`, `validation_split`, …
        predict: inputs to predict after the training: per input a number, or the name of a category, for each column
            of the data, in the units of the data, in their order or by their names; or a number per encoded feature. A
            frame of such inputs will do.
        engine: trains; the devices of this process if None.
        on_epoch: called after each epoch with its number (from 1) and its losses.
        progress: whether to show a bar; if None, where lines are typed one by one, as in a notebook, and not in scripts.
        allow_python: import code that the config names, such as a network of your own.
        settings: settings by their short names, over those of the config: `learning_rate=0.1`, `hidden=[16]`,
            `optimizer="adam"`, `training_seed=3`. A network of your own, a loss or an optimizer may be given as it is:
            `model=build`; so may a model of Keras or PyTorch.

    Returns:
        The outcome and its cause, the row that a sweep would hold, the losses of every epoch, the parameters and the
        predictions. A training that ends in NaN is a result, and no error.

    Raises:
        InputError: a setting is wrong, the data cannot be trained on, or an input does not fit its columns.

    >>> import nanmap
    >>> tables = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 30, "batch_size": 1}}
    >>> report = nanmap.run(tables)
    >>> report.outcome, len(report.epochs)
    (<Outcome.CONVERGED: 'converged'>, 30)
    >>> nanmap.run(x=[1, 2, 3], y=[2, 4, 6], learning_rate=0.1, epochs=90).outcome
    <Outcome.CONVERGED: 'converged'>
    """
    over = what_is_over(run.__kwdefaults__ or (), x, y, settings)
    if isinstance(config, Sweep):
        raise InputError("this is a sweep, not a config", file=config.file, key=config.name, mend="nanmap.sweep(…)")
    predict = _inputs(predict)
    if isinstance(predict, str) or any(isinstance(row, str) or not hasattr(row, "__len__") for row in predict):
        mend = "predict=[[25.0]] predicts one input of one column"
        raise InputError("expects a list per input", key="predict", value=predict, mend=mend)
    if isinstance(config, Plan) and over:
        raise InputError("a plan has its rows and settings", key=over.key, mend="give the config that it was made of")
    plan = config if isinstance(config, Plan) else plan_one(made_config(config, over), allow_python)
    with watched_epochs(progress, on_epoch, plan) as tell:
        report = train_one(plan, predict=predict, engine=engine, on_epoch=tell)
    return replace(report, given=over.arrays)


def _inputs(given: Any) -> Any:
    """The rows of a frame by the names of its columns; anything else as it is."""
    if hasattr(given, "to_dicts"):  # Polars
        return given.to_dicts()
    return given.to_dict("records") if hasattr(given, "to_dict") and hasattr(given, "columns") else given
