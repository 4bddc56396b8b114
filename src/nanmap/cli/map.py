"""`nanmap map`: one map as asked, or those that the sweep lists."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanmap.cli.app import app, as_option
from nanmap.cli.picture_name import file_name
from nanmap.cli.waiting import waiting
from nanmap.cli.windows import Zoom, parse_pair, parse_windows
from nanmap.errors import InputError, typed

if TYPE_CHECKING:
    from nanmap.plan import Sweep
    from nanmap.result import Result

Length = Annotated[
    str | None, typer.Option(metavar="LENGTH", help="Such as 3.4in, 86mm, 8.6cm or 245pt.", show_default=False)
]
LOOKS = {"width", "height", "font_size", "cmap", "limits"}
ASSIGNED = re.compile(r"[^<>=!]+=(?!=)")  # a name may hold blanks


@app.command(
    "map", epilog="Example:  nanmap map results/square_sgd --x learning_rate --y batch_size --facet init --out map.png"
)
def map_(
    run: Annotated[Path, typer.Argument(help="A run folder (results/<sweep>).", show_default=False)],
    x: Annotated[str | None, typer.Option(help="Axis along the bottom.", show_default=False)] = None,
    y: Annotated[str | None, typer.Option(help="Axis up the side.", show_default=False)] = None,
    facet: Annotated[
        list[str] | None, typer.Option(help="Axis with a panel per value; may be given twice.", show_default=False)
    ] = None,
    value: Annotated[
        str | None,
        typer.Option(
            help="What to colour by: outcome (unless given), cause, converged (share of runs), or any other column; "
            "of lines the column up the side, loss_final unless given.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        str, typer.Option(metavar="map|lines", help="lines: the value along --x, its median and 10 % to 90 % of runs.")
    ] = "map",
    lines: Annotated[
        str | None, typer.Option(metavar="AXIS", help="With --kind lines: a line per value.", show_default=False)
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(
            metavar="AXIS=VALUE|CONDITION",
            help="Keep only these rows, such as init=normal or 'learning_rate < 1e-3 and batch_size >= 4'; may be repeated.",
        ),
    ] = None,
    zoom: Zoom = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Judge by another threshold, such as outcome.ratio=0.1."),
    ] = None,
    theme: Annotated[str, typer.Option(help="light or dark.", metavar="light|dark")] = "light",
    title: Annotated[
        str | None,
        typer.Option(
            help="In place of the sweep's; '' leaves out all the text above, for a caption.", show_default=False
        ),
    ] = None,
    width: Length = None,
    height: Length = None,
    font_size: Annotated[
        float | None, typer.Option(metavar="POINTS", help="9 unless given.", show_default=False)
    ] = None,
    cmap: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Colormap of matplotlib, for numbers. The usual one, viridis, cividis and plasma can be read by "
            "colour-blind eyes, jet and rainbow cannot.",
            show_default=False,
        ),
    ] = None,
    limits: Annotated[
        str | None,
        typer.Option(
            metavar="LOW:HIGH", help="Numbers at the ends of the colours, or of the lines.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Picture to write: .png, .svg or .pdf; RUN/maps/… unless given.", show_default=False),
    ] = None,
) -> None:
    """Draw a stability map of any two axes, or lines along one. Without --x and --y: the maps that the sweep lists, or the obvious pair."""
    from nanmap.result import Result

    thresholds, chosen, windows = _thresholds(set_ or []), _selected(select or []), parse_windows(zoom)
    page = _given({"theme": theme, "width": width, "height": height, "font_size": font_size})
    what = _given(
        {
            "facet": tuple(facet or ()),
            "value": value,
            "lines": lines,
            "select": chosen,
            "zoom": windows,
            "title": title,
            "cmap": cmap,
            "limits": None if limits is None else parse_pair(limits, "--limits"),
        }
    )
    for names in facet or []:
        if "," in names:
            mend = " ".join(f"--facet {name.strip()}" for name in names.split(","))
            raise InputError("one axis an option", key="--facet", value=names, mend=mend)
    result = Result(run)
    if thresholds:
        with typed("--set", set_ or []):
            result = result.judged(**thresholds)
    try:
        if x is None and y is None and kind == "map" and not (what or thresholds or out):
            draw_listed(result, page)
            return
        if x is None and y is None:
            listed = [each for each in result.manifest.get("maps", []) if each.get("kind", "map") == "map"]
            obvious = (listed or [_obvious(result)])[0]
            x, y = obvious["x"], None if kind == "lines" else obvious["y"]
        _check_axes(result, x, y, kind)
        options = what | page | ({} if kind == "map" else {"kind": kind})
        if out is None:
            out = _draw_into(result, file_name(x or "", y, kind, what, thresholds), x=x or "", y=y, **options)
        else:
            with waiting(f"drawing {out.name}"):
                result.map(x or "", y, **options, out=out)
    except InputError as error:
        raise as_option(
            error, {*page, *what, *(() if x is None and y is None else ("x", "y")), "kind", "out"}
        ) from None
    print(out)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Those that were given; a title may be empty."""
    return {name: option for name, option in options.items() if option is not None and option not in ((), [], {})}


def _check_axes(result: "Result", x: str | None, y: str | None, kind: str) -> None:
    needed = {"--x": x} if kind == "lines" else {"--x": x, "--y": y}
    if None in needed.values():
        missing = " and ".join(name for name, given in needed.items() if given is None)
        problem = "lines as asked need --x" if kind == "lines" else "a map as asked needs both --x and --y"
        raise InputError(problem, option=missing, allowed=_axes(result))


def check_listed(sweep: "Sweep") -> None:
    """Tells what is wrong with the maps that a sweep lists, before it is trained."""
    from nanmap.analysis import make_view
    from nanmap.config.explain import place

    for number, drawn in enumerate(sweep.maps, 1):
        options = {name: value for name, value in drawn.model_dump().items() if value is not None}
        try:
            make_view(sweep.grid, drawn.x, drawn.y or drawn.lines, drawn.facet, drawn.select, drawn.zoom)
            if options.keys() & LOOKS:
                from nanmap.plot import check_look

                check_look(drawn.kind, options)
        except InputError as error:
            key = "lines" if error.key == "y" and drawn.kind == "lines" else error.key
            error.key = f"{place(['maps', number - 1])}, {key}"
            error.mend = error.mend or "mend the map in the file, or leave all maps out with --no-maps"
            raise error.within(sweep.file or sweep.name) from None


def draw_listed(result: "Result", page: Mapping[str, Any] | None = None) -> None:
    """Draws the maps that the sweep's file lists into the run folder; what is asked for of the page goes before theirs."""
    listed = result.manifest.get("maps", []) or [_obvious(result)]
    for options in listed:
        try:
            print(_draw_one(result, {**options, **(page or {})}))
        except InputError as error:
            if error.key is not None and error.key not in (page or {}):
                error.key = f"the map {options['file']}, {error.key}"
            raise error.within(result.path) from None


def _obvious(result: "Result") -> dict[str, Any]:
    """The map of a run that lists none: learning rates along the bottom, the first other axis up the side."""
    from nanmap.analysis import load_grid, obvious_axes

    grid = load_grid(result.manifest)
    if len(grid.dimensions) < 2:
        mend = "a map needs two axes; --kind lines --x draws a number along one; `Result.to_pandas()` has the rows"
        raise InputError("has no plane to draw", file=result.path, allowed=_axes(result), mend=mend)
    x, y = obvious_axes(grid)
    return {"x": x, "y": y, "file": file_name(x, y, "map", {}, {})}


def _draw_one(result: "Result", options: Mapping[str, Any]) -> Path:
    given = dict(options)
    return _draw_into(result, given.pop("file"), facet=tuple(given.pop("facet", ())), **given)


def _draw_into(result: "Result", name: str, *, x: str, y: str | None, **options: Any) -> Path:
    """Draws into the run folder, which remembers it."""
    out = result.folder.picture(name)
    with waiting(f"drawing {name}"):
        result.map(x, y, **options, out=out)
    result.folder.keep_picture(out)
    return out


def _selected(texts: list[str]) -> list[Any]:
    """Conditions, and before them the values to keep by axis; an axis that is given twice keeps both."""
    from nanmap.config import parse_assignment

    chosen: dict[str, list[Any]] = {}
    conditions = [text for text in texts if not ASSIGNED.match(text)]
    for text in conditions:
        if not re.search(r"[<>]|[!=]=|\bin\b", text):
            mend = "for example --select init=normal, or --select 'learning_rate < 1e-3'"
            raise InputError("neither AXIS=VALUE nor a condition", key="--select", value=text, mend=mend)
    for text in texts:
        if text not in conditions:
            axis, value = parse_assignment(text)
            chosen.setdefault(axis, []).extend(value if isinstance(value, list) else [value])
    return [*([chosen] if chosen else []), *conditions]


def _thresholds(texts: list[str]) -> dict[str, Any]:
    """The thresholds of outcomes that are given, by their names."""
    from nanmap.config import OutcomeSettings, parse_assignment

    given = dict(map(parse_assignment, texts))
    for key, value in given.items():
        if not key.startswith("outcome."):
            mend = "`nanmap sweep --set` trains with other settings; a map can only judge anew"
            allowed = [f"outcome.{name}" for name in OutcomeSettings.model_fields]
            mend = f"did you mean `outcome.{key}`?" if f"outcome.{key}" in allowed else mend
            problem = "changes what was trained" if "." in key else "no such threshold"
            raise InputError(problem, key=key, value=value, allowed=allowed, mend=mend, option="--set")
    return {key.removeprefix("outcome."): value for key, value in given.items()}


def _axes(result: "Result") -> list[str]:
    from nanmap.analysis import load_grid

    return [axis.column for axis in load_grid(result.manifest).axes]
