"""Which cells a picture shows: some values of an axis, a condition as in a sweep's `where`, windows on axes of numbers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nanmap.errors import InputError, did_you_mean
from nanmap.grid import Cells, Condition, Grid, parse_where
from nanmap.grid.axes import Axis
from nanmap.grid.windows import Windows, checked_windows, inside
from nanmap.limits import PLACE_BYTES, check_memory

Select = Mapping[str, Any] | str | Sequence[Mapping[str, Any] | str]


@dataclass(frozen=True)
class Selection:
    """What is kept of a grid.

    Attributes:
        values: by axis the value to keep, or a list of them.
        texts: conditions that all hold, as they were given.
        conditions: the same, parsed.
        windows: by axis the ends between which its values are kept.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def keeps(self, cells: Cells) -> np.ndarray:
        """Which cells the conditions keep `[cells]`; values and windows are looked at axis by axis."""
        kept = np.ones(len(cells), bool)
        columns = cells.columns() if self.conditions else {}
        for condition in self.conditions:
            kept &= np.broadcast_to(condition(columns), len(cells))
        return kept

    def positions(self, grid: Grid) -> list[np.ndarray]:
        """Of each dimension the positions that are kept.

        Raises:
            InputError: a value is not on its axis, or nothing is left.
        """
        found = [self._along(group) for group in grid.dimensions]
        if self.conditions:
            seen = [np.zeros(length, bool) for length in grid.shape]
            for cells in grid.chunks():
                kept = cells.take(np.flatnonzero(self.keeps(cells)))
                for flags, places in zip(seen, kept.positions, strict=True):
                    flags[places] = True
            found = [each[flags[each]] for each, flags in zip(found, seen, strict=True)]
        if not all(len(each) for each in found):
            ends = [_ends(axis) for axis in grid.axes if re.search(rf"\b{axis.column}\b", self.said())]
            raise InputError("leaves no cell", key="select", value=self.said(), allowed="; ".join(ends))
        return found

    def said(self) -> str:
        """All of it, shortly."""
        values = [f"{name} = {value}" for name, value in self.values.items()]
        windows = [f"{name} = {low:g}:{high:g}" for name, (low, high) in self.windows.items()]
        return ", ".join([*values, *self.texts, *windows])

    def _along(self, group: Sequence[Axis]) -> np.ndarray:
        check_memory(PLACE_BYTES * len(group[0]), "its values", key=f"axes.{group[0].column}")
        kept = np.arange(len(group[0]))
        for axis in group:
            if axis.column in self.values:
                value = self.values[axis.column]
                several = value if isinstance(value, list | tuple | set | np.ndarray) else [value]
                kept = np.intersect1d(kept, [_position(axis, each) for each in several])
            if axis.column in self.windows:
                kept = kept[inside(axis, self.windows[axis.column])[kept]]
        return kept


def make_selection(grid: Grid, select: Select | None = None, zoom: Windows | None = None) -> Selection:
    """What a user chose, understood and checked against the axes.

    Args:
        grid: the run's.
        select: a value, or a list of values, by axis; a condition such as `"learning_rate < 1e-3 and batch_size >= 4"`;
            or a list of both, of which all hold.
        zoom: by axis of numbers the low and the high end of a window.

    Raises:
        InputError: a name is no axis, a condition cannot be read, or a window reaches beyond its axis.
    """
    parts = [select] if isinstance(select, str | Mapping) else list(select or [])
    columns = [axis.column for axis in grid.axes]
    values: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, str | Mapping):
            mend = '{"init": "normal"}, or "learning_rate < 1e-3 and batch_size >= 4"'
            raise InputError("expects values by axis, or a condition", key="select", value=part, mend=mend)
        if isinstance(part, Mapping):
            _check_names(part, columns)
            values |= part
    texts = tuple(part for part in parts if isinstance(part, str))
    conditions = tuple(parse_where(text, columns, "select") for text in texts)
    return Selection(values, texts, conditions, checked_windows(zoom, grid.axes))


def _ends(axis: Axis) -> str:
    if axis.labels.dtype.kind not in "if":
        return f"{axis.column}: {_listed(axis.labels)}"
    return f"{axis.column} from {axis.labels.min():.10g} to {axis.labels.max():.10g}"


def _check_names(names: Iterable[str], columns: list[str]) -> None:
    for name in names:
        if name not in columns:
            mend = did_you_mean(name, columns)
            raise InputError("no such axis", key="select", value=name, allowed=columns, mend=mend)


def _position(axis: Axis, value: Any) -> int:
    """Position of a value given by a person: the same text, or the same number to six digits."""
    labels = axis.labels.tolist()
    texts = [str(label).lower() for label in labels]
    if str(value).lower() in texts:
        return texts.index(str(value).lower())
    if axis.labels.dtype.kind in "if":
        try:
            near = np.isclose(axis.labels, float(value), rtol=1e-6, atol=0)
        except (TypeError, ValueError):
            near = np.zeros(1, bool)
        if near.any():
            return int(np.argmax(near))
    raise InputError("is not on the axis", key=f"select.{axis.column}", value=value, allowed=_listed(axis.labels))


def _listed(labels: Iterable[Any], most: int = 12) -> str:
    texts = [f"{each:.10g}" if isinstance(each, float) else str(each) for each in labels]
    more = f", … {texts[-1]} ({len(texts)} values)" if len(texts) > most else ""
    return ", ".join(texts[: most - 1] if more else texts) + more
