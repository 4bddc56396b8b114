"""Columns of a table as arrays of NumPy, and back.

Arrow's own conversion loads pandas first, which takes longer than reading the columns of a map.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def numbers_of(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers `[rows]` of a column, truths as 0 and 1, and which are missing; a missing one's number says nothing.

    >>> numbers, missing = numbers_of(pa.chunked_array([[3, None], [5]]))
    >>> numbers[~missing].tolist(), missing.tolist()
    ([3, 5], [False, True, False])
    """
    array = column.combine_chunks()
    missing = _bits(array, 0) == 0 if array.null_count else np.zeros(len(array), bool)
    return _stored(array), missing


def floats_of(column: pa.ChunkedArray) -> np.ndarray:
    """The numbers `[rows]` in float64; a missing one is NaN.

    >>> floats_of(pa.chunked_array([[3, None], [5]])).tolist()
    [3.0, nan, 5.0]
    """
    numbers, missing = numbers_of(column)
    return np.where(missing, np.nan, numbers.astype(float))


def names_of(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Of a column of texts the place of each row's `[rows]` among the different ones, and those.

    >>> places, names = names_of(pa.chunked_array([["nan", "inf"], ["nan"]]))
    >>> places.tolist(), names
    ([0, 1, 0], ['nan', 'inf'])
    """
    array = column.combine_chunks()
    array = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    return _stored(array.indices), array.dictionary.to_pylist()


def array_of(values: np.ndarray, type: pa.DataType, missing: np.ndarray) -> pa.Array:
    """Numbers or truths `[rows]` as a column of a type; null where they are missing, whatever stands there.

    >>> array_of(np.array([3.0, np.nan, 5.0]), pa.float64(), np.array([False, False, True])).to_pylist()
    [3.0, nan, None]
    """
    truths = pa.types.is_boolean(type)
    dtype = np.dtype(bool) if truths else _dtype(type)
    if not np.can_cast(values.dtype, dtype):  # each number has to be looked at
        return pa.array(values, type, mask=missing, from_pandas=False)
    there = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    stored = np.ascontiguousarray(values, dtype)
    stored = np.packbits(stored, bitorder="little") if truths else stored
    return pa.Array.from_buffers(type, len(values), [there, pa.py_buffer(stored)])


def texts_as_array(texts: Sequence[str]) -> pa.Array:
    """Texts as a column of strings.

    >>> texts_as_array(["λ", "", "nan"]).to_pylist()
    ['λ', '', 'nan']
    """
    parts = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, parts)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(parts), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(parts))])


def _stored(array: pa.Array) -> np.ndarray:
    """The numbers as they lie in memory, under missing ones whatever is there."""
    if pa.types.is_boolean(array.type):
        return _bits(array, 1)
    dtype = _dtype(array.type)
    if not len(array):
        return np.zeros(0, dtype)
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)


def _dtype(type: pa.DataType) -> np.dtype:
    return np.dtype(f"{'f' if pa.types.is_floating(type) else 'i'}{type.bit_width // 8}")


def _bits(array: pa.Array, buffer: int) -> np.ndarray:
    """A bit per row, 0 or 1: which are there in the first buffer, truths in the second."""
    if not len(array):
        return np.zeros(0, np.uint8)
    packed = np.frombuffer(array.buffers()[buffer], np.uint8)
    return np.unpackbits(packed, bitorder="little")[array.offset :][: len(array)]
