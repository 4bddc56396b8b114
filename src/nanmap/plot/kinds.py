"""The kinds of pictures, and which options each one has."""

from typing import Any

from matplotlib.figure import Figure

from nanmap.errors import InputError, did_you_mean
from nanmap.plot.figure import draw_map
from nanmap.plot.lines import draw_lines
from nanmap.results.folder import RunFolder

KINDS = ("map", "lines")


def draw(folder: RunFolder, kind: str, *, x: str, y: str | None, **options: Any) -> Figure:
    """Draws a picture of a kind; options are those of `draw_map` or `draw_lines`, None or () where not given.

    Raises:
        InputError: no such kind, or an option of another one.
    """
    if kind not in KINDS:
        raise InputError(
            "no such kind of picture", key="kind", value=kind, allowed=KINDS, mend=did_you_mean(kind, KINDS)
        )
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


def _refuse(given: dict[str, Any], name: str, mend: str) -> None:
    if name in given:
        value = given[name] if isinstance(given[name], str) else ", ".join(given[name])
        raise InputError("is for the other kind of picture", key=name, value=value, mend=mend)
