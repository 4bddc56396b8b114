"""`nanmap sweep`: a plan, a progress bar, a summary, the maps."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from nanmap import stopping
from nanmap.cli.app import AllowPython, Device, RunOut, Set, SweepPath, app, as_option, planned
from nanmap.cli.lines import say
from nanmap.cli.waiting import waiting
from nanmap.cli.windows import Zoom, parse_windows
from nanmap.cli.workers import Address, Cores, EngineName, workers_of
from nanmap.errors import InputError
from nanmap.limits import MOST_SUMMED

if TYPE_CHECKING:
    from nanmap.engine import LocalEngine
    from nanmap.plan import Plan, Sweep
    from nanmap.result import Result
    from nanmap.runs.handing_out import Workers

MOST = 6  # values with which nothing converges, told by name


@app.command(
    epilog="Examples:  nanmap sweep sweeps/square_sgd.toml --set axes.learning_rate.num=128 --out results/fine"
    "    nanmap sweep sweeps/square_sgd.toml --set 'axes.seed.range=[0, 24]' --extend"
)
def sweep(
    sweep: SweepPath,
    out: RunOut = None,
    set_: Set = None,
    zoom: Zoom = None,
    device: Device = "auto",
    engine: EngineName = "local",
    address: Address = None,
    cores: Cores = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of continuing.")] = False,
    extend: Annotated[
        bool,
        typer.Option("--extend", help="The folder holds a smaller run: keep its rows and train what is not there."),
    ] = False,
    refine: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="So fine along two log or linear axes, trained where the map changes; 0: all of it.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be done, and what it would cost.")
    ] = False,
    maps: Annotated[bool, typer.Option("--maps/--no-maps", help="Draw the maps that the sweep lists.")] = True,
    tune: Annotated[
        bool, typer.Option("--tune", help="Measure first how many cells side by side are fastest; kept for the folder.")
    ] = False,
    width: Annotated[
        int | None, typer.Option(min=1, max=65536, help="Cells side by side in every program.", show_default=False)
    ] = None,
    shard_cells: Annotated[
        int | None, typer.Option(min=1, help="Cells per file; by the size of the grid.", show_default=False)
    ] = None,
    allow_python: AllowPython = False,
) -> None:
    """Train every cell of a sweep into Parquet, and draw its maps. An interrupted sweep continues.

    With --zoom AXIS=LOW:HIGH: only this window, with as many values as the whole axis had, into a folder of its own.
    With --refine N: N values along each of two axes, trained where the map changes and filled in elsewhere.
    With --extend: further values of an axis, a finer axis, another axis, more seeds; the rows that are there stay.

    With --engine ray or slurm: by workers on other machines, into a folder that all of them see. The rows are the same.
    """
    _check_tuning(tune, width, engine)
    elsewhere, windows = workers_of(engine, address, cores, device), parse_windows(zoom)
    from nanmap import api
    from nanmap.cli.progress import Progress
    from nanmap.plan import refined

    drawing = Thread(target=_load_drawing, daemon=True)
    with ExitStack() as stack:
        with waiting("waiting for the workers"), stopping.under_way():  # before JAX starts: Ray forks
            workers = stack.enter_context(elsewhere)
        finer = partial(refined, num=refine)
        plan = planned(sweep, set_, "cpu" if workers else device, windows, allow_python, finer)
        drawn = _drawn(plan, maps)
        local = _local_engine(plan, width, workers)
        _tell_cost(plan, local, workers, in_detail=dry_run)
        if dry_run:
            if extend:
                _tell_kept(plan, out, local)
            return
        halfway = drawing.start if drawn else None
        progress = stack.enter_context(Progress(plan.sweep.name, "cells", halfway=halfway))
        try:
            result = api.sweep(
                plan,
                out=out,
                engine=local,
                workers=workers,
                fresh=fresh,
                extend=extend,
                shard_cells=shard_cells,
                tune=tune,
                observer=progress,
            )
        except InputError as error:
            raise as_option(error, ["extend"]) from None
    if drawing.ident is not None:
        drawing.join()
    say(progress.summary())
    print(f"rows: {result.folder.cells.path}")
    if plan.grid.size <= MOST_SUMMED:
        _tell_what_works(result, allow_python)
    _show_maps(plan.sweep, result, maps)


def _check_tuning(tune: bool, width: int | None, engine: str) -> None:
    if tune and width:
        raise InputError("measures the widths that --width sets", key="--tune", mend="give one of the two")
    if tune and engine != "local":
        raise InputError("measures this machine, not the workers'", key="--tune", mend="leave it out, or give --width")


def _drawn(plan: "Plan", maps: bool) -> bool:
    """Whether the sweep lists maps that will be drawn: what is wrong with them is said before it is trained."""
    from nanmap.cli.listed_maps import check_listed

    if maps:
        check_listed(plan.sweep)
    return maps and bool(plan.sweep.maps)


def _local_engine(plan: "Plan", width: int | None, workers: "Workers | None") -> "LocalEngine":
    """The engine of this process; beside workers elsewhere it says what they are to do, for the machine that they are."""
    from nanmap.engine import LocalEngine

    widths = dict.fromkeys((variant.program for variant in plan.variants()), width) if width else None
    return LocalEngine(widths=widths, backend=workers.machine["platform"] if workers else None)


def _tell_cost(plan: "Plan", engine: "LocalEngine", workers: "Workers | None", *, in_detail: bool) -> None:
    from nanmap.engine.estimate import estimate

    expected = estimate(plan, engine, _devices(workers) if workers else None)
    say(f"{plan.sweep.name}: {'refined, at most ' * bool(plan.sweep.refine)}{expected.sentence()}")
    for line in expected.details() if in_detail else ():
        say(line, indent="  ")


def _tell_kept(plan: "Plan", out: Path | None, engine: "LocalEngine") -> None:
    """How many cells an extension finds trained."""
    from nanmap.runs.sweep import count_kept

    folder = out or Path("results") / plan.sweep.name
    try:
        say(
            f"rows that are there already: {count_kept(plan, folder, engine):,} of {plan.grid.size:,} cells",
            indent="  ",
        )
    except InputError as error:
        raise as_option(error, ["extend"]) from None


def _devices(workers: "Workers") -> int:
    """What all workers train on together: each has its cores, or a GPU."""
    return workers.places(()) * (workers.cores if workers.machine["platform"] == "cpu" else 1)


def _load_drawing() -> object:
    """Loads what draws maps, while the devices train."""
    from nanmap.plot import draw

    return draw


def _tell_what_works(result: "Result", allow_python: bool = False) -> None:
    """The settings that converge, those that never do, and the command of the best training."""
    import shlex

    from nanmap.analysis import best_cell, what_works

    working, never = what_works(result.folder)
    of = f"--of {shlex.quote(str(result.path))}" + " --allow-python" * allow_python  # each command is asked anew
    if not working:
        best = best_cell(result.folder)
        say("nothing converged" if best is None else "nothing converged; the best there is, why, and what to try:")
        print(f"{'why' if best is None else 'best'}:  nanmap run --cell {best or 0} {of}")
        print(f"prove:  nanmap diagnose --cell {best or 0} {of}")
        return
    for each in working:
        say(f"works: {each.sentence()}")
    for value in never[:MOST]:
        say(f"never: {value}")
    if len(never) > MOST:
        say(f"  and {len(never) - MOST} more")
    print(f"best:  nanmap run --cell {working[0].cell} {of}")


def _show_maps(sweep: "Sweep", result: "Result", wanted: bool) -> None:
    """Draws the maps that the sweep lists, or says how to draw one."""
    if wanted and sweep.maps:
        from nanmap.cli.listed_maps import draw_listed

        draw_listed(result)
    elif not sweep.maps and len(sweep.grid.dimensions) > 1:
        import shlex

        print(f"next:  nanmap map {shlex.quote(str(result.path))}")
