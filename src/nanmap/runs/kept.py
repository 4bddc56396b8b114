"""Rows that a run has already, handed out by the numbers of its cells: what grows takes them as they are."""

from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nanmap.results.columns import CELL, COLUMNS, INFERRED
from nanmap.results.shards import Shards

TABLES_HELD = 8  # shards in memory: cells of a grid that grew come in the order that they had, or nearly


class KeptRows:
    """The whole shards of a run.

    Args:
        shards: of its cells.
        hash: that its shards say.
        shard_cells: cells per shard.
        refined: whether some of their rows were filled in; those are none.
    """

    def __init__(self, shards: Shards, hash: str, shard_cells: int, refined: bool = False) -> None:
        self._shards, self._size, self._refined = shards, shard_cells, refined
        self.finished = shards.finished(hash)
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

    def all_numbers(self) -> np.ndarray:
        """Of every cell that was trained, int64, ascending."""
        found = [self._table(shard)[0] for shard in sorted(self.finished)]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def _read(self, shard: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        table: pa.Table = self._shards.table(shard)
        if self._refined:
            table = table.filter(pc.invert(table[INFERRED.name])).combine_chunks()
        return table[CELL.name].to_numpy(), {each.name: each.values(table[each.name]) for each in COLUMNS}
