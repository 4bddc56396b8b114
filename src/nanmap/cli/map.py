"""`nanmap map`: one map as asked, or those that the sweep lists."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanmap.config import parse_assignment
from nanmap.errors import InputError
from nanmap.result import Result


def draw(
    run: Path,
    x: str | None,
    y: str | None,
    facet: list[str],
    value: str,
    select: list[str],
    theme: str,
    out: Path | None,
) -> None:
    """Draws a map and says where it is."""
    result = Result(run)
    if x is None and y is None:
        draw_listed(result, theme)
        return
    if x is None or y is None:
        raise InputError("a map needs both --x and --y", key="--y" if y is None else "--x", allowed=_axes(result))
    chosen = dict(parse_assignment(text) for text in select)
    out = out or result.folder.maps / ("_".join([value, x, y, *facet]) + ".png")
    result.map(x, y, facet=tuple(facet), value=value, select=chosen, theme=theme, out=out)
    print(out)


def draw_listed(result: Result, theme: str = "light") -> None:
    """Draws the maps that the sweep's file lists into the run folder."""
    listed = result.manifest.get("maps", [])
    if not listed:
        raise InputError(
            "the sweep lists no maps", file=result.path, key="--x", allowed=_axes(result), mend="give --x and --y"
        )
    for options in listed:
        print(_draw_one(result, options, theme))


def _draw_one(result: Result, options: Mapping[str, Any], theme: str) -> Path:
    given = dict(options)
    out = result.folder.maps / given.pop("file")
    result.map(given.pop("x"), given.pop("y"), facet=tuple(given.pop("facet", ())), theme=theme, out=out, **given)
    return out


def _axes(result: Result) -> list[str]:
    return [axis.get("name") or axis.get("key", "").rpartition(".")[2] for axis in result.manifest["sweep"]["axes"]]
