"""A run within a larger one: which of its cells each cell of the new grid is, matched by their settings. Reads no rows."""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from nanmap.analysis.merged import differing, merge
from nanmap.analysis.run_settings import RunSettings, almost_equal
from nanmap.errors import InputError
from nanmap.grid import Cells

SHOWN = 3  # values or cells that the new grid does not hold, told by name
ELSEWHERE = "write the sweep to a folder of its own with --out"


class Growth:
    """Where the cells of a run are among those of a sweep that is to hold them all.

    Args:
        before: the run.
        after: the sweep.

    Raises:
        InputError: a setting that neither goes over is another one, or the new grid does not hold every cell.
    """

    def __init__(self, before: RunSettings, after: RunSettings) -> None:
        self.before, self.after = before, after
        for key, (was, now) in differing((before, after)).items():
            raise _other_setting(key, was, now)
        self._merged = merge((before, after))
        self._check_axes()
        if lost := list(islice(self._lost(), SHOWN)):
            problem = f"the new grid leaves out cells of {before.name}: {' · '.join(map(_named, lost))}"
            raise InputError(problem, key="extend", mend=f"let `where` keep them, or {ELSEWHERE}")

    def old_numbers(self, cells: Cells) -> np.ndarray:
        """What the cells of the new grid are called in the run, int64 `[cells]`; -1 where it has no such cell."""
        grid = self.before.grid
        found = np.full((len(grid.shape), len(cells)), -1, np.int64)
        there = np.ones(len(cells), bool)
        for (old, old_places), (new, new_places) in zip(*self._merged.places, strict=True):
            place = new_places[0] if new is None else new_places[cells.positions[new]]
            position = np.broadcast_to(_positions(old_places, place), len(cells))
            there &= position >= 0
            if old is not None:  # axes that the run walks together may have come apart
                there &= (found[old] < 0) | (found[old] == position)
                found[old] = position
        found[:, ~there] = 0
        numbers = np.ravel_multi_index(tuple(found), grid.shape) if grid.shape else np.zeros(len(cells), np.int64)
        return np.where(there & self._kept[numbers], numbers, -1)

    def _check_axes(self) -> None:
        """Each value that the run has along an axis is there."""
        for axes, (_, old), (_, new) in zip(self._merged.grid.dimensions, *self._merged.places, strict=True):
            lost = np.setdiff1d(old, new)
            if len(lost):
                column, values = axes[0].column, axes[0].labels[lost[:SHOWN]].tolist()
                more = f" and {len(lost) - SHOWN} more" * (len(lost) > SHOWN)
                problem = f"the axis `{column}` lacks {', '.join(map(repr, values))}{more}, with which {self.before.name} has cells"
                raise InputError(problem, key="extend", mend=self._mend(column))

    @cached_property
    def _kept(self) -> np.ndarray:
        """Which cells the run has, bool by number: those that its own condition keeps."""
        kept = np.zeros(self.before.grid.size, bool)
        for cells in self.before.grid.chunks():
            kept[cells.numbers] = True
        return kept

    def _lost(self) -> Iterator[dict[str, Any]]:
        """The settings of cells of the run that the new grid does not hold."""
        lost = self._kept.copy()
        for cells in self.after.grid.chunks():
            numbers = self.old_numbers(cells)
            lost[numbers[numbers >= 0]] = False
        for number in np.flatnonzero(lost):
            columns = self.before.grid.cells(np.array([number])).columns()
            yield {name: values.tolist()[0] for name, values in columns.items()}

    def _mend(self, column: str) -> str:
        """Most often an axis was made finer, and its inner values came out as others."""
        finer = "between the same ends 2 · num − 1 values of a log or linear axis keep all that were there"
        for was, now in almost_equal(self.before, self.after).get(column, ())[:1]:
            return f"{now!r} is not {was!r}, by a rounding: {finer}"
        return f"add them to the axis ({finer}), or {ELSEWHERE}"


def _positions(places: np.ndarray, wanted: Any) -> np.ndarray:
    """Where in `places`, which are different ones, each of the `wanted` stands; -1 where it is none of them."""
    lookup = np.full(max(int(places.max()), int(np.max(wanted, initial=0))) + 1, -1)
    lookup[places] = np.arange(len(places))
    return lookup[wanted]


def _other_setting(key: str, was: Any, now: Any) -> InputError:
    if was == now:
        return InputError("its content is another one than that the run was trained on", key=key, value=now)
    mend = f"an axis over {key} may hold both; or {ELSEWHERE}"
    return InputError(
        f"was {was!r}, now {now!r}: rows of other settings cannot stand beside those that are there", key=key, mend=mend
    )


def _named(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in settings.items()) or "its only one"
