"""A sweep that refines itself: what is worth training is trained, the rest filled in, and a random sample of that held against training.

`analysis/refinement.py` decides what is asked for, from answers alone. So an interrupted run asks the same again, and whatever has its
row already is answered from it.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import betaincinv

from nanmap.analysis.refinement import Filled, first_stride, refine
from nanmap.engine import Engine
from nanmap.grid import Cells
from nanmap.outcomes import Cause, Outcome
from nanmap.plan import Plan
from nanmap.results.columns import column_named, make_refined_table, make_table
from nanmap.results.receipts import made_on
from nanmap.results.schema import Missing, Scale
from nanmap.results.shards import shard_metadata
from nanmap.runs.complete import complete_rows
from nanmap.runs.filling import Shard, trained
from nanmap.runs.kept import KeptRows
from nanmap.runs.observer import Observer
from nanmap.runs.resume import Resumed
from nanmap.theory.facts import Forecaster

AT_ONCE = 1 << 16  # cells that are trained between two looks at the clock
SECONDS = 60.0  # after so many what was trained is written, for a run that is interrupted
SURE = 0.95  # of the bound on what is wrong
KINDS = 4  # of a value: a number, the two infinities, or none


def train_refined(plan: Plan, engine: Engine, resumed: Resumed, observer: Observer) -> None:
    """Trains a refined sweep, and writes all of its shards."""
    _Refining(plan, engine, resumed, observer).run()


class _Refining:
    """A refined sweep while it is trained: what its cells are, and the rows that there are so far."""

    def __init__(self, plan: Plan, engine: Engine, resumed: Resumed, observer: Observer) -> None:
        assert plan.sweep.refine is not None
        self.plan, self.engine, self.resumed, self.observer = plan, engine, resumed, observer
        self.spec, self.forecaster = plan.sweep.refine, Forecaster()
        grid = plan.grid
        columns = [axes[0].column for axes in grid.dimensions]
        self.sides = [columns.index(name) for name in self.spec["axes"]]
        others = [n for n in range(len(columns)) if n not in self.sides]
        numbers = np.arange(grid.size).reshape(grid.shape or (1,)).transpose([*others, *self.sides])
        self.numbers = numbers.reshape(-1, *numbers.shape[-2:])
        firsts = grid.cells(self.numbers[:, 0, 0])
        self.kept = np.ones(len(firsts), bool) if grid.where is None else np.asarray(grid.where(firsts.columns()))
        self.earlier = KeptRows(resumed.shards, resumed.manifest, True)
        self.known = self.earlier.all_numbers()
        self.rows: list[tuple[np.ndarray, dict[str, np.ndarray]]] = []
        self.written = time.monotonic()

    def run(self) -> None:
        """All of it: where a map changes, then the audit, then every shard."""
        self.observer.started(0, 0)
        shape: tuple[int, int, int] = self.numbers.shape
        stride = first_stride(shape[1:], tuple(self.spec["from"]))
        found = refine(shape, stride, self.kept, self._ask, self.spec.get("tolerance", np.inf))
        found.labels //= KINDS
        inferred = np.flatnonzero((found.labels >= 0) & ~found.asked)
        self.resumed.manifest["refined"] = {
            "cells": int((found.labels >= 0).sum()),
            "trained": int(found.asked.sum()),
            "filled_in": len(inferred),
            "audit": self._audit(found, inferred),
        }
        self._write(found.labels)

    def _ask(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels and numbers of places in the planes: their outcomes and causes, and the value that is looked at."""
        columns = self._rows_of(self.numbers.reshape(-1)[places])
        outcomes, causes = (_codes(columns[name], kinds) for name, kinds in (("outcome", Outcome), ("cause", Cause)))
        kind, number = self._values(columns)
        return (outcomes * len(Cause) + causes) * KINDS + kind, number

    def _values(self, columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Of the value that is looked at which kind it is, and the number, 0 where it is none."""
        name = self.spec.get("value")
        some = len(columns["outcome"])
        if name is None:
            return np.zeros(some, int), np.zeros(some)
        column = column_named(name)
        values: np.ndarray = np.ma.filled(np.ma.asarray(columns[name], float), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(values < 0, np.nan, values) if column.missing is Missing.NEGATIVE else values
            values = np.log10(values) if column.scale is Scale.LOG else values
        kind = np.select([np.isposinf(values), np.isneginf(values), np.isnan(values)], [1, 2, 3])
        return kind, np.where(kind == 0, values, 0.0)

    def _rows_of(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """The rows of cells, in their order: those of an earlier run as they are, the others trained."""
        order = np.argsort(numbers)
        ascending = numbers[order]
        there = np.isin(ascending, self.known)
        self.observer.added(int((~there).sum()))
        parts = [(ascending[there], self.earlier.columns(ascending[there]))] if there.any() else []
        parts += self._trained(ascending[~there])
        self.rows += parts
        made = np.concatenate([each for each, _ in parts])
        names = {"outcome", "cause", *([self.spec["value"]] if "value" in self.spec else [])}
        columns = {name: np.ma.concatenate([each[name] for _, each in parts]) for name in names}
        place = np.argsort(made)[np.argsort(order)]
        return {name: values[place] for name, values in columns.items()}

    def _trained(self, numbers: np.ndarray) -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
        found = []
        for start in range(0, len(numbers), AT_ONCE):
            cells = self.plan.grid.cells(numbers[start : start + AT_ONCE])
            shard = Shard(0, cells, self.plan.lanes(cells))
            for _, lanes, index, facts in trained(self.engine, [shard]):
                rows = complete_rows(lanes, index, facts, self.forecaster)
                shard.put(lanes.position[index], rows)
                self.observer.trained(len(index))
                self.observer.advanced(len(index), rows["outcome"])
            found.append((cells.numbers, shard.columns))
            self._keep(found)
        return found

    def _keep(self, latest: list[tuple[np.ndarray, dict[str, np.ndarray]]]) -> None:
        """Writes what was trained so far, once that would be a loss; everything else has no row yet."""
        if time.monotonic() - self.written > SECONDS:
            rows, self.rows = self.rows, [*self.rows, *latest]
            self._write(None)
            self.rows, self.written = rows, time.monotonic()

    def _audit(self, found: Filled, inferred: np.ndarray) -> dict[str, Any] | None:
        """Trains a random sample of what was filled in, and says how much of it is wrong."""
        count = min(self.spec["audit"], len(inferred))
        if not count:
            return None
        places = np.sort(np.random.default_rng(0).choice(inferred, count, replace=False))
        labels = self._ask(places)[0] // KINDS
        there = found.labels.reshape(-1)[places]
        wrong = int((labels != there).sum())
        found.labels.reshape(-1)[places] = labels
        return {
            "cells": count,
            "wrong": wrong,
            "wrong_outcomes": int((labels // len(Cause) != there // len(Cause)).sum()),
            "share": wrong / count,
            "at_most": at_most(wrong, count),
            "sure": SURE,
        }

    def _write(self, labels: np.ndarray | None) -> None:
        """Every shard: rows that were trained as they are, the others filled in with these labels, or left out without any."""
        ends = None
        if labels is not None:
            ends = np.empty(self.plan.grid.size, np.int32)
            ends[self.numbers.reshape(-1)] = labels.reshape(-1)
        numbers = np.concatenate([each for each, _ in self.rows])
        order = np.argsort(numbers)
        numbers = numbers[order]
        columns = {
            name: np.ma.concatenate([each[name] for _, each in self.rows])[order] if masked
            else np.concatenate([each[name] for _, each in self.rows])[order]
            for name, masked in _names(self.rows)
        }  # fmt: skip
        for number, cells in self._shards():
            first, last = np.searchsorted(numbers, [cells.numbers[0], cells.numbers[-1] + 1])
            mine = {name: values[first:last] for name, values in columns.items()}
            self._write_shard(number, cells, numbers[first:last], mine, ends)

    def _shards(self) -> Iterator[tuple[int, Cells]]:
        size, grid = self.resumed.manifest["shard_cells"], self.plan.grid
        for number in range(-(-grid.size // size)):
            cells = grid.kept(number * size, min((number + 1) * size, grid.size))
            if len(cells):
                yield number, cells

    def _write_shard(
        self, number: int, cells: Cells, made: np.ndarray, rows: dict[str, np.ndarray], ends: np.ndarray | None
    ) -> None:
        metadata = shard_metadata(self.resumed.manifest["hash"], number)
        there = np.isin(cells.numbers, made)
        own = cells.take(np.flatnonzero(there))
        table = make_table(own.numbers, own.columns(), rows, metadata)
        shown = own if ends is None else cells
        texts = {name: rows[name] for name in ("outcome", "cause")} if ends is None else _texts(ends[shown.numbers])
        full = make_refined_table(shown.numbers, shown.columns(), table, texts, metadata)
        others = self.earlier.machines(np.intersect1d(own.numbers, self.known))
        self.resumed.shards.write(number, full, made_on(self.engine.machine, others))


def at_most(wrong: int, cells: int, sure: float = SURE) -> float:
    """The share of wrong cells that a sample of so many, so many of them wrong, leaves possible (Clopper & Pearson 1934, one side).

    >>> round(at_most(0, 3000), 4), at_most(5, 5)
    (0.001, 1.0)
    """
    return float(betaincinv(wrong + 1, cells - wrong, sure)) if wrong < cells else 1.0


def _codes(texts: np.ndarray, kinds: Any) -> np.ndarray:
    """The place of each text among the names of a closed set."""
    names = {str(each): place for place, each in enumerate(kinds)}
    found, where = np.unique(np.asarray(texts, str), return_inverse=True)
    return np.array([names[each] for each in found.tolist()], int)[where]


def _texts(labels: np.ndarray) -> dict[str, np.ndarray]:
    outcomes, causes = (np.array([str(each) for each in kinds], object) for kinds in (Outcome, Cause))
    return {"outcome": outcomes[labels // len(causes)], "cause": causes[labels % len(causes)]}


def _names(rows: list[tuple[np.ndarray, dict[str, np.ndarray]]]) -> Iterator[tuple[str, bool]]:
    """Each column, and whether missing values are masked in it."""
    return ((name, isinstance(values, np.ma.MaskedArray)) for name, values in rows[0][1].items())
