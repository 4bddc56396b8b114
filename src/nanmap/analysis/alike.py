"""Cells of two runs side by side: which are the same training, and which of their values are the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nanmap.results.columns import CELL
from nanmap.results.folder import RunFolder
from nanmap.results.schema import Column

AT_ONCE = 10  # columns in memory


@dataclass(frozen=True)
class Pairs:
    """The cells that two runs share.

    Attributes:
        numbers: in a grid over both, int64 `[pairs]`, ascending.
        one: the row of each in the one run, in the order in which its shards are read; `other` in the other.
    """

    numbers: np.ndarray
    one: np.ndarray
    other: np.ndarray

    @classmethod
    def of(cls, one: np.ndarray, other: np.ndarray) -> "Pairs":
        """Those of two runs whose rows have these numbers."""
        return cls(*np.intersect1d(one, other, assume_unique=True, return_indices=True))


def read_columns(folder: RunFolder, names: Sequence[str]) -> pa.Table:
    """Some columns over all shards; texts as texts."""
    table = pa.concat_tables(folder.tables(list(names)), promote_options="permissive")
    texts = [pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]
    return table.cast(pa.schema(texts))


def read_cells(folder: RunFolder) -> np.ndarray:
    """The numbers of the cells that have a row, int64 `[rows]`, in the order in which the shards are read."""
    return read_columns(folder, [CELL.name])[CELL.name].to_numpy()


def side_by_side(
    one: RunFolder, other: RunFolder, pairs: Pairs, columns: Sequence[Column]
) -> Iterator[tuple[Column, pa.ChunkedArray, pa.ChunkedArray, np.ndarray]]:
    """Of each column the values of the pairs in the one run and in the other, and where they are the same `[pairs]`."""
    for start in range(0, len(columns), AT_ONCE):
        some = columns[start : start + AT_ONCE]
        names = [column.name for column in some]
        tables = [read_columns(one, names).take(pairs.one), read_columns(other, names).take(pairs.other)]
        for column in some:
            a, b = (table[column.name] for table in tables)
            yield column, a, b, same_values(a, b)


def same_values(one: pa.ChunkedArray, other: pa.ChunkedArray) -> np.ndarray:
    """Where two columns hold the same to the last bit, `[rows]`: NaN equals NaN, null equals null alone, 0 is not −0.

    >>> some = pa.chunked_array([pa.array([1.0, float("nan"), None, None, 0.0], from_pandas=False)])
    >>> others = pa.chunked_array([pa.array([1.0, float("nan"), None, float("nan"), -0.0], from_pandas=False)])
    >>> same_values(some, others).tolist()
    [True, True, True, False, False]
    """
    null, null_too = (each.is_null().to_numpy() for each in (one, other))
    if pa.types.is_floating(one.type):
        a, b = (each.to_numpy() for each in (one, other))  # a null becomes a NaN, which the masks tell apart
        equal = ((a == b) & (np.signbit(a) == np.signbit(b))) | (np.isnan(a) & np.isnan(b))
    else:
        import pyarrow.compute as pc

        equal = pc.fill_null(pc.equal(one, other), False).to_numpy()
    return np.where(null | null_too, null & null_too, equal)
