"""Many trainings, into a run folder: `sweep` trains every cell, `edge` searches for the critical rates."""

from pathlib import Path
from typing import Unpack

from nanmap.api.over import Given, what_is_over
from nanmap.api.plans import chosen_folder, is_for_now, made_plan
from nanmap.edges import find_edges
from nanmap.edges.find import BLOCK
from nanmap.engine import Engine
from nanmap.errors import InputError
from nanmap.grid.keywords import Keywords
from nanmap.grid.shorthand import Axes
from nanmap.grid.windows import Windows
from nanmap.plan import Plan, refined, zoomed
from nanmap.result import Result
from nanmap.runs.handing_out import Workers
from nanmap.runs.observer import Observer
from nanmap.runs.progress import watched
from nanmap.runs.sweep import train_sweep


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
    over = what_is_over(OPTIONS_OF_SWEEP, x, y, settings)
    plan = made_plan(sweep, axes, over, name, where, allow_python)
    if zoom or refine or plan.sweep.refining:
        plan = Plan(refined(zoomed(plan.sweep, zoom), refine), plan.allow_python)
    folder = chosen_folder(out, plan.sweep, keep=not is_for_now(sweep, over) or name is not None)
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


OPTIONS_OF_SWEEP = tuple(sweep.__kwdefaults__ or ())  # within it `sweep` is what it is given


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
    over = what_is_over(edge.__kwdefaults__ or (), x, y, settings)
    plan = made_plan(sweep, {} if sweep is None and axes is None else axes, over, allow_python=allow_python)
    folder = chosen_folder(out, plan.sweep, keep=not is_for_now(sweep, over))
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


def _check_count(key: str, value: int | None) -> None:
    if value is not None and (not isinstance(value, int) or value < 1):
        raise InputError("must be a whole number from 1 on", key=key, value=value)
