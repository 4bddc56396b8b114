"""Cells of two runs side by side: which are the same training, and which of their values are the same."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nanmap.results.folder import RunFolder


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


def read_column(folder: RunFolder, name: str) -> pa.ChunkedArray:
    """A column over all shards; texts as texts."""
    chunks = [chunk for table in folder.tables([name]) for chunk in table[name].chunks]
    plain = [chunk.dictionary_decode() if pa.types.is_dictionary(chunk.type) else chunk for chunk in chunks]
    return pa.chunked_array(plain)


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
        equal = pc.fill_null(pc.equal(one, other), False).to_numpy()
    return np.where(null | null_too, null & null_too, equal)
