"""A sweep divided into shards, and one of them made: the same by this process, by another one, and on another machine."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from nanmap.engine import Engine
from nanmap.grid import Cells
from nanmap.plan import Plan
from nanmap.results.columns import make_table
from nanmap.results.shards import Shards, shard_metadata
from nanmap.runs.complete import complete_rows
from nanmap.runs.filling import Shard, trained
from nanmap.theory.facts import Forecaster


class Division:
    """The cells of a plan, so many to a shard.

    Args:
        plan: of the sweep.
        shard_cells: cells per shard, those among them that `where` excludes.
    """

    def __init__(self, plan: Plan, shard_cells: int) -> None:
        self.plan, self.shard_cells = plan, shard_cells

    def cells(self, number: int) -> Cells:
        """The cells of a shard that are trained."""
        first = number * self.shard_cells
        return self.plan.grid.kept(first, min(first + self.shard_cells, self.plan.grid.size))

    def name(self, number: int) -> str:
        """What a shard is called in messages."""
        first = number * self.shard_cells
        return f"cells {first:,} to {min(first + self.shard_cells, self.plan.grid.size) - 1:,}"

    def counts(self) -> dict[int, int]:
        """How many cells of each shard are trained."""
        return {number: self._count(number) for number in range(-(-self.plan.grid.size // self.shard_cells))}

    def _count(self, number: int) -> int:
        first = number * self.shard_cells
        all_stay = self.plan.grid.where is None
        return min(self.shard_cells, self.plan.grid.size - first) if all_stay else len(self.cells(number))

    def shard(self, number: int) -> Shard:
        """A shard, ready to be filled."""
        cells = self.cells(number)
        return Shard(number, cells, self.plan.lanes(cells))


def made(engine: Engine, shards: Iterable[Shard]) -> Iterator[tuple[Shard, np.ndarray]]:
    """Fills shards with rows: each with the outcomes of the cells that are new in it, texts."""
    forecaster = Forecaster()
    for shard, lanes, index, facts in trained(engine, shards):
        rows = complete_rows(lanes, index, facts, forecaster)
        shard.put(lanes.position[index], rows)
        yield shard, rows["outcome"]


def write(shards: Shards, hash: str, shard: Shard, engine: Engine) -> None:
    """Writes a shard that is full, and into its receipt what its bits hang on: the machine, and cells side by side."""
    widths = {lanes.program.key: engine.width(lanes.program) for lanes in shard.batches}
    told: Mapping[str, Any] = {"machine": dict(engine.machine), "widths": widths}
    shards.write(shard.number, _table(shard, hash), told)


def _table(shard: Shard, hash: str) -> pa.Table:
    metadata = shard_metadata(hash, shard.number)
    return make_table(shard.cells.numbers, shard.cells.columns(), shard.columns, metadata)
