"""The library's front door: `load`, `run`, `sweep`, `edge`. The command parses, calls these, and prints."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nanmap.config import Config, build_config, load_config, read_toml
from nanmap.edges import find_edges
from nanmap.edges.find import BLOCK
from nanmap.engine import Engine
from nanmap.errors import InputError, typed
from nanmap.grid.shorthand import Axes, axis_tables, linear, log
from nanmap.grid.windows import Windows
from nanmap.plan import Plan, Sweep, load_sweep, make_sweep, zoomed
from nanmap.result import Result
from nanmap.runs.observer import Observer
from nanmap.runs.single import EpochLoss, TrainingReport, plan_one, train_one
from nanmap.runs.sweep import train_sweep

__all__ = ["edge", "linear", "load", "log", "run", "sweep"]

Given = Config | Sweep | Plan | str | Path | Mapping[str, Any]


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
    config: Given,
    *,
    predict: Sequence[Sequence[float | str]] = (),
    engine: Engine | None = None,
    on_epoch: Callable[[int, EpochLoss], None] | None = None,
    allow_python: bool = False,
) -> TrainingReport:
    """Trains one config.

    Args:
        config: a config as `load` reads it, its file, or nested tables; or the plan of a single cell.
        predict: inputs to predict after the training: per input a number, or the name of a category, for each column
            of the data, in the units of the data; or a number per encoded feature.
        engine: trains; the devices of this process if None.
        on_epoch: called after each epoch with its number (from 1) and its losses.
        allow_python: import code that the config names, such as a network of your own.

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
    """
    if isinstance(config, Sweep):
        raise InputError("this is a sweep, not a config", file=config.file, key=config.name, mend="nanmap.sweep(…)")
    if isinstance(predict, str) or any(isinstance(row, str) or not hasattr(row, "__len__") for row in predict):
        mend = "predict=[[25.0]] predicts one input of one column"
        raise InputError("expects a list per input", key="predict", value=predict, mend=mend)
    given = config if isinstance(config, Plan) else plan_one(_config(config), allow_python)
    return train_one(given, predict=predict, engine=engine, on_epoch=on_epoch)


def sweep(
    sweep: Given,
    axes: Axes | None = None,
    *,
    out: str | Path | None = None,
    name: str | None = None,
    where: str | None = None,
    zoom: Windows | None = None,
    engine: Engine | None = None,
    fresh: bool = False,
    shard_cells: int | None = None,
    tune: bool = False,
    observer: Observer | None = None,
    allow_python: bool = False,
) -> Result:
    """Trains every cell of a sweep into a run folder. Cells that have their row there already are not trained again.

    Args:
        sweep: a sweep as `load` reads it, its file, or its plan; or a config in any form that `run` takes, together with axes.
        axes: what to vary in a config, the slowest axis first: values by the setting that they go to (a list, a
            `range`, an array, or what `log` and `linear` give), or tables as in a sweep file.
        out: the run folder; `results/<name>` if None.
        name: what a config with axes is called; the stem of its file, else `sweep`, if None.
        where: which cells of a config with axes stay, such as `batch_size <= n`; all if None.
        zoom: by axis of numbers the low and the high end of a window, to train at the resolution of the whole axis: as many
            values between closer ends. The name, and with it the folder, says the window.
        engine: trains; the devices of this process if None.
        fresh: start over, removing the run's rows.
        shard_cells: cells per file; chosen by the size of the grid if None.
        tune: measure how many cells side by side are fastest, instead of deriving it; a folder's widths stay.
        observer: told of progress.
        allow_python: import code that the config or an axis names. A folder never grants it: it is asked for each time.

    Returns:
        The run folder, to read and to draw.

    Raises:
        InputError: a setting or an axis is wrong, settings cannot be combined, or the folder holds other results.

    >>> import nanmap
    >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 200}}
    >>> result = nanmap.sweep(line, {"optimizer.learning_rate": nanmap.log(1e-2, 1e3, 6)}, out="results/line")
    >>> result.to_pandas().outcome.value_counts().to_dict()
    {'nan': 4, 'converged': 2}
    """
    _check_count("shard_cells", shard_cells)
    plan = _plan(sweep, axes, name, where, allow_python)
    plan = Plan(zoomed(plan.sweep, zoom), plan.allow_python) if zoom else plan
    folder = train_sweep(
        plan,
        _folder(out, plan.sweep),
        engine=engine,
        fresh=fresh,
        shard_cells=shard_cells,
        tune=tune,
        observer=observer,
    )
    return Result(folder.path)


def edge(
    sweep: Given,
    axes: Axes | None = None,
    *,
    out: str | Path | None = None,
    along: str | None = None,
    tolerance: float = 1e-4,
    engine: Engine | None = None,
    fresh: bool = False,
    block: int = BLOCK,
    observer: Observer | None = None,
    allow_python: bool = False,
) -> Result:
    """Measures the critical learning rate along every other axis of a sweep, into a run folder.

    Args:
        sweep: as for `nanmap.sweep`.
        axes: as for `nanmap.sweep`; the axis of learning rates gives the ends between which to search.
        out: the run folder; `results/<name>` if None. What a sweep wrote there is left alone.
        along: column of the axis of rates, where there are several.
        tolerance: how far the edge may be from the truth, relative; 1e-6 to 0.1, in float64 from 1e-9.
        engine: trains; the devices of this process if None.
        fresh: search again, replacing the edges that are there.
        block: rows that are searched together and written as one file, about.
        observer: told of progress.
        allow_python: import code that the config or an axis names.

    Returns:
        The run folder; the table of edges is `Result.edge()`.

    Raises:
        InputError: the rates cannot be searched, or the folder holds edges of other settings.

    >>> import nanmap
    >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 20, "dtype": "float64"}}
    >>> result = nanmap.edge(line, {"optimizer.learning_rate": nanmap.log(1e-2, 1e3, 6)}, out="results/line")
    >>> (edge,) = result.edge().itertuples()
    >>> abs(edge.edge_learning_rate / edge.predicted_gd - 1) < 1e-4  # full batch turns at 2/λmax
    True
    """
    _check_count("block", block)
    plan = _plan(sweep, axes, allow_python=allow_python)
    folder = find_edges(
        plan,
        _folder(out, plan.sweep),
        along=along,
        tolerance=tolerance,
        engine=engine,
        fresh=fresh,
        block=block,
        observer=observer,
    )
    return Result(folder.path)


def _config(given: Config | str | Path | Mapping[str, Any]) -> Config:
    if isinstance(given, Config):
        return given
    if isinstance(given, str | Path):
        return load_config(given)
    if isinstance(given, Mapping):
        return build_config(given)
    raise InputError("expects a config, its file, or nested tables", key="config", value=type(given).__name__)


def _check_count(key: str, value: int | None) -> None:
    if value is not None and (not isinstance(value, int) or value < 1):
        raise InputError("must be a whole number from 1 on", key=key, value=value)


def _plan(
    given: Given,
    axes: Axes | None,
    name: str | None = None,
    where: str | None = None,
    allow_python: bool = False,
) -> Plan:
    """The plan of the sweep that is given, or that a config and axes make."""
    if axes is not None:
        return Plan(_made(given, axes, name, where), allow_python or (isinstance(given, Plan) and given.allow_python))
    for key, value in {"name": name, "where": where}.items():
        if value is not None:
            raise InputError("is for a config with axes; a sweep has its own", key=key, value=value)
    if isinstance(given, Plan):
        return given
    if isinstance(given, Sweep):
        return Plan(given, allow_python)
    if isinstance(given, str | Path):
        return Plan(load_sweep(given), allow_python)
    raise InputError("a config alone is no sweep", key="axes", mend="give axes, or train it with nanmap.run(config)")


def _made(given: Given, axes: Axes, name: str | None, where: str | None) -> Sweep:
    if isinstance(given, Plan):
        given = given.sweep
    if isinstance(given, Sweep):
        raise InputError("this sweep has axes of its own", file=given.file, key="axes", mend="give its config instead")
    tables = axis_tables(axes)
    config = _config(given)
    # A copy, so that the sweep stays what it is when the caller changes the tables.
    tree = copy.deepcopy(dict(given)) if isinstance(given, Mapping) else config.model_dump(exclude_unset=True)
    stem = Path(given).stem if isinstance(given, str | Path) else "sweep"
    return make_sweep(tree, tables, name=name or stem, where=where)


def _folder(out: str | Path | None, sweep: Sweep) -> Path:
    return Path(out) if out is not None else Path("results") / sweep.name
