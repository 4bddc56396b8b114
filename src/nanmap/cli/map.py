"""`nanmap map`: one map as asked, or those that the sweep lists."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanmap.cli.app import app
from nanmap.errors import InputError, typed

if TYPE_CHECKING:
    from nanmap.result import Result

ARGUMENTS = ("x", "y", "facet", "value", "select", "theme", "out")  # of Result.map that are options here


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
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Judge by another threshold, such as outcome.ratio=0.1."),
    ] = None,
    theme: Annotated[str, typer.Option(help="light or dark.", metavar="light|dark")] = "light",
    out: Annotated[
        Path | None,
        typer.Option(help="Picture to write: .png, .svg or .pdf; RUN/maps/… unless given.", show_default=False),
    ] = None,
) -> None:
    """Draw a stability map of any two axes. Without --x and --y: the maps that the sweep lists."""
    from nanmap.result import Result

    thresholds, chosen = _thresholds(set_ or []), _selected(select or [])
    result = Result(run)
    if thresholds:
        with typed("--set", set_ or []):
            result = result.judged(**thresholds)
    if x is None and y is None and not (facet or select or out or value != "outcome" or thresholds):
        draw_listed(result, theme)
        return
    if x is None or y is None:
        missing = " and ".join(name for name, given in (("--x", x), ("--y", y)) if given is None)
        raise InputError("a map as asked needs both --x and --y", key=missing, allowed=_axes(result))
    out = out or result.folder.maps / _file_name([value, x, y, *(facet or [])], {**chosen, **thresholds})
    try:
        result.map(x, y, facet=tuple(facet or ()), value=value, select=chosen, theme=theme, out=out)
    except InputError as error:
        raise _as_option(error) from None
    print(out)


def _as_option(error: InputError) -> InputError:
    """The same error: what the library calls an argument is an option here."""
    argument, _, rest = (error.key or "").partition(".")
    if argument in ARGUMENTS:
        error.option, error.key = f"--{argument}", rest or None
    return error


def draw_listed(result: "Result", theme: str = "light") -> None:
    """Draws the maps that the sweep's file lists into the run folder."""
    listed = result.manifest.get("maps", []) or [_obvious(result)]
    for options in listed:
        try:
            print(_draw_one(result, options, theme))
        except InputError as error:
            if error.key is not None:
                error.key = f"the map {options['file']}, {error.key}"
            raise error.within(result.path) from None


def _obvious(result: "Result") -> dict[str, Any]:
    """The map of a run that lists none: learning rates along the bottom, the first other axis up the side."""
    from nanmap.analysis import load_grid
    from nanmap.config.choices import LEARNING_RATE

    dimensions = load_grid(result.manifest).dimensions
    if len(dimensions) < 2:
        mend = "a map needs two axes; `Result.to_pandas()` has the rows"
        raise InputError("has no plane to draw", file=result.path, allowed=_axes(result), mend=mend)
    rate = next((n for n, axes in enumerate(dimensions) if any(axis.key == LEARNING_RATE for axis in axes)), None)
    across = len(dimensions) - 1 if rate is None else rate
    up = next(n for n in range(len(dimensions)) if n != across)
    x, y = (dimensions[n][0].column for n in (across, up))
    return {"x": x, "y": y, "file": f"outcome_{x}_{y}.png"}


def _draw_one(result: "Result", options: Mapping[str, Any], theme: str) -> Path:
    given = dict(options)
    out = result.folder.maps / given.pop("file")
    result.map(given.pop("x"), given.pop("y"), facet=tuple(given.pop("facet", ())), theme=theme, out=out, **given)
    return out


def _selected(texts: list[str]) -> dict[str, list[Any]]:
    """The values to keep by axis; an axis that is given twice keeps both."""
    from nanmap.config import parse_assignment

    chosen: dict[str, list[Any]] = {}
    for text in texts:
        axis, equals, _ = text.partition("=")
        if not (equals and axis.strip()):
            mend = "for example --select init=normal"
            raise InputError("not of the form AXIS=VALUE", option="--select", value=text, mend=mend)
        axis, value = parse_assignment(text)
        chosen.setdefault(axis, []).extend(value if isinstance(value, list) else [value])
    return chosen


def _thresholds(texts: list[str]) -> dict[str, Any]:
    """The thresholds of outcomes that are given, by their names."""
    from nanmap.config import OutcomeSettings, parse_assignment

    given = dict(map(parse_assignment, texts))
    for key, value in given.items():
        if not key.startswith("outcome."):
            mend = "`nanmap sweep --set` trains with other settings; a map can only judge anew"
            allowed = [f"outcome.{name}" for name in OutcomeSettings.model_fields]
            problem = "changes what was trained" if "." in key else "no such threshold"
            raise InputError(problem, key=key, value=value, allowed=allowed, mend=mend, option="--set")
    return {key.removeprefix("outcome."): value for key, value in given.items()}


def _file_name(parts: list[str], told: Mapping[str, Any]) -> str:
    """Of a picture: what is drawn over which axes, and what sets it apart from that of all rows."""
    said = [f"{name}={'+'.join(map(str, value)) if isinstance(value, list) else value}" for name, value in told.items()]
    return re.sub(r"[^\w.=+-]+", "-", "_".join([*parts, *said])) + ".png"


def _axes(result: "Result") -> list[str]:
    from nanmap.analysis import load_grid

    return [axis.column for axis in load_grid(result.manifest).axes]
