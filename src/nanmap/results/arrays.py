"""Columns of a table as arrays of NumPy. Arrow's own conversion loads pandas, which takes longer than reading a map's."""

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


def _stored(array: pa.Array) -> np.ndarray:
    """The numbers as they lie in memory, under missing ones whatever is there."""
    if pa.types.is_boolean(array.type):
        return _bits(array, 1)
    dtype = np.dtype(f"{'f' if pa.types.is_floating(array.type) else 'i'}{array.type.bit_width // 8}")
    if not len(array):
        return np.zeros(0, dtype)
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)


def _bits(array: pa.Array, buffer: int) -> np.ndarray:
    """A bit per row, 0 or 1: which are there in the first buffer, truths in the second."""
    if not len(array):
        return np.zeros(0, np.uint8)
    packed = np.frombuffer(array.buffers()[buffer], np.uint8)
    return np.unpackbits(packed, bitorder="little")[array.offset :][: len(array)]
