"""`nanmap map`: one map as asked, or those that the sweep lists."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanmap.cli.app import app, as_option
from nanmap.cli.listed_maps import axes_of, draw_into, draw_listed, listed_maps, obvious_map
from nanmap.cli.picture_name import file_name
from nanmap.cli.waiting import waiting
from nanmap.cli.windows import Zoom, parse_pair, parse_windows
from nanmap.errors import InputError, typed

if TYPE_CHECKING:
    from nanmap.result import Result

Length = Annotated[
    str | None, typer.Option(metavar="LENGTH", help="Such as 3.4in, 86mm, 8.6cm or 245pt.", show_default=False)
]
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

    thresholds = _thresholds(set_ or [])
    page = _given({"theme": theme, "width": width, "height": height, "font_size": font_size})
    what = _given(
        {
            "facet": _checked_facets(facet or []),
            "value": value,
            "lines": lines,
            "select": _selected(select or []),
            "zoom": parse_windows(zoom),
            "title": title,
            "cmap": cmap,
            "limits": None if limits is None else parse_pair(limits, "--limits"),
        }
    )
    result = Result(run)
    if thresholds:
        with typed("--set", set_ or []):
            result = result.judged(**thresholds)
    try:
        if x is None and y is None and kind == "map" and not (what or thresholds or out):
            draw_listed(result, page)
            return
        if x is None and y is None:
            x, y = _usual_axes(result, kind)
        _check_axes(result, x, y, kind)
        options = what | page | ({} if kind == "map" else {"kind": kind})
        if out is None:
            out = draw_into(result, file_name(x or "", y, kind, what, thresholds), x=x or "", y=y, **options)
        else:
            with waiting(f"drawing {out.name}"):
                result.map(x or "", y, **options, out=out)
    except InputError as error:
        axes = () if x is None and y is None else ("x", "y")
        raise as_option(error, {*page, *what, *axes, "kind", "out"}) from None
    print(out)


def _checked_facets(facets: list[str]) -> tuple[str, ...]:
    for names in facets:
        if "," in names:
            mend = " ".join(f"--facet {name.strip()}" for name in names.split(","))
            raise InputError("one axis an option", key="--facet", value=names, mend=mend)
    return tuple(facets)


def _usual_axes(result: "Result", kind: str) -> tuple[str, str | None]:
    """Those of the first map that the sweep lists, or the obvious ones."""
    listed = [each for each in listed_maps(result) if each.get("kind", "map") == "map"]
    usual = (listed or [obvious_map(result)])[0]
    return usual["x"], None if kind == "lines" else usual["y"]


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Those that were given; a title may be empty."""
    return {name: option for name, option in options.items() if option is not None and option not in ((), [], {})}


def _check_axes(result: "Result", x: str | None, y: str | None, kind: str) -> None:
    needed = {"--x": x} if kind == "lines" else {"--x": x, "--y": y}
    if None in needed.values():
        missing = " and ".join(name for name, given in needed.items() if given is None)
        problem = "lines as asked need --x" if kind == "lines" else "a map as asked needs both --x and --y"
        raise InputError(problem, option=missing, allowed=axes_of(result))


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
    from nanmap.config import THRESHOLDS, parse_assignment

    given = dict(map(parse_assignment, texts))
    for key, value in given.items():
        if not key.startswith("outcome."):
            mend = "`nanmap sweep --set` trains with other settings; a map can only judge anew"
            allowed = [f"outcome.{name}" for name in THRESHOLDS]
            mend = f"did you mean `outcome.{key}`?" if f"outcome.{key}" in allowed else mend
            problem = "changes what was trained" if "." in key else "no such threshold"
            raise InputError(problem, key=key, value=value, allowed=allowed, mend=mend, option="--set")
    return {key.removeprefix("outcome."): value for key, value in given.items()}
