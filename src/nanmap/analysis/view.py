"""What a map shows: which axis goes where, and the pixel that each cell falls in. Reads no rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import ValidationError

from nanmap.analysis.selection import Select, Selection, make_selection
from nanmap.analysis.shown_axes import Shown, shown_axis
from nanmap.errors import InputError, RunFolderError, did_you_mean
from nanmap.grid.axes import Axis, AxisSpec, column_names
from nanmap.grid.grid import Cells, Grid, make_grid
from nanmap.grid.windows import Windows


@dataclass(frozen=True)
class View:
    """The part of a grid that a map shows, and where each cell falls in it.

    Attributes:
        shown: the facets, then y, then x: the dimensions of the pixels.
        merged: the axes whose values share a pixel, slowest first.
        fixed: the axes of which one value is left.
        selection: which cells are shown at all.
    """

    grid: Grid
    shown: tuple[Shown, ...]
    merged: tuple[Shown, ...]
    fixed: tuple[Shown, ...]
    selection: Selection = field(default_factory=Selection)

    @property
    def x(self) -> Shown:
        """The horizontal axis."""
        return self.shown[-1]

    @property
    def y(self) -> Shown:
        """The vertical axis."""
        return self.shown[-2]

    @property
    def facets(self) -> tuple[Shown, ...]:
        """The axes over the panels."""
        return self.shown[:-2]

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along the facets, y and x."""
        return tuple(map(len, self.shown))

    @property
    def depth(self) -> int:
        """Cells that share a pixel, where `where` excludes none."""
        return int(np.prod([len(each) for each in self.merged], dtype=np.int64))

    def place(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Flat pixel and place within the pixel for the cells that are shown, and which ones those are `[cells]`."""
        return self._place(self.grid.cells(cells))

    def _place(self, cells: Cells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        kept = self.selection.keeps(cells)
        flat = []
        for group in (self.shown, self.merged, self.fixed):
            index = np.zeros(len(cells), np.int64)
            for each in group:
                found = self._lookup(each)[cells.positions[self._dimension(each)]]
                kept &= found >= 0
                index = index * len(each) + found
            flat.append(index)
        return flat[0][kept], flat[1][kept], kept

    def _dimension(self, shown: Shown) -> int:
        return next(number for number, axes in enumerate(self.grid.dimensions) if shown.axis in axes)

    def _lookup(self, shown: Shown) -> np.ndarray:
        lookup = np.full(len(shown.axis), -1)
        lookup[shown.positions] = np.arange(len(shown))
        return lookup

    def expected(self) -> np.ndarray:
        """Cells per pixel once the run is complete: 0 where `where` or the selection excludes all."""
        if self.grid.where is None and not self.selection.conditions:
            return np.full(self.shape, self.depth)
        counts = np.zeros(self.shape, np.int64)
        for cells in self.grid.chunks():
            pixels, _, _ = self._place(cells)
            np.add.at(counts.reshape(-1), pixels, 1)
        return counts


def load_grid(manifest: Mapping[str, Any]) -> Grid:
    """The grid that a manifest tells of.

    Raises:
        RunFolderError: it tells of none.
    """
    sweep, specs = manifest["sweep"], load_specs(manifest)
    axes = [Axis(spec, column) for spec, column in zip(specs, column_names(specs), strict=True)]
    return make_grid(axes, sweep.get("zip") or (), sweep.get("where"))


def load_specs(manifest: Mapping[str, Any]) -> list[AxisSpec]:
    """The tables of the axes in a manifest.

    Raises:
        RunFolderError: it has none.
    """
    try:
        sweep = manifest["sweep"]
        missing = [name for name in ("name", "config", "axes") if name not in sweep]
        if missing:
            raise RunFolderError(f"is no run folder: its manifest says nothing of the sweep's {missing[0]}")
        return [AxisSpec.model_validate(table) for table in sweep["axes"]]
    except (KeyError, TypeError, ValidationError):
        raise RunFolderError("is no run folder: the axes in its manifest are not what nanmap writes") from None


def make_view(
    grid: Grid,
    x: str,
    y: str | None = None,
    facet: Sequence[str] = (),
    select: Select | None = None,
    zoom: Windows | None = None,
) -> View:
    """Which axis goes where on a picture.

    Args:
        grid: the run's grid.
        x: column of the horizontal axis; `y` of the vertical one, `facet` of those over the panels.
        y: see `x`; None where numbers of the rows go up the side.
        facet: see `x`.
        select: which rows to keep, see `make_selection`; all others are left out.
        zoom: windows on axes, see `make_selection`.

    Raises:
        InputError: a name is no axis, an axis is named twice, a selected value is not on its axis, or no cell is left.
    """
    wanted = [("x", x), *([("y", y)] if y is not None else []), *(("facet", name) for name in facet)]
    for place, name in wanted:
        _check_known(name, [axis.column for axis in grid.axes], place)
    selection = make_selection(grid, select, zoom)
    names = [name for _, name in wanted]
    _check_apart(grid, wanted)
    rest: list[Shown] = []
    shown: dict[str, Shown] = {}
    for group, positions in zip(grid.dimensions, selection.positions(grid), strict=True):
        made = {axis.column: shown_axis(axis, positions) for axis in group}
        placed = made.keys() & set(names)
        shown |= {name: made[name] for name in placed}
        rest += [] if placed else [made[group[0].column]]
    merged, fixed = ([each for each in rest if (len(each) > 1) == many] for many in (True, False))
    order = (*facet, *([y] if y is not None else []), x)
    return View(grid, tuple(shown[name] for name in order), tuple(merged), tuple(fixed), selection)


def _check_known(name: str, known: list[str], place: str) -> None:
    if name not in known:
        raise InputError("no such axis", key=place, value=name, allowed=known, mend=did_you_mean(name, known))


def _check_apart(grid: Grid, wanted: list[tuple[str, str]]) -> None:
    """No axis is shown twice, and no two that are zipped: they have no plane to show."""
    owner: dict[int, tuple[str, str]] = {}
    for place, name in wanted:
        number = next(n for n, group in enumerate(grid.dimensions) if name in [axis.column for axis in group])
        if number in owner:
            other, known = owner[number]
            problem = (
                f"is {other} already"
                if known == name
                else f"is zipped with `{known}`, which is {other}: they move together"
            )
            free = [group[0].column for n, group in enumerate(grid.dimensions) if n not in owner]
            raise InputError(problem, key=place, value=name, allowed=free or "nothing: the sweep has no further axis")
        owner[number] = place, name
