"""The commands and their help. Each body is short: what it does lives in the library."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from nanmap.errors import InputError

app = typer.Typer(
    name="nanmap",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Why does a training blow up, become NaN, or never move, and which settings would work?\n\n"
    "nanmap trains all the settings at once and maps what happened to each.\n\n"
    "Start with:  nanmap examples    then    nanmap run CONFIG    or    nanmap sweep SWEEP",
)

INTERRUPTED = 130
USAGE_ERROR: Any = typer.BadParameter.__mro__[1]  # typer names no public base of its usage errors
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated.")]
SweepFile = Annotated[Path, typer.Argument(help="A sweep file (sweeps/*.toml).", show_default=False)]
RunOut = Annotated[Path | None, typer.Option(help="Run folder; results/<sweep> unless given.", show_default=False)]
Device = Annotated[str, typer.Option(help="auto, cpu or gpu.", metavar="auto|cpu|gpu")]


@app.command(epilog="Example:  nanmap run configs/keras_line.toml --set optimizer.learning_rate=0.001 --predict 25")
def run(
    config: Annotated[Path, typer.Argument(help="A config file (configs/*.toml).", show_default=False)],
    set_: Set = None,
    predict: Annotated[
        list[str] | None, typer.Option(metavar="X[,X...]", help="Input to predict after training; may be repeated.")
    ] = None,
    explain_data: Annotated[
        bool, typer.Option("--explain-data", help="Say what was done to each column of the data.")
    ] = False,
    device: Device = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Train one config: a line per epoch, then the outcome and why."""
    from nanmap.cli.run import run_config

    run_config(config, set_ or [], predict or [], explain_data, device, json)


@app.command(epilog="Example:  nanmap sweep sweeps/square_sgd.toml --set axes.learning_rate.num=128 --out results/fine")
def sweep(
    sweep: SweepFile,
    out: RunOut = None,
    set_: Set = None,
    device: Device = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of continuing.")] = False,
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
) -> None:
    """Train every cell of a sweep into Parquet, and draw its maps. An interrupted sweep continues."""
    from nanmap.cli.sweep import run_sweep

    run_sweep(sweep, out, set_ or [], device, fresh=fresh, dry_run=dry_run, maps=maps, tune=tune, width=width)


@app.command(
    "map", epilog="Example:  nanmap map results/square_sgd --x learning_rate --y batch_size --facet init --out map.png"
)
def map_(
    run: Annotated[Path, typer.Argument(help="A run folder (results/<sweep>).", show_default=False)],
    x: Annotated[str | None, typer.Option(help="Axis along the bottom.", show_default=False)] = None,
    y: Annotated[str | None, typer.Option(help="Axis up the side.", show_default=False)] = None,
    facet: Annotated[
        list[str] | None, typer.Option(help="Axis with a panel per value; at most two.", show_default=False)
    ] = None,
    value: Annotated[
        str, typer.Option(help="What to colour by: outcome, cause, converged (share of runs), or any other column.")
    ] = "outcome",
    select: Annotated[
        list[str] | None, typer.Option(metavar="AXIS=VALUE", help="Keep only these rows; may be repeated.")
    ] = None,
    theme: Annotated[str, typer.Option(help="light or dark.", metavar="light|dark")] = "light",
    out: Annotated[
        Path | None,
        typer.Option(help="Picture to write: .png, .svg or .pdf; RUN/maps/… unless given.", show_default=False),
    ] = None,
) -> None:
    """Draw a stability map of any two axes. Without --x and --y: the maps that the sweep lists."""
    from nanmap.cli.map import draw

    draw(run, x, y, facet or [], value, select or [], theme, out)


@app.command(epilog="Example:  nanmap edge sweeps/keras_line.toml --set axes.n.range=[8,41] --out results/keras_line")
def edge(
    sweep: SweepFile,
    out: RunOut = None,
    set_: Set = None,
    along: Annotated[
        str | None, typer.Option(metavar="AXIS", help="The axis of rates, where there are several.", show_default=False)
    ] = None,
    tolerance: Annotated[float, typer.Option(help="How far the edge may be from the truth, relative.")] = 1e-4,
    device: Device = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Search again, replacing the edges that are there.")] = False,
) -> None:
    """Measure the critical learning rate along every other axis of a sweep, beside what theory predicts.

    Each combination of the other axes is a row of RUN/edges: the rate at which training turns unstable, found by
    bisection between the ends of the sweep's axis of learning rates. Maps of RUN show the edges from then on.
    """
    from nanmap.cli.edge import run_edges

    run_edges(sweep, out, set_ or [], along, tolerance, device, fresh=fresh)


@app.command(epilog="Example:  nanmap info")
def info() -> None:
    """Versions, devices, caches, and the measured peak of a matrix product."""
    from nanmap.cli.info import show

    show()


@app.command(epilog="Example:  nanmap examples keras_line --out my_project")
def examples(
    name: Annotated[
        str | None, typer.Argument(help="Example to copy out; lists them all unless given.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to copy into.")] = Path("."),
) -> None:
    """List the shipped configs and sweeps, or copy one out to start from."""
    from nanmap.cli.examples import show

    show(name, out)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command and exits: 0 done, 2 the input is wrong, 130 interrupted, 1 anything else."""
    command: Any = typer.main.get_command(app)
    try:
        status = command.main(args=arguments, prog_name="nanmap", standalone_mode=False)
    except InputError as error:
        sys.exit(_failed(str(error), 2))
    except USAGE_ERROR as error:
        error.show()
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        _leave_interrupted()
    except (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        sys.exit(_failed(f"{error.filename}: {error.strerror}", 2))
    except MemoryError as error:
        sys.exit(
            _failed(
                f"out of memory: {error}\n  mend: fewer rows or a coarser axis; --dry-run tells what a sweep needs", 1
            )
        )
    except BrokenPipeError:  # the reader of a pipe left, as `head` does
        sys.stderr.close()
        sys.exit(0)
    if status == INTERRUPTED:
        _leave_interrupted()
    sys.exit(status if isinstance(status, int) else 0)


def _leave_interrupted() -> NoReturn:
    """Leaves at once: devices may be busy for a while yet, and what is on disk is whole at any moment."""
    _failed("interrupted; a sweep run again continues where it was", INTERRUPTED)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def _failed(message: str, status: int) -> int:
    print(f"nanmap: {message}", file=sys.stderr)
    return status
