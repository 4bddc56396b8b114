"""The library's front door: `load`, `run`, `sweep`, `edge`, `diagnose`. The command parses, calls these, and prints."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Unpack

from nanmap.analysis import config_of_cell
from nanmap.config import Config, build_config, config_tables, load_config, read_toml
from nanmap.config.code import CODE_KEYS, is_held
from nanmap.config.load import with_settings
from nanmap.data.given import GivenArrays, give, with_arrays
from nanmap.diagnosis.answer import Answer, Criterion
from nanmap.diagnosis.diagnose import BUDGET
from nanmap.diagnosis.diagnose import diagnose as find_cause
from nanmap.diagnosis.intake import looked_at
from nanmap.edges import find_edges
from nanmap.edges.find import BLOCK
from nanmap.engine import Engine
from nanmap.errors import InputError, typed
from nanmap.grid.keywords import Keywords, keyword_settings
from nanmap.grid.shorthand import Axes, axis_tables, linear, log
from nanmap.grid.windows import Windows
from nanmap.models.own.frameworks import in_memory
from nanmap.models.own.given import give_code
from nanmap.models.own.keras_dense import dense_settings
from nanmap.models.own.keras_model import is_keras
from nanmap.models.own.keras_settings import from_keras
from nanmap.models.own.memory import ModelInMemory
from nanmap.plan import Plan, Sweep, load_sweep, make_sweep, refined, zoomed
from nanmap.result import Result
from nanmap.results.folder import RunFolder
from nanmap.runs.handing_out import Workers
from nanmap.runs.observer import Observer
from nanmap.runs.progress import watched, watched_epochs
from nanmap.runs.single import EpochLoss, Input, TrainingReport, plan_one, train_one
from nanmap.runs.sweep import train_sweep
from nanmap.runs.verify import SAMPLE, Verification, verify_run

__all__ = ["diagnose", "edge", "linear", "load", "log", "run", "sweep", "verify"]

MODEL = "model.kind"  # which may be a model itself
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
    over = _over("run", x, y, settings)
    if isinstance(config, Sweep):
        raise InputError("this is a sweep, not a config", file=config.file, key=config.name, mend="nanmap.sweep(…)")
    predict = _inputs(predict)
    if isinstance(predict, str) or any(isinstance(row, str) or not hasattr(row, "__len__") for row in predict):
        mend = "predict=[[25.0]] predicts one input of one column"
        raise InputError("expects a list per input", key="predict", value=predict, mend=mend)
    if isinstance(config, Plan) and over:
        raise InputError("a plan has its rows and settings", key=over.key, mend="give the config that it was made of")
    plan = config if isinstance(config, Plan) else plan_one(_config(config, over), allow_python)
    with watched_epochs(progress, on_epoch, plan) as tell:
        report = train_one(plan, predict=predict, engine=engine, on_epoch=tell)
    return replace(report, given=over.arrays)


def sweep(
    sweep: Given | None = None,
    axes: Axes | None = None,
    *,
    x: object = None,
    y: object = None,
    out: str | Path | None = None,
    name: str | None = None,
    where: str | None = None,
    zoom: Windows | None = None,
    refine: int | None = None,
    engine: Engine | None = None,
    workers: Workers | None = None,
    fresh: bool = False,
    extend: bool = False,
    shard_cells: int | None = None,
    tune: bool = False,
    observer: Observer | None = None,
    allow_python: bool = False,
    progress: bool | None = None,
    **settings: Unpack[Keywords],
) -> Result:
    """Trains every cell of a sweep into a run folder. Cells that have their row there already are not trained again.

    Args:
        sweep: a sweep as `load` reads it, its file, or its plan; or a config in any form that `run` takes, together with axes.
        axes: what to vary in a config, the slowest axis first: values by the setting that they go to (a list, a
            `range`, an array, or what `log` and `linear` give), or tables as in a sweep file.
        x, y: inputs and targets, as for `run`, in place of the config's rows. They are kept with the rows of the sweep, up
            to 512 MiB, and are part of what it is: other arrays are another sweep.
        out: the run folder. If None, `results/<name>`; for arrays without a file or a name, a folder that goes with the
            result.
        name: what a config with axes is called; the stem of its file, else `sweep`, if None.
        where: which cells of a config with axes stay, such as `batch_size <= n`; all if None.
        zoom: by axis of numbers the low and the high end of a window, to train at the resolution of the whole axis: as many
            values between closer ends. The name, and with it the folder, says the window.
        refine: along each of two log or linear axes so many values, trained where the map changes and filled in elsewhere, in
            place of what the file's `[refine]` says; 0 trains all cells of that grid. docs/growing.md
        engine: trains; the devices of this process if None.
        workers: train elsewhere, as `nanmap.RayWorkers` and `nanmap.SlurmWorkers` do: docs/scale.md.
        fresh: start over, removing the run's rows.
        extend: the folder may hold a smaller run: further values of an axis, a finer one, another axis, more seeds. Its rows
            stay, the others are trained, and the rows are those of the same sweep run afresh. docs/growing.md
        shard_cells: cells per file; chosen by the size of the grid if None.
        tune: measure how many cells side by side are fastest, instead of deriving it; a folder's widths stay.
        observer: told of progress.
        allow_python: import code that the config or an axis names. A folder never grants it: it is asked for each time.
        progress: whether to show a bar; if None, where lines are typed one by one, as in a notebook, and not in scripts.
        settings: as for `run`.

    Returns:
        The run folder, to read and to draw.

    Raises:
        InputError: a setting or an axis is wrong, settings cannot be combined, or the folder holds other results; with
            `extend` results that the sweep does not hold.

    >>> import nanmap
    >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 200}}
    >>> result = nanmap.sweep(line, {"optimizer.learning_rate": nanmap.log(1e-2, 1e3, 6)}, out="results/line")
    >>> result.to_pandas().outcome.value_counts().to_dict()
    {'nan': 4, 'converged': 2}
    """
    _check_count("shard_cells", shard_cells)
    _check_count("refine", refine or None)
    if extend and fresh:
        raise InputError("keeps the rows that fresh removes", key="extend", mend="give one of the two")
    over = _over("sweep", x, y, settings)
    plan = _plan(sweep, axes, over, name, where, allow_python)
    if zoom or refine or plan.sweep.refining:
        plan = Plan(refined(zoomed(plan.sweep, zoom), refine), plan.allow_python)
    folder = _folder(out, plan.sweep, keep=not _is_for_now(sweep, over) or name is not None)
    with watched(progress, observer, plan.sweep.name, "cells") as told:
        train_sweep(
            plan,
            folder.path,
            engine=engine,
            workers=workers,
            fresh=fresh,
            extend=extend,
            shard_cells=shard_cells,
            tune=tune,
            observer=told,
        )
    return Result(folder)


def edge(
    sweep: Given | None = None,
    axes: Axes | None = None,
    *,
    x: object = None,
    y: object = None,
    out: str | Path | None = None,
    along: str | None = None,
    tolerance: float = 1e-4,
    engine: Engine | None = None,
    fresh: bool = False,
    block: int = BLOCK,
    observer: Observer | None = None,
    allow_python: bool = False,
    progress: bool | None = None,
    **settings: Unpack[Keywords],
) -> Result:
    """Measures the critical learning rate along every other axis of a sweep, into a run folder.

    Args:
        sweep: as for `nanmap.sweep`.
        axes: as for `nanmap.sweep`; the axis of learning rates gives the ends between which to search. Keywords need none:
            they have one edge.
        x, y: as for `nanmap.sweep`.
        out: the run folder, as for `nanmap.sweep`. What a sweep wrote there is left alone.
        along: column of the axis of rates, where there are several.
        tolerance: how far the edge may be from the truth, relative; 1e-6 to 0.1, in float64 from 1e-9.
        engine: trains; the devices of this process if None.
        fresh: search again, replacing the edges that are there.
        block: rows that are searched together and written as one file, about.
        observer: told of progress.
        allow_python: import code that the config or an axis names.
        progress: whether to show a bar; if None, where lines are typed one by one, as in a notebook, and not in scripts.
        settings: as for `run`.

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
    over = _over("edge", x, y, settings)
    plan = _plan(sweep, {} if sweep is None and axes is None else axes, over, allow_python=allow_python)
    folder = _folder(out, plan.sweep, keep=not _is_for_now(sweep, over))
    with watched(progress, observer, plan.sweep.name, "edges") as told:
        find_edges(
            plan,
            folder.path,
            along=along,
            tolerance=tolerance,
            engine=engine,
            fresh=fresh,
            block=block,
            observer=told,
        )
    return Result(folder)


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
    over = _over("diagnose", x, y, settings)
    made, arrays, notes = looked_at(_config(_of_cell(config, cell, of), over), over.arrays)
    over = over._replace(arrays=arrays)
    with watched(progress, observer, "diagnosis", "steps") as told:
        answer = find_cause(
            made,
            allow_python=allow_python,
            engine=engine,
            budget=budget,
            criterion=criterion,
            observer=told,
            notes=notes,
        )
    return replace(answer, given=over)


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


def verify(
    run: Result | str | Path,
    *,
    sample: int = SAMPLE,
    seed: int | None = None,
    engine: Engine | None = None,
    allow_python: bool = False,
) -> Verification:
    """Whether a run folder is what was written, and comes out again: every file is looked at, some cells are trained anew.

    Args:
        run: a result, or a run folder. Nothing in it is changed.
        sample: how many cells to train again, drawn at random; 0 for none.
        seed: that they are drawn with; another one each time if None.
        engine: trains; the devices of this process if None.
        allow_python: import code that the run's settings name.

    Returns:
        What was found: `ok`, `faults` by file, `notes`; `print` shows it as `nanmap verify` does.

    Raises:
        InputError: this is no run folder, or its settings name code that may not be imported.

    >>> import nanmap
    >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 20}}
    >>> result = nanmap.sweep(line, {"optimizer.learning_rate": [0.01, 1e3]}, out="results/line")
    >>> print(nanmap.verify(result, seed=0))
    trained again: 2 cells drawn with --seed 0; every row came out bit for bit
    results/line: 1 shard, 2 rows: all as written
    """
    for key, value in {"sample": sample, "seed": seed}.items():
        if value is not None and (not isinstance(value, int) or value < 0):
            raise InputError("must be a whole number from 0 on", key=key, value=value)
    path = run.path if isinstance(run, Result) else run
    return verify_run(path, sample=sample, seed=seed, engine=engine, allow_python=allow_python)


def _inputs(given: Any) -> Any:
    """The rows of a frame by the names of its columns; anything else as it is."""
    if hasattr(given, "to_dicts"):  # Polars
        return given.to_dicts()
    return given.to_dict("records") if hasattr(given, "to_dict") and hasattr(given, "columns") else given


class _Over(NamedTuple):
    """What was given beside a config: it goes over what the config says. Arrays and a model are found as long as this is held."""

    arrays: GivenArrays | None
    settings: dict[str, Any]
    model: ModelInMemory | None = None

    def __bool__(self) -> bool:
        return self.arrays is not None or bool(self.settings)

    @property
    def key(self) -> str:
        """What it is called in messages."""
        return next(iter(self.settings), "x")

    def laid(self, tree: Mapping[str, Any], file: Path | None = None) -> dict[str, Any]:
        """The tables with all of it in its place.

        Raises:
            InputError: they are about a model that a program held, and another one is given.
        """
        written = tree.get("model")
        kind = written.get("kind") if isinstance(written, Mapping) else None
        if self.model and is_held(kind) and kind != self.model.kind:
            mend = "give it with the weights that it had then"
            raise InputError("is another model than these settings are about", file=file, key="model", mend=mend)
        made = with_arrays(tree, self.arrays)
        return with_settings(made, self.settings, file) if self.settings else made


def _over(function: str, x: object, y: object, settings: Mapping[str, Any]) -> _Over:
    beside = {"run": run, "sweep": sweep, "edge": edge, "diagnose": diagnose}[function].__kwdefaults__ or ()
    named, model = keyword_settings(settings, beside), None
    for key in CODE_KEYS:  # a network, a loss or an optimizer itself, in place of its name
        if key in named and not isinstance(named[key], str):
            held = in_memory(named[key]) if key == MODEL else None
            model = held or model
            named[key] = held.kind if held else give_code(key, named[key])
    return _Over(give(x, y), named, model)


def _config(given: Given | None, over: _Over) -> Config:
    """The config that is given, under what goes over it."""
    if isinstance(given, Config) and not over:
        return given
    tree, file = _tables(given, over)
    return build_config(tree, file=file)


def _tables(given: Given | None, over: _Over) -> tuple[dict[str, Any], Path | None]:
    """The tables of a config as they were written, under what goes over them; and their file, if they have one."""
    file = Path(given) if isinstance(given, str | Path) else None
    if file is not None:
        tree = config_tables(file)
    elif isinstance(given, Config):
        tree = given.model_dump(exclude_unset=True)
    elif isinstance(given, Mapping):
        tree = copy.deepcopy(dict(given))  # so that a sweep stays what it is when the caller changes the tables
    elif given is None and over:
        tree = {"training": {}}
    else:
        arrays = given is None or hasattr(given, "__array__") or hasattr(given, "columns")
        mend = "what to train on is given by name: x=…, y=…" if arrays else None
        problem = "expects a config, its file, or nested tables"
        raise InputError(problem, key="config", value=type(given).__name__, mend=mend)
    tree = over.laid(tree, file)
    if given is None and "data" not in tree:
        mend = 'x=… and y=…; or data="line", n=20 and others that nanmap makes itself'
        raise InputError("is missing: there is nothing to train on", key="data", mend=mend)
    return tree, file


def _check_count(key: str, value: int | None) -> None:
    if value is not None and (not isinstance(value, int) or value < 1):
        raise InputError("must be a whole number from 1 on", key=key, value=value)


def _plan(
    given: Given | None,
    axes: Axes | None,
    over: _Over,
    name: str | None = None,
    where: str | None = None,
    allow_python: bool = False,
) -> Plan:
    """The plan of the sweep that is given, or that a config and axes make."""
    if isinstance(given, Plan):
        allow_python = allow_python or given.allow_python
    if axes is not None:
        return Plan(_made(given, axes, over, name, where), allow_python)
    for key, value in {"name": name, "where": where}.items():
        if value is not None:
            raise InputError("is for a config with axes; a sweep has its own", key=key, value=value)
    if isinstance(given, Plan) and not over:
        return given
    if isinstance(given, Plan | Sweep):
        return Plan(_laid_over(_sweep_of(given), over), allow_python)
    if isinstance(given, str | Path):
        return Plan(_laid_over(load_sweep(given, arrays=over.arrays), over), allow_python)
    raise InputError("a config alone is no sweep", key="axes", mend="give axes, or train it with nanmap.run(config)")


def _made(given: Given | None, axes: Axes, over: _Over, name: str | None, where: str | None) -> Sweep:
    if isinstance(given, Plan | Sweep):
        file = _sweep_of(given).file
        raise InputError("this sweep has axes of its own", file=file, key="axes", mend="give its config instead")
    tree, file = _tables(given, over)
    tables = axis_tables(axes)
    if given is not None:  # a config must be whole; of keywords axes may be a part
        build_config(tree, file=file)
    made = make_sweep(tree, tables, name=name or (file.stem if file else "sweep"), where=where)
    _refuse_swept(made, over)
    return made


def _laid_over(sweep: Sweep, over: _Over) -> Sweep:
    """The sweep under what goes over its config."""
    if not over:
        return sweep
    _refuse_swept(sweep, over)
    tree = over.laid(sweep.tree, sweep.file)
    return make_sweep(
        tree,
        sweep.axes,
        name=sweep.name,
        file=sweep.file,
        title=sweep.title,
        zip=sweep.zip,
        where=sweep.where,
        maps=sweep.maps,
        refining=sweep.refining,
    )


def _refuse_swept(sweep: Sweep, over: _Over) -> None:
    """A setting that an axis goes over has no one value, and arrays are no axis."""
    given = dict(over.settings) | ({"data.kind": ..., "data.path": ...} if over.arrays else {})
    for axis in sweep.grid.axes:
        for key in given.keys() & set(axis.keys):
            problem = f"the axis `{axis.column}` goes over it"
            mend = "leave out the axis, or what was given beside it"
            raise InputError(problem, file=sweep.file, key=key, value=given[key], mend=mend)


def _is_for_now(given: Given | None, over: _Over) -> bool:
    """Whether results have no name to go by: those of arrays, or of keywords alone, without a file."""
    has_file = isinstance(given, str | Path) or (isinstance(given, Plan | Sweep) and _sweep_of(given).file is not None)
    return not has_file and (over.arrays is not None or given is None)


def _sweep_of(given: Plan | Sweep) -> Sweep:
    return given.sweep if isinstance(given, Plan) else given


def _folder(out: str | Path | None, sweep: Sweep, keep: bool) -> RunFolder:
    """Where the rows go; without `out` either by the sweep's name or into a folder that goes with its result."""
    if out is None and not keep:
        return RunFolder.for_now()
    return RunFolder(out if out is not None else Path("results") / sweep.name)
