"""`nanmap diagnose`: a bar while it trains, then what happens, why, the smallest fix, and the fix as others write it."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanmap.cli.app import AllowPython, Device, Set, app
from nanmap.cli.lines import say
from nanmap.cli.setting_options import SettingsCommand, as_options, read_settings
from nanmap.errors import InputError, typed

if TYPE_CHECKING:
    from nanmap.diagnosis import Answer

PROGRAMS = ("all", "keras", "torch", "optax", "none")
KINDS = {".csv": "csv", ".parquet": "parquet", ".npz": "npz"}
FORMS = "nanmap diagnose CONFIG, or --cell N --of RUN, or --data FILE --target COLUMN …"


@app.command(
    cls=SettingsCommand,
    epilog="Example:  nanmap diagnose configs/keras_line.toml    nanmap diagnose --cell 12 --of results/keras_line    "
    "nanmap diagnose --data house.csv --target price --hidden 5 --learning-rate 0.01 --batch-size 32 --epochs 100    "
    "(every setting of docs/reference.md is an option by its name)",
)
def diagnose(
    context: typer.Context,
    config: Annotated[Path | None, typer.Argument(help="A config file (configs/*.toml).", show_default=False)] = None,
    cell: Annotated[int | None, typer.Option(min=0, metavar="N", help="A cell of --of.", show_default=False)] = None,
    of: Annotated[Path | None, typer.Option(metavar="RUN", help="The run of --cell.", show_default=False)] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="In place of a config: rows, .csv, .parquet or .npz.", show_default=False),
    ] = None,
    set_: Set = None,
    success: Annotated[
        float | None,
        typer.Option(
            metavar="SKILL",
            help="What is enough: a skill, 0 for a constant answer, 1 for a perfect one. Unless given: converged.",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="About how long it may take.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Picture to write: the loss before and after, and which rates work with which remedy.",
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Page to write, .html: all of it, and a map of rates and remedies to hover, zoom and click.",
            show_default=False,
        ),
    ] = None,
    programs: Annotated[
        str, typer.Option(metavar="|".join(PROGRAMS), help="The programs to print the fix as.")
    ] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="Print one object.")] = False,
    device: Device = "auto",
    allow_python: AllowPython = False,
) -> None:
    """Tell why a training fails, and the smallest change that helps.

    It trains the settings from 128 starts, then remedies alone and together, and counts on fresh starts how often the fix works.
    """
    _check(programs, out, report)
    given = read_settings(context.obj or {})
    source = _source(config, cell, of, data, given, set_ or [])
    from nanmap.engine.devices import set_up

    set_up(device)
    answer = _answer(source, given, set_ or [], success, budget, as_json, allow_python)
    _write(answer, out, report, as_json)
    if as_json:
        from nanmap.cli.json_text import json_text
        from nanmap.diagnosis import as_object

        print(json_text(as_object(answer)))
        return
    _print_answer(answer, programs, _words(config, cell, of, given, set_ or [], allow_python))
    for name, file in (("picture", out), ("page", report)):
        if file is not None:
            print(f"{name}: {file}")


def _check(programs: str, out: Path | None, report: Path | None) -> None:
    """What can be refused before anything is trained."""
    if programs not in PROGRAMS:
        raise InputError("no such program", key="--programs", value=programs, allowed=PROGRAMS)
    try:
        if out is not None:
            from nanmap.plot.files import checked

            option = "--out"
            checked(out)
        if report is not None:
            from nanmap.report import checked as checked_page

            option = "--report"
            checked_page(report)
    except InputError as error:
        error.key = option
        raise


def _write(answer: "Answer", out: Path | None, report: Path | None, quiet: bool) -> None:
    """The files that are asked for."""
    if out is not None:
        from nanmap.diagnosis.picture import draw

        draw(answer, out)
    if report is not None:
        from contextlib import nullcontext

        from nanmap.cli.progress import Progress
        from nanmap.diagnosis.pages import write_report

        with nullcontext() if quiet else Progress("page", "cells") as observer:
            write_report(answer, report, observer=observer)


def _source(
    config: Path | None,
    cell: int | None,
    of: Path | None,
    data: Path | None,
    given: dict[str, Any],
    overrides: list[str],
) -> dict[str, Any]:
    """What the library is called with: a config, a cell, or settings alone; under what was typed beside it."""
    from nanmap.cli.examples import refuse_example
    from nanmap.config import load_config, parse_assignment

    if (cell is None) != (of is None):
        missing, there = ("--of", "--cell") if of is None else ("--cell", "--of")
        raise InputError(f"{there} needs it", key=missing, mend="nanmap diagnose --cell 12 --of results/keras_line")
    forms = [name for name, value in (("CONFIG", config), ("--cell", cell), ("--data", data)) if value is not None]
    if len(forms) > 1:
        raise InputError(f"is given beside {forms[0]}", key=forms[1], mend=FORMS)
    if not forms and "n" not in given and not overrides:
        raise InputError("is missing", key="CONFIG", mend=FORMS)
    if config is not None:
        refuse_example(config)
        with typed("--set", overrides):
            return {"config": load_config(config, overrides)} | given
    settings = dict(map(parse_assignment, overrides)) | given
    if cell is not None:
        return {"cell": cell, "of": of} | settings
    return (_rows(data) if data is not None else {}) | settings


def _rows(file: Path) -> dict[str, Any]:
    if file.suffix.lower() not in KINDS:
        raise InputError("cannot be read as rows", key="--data", value=str(file), allowed=tuple(KINDS))
    return {"data": KINDS[file.suffix.lower()], "path": str(file.resolve())}


def _answer(
    source: dict[str, Any],
    given: dict[str, Any],
    overrides: list[str],
    success: float | None,
    budget: float | None,
    quiet: bool,
    allow_python: bool,
) -> "Answer":
    """Trains, and shows how it goes on; errors name what was typed."""
    from contextlib import nullcontext

    from nanmap import api
    from nanmap.cli.progress import Progress
    from nanmap.grid.keywords import keyword_names

    shown = nullcontext() if quiet else Progress("diagnosis", "steps")
    asked: dict[str, Any] = source if budget is None else source | {"budget": budget}
    typed_names = keyword_names() if "path" in source else {name: keyword_names()[name] for name in given}
    try:
        with typed("--set", overrides), shown as progress:
            return api.diagnose(**asked, success=success, observer=progress, allow_python=allow_python, progress=False)
    except InputError as error:
        raise as_options(error, typed_names | {"success": "success", "budget": "budget"}) from None


def _words(
    config: Path | None, cell: int | None, of: Path | None, given: dict[str, Any], overrides: list[str], allow: bool
) -> list[str] | None:
    """The words of `nanmap run` that train the same; None where there is no file to name."""
    from nanmap.grid.keywords import keyword_names
    from nanmap.listings import set_words

    if config is None and cell is None:
        return None
    source = [str(config)] if config is not None else ["--cell", str(cell), "--of", str(of)]
    typed_too = [word for text in overrides for word in ("--set", text)]
    named = set_words({keyword_names()[name]: value for name, value in given.items()})
    return ["nanmap", "run", *source, *typed_too, *named, *["--allow-python"] * allow]


def _print_answer(answer: "Answer", programs: str, words: list[str] | None) -> None:
    from nanmap.diagnosis import lines_of, told

    for section in told(answer):
        print(f"\n{section.title}")
        for sentence in section.sentences:
            say(sentence, indent="  ")
    if answer.fix is None:
        return
    _print_patch(answer, words)
    for each in lines_of(answer):
        if programs in ("all", each.framework):
            if each.lacks:
                say(f"\nin {each.title} there are no words for {each.lacks}")
            else:
                print(f"\nin {each.title}, as a whole program\n\n{each.text}")
    spent = answer.spent
    print()
    say(f"{spent.trainings:,} trainings by {spent.programs} compiled programs in {spent.seconds:.1f} s")


def _print_patch(answer: "Answer", words: list[str] | None) -> None:
    """The lines to change in the config's file, and the command that tries them; or the whole config, where there is no file."""
    from nanmap.diagnosis import config_of, patch_of
    from nanmap.listings import config_text, set_words

    assert answer.fix is not None
    changes = answer.fix.trial.changes
    if words is None:
        print(f"\nthe config with it\n\n{config_text(config_of(answer).model_dump(exclude_unset=True))}")
        return
    print(f"\nthe patch of the config\n\n{patch_of(answer)}\n")
    if None not in changes.values():
        print(f"try:  {shlex.join([*words, *set_words(changes)])}")
