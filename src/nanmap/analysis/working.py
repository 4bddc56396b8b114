"""What works: of a run's rows, at which learning rates and with which other settings trainings converge."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nanmap.analysis.view import load_grid
from nanmap.config.choices import LEARNING_RATE
from nanmap.grid.axes import Axis
from nanmap.grid.grid import Grid
from nanmap.outcomes import Outcome
from nanmap.results.arrays import floats_of, names_of, numbers_of
from nanmap.results.folder import RunFolder

SEED = "training.seed"
MOST = 3  # settings that are told
LOOKED_AT = 1000  # of all settings: those that may be among the best, before they are told together


@dataclass(frozen=True)
class Working:
    """Trainings that differ only in their start and in the rate, and the rates at which most of them converge.

    Attributes:
        settings: value of every other axis, by column; a tuple of those of which the same is true.
        converged, starts: of how many starts, at each of the rates told.
        rates: the lowest and the highest of neighbouring rates that do so; None without an axis of rates.
        count: how many rates those are.
        cell: in their middle, the best of its starts.
    """

    settings: dict[str, Any]
    converged: int
    starts: int
    rates: tuple[float, float] | None
    count: int
    cell: int

    def sentence(self) -> str:
        """In words, as `nanmap sweep` ends."""
        share = f"converged in {self.converged} of {self.starts} starts" if self.starts > 1 else "converged"
        at = ""
        if self.rates is not None:
            low, high = (f"{rate:.3g}" for rate in self.rates)
            at = f" at {low}" if low == high else f" at rates {low} to {high}"
        given = ", ".join(f"{name} = {_shown(value)}" for name, value in self.settings.items())
        return share + at + (f" ({given})" if given else "")


def what_works(folder: RunFolder) -> tuple[list[Working], list[str]]:
    """The settings that converge at the most rates, best first, and the values with which nothing does, as `init = zeros`.

    Rates in a row count as far as the share of their starts that converged is the largest which any rate reaches.
    """
    grid = load_grid(folder.read_manifest())
    ended, loss = _rows(folder, grid)
    rate = next((n for n, axes in enumerate(grid.dimensions) if any(_is_rate(axis) for axis in axes)), None)
    draws = [n for n, axes in enumerate(grid.dimensions) if all(axis.key == SEED for axis in axes)]
    others = [n for n in range(len(grid.shape)) if n != rate and n not in draws]
    order = [*others, *([] if rate is None else [rate]), *draws]
    starts = int(np.prod([grid.shape[n] for n in draws], dtype=int))
    groups = np.arange(grid.size).reshape(grid.shape).transpose(order)
    groups = groups.reshape(-1, 1 if rate is None else grid.shape[rate], starts)
    rates = _rates(grid, rate)
    if rates is not None:
        ascending = np.argsort(rates)
        groups, rates = groups[:, ascending], rates[ascending]
    found = [_working(groups[n], ended, loss, _settings(grid, others, n), rates) for n in _foremost(groups, ended)]
    for axis in (axis for n in others for axis in grid.dimensions[n]):
        found = _merged(found, axis)
    found.sort(key=lambda each: (each.converged / each.starts, each.count), reverse=True)
    return found[:MOST], _never(grid, others, ended)


def best_cell(folder: RunFolder) -> int | None:
    """The cell with the largest skill, of equal ones the first; None where no skill is a number.

    Skill, since losses of rows in different units, or of other losses, cannot be compared.
    """
    best, cell = -np.inf, None
    for table in folder.tables(["cell", "skill"]):
        if not len(table):
            continue
        cells, skill = numbers_of(table["cell"])[0], floats_of(table["skill"])
        skill = np.where(np.isfinite(skill), skill, -np.inf)
        first = np.lexsort((cells, -skill))[0]
        if (-skill[first], cells[first]) < (-best, np.inf if cell is None else cell) and skill[first] > -np.inf:
            best, cell = float(skill[first]), int(cells[first])
    return cell


def _foremost(groups: np.ndarray, ended: np.ndarray) -> list[int]:
    """The settings worth looking at: by the largest share of starts that any rate reaches, then by how many rates do.

    Args:
        groups: cells `[settings, rates, starts]`; on a large map each pixel may be a setting of its own.
    """
    share = _share(groups, ended)
    best = share.max(axis=1)
    count = (share >= best[:, None]).sum(axis=1)
    ranked = np.lexsort((-count, -best))[:LOOKED_AT]
    return sorted(ranked[best[ranked] > 0].tolist())


def _share(cells: np.ndarray, ended: np.ndarray) -> np.ndarray:
    """Of the starts on the last axis those that converged; 0 without any."""
    there = (ended[cells] >= 0).sum(axis=-1)
    return (ended[cells] == 1).sum(axis=-1) / np.maximum(there, 1)


def _merged(found: list[Working], axis: Axis) -> list[Working]:
    """Those that differ in one axis alone told as one, of numbers only neighbours; the cell is that of the middle value."""
    labels, name = axis.labels[_order(axis)].tolist(), axis.column
    alike: dict[tuple, list[Working]] = {}
    for each in sorted(found, key=lambda each: labels.index(each.settings[name])):
        rest = tuple((key, value) for key, value in each.settings.items() if key != name)
        alike.setdefault((each.converged, each.starts, each.rates, rest), []).append(each)
    return [_together(part, name) for group in alike.values() for part in _neighbours(group, name, labels)]


def _order(axis: Axis) -> np.ndarray:
    """Positions along an axis, of numbers so that they ascend: a file may have them in any order, and neighbours are told as one."""
    return np.argsort(axis.labels) if axis.are_numbers else np.arange(len(axis))


def _neighbours(group: list[Working], name: str, labels: list[Any]) -> list[list[Working]]:
    """A group in pieces of adjacent values, so that "from … to …" is true of all between; of texts in one piece."""
    if isinstance(labels[0], str):
        return [group]
    places = np.array([labels.index(each.settings[name]) for each in group])
    return [[group[n] for n in piece] for piece in _adjacent(places)]


def _adjacent(places: np.ndarray) -> list[np.ndarray]:
    """Indices of ascending places in pieces without a gap.

    >>> [piece.tolist() for piece in _adjacent(np.array([2, 3, 7]))]
    [[0, 1], [2]]
    """
    return np.split(np.arange(len(places)), np.flatnonzero(np.diff(places) != 1) + 1)


def _together(group: list[Working], name: str) -> Working:
    middle = group[len(group) // 2]
    values = tuple(each.settings[name] for each in group)
    return replace(middle, settings=middle.settings | {name: values[0] if len(values) == 1 else values})


def _working(
    group: np.ndarray, ended: np.ndarray, loss: np.ndarray, settings: dict[str, Any], rates: np.ndarray | None
) -> Working:
    """Of the cells `[rates, starts]` of one setting, some of which converged."""
    share = _share(group, ended)
    first, last = _longest(share >= share.max())
    cells = group[(first + last) // 2]
    good = ended[cells] == 1
    best = cells[np.argmin(np.where(good, loss[cells], np.inf))]
    span = None if rates is None else (float(rates[first : last + 1].min()), float(rates[first : last + 1].max()))
    return Working(settings, int(good.sum()), int((ended[cells] >= 0).sum()), span, last - first + 1, int(best))


def _longest(holds: np.ndarray) -> tuple[int, int]:
    """First and last position of the longest run of True.

    >>> _longest(np.array([True, False, True, True, False]))
    (2, 3)
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], holds.astype(int), [0]])))
    starts, stops = edges[::2], edges[1::2]
    longest = int(np.argmax(stops - starts))
    return int(starts[longest]), int(stops[longest] - 1)


def _rows(folder: RunFolder, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Of each cell whether it converged (1, 0, or -1 without a row), and its loss at the end."""
    ended, loss = np.full(grid.size, -1, np.int8), np.full(grid.size, np.nan)
    for table in folder.tables(["cell", "outcome", "loss_final"]):
        cells, (codes, names) = numbers_of(table["cell"])[0], names_of(table["outcome"])
        ended[cells] = np.array([name == Outcome.CONVERGED for name in names])[codes]
        loss[cells] = floats_of(table["loss_final"])
    return ended, loss


def _is_rate(axis: Axis) -> bool:
    return axis.key == LEARNING_RATE


def _rates(grid: Grid, rate: int | None) -> np.ndarray | None:
    if rate is None:
        return None
    return np.asarray(next(axis for axis in grid.dimensions[rate] if _is_rate(axis)).labels, float)


def _settings(grid: Grid, others: list[int], number: int) -> dict[str, Any]:
    """Values of the other axes at a flat position over their dimensions."""
    shape = tuple(grid.shape[n] for n in others)
    places = np.unravel_index(number, shape) if shape else ()
    return {
        axis.column: axis.labels.tolist()[int(place)]
        for n, place in zip(others, places, strict=True)
        for axis in grid.dimensions[n]
    }


def _never(grid: Grid, others: list[int], ended: np.ndarray) -> list[str]:
    """Values of an axis with which no cell converged, though with others some did."""
    told = []
    whole = ended.reshape(grid.shape)
    for n in others:
        axis = grid.dimensions[n][0]
        any_good = (np.moveaxis(whole, n, 0).reshape(grid.shape[n], -1) == 1).any(axis=1)
        if any_good.any():
            order = _order(axis)
            values = _runs(axis.labels[order].tolist(), np.flatnonzero(~any_good[order]))
            told += [f"{axis.column} = {value}" for value in values]
    return told


def _runs(labels: list[Any], places: np.ndarray) -> list[str]:
    """The labels at ascending places, numbers in a row by their ends."""
    if isinstance(labels[0], str):
        return [labels[place] for place in places]
    return [_shown(tuple(labels[places[n]] for n in piece)) for piece in _adjacent(places) if len(piece)]


def _shown(value: Any) -> str:
    """A value, several of them, or the ends of many numbers."""
    if not isinstance(value, tuple):
        return f"{value:.4g}" if isinstance(value, float) else str(value)
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in value)
    if numbers and len(value) > 2:
        return f"{_shown(min(value))} to {_shown(max(value))}"
    return " or ".join(map(_shown, value)) if len(value) <= 4 else f"{_shown(value[0])}, … or {_shown(value[-1])}"
