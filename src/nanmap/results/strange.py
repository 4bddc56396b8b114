"""Rows that nanmap cannot have written: told before they are drawn or counted. Whoever hands a run folder over may have put anything there."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from nanmap.results.arrays import numbers_of
from nanmap.results.columns import CELL, COLUMNS
from nanmap.results.schema import TEXT

IS_OF: dict[pa.DataType, Callable[[pa.DataType], bool]] = {
    pa.float64(): lambda kind: kind in (pa.float64(), pa.float32()),
    pa.int64(): lambda kind: kind in (pa.int64(), pa.int32()),
    pa.int32(): lambda kind: kind in (pa.int64(), pa.int32()),
    pa.bool_(): pa.types.is_boolean,
    TEXT: lambda kind: pa.types.is_string(kind.value_type if pa.types.is_dictionary(kind) else kind),
}


def strange_columns(schema: pa.Schema, of_cells: bool) -> str | None:
    """What is wrong with the columns of a shard, as a clause; None where nothing is.

    Args:
        schema: of the file.
        of_cells: whether its rows are trainings, whose columns are known.
    """
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        return f"has two columns `{twice[0]}`"
    if not of_cells:
        return None
    if CELL.name not in schema.names:
        return f"has no column `{CELL.name}`"
    for column in (CELL, *COLUMNS):
        if column.name in schema.names and not IS_OF[column.type](schema.field(column.name).type):
            return f"has other values in `{column.name}` than nanmap writes there"
    return None


def strange_rows(table: pa.Table, after: int = -1, once: bool = True) -> str | None:
    """What is wrong with what every row has: a cell, in ascending order, and a text in columns of texts, be it empty.

    Args:
        table: rows of a shard, some of their columns.
        after: the last cell of the shards before.
        once: whether a cell has one row; a history has several.
    """
    for column in (CELL, *COLUMNS):
        must = column is CELL or column.type == TEXT
        if must and column.name in table.column_names and table[column.name].null_count:
            return f"has rows without `{column.name}`"
    steps = np.diff(numbers_of(table[CELL.name])[0], prepend=after) if CELL.name in table.column_names else np.ones(1)
    if (steps[:1] <= 0).any() or (steps[1:] < once).any():
        return "has cells that do not ascend from 0"
    return None
