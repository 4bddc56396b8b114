"""Rows and histories that a run has already, handed out by the numbers of its cells: what grows takes them as they are."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nanmap.grid import Cells
from nanmap.results.columns import CELL, COLUMNS, INFERRED
from nanmap.results.receipts import Machine, machines_of
from nanmap.results.shards import Shards

TABLES_HELD = 8  # shards in memory: cells of a grid that grew come in the order that they had, or nearly
HISTORIES_HELD = 2  # of which each has up to a hundred times as many rows


class KeptRows:
    """The whole shards of a run.

    Args:
        shards: of its cells.
        manifest: of the run.
        refined: whether some of their rows were filled in; those are none.
    """

    def __init__(self, shards: Shards, manifest: Mapping[str, Any], refined: bool = False) -> None:
        self._shards, self._size, self._refined = shards, manifest["shard_cells"], refined
        self._machine: Machine = manifest.get("machine") or {}
        self.finished = shards.finished(manifest["hash"])
        self._table = lru_cache(TABLES_HELD)(self._read)

    def there(self, numbers: np.ndarray) -> np.ndarray:
        """Which cells were trained, bool `[cells]`, of cells that the run is to have; negative numbers are none."""
        there = (numbers >= 0) & np.isin(numbers // self._size, list(self.finished))
        if self._refined:
            for shard in np.unique(numbers[there] // self._size).tolist():
                mine = np.flatnonzero(there & (numbers // self._size == shard))
                there[mine] = np.isin(numbers[mine], self._table(shard)[0])
        return there

    def columns(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """The rows of cells that have one, as `results.columns.make_table` takes them, `[cells]` by column."""
        found: dict[str, np.ndarray] = {}
        for shard in np.unique(numbers // self._size).tolist():
            cells, columns = self._table(shard)
            place = np.flatnonzero(numbers // self._size == shard)
            row = np.searchsorted(cells, numbers[place])
            for name, values in columns.items():
                if name not in found:
                    masked = isinstance(values, np.ma.MaskedArray)
                    found[name] = (np.ma if masked else np).zeros(len(numbers), values.dtype)
                found[name][place] = values[row]
        return found

    def machines(self, numbers: np.ndarray) -> list[Machine]:
        """Those that made the rows of some cells, so far as the receipts of their shards say."""
        found: list[Machine] = []
        for shard in np.unique(numbers // self._size).tolist():
            receipt = self._shards.receipts.read(self._shards.file(shard).name)
            found += [each for each in machines_of(receipt or {}, self._machine) if each not in found]
        return found

    def all_numbers(self) -> np.ndarray:
        """Of every cell that was trained, int64, ascending."""
        found = [self._table(shard)[0] for shard in sorted(self.finished)]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def _read(self, shard: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        table: pa.Table = self._shards.table(shard)
        if self._refined:
            table = table.filter(pc.invert(table[INFERRED.name])).combine_chunks()
        return table[CELL.name].to_numpy(), {each.name: each.values(table[each.name]) for each in COLUMNS}


class KeptHistories:
    """The histories of a run, of whole shards, for the cells of a larger grid.

    Args:
        shards: of the run's histories.
        said: what its manifest says of them.
        shard_cells: cells per shard.
        old_numbers: what cells of the larger grid are called in the run, int64 `[cells]`; -1 where it has no such cell.

    Attributes:
        updates: of each cell, about, that were looked at.
        of_all: whether every cell of the run was to have one.
        finished: numbers of the shards that are whole.
    """

    def __init__(
        self, shards: Shards, said: Mapping[str, Any], shard_cells: int, old_numbers: Callable[[Cells], np.ndarray]
    ) -> None:
        self.updates, self.of_all, self.finished = (
            said["updates"],
            said["cells"] == "all",
            shards.finished(said["hash"]),
        )
        self._shards, self._size, self._old_numbers = shards, shard_cells, old_numbers
        self._table = lru_cache(HISTORIES_HELD)(self._read)

    def there(self, cells: Cells) -> np.ndarray:
        """Which cells of the larger grid have a history, bool `[cells]`."""
        numbers = self._old_numbers(cells)
        there = np.zeros(len(numbers), bool)
        for shard in self.finished.intersection((numbers // self._size).tolist()):
            mine = np.flatnonzero(numbers // self._size == shard)
            there[mine] = np.isin(numbers[mine], self._table(shard)[0])
        return there

    def table(self, cells: Cells) -> pa.Table:
        """The histories of cells that have one, under the numbers of the larger grid; their order is not that of the numbers."""
        numbers = self._old_numbers(cells)
        parts = []
        for shard in np.unique(numbers // self._size).tolist():
            mine = np.flatnonzero(numbers // self._size == shard)
            mine = mine[np.argsort(numbers[mine])]
            owners, table = self._table(shard)
            kept = np.isin(owners, numbers[mine])
            called = cells.numbers[mine][np.searchsorted(numbers[mine], owners[kept])]
            parts.append(table.filter(pa.array(kept)).set_column(0, table.schema.field(0), pa.array(called)))
        return pa.concat_tables(parts)

    def _read(self, shard: int) -> tuple[np.ndarray, pa.Table]:
        table = self._shards.table(shard)
        return table[CELL.name].to_numpy(), table
