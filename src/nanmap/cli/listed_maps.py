"""The maps that a sweep lists, or the obvious one: checked before anything is trained, and drawn into the run folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanmap.cli.picture_name import file_name
from nanmap.cli.waiting import waiting
from nanmap.errors import InputError

if TYPE_CHECKING:
    from nanmap.plan import Sweep
    from nanmap.result import Result

LOOKS = {"width", "height", "font_size", "cmap", "limits"}


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
    listed = listed_maps(result) or [obvious_map(result)]
    for options in listed:
        try:
            print(_draw_one(result, {**options, **(page or {})}))
        except InputError as error:
            if error.key is not None and error.key not in (page or {}):
                error.key = f"the map {options['file']}, {error.key}"
            raise error.within(result.path) from None


def listed_maps(result: "Result") -> list[dict[str, Any]]:
    """The maps that the manifest lists; whoever made the folder may have written anything there."""
    from pydantic import ValidationError

    from nanmap.config.explain import explained_table, place
    from nanmap.plan.sweep_file import MapSpec

    listed: list[dict[str, Any]] = result.manifest.get("maps", [])
    for number, options in enumerate(listed):
        try:
            MapSpec.model_validate(options)
        except ValidationError as error:
            raise explained_table(error, place(["maps", number]), MapSpec).within(result.path) from None
    return listed


def obvious_map(result: "Result") -> dict[str, Any]:
    """The map of a run that lists none: learning rates along the bottom, the first other axis up the side."""
    from nanmap.analysis import load_grid, obvious_axes

    grid = load_grid(result.manifest)
    if len(grid.dimensions) < 2:
        mend = "a map needs two axes; --kind lines --x draws a number along one; `Result.to_pandas()` has the rows"
        raise InputError("has no plane to draw", file=result.path, allowed=axes_of(result), mend=mend)
    x, y = obvious_axes(grid)
    return {"x": x, "y": y, "file": file_name(x, y, "map", {}, {})}


def _draw_one(result: "Result", options: Mapping[str, Any]) -> Path:
    given = dict(options)
    return draw_into(result, given.pop("file"), facet=tuple(given.pop("facet", ())), **given)


def draw_into(result: "Result", name: str, *, x: str, y: str | None, **options: Any) -> Path:
    """Draws into the run folder, which remembers it."""
    out = result.folder.picture(name)
    with waiting(f"drawing {name}"):
        result.map(x, y, **options, out=out)
    result.folder.keep_picture(out)
    return out


def axes_of(result: "Result") -> list[str]:
    """The names of the axes, for messages."""
    from nanmap.analysis import load_grid

    return [axis.column for axis in load_grid(result.manifest).axes]
