"""What the commands share: the app they register with, their common options, and the exit codes of errors.

A command is a file beside this one, named as the command: a function under `@app.command` with its help and its
example. It is found by being there; nothing else lists it.
"""

import re
import shlex
import sys
import traceback
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanmap import stopping
from nanmap.cli.lines import say
from nanmap.errors import InputError, NanmapError, mend_of, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from nanmap.plan import Plan, Sweep

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

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130
MISPLACED = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)
USAGE_ERROR: Any = typer.BadParameter.__mro__[1]  # typer names no public base of its usage errors
NO_SUCH_OPTION = "No such option"
USAGE_WORDS = {
    r"Input should be a valid integer.*": "expects a whole number",
    r"Input should be a valid number.*": "expects a number",
    r"Input should be ": "must be ",
    r"dir ('.*') is a file": r"\1 is a file; a folder is expected",
}

Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated.")]
SweepPath = Annotated[Path, typer.Argument(help="A sweep file (sweeps/*.toml).", show_default=False)]
RunOut = Annotated[
    Path | None, typer.Option(file_okay=False, help="Run folder; results/<sweep> unless given.", show_default=False)
]
AllowPython = Annotated[
    bool, typer.Option("--allow-python", help="Import the Python code that the settings name; asked for each time.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or gpu.", metavar="auto|cpu|gpu")]


def planned(
    sweep: Path,
    overrides: list[str] | None,
    device: str,
    windows: "Mapping[str, tuple[float, float]] | None" = None,
    allow_python: bool = False,
    finer: "Callable[[Sweep], Sweep] | None" = None,
) -> "Plan":
    """The plan of a sweep's file, on the device that is asked for; says first what a user may not expect.

    Args:
        finer: what refines the sweep, if anything.
    """
    from nanmap.cli.examples import refuse_example
    from nanmap.engine.devices import set_up
    from nanmap.plan import Plan, load_sweep, notices, zoomed

    refuse_example(sweep)
    with typed("--set", overrides or []):
        whole = load_sweep(sweep, overrides or [])
    try:
        asked = zoomed(whole, windows)
    except InputError as error:
        raise as_option(error, ["zoom"]) from None
    with typed("--set", overrides or []):
        asked = finer(asked) if finer else asked
    with typed("--set", overrides or []):
        plan = Plan(asked, allow_python)
        if allow_python:  # the code may use JAX, which takes its devices then
            set_up(device)
        for sentence in notices(plan):
            say(f"note: {sentence}")
    set_up(device)
    return plan


def as_option(error: InputError, given: "Collection[str]") -> InputError:
    """The same error: what the library calls an argument is an option here, if it was given as one."""
    argument, _, rest = (error.key or "").partition(".")
    if argument in given:
        error.option, error.key = f"--{argument.replace('_', '-')}", rest or None
    return error


def load_commands() -> typer.Typer:
    """The app with every command registered: importing a command's file does that."""
    for file in sorted(Path(__file__).parent.glob("[!_]*.py")):
        import_module(f"{__package__}.{file.stem}")
    return app


@cache
def _command() -> Any:
    """All commands as one, made once in a process."""
    return typer.main.get_command(load_commands())


def main(arguments: list[str] | None = None) -> None:
    """Runs the command and exits: 0 done, 2 the input is wrong, 130 interrupted (143 by SIGTERM), 1 anything else."""
    try:
        status = _command().main(args=arguments, prog_name="nanmap", standalone_mode=False)
    except NanmapError as error:
        sys.exit(_failed(str(error), WRONG_INPUT if isinstance(error, InputError) else FAILED))
    except USAGE_ERROR as error:
        _show_usage(error)
        sys.exit(WRONG_INPUT)
    except (typer.Abort, KeyboardInterrupt):
        stopping.leave()
    except BrokenPipeError:  # the reader of a pipe left, as `head` does
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        problem = "is a file; a folder is expected" if isinstance(error, FileExistsError) else error.strerror or error
        mend = f"\n  mend: {mended}" if (mended := mend_of(error)) else ""
        sys.exit(_failed(f"{place}{problem}{mend}", WRONG_INPUT if isinstance(error, MISPLACED) else FAILED))
    except UnicodeEncodeError as error:
        problem = "holds what is no text in UTF-8, as names of files may"
        sys.exit(_failed(f"{error.object!a}: {problem}\n  mend: take another name", WRONG_INPUT))
    except RecursionError:
        sys.exit(_failed("what was given is nested too deeply\n  mend: write it with fewer brackets", WRONG_INPUT))
    except MemoryError as error:
        mend = "  mend: fewer rows, a smaller network or a coarser axis; --dry-run tells what a sweep needs"
        sys.exit(_failed(f"out of memory: {error}\n{mend}", FAILED))
    except Exception:
        traceback.print_exc()
        sys.exit(_failed("this is a mistake of nanmap's and not yours: please report it with the lines above", FAILED))
    if status == INTERRUPTED:
        stopping.leave()
    sys.exit(status if isinstance(status, int) else 0)


def _show_usage(error: Any) -> None:
    """What is wrong with the words of the command, in plain words, and the mend where there is one."""
    for pattern, words in USAGE_WORDS.items():
        error.message = re.sub(pattern, words, error.message)
    error.show()
    message = error.format_message()
    options = {option for each in error.ctx.command.params for option in each.opts} if error.ctx else set()
    if (word := re.match(r"No such command '(.*\.toml)'", message)) is not None:
        file = shlex.quote(word[1])
        print(f"  mend: nanmap run {file}, or nanmap sweep {file} if it has axes", file=sys.stderr)
    elif NO_SUCH_OPTION in message and "--set" in options:
        example = "outcome.ratio=0.1" if "--select" in options else "optimizer.learning_rate=0.1"
        print(f"  mend: settings are changed by --set, as in --set {example}", file=sys.stderr)


def _failed(message: str, status: int) -> int:
    print(f"nanmap: {message}", file=sys.stderr)
    return status
