"""The kinds of pictures, and which options each one has."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from nanmap.analysis import load_grid, obvious_axes
from nanmap.errors import InputError, did_you_mean
from nanmap.plot.colormaps import make_colouring
from nanmap.plot.figure import draw_map
from nanmap.plot.lines import draw_lines
from nanmap.plot.paint import NAMED, check_plain
from nanmap.plot.paper import make_paper
from nanmap.plot.theme import find_theme
from nanmap.results.folder import RunFolder

KINDS = ("map", "lines")


def draw(folder: RunFolder, kind: str, *, x: str | None, y: str | None, **options: Any) -> Figure:
    """Draws a picture of a kind; options are those of `draw_map` or `draw_lines`, None or () where not given.

    Without axes those of the first map that the run's sweep lists, else the obvious ones; of a run with one axis lines.

    Raises:
        InputError: no such kind, or an option of another one.
    """
    if kind not in KINDS:
        raise InputError(
            "no such kind of picture", key="kind", value=kind, allowed=KINDS, mend=did_you_mean(kind, KINDS)
        )
    if x is None:
        kind, x, y = _obvious(folder, kind, y)
    given = {name: each for name, each in options.items() if each is not None and each != ()}
    if kind == "map":
        if y is None:
            raise InputError("a map needs a vertical axis", key="y", mend='name one, or draw kind "lines"')
        _refuse(given, "lines", 'each value of an axis has a line with kind "lines"; panels of a map are its facets')
        return draw_map(folder, x, y, **given)
    if y is not None:
        raise InputError("the value goes up the side of lines", key="y", value=y, mend=f"lines={y}, value=loss_final")
    _refuse(given, "facet", "lines have one panel; choose rows with select")
    _refuse(given, "cmap", "lines have colours of their own, told apart by any eye")
    return draw_lines(folder, x, **given)


def _obvious(folder: RunFolder, kind: str, y: str | None) -> tuple[str, str, str | None]:
    """The kind of picture and its axes where none is asked for."""
    if y is not None:
        raise InputError("a map needs a horizontal axis, too", key="x", mend="name both, or none for the obvious ones")
    manifest = folder.read_manifest()
    listed = next((each for each in manifest.get("maps") or () if each.get("kind", "map") == "map"), None)
    x, y = (listed["x"], listed["y"]) if listed else obvious_axes(load_grid(manifest))
    return ("lines", x, None) if y is None or kind == "lines" else (kind, x, y)


def check_look(kind: str, options: Mapping[str, Any], theme: str = "light") -> None:
    """What can be told of a picture's looks before there is anything to draw.

    Args:
        kind: of picture.
        options: those of `draw`, others are left alone.
        theme: that it will be drawn in.

    Raises:
        InputError: a size, a colormap or limits that cannot be had.
    """
    make_paper(*(options.get(name) for name in ("width", "height", "font_size")))
    colouring = make_colouring(find_theme(theme), options.get("cmap"), options.get("limits"))
    value = options.get("value") or "outcome"
    if kind == "map" and value in NAMED:
        check_plain(value, colouring)


def _refuse(given: dict[str, Any], name: str, mend: str) -> None:
    if name in given:
        value = ", ".join(given[name]) if isinstance(given[name], list | tuple) else given[name]
        raise InputError("is for the other kind of picture", key=name, value=value, mend=mend)
