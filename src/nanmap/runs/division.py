"""A sweep divided into shards, and one of them made: the same by this process, by another one, and on another machine."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nanmap.engine import Engine
from nanmap.grid import Cells
from nanmap.plan import Plan
from nanmap.results.columns import make_table
from nanmap.results.folder import RunFolder
from nanmap.results.histories import history_table
from nanmap.results.receipts import made_on
from nanmap.results.shards import shard_metadata
from nanmap.runs.complete import complete_rows
from nanmap.runs.extend import Grown
from nanmap.runs.filling import Shard, trained
from nanmap.runs.history import Recording, history_of
from nanmap.theory.facts import Forecaster


class Division:
    """The cells of a plan, so many to a shard.

    Args:
        plan: of the sweep.
        shard_cells: cells per shard, those among them that `where` excludes.
        growing: has rows of some cells already.
        beside: what is recorded of all cells, beside their rows.
    """

    def __init__(
        self, plan: Plan, shard_cells: int, growing: Grown | None = None, beside: Recording | None = None
    ) -> None:
        self.plan, self.shard_cells, self.growing, self.beside = plan, shard_cells, growing, beside

    def cells(self, number: int) -> Cells:
        """The cells of a shard that are trained."""
        first = number * self.shard_cells
        return self.plan.grid.kept(first, min(first + self.shard_cells, self.plan.grid.size))

    def name(self, number: int) -> str:
        """What a shard is called in messages."""
        first = number * self.shard_cells
        return f"cells {first:,} to {min(first + self.shard_cells, self.plan.grid.size) - 1:,}"

    def counts(self) -> dict[int, int]:
        """How many cells of each shard have a row in the end."""
        return {number: self._count(number) for number in range(-(-self.plan.grid.size // self.shard_cells))}

    def kept(self, number: int) -> int:
        """How many of a shard's cells have their row already."""
        return int(self.growing.there(self.cells(number)).sum()) if self.growing else 0

    def shard(self, number: int) -> Shard:
        """A shard with the rows that are there already, and batches of the other cells."""
        cells = self.cells(number)
        if self.growing is None:
            lanes = self.plan.lanes(cells)
            return Shard(number, cells, self.beside.asked(lanes) if self.beside else lanes)
        there = self.growing.there(cells)
        kept, others = np.flatnonzero(there), np.flatnonzero(~there)
        lanes = self.plan.lanes(cells.take(others)) if len(others) else []
        lanes = [replace(each, position=others[each.position]) for each in lanes]
        shard = Shard(number, cells, self.beside.asked(lanes) if self.beside else lanes)
        if len(kept):
            shard.programs = {each.program: None for each in self.plan.lanes(cells)}
            shard.put(kept, self.growing.columns(cells.take(kept)))
            shard.others = self.growing.machines(cells.take(kept))
            if self.beside and self.growing.histories:
                shard.histories.append(self.growing.histories.table(cells.take(kept)))
        return shard

    def _count(self, number: int) -> int:
        first = number * self.shard_cells
        all_stay = self.plan.grid.where is None
        return min(self.shard_cells, self.plan.grid.size - first) if all_stay else len(self.cells(number))


def made(
    engine: Engine, shards: Iterable[Shard], beside: Recording | None = None
) -> Iterator[tuple[Shard, np.ndarray]]:
    """Fills shards with rows: each with the outcomes of the cells that are new in it, texts."""
    forecaster = Forecaster()
    for shard, lanes, index, facts in trained(engine, shards):
        place = lanes.position[index]
        rows = complete_rows(lanes, index, facts, forecaster)
        if beside:
            shard.histories.append(history_of(shard.cells.numbers[place], facts))
        shard.put(place, rows)
        yield shard, rows["outcome"]


def write(folder: RunFolder, hash: str, shard: Shard, engine: Engine, beside: Recording | None = None) -> None:
    """Writes a shard that is full, and into its receipt what its bits hang on: the machine, and cells side by side."""
    if beside:  # first: a shard of rows that is there has its histories
        history = history_table(shard.histories, shard_metadata(beside.hash, shard.number))
        folder.history.write(shard.number, history)
    widths = {program.key: engine.width(program) for program in shard.programs}
    told: Mapping[str, Any] = made_on(engine.machine, shard.others) | {"widths": widths}
    metadata = shard_metadata(hash, shard.number)
    table = make_table(shard.cells.numbers, shard.cells.columns(), shard.columns, metadata)
    folder.cells.write(shard.number, table, told)
