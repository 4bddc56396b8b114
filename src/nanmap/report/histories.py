"""Loss curves beside a run, where its sweep recorded them: `history/part-*.parquet`, as many as the page has room for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from nanmap.analysis import JoinedFolder
from nanmap.report.packing import pack_counts, pack_levels
from nanmap.results.arrays import numbers_of
from nanmap.results.folder import RunFolder
from nanmap.results.shards import Shards

CURVES = ("loss", "gradient_norm", "update_norm", "parameter_norm", "sharpness")
SHARE = 0.5  # of the page's bytes, at most


@dataclass(frozen=True)
class Histories:
    """Curves of some cells.

    Attributes:
        columns: packed, by name; `cell` and `step` among them, ordered by both.
        every: of the cells that have a curve one in so many is on the page.
    """

    columns: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    rows: int = 0
    every: int = 1

    @property
    def size(self) -> int:
        """Bytes on the page."""
        return sum(len(each["data"]) for each in self.columns.values())

    def as_dict(self) -> dict[str, Any] | None:
        """For JSON; None where none was recorded."""
        return {"columns": self.columns, "rows": self.rows, "every": self.every} if self.columns else None


def read_histories(folder: RunFolder, budget: int) -> Histories:
    """The curves that fit half of the budget: all norms, else the loss alone, else those of every second cell, or fewer.

    Raises:
        RunFolderError: a file cannot be read.
    """
    tables = list(tables_beside(folder, "history"))
    if not tables:
        return Histories()
    ascending = [("cell", "ascending"), ("step", "ascending")]
    table = pa.concat_tables(tables, promote_options="default").sort_by(ascending)
    every, names = 1, [name for name in CURVES if name in table.column_names]
    while True:
        packed = _pack(table, names, every)
        if packed.size <= SHARE * budget:
            return packed
        every, names = (every, names[:1]) if len(names) > 1 else (2 * every, names)


def tables_beside(folder: RunFolder, part: str) -> Iterator[pa.Table]:
    """What was recorded beside the rows, in a part of the folder, under the cells' numbers in this folder; of several runs under those that they have together."""
    if not isinstance(folder, JoinedFolder):
        shards: Shards = getattr(folder, part)
        yield from shards.tables() if shards.names() else ()
        return
    for number, run in enumerate(folder.runs):
        for table in tables_beside(run, part):
            place, cells = table.column_names.index("cell"), table["cell"].to_numpy()
            yield table.set_column(place, "cell", pa.array(folder.merged.numbers(number, cells)))


def _pack(table: pa.Table, names: list[str], every: int) -> Histories:
    cells = numbers_of(table["cell"])[0]
    _, first = np.unique(cells, return_inverse=True)
    kept = first % every == 0
    none = np.zeros(int(kept.sum()), bool)
    columns = {name: pack_counts(numbers_of(table[name])[0][kept], none).as_dict() for name in ("cell", "step")}
    for name in names:
        numbers, missing = numbers_of(table[name])
        values = np.where(missing, np.nan, numbers.astype(float))
        columns[name] = pack_levels(values[kept], missing[kept]).as_dict()
    return Histories(columns, int(kept.sum()), every)
