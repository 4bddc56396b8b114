"""`nanmap report`: a run as a page to explore, written once or served while it is trained."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nanmap.cli.app import app, as_option
from nanmap.cli.lines import say
from nanmap.cli.waiting import waiting
from nanmap.errors import InputError

if TYPE_CHECKING:
    from nanmap.result import Result

NAME = "report.html"
SECONDS = 0.1  # between two looks for a word to stop


@app.command(
    epilog="Example:  nanmap report results/square_sgd    or, while it is trained,    nanmap report results/night --watch"
)
def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Run folders (results/<sweep>); several become one map.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Page to write, .html; RUN/maps/report.html unless given.", show_default=False
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="In place of the sweep's.", show_default=False)] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Serve the page to this machine's browser while the run is trained; Ctrl-C writes it and ends.",
        ),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="With --watch: where to listen; a free one unless given.", show_default=False
        ),
    ] = None,
) -> None:
    """Write a run as one HTML page to hover, zoom and click.

    It holds a map of any two axes, curves, configs and commands, and needs no network and nothing beside it. Several runs become one
    map. With --watch it follows a run that is being trained.
    """
    if port is not None and not watch:
        raise InputError("goes with --watch", key="--port", value=port, mend="add --watch, or leave --port out")
    from nanmap.report import checked

    try:
        target = checked(out) if out is not None else _inside(runs)
        if watch:
            _serve(runs, port or 0, title)
        with waiting(f"making {target.name}"):
            _write(runs, target, title)
    except InputError as error:
        raise as_option(error, {"out"}) from None
    print(target)


def _inside(runs: list[Path]) -> Path:
    """The page's place in the folder of its run."""
    if len(runs) > 1:
        raise InputError("a page of several runs belongs to none of their folders", key="--out", mend="--out page.html")
    return _opened(runs).folder.picture(NAME)


def _opened(runs: list[Path], tell: bool = False) -> "Result":
    """The run, or several put together, and what is to be known of that."""
    import warnings

    from nanmap import result

    if len(runs) == 1:
        return result.Result(runs[0])
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        opened = result.concat(runs)
    for note in notes if tell else ():
        say(f"note: {note.message}")
    return opened


def _write(runs: list[Path], target: Path, title: str | None) -> None:
    opened = _opened(runs, tell=True)
    opened.report(target, title=title)
    if target.parent == opened.folder.maps:
        opened.folder.keep_picture(target)


def _serve(runs: list[Path], port: int, title: str | None) -> None:
    """Serves the page until there is word to stop."""
    import time
    from threading import Thread

    from nanmap import stopping
    from nanmap.report import Served

    try:
        with stopping.under_way(), Served(lambda: _opened(runs).folder, port, title) as served:
            served.page()  # a mistake is told here and not in the browser
            Thread(target=served.serve_forever, daemon=True).start()
            print(served.address, flush=True)
            say("open this address in a browser of this machine; Ctrl-C writes the page and ends")
            try:
                while True:
                    stopping.check()
                    time.sleep(SECONDS)
            finally:
                served.shutdown()
    except KeyboardInterrupt:
        print("", file=sys.stderr)
