"""The grids of several runs as one: the axes that they have together, and where the cells of each fall. Reads no rows."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import prod
from typing import Any

import numpy as np

from nanmap.analysis.joint_axis import AxisId, JointAxis, axis_id
from nanmap.analysis.run_settings import RunSettings
from nanmap.config.load import ALTERNATIVES
from nanmap.errors import InputError
from nanmap.grid.axes import Axis, AxisSpec, column_names
from nanmap.grid.grid import Grid, make_grid

MOST_CELLS = 2**53


@dataclass(frozen=True)
class Merged:
    """One grid over the cells of several runs.

    Attributes:
        runs: as they were given.
        specs: the tables of the axes of `grid`, in their order.
        places: of each run and each dimension of `grid` the run's own dimension, None where the run fixes it, and the
            position in `grid` of each position along it.
    """

    runs: Sequence[RunSettings]
    grid: Grid
    specs: list[AxisSpec]
    places: list[list[tuple[int | None, np.ndarray]]]

    @property
    def zip(self) -> list[list[str]]:
        """The columns of the axes that are walked together, as a sweep's file names them."""
        return [[axis.column for axis in axes] for axes in self.grid.dimensions if len(axes) > 1]

    def numbers(self, run: int, cells: np.ndarray) -> np.ndarray:
        """Numbers in `grid` of cells of a run, int64 `[cells]`.

        Args:
            run: its place among the runs.
            cells: their numbers in the run, `[cells]`.
        """
        positions = self.runs[run].grid.cells(cells).positions
        found = np.zeros(len(cells), np.int64)
        for length, (dimension, places) in zip(self.grid.shape, self.places[run], strict=True):
            found = found * length + (places[0] if dimension is None else places[positions[dimension]])
        return found

    def settings(self, number: int) -> dict[str, Any]:
        """The value of each axis at a cell of `grid`, by column."""
        return {name: values.tolist()[0] for name, values in self.grid.cells(np.array([number])).columns().items()}


def differing(runs: Sequence[RunSettings]) -> dict[str, list[Any]]:
    """The settings that no axis goes over and that the runs do not all have alike: the value in each run."""
    found = {}
    for key in dict.fromkeys(key for run in runs for key in run.fixed):
        if all(key not in run.swept for run in runs):
            values = [run.fixed.get(key) for run in runs]
            if len({run.identity(key, value) for run, value in zip(runs, values, strict=True)}) > 1:
                found[key] = values
    return found


def merge(runs: Sequence[RunSettings], fixed: Sequence[str] = ()) -> Merged:
    """One grid that holds the cells of all runs.

    Args:
        runs: at least one.
        fixed: settings that no axis goes over and that become axes, the slowest; walked together where they can be.

    Raises:
        InputError: two axes set the same thing, or a choice stands for other settings in another run.
    """
    spread: list[AxisId] = [(key, None) for key in fixed]
    ids = list(dict.fromkeys([*spread, *(axis_id(spec) for run in runs for spec in run.specs)]))
    _check_overlap(ids, runs)
    axes = {each: JointAxis(each, runs) for each in ids}
    groups = _groups(spread, runs, axes)
    orders = [_order(group, runs, axes) for group in groups]
    if prod(map(len, orders)) > MOST_CELLS:
        raise InputError("differ in too many settings to stand in one grid", key="runs", value=[r.name for r in runs])
    specs = [
        axes[each].spec([row[place] for row in order])
        for group, order in zip(groups, orders, strict=True)
        for place, each in enumerate(group)
    ]
    places = [
        [_places(n, group, order, axes) for group, order in zip(groups, orders, strict=True)] for n in range(len(runs))
    ]
    return Merged(runs, _grid(specs, groups, runs), specs, places)


Row = tuple[Hashable, ...]  # what the axes of a dimension have at one position


def _check_overlap(ids: Sequence[AxisId], runs: Sequence[RunSettings]) -> None:
    """No two axes set the same setting: a row would have two places."""
    keys: dict[AxisId, dict[str, str]] = {each: {} for each in ids}
    for run in runs:
        for spec, axis in zip(run.specs, run.grid.axes, strict=True):
            keys[axis_id(spec)] |= dict.fromkeys(axis.keys, run.name)
    for (one, some), (other, others) in combinations(keys.items(), 2):
        for key in others:
            alike = next((each for each in (key, ALTERNATIVES.get(key)) if each in some), None)
            if alike is not None:
                names = [each[1] or each[0] for each in (one, other)]
                problem = f"is set by the axis `{names[0]}` of {some[alike]} and by `{names[1]}` of {others[key]}"
                raise InputError(problem, key=key, mend="give both runs the same axis for it")


def _groups(
    spread: list[AxisId], runs: Sequence[RunSettings], axes: dict[AxisId, JointAxis]
) -> list[tuple[AxisId, ...]]:
    """The axes by dimension: together where they are so in a run and can be in all, else each by itself."""
    wanted = [tuple(spread)] if spread else []
    for run in runs:
        named = dict(zip((axis.column for axis in run.grid.axes), run.specs, strict=True))
        wanted += [tuple(axis_id(named[axis.column]) for axis in dimension) for dimension in run.grid.dimensions]
    owner: dict[AxisId, tuple[AxisId, ...]] = {}
    for group in wanted:
        if not owner.keys() & set(group) and len(group) > 1 and _walk_together(group, runs, axes):
            owner |= dict.fromkeys(group, group)
    return list(dict.fromkeys(owner.get(each, (each,)) for each in axes))


def _walk_together(group: tuple[AxisId, ...], runs: Sequence[RunSettings], axes: dict[AxisId, JointAxis]) -> bool:
    """Whether each run has the axes in one dimension, and over all runs no value of one comes with two of another."""
    for run in range(len(runs)):
        if len({axes[each].dimensions[run] for each in group}) > 1:
            return False
    rows = _order(group, runs, axes)
    return all(len({row[place] for row in rows}) == len(rows) for place in range(len(group)))


def _rows(run: int, group: tuple[AxisId, ...], axes: dict[AxisId, JointAxis]) -> list[Row]:
    """What a run has along its dimension of a group."""
    return list(zip(*(axes[each].along[run] for each in group), strict=True))


def _order(group: tuple[AxisId, ...], runs: Sequence[RunSettings], axes: dict[AxisId, JointAxis]) -> list[Row]:
    """What all runs have along a dimension: as the one run has it that has all of it, else ascending if these are numbers."""
    rows = [_rows(run, group, axes) for run in range(len(runs))]
    order = list(dict.fromkeys(row for each in rows for row in each))
    whole = next((each for each in rows if len(each) == len(order)), None)
    if whole is not None or not axes[group[0]].is_number:
        return whole or order
    return sorted(order, key=lambda row: axes[group[0]].entries[row[0]])


def _places(
    run: int, group: tuple[AxisId, ...], order: list[Row], axes: dict[AxisId, JointAxis]
) -> tuple[int | None, np.ndarray]:
    found = {row: place for place, row in enumerate(order)}
    return axes[group[0]].dimensions[run], np.array([found[row] for row in _rows(run, group, axes)], np.int64)


def _grid(specs: list[AxisSpec], groups: list[tuple[AxisId, ...]], runs: Sequence[RunSettings]) -> Grid:
    """The grid, with the condition that all runs share, where it can be read of these axes."""
    columns = column_names(specs)
    if twice := next((name for name in columns if columns.count(name) > 1), None):
        raise InputError("two axes would have this column", key=twice, mend="give the axis another name in one run")
    made = [Axis(spec, column) for spec, column in zip(specs, columns, strict=True)]
    ends = np.cumsum([0, *map(len, groups)])
    zipped = [columns[start:end] for start, end in pairwise(ends) if end - start > 1]
    wheres = {run.manifest["sweep"].get("where") for run in runs}
    try:
        return make_grid(made, zipped, wheres.pop() if len(wheres) == 1 else None)
    except InputError:
        return make_grid(made, zipped)
