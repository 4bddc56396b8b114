"""Columns whose values are lists, of any depth, as one array: each row has to have the shape of the first, and no gap."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nanmap.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

EVEN = "rows of one shape: cut them or fill them up before"
FILLED = "leave the row out, or write NaN, of which data.missing says what becomes"


def stacked(key: str, name: str, given: Any, as_array: Callable[[], np.ndarray]) -> np.ndarray | None:
    """The numbers of a column of lists, `[n, …]`; None of any other column.

    Args:
        key: `x`, `y` or a setting, for messages.
        name: of the column.
        given: of Arrow, Polars, pandas or NumPy.
        as_array: it as NumPy has it.

    Raises:
        InputError: a row is of another shape than the first, holds a gap, or something else than numbers.

    >>> import numpy as np, pandas as pd
    >>> images = pd.Series([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    >>> stacked("x", "image", images, images.to_numpy).shape
    (2, 2, 2)
    """
    arrow = _as_arrow(given)
    if arrow is None:
        found = _of_cells(key, name, as_array())
    else:
        found = _of_arrow(key, name, arrow) if is_nested(arrow.type) else None
    if found is not None and len(found) and 0 in found.shape[1:]:
        raise _unusable(key, name, "holds empty lists", "leave it out")
    if found is not None and found.dtype.kind not in "iufb":
        raise _unusable(key, name, f"holds lists of {found.dtype}", "lists of numbers can be trained on")
    return found


def is_nested(kind: "pa.DataType") -> bool:
    """Whether a type of Arrow's is one of lists."""
    import pyarrow as pa

    tests = pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list
    return isinstance(kind, pa.FixedShapeTensorType) or any(test(kind) for test in tests)


def _as_arrow(given: Any) -> "pa.Array | None":
    """The column in one piece, if Arrow has it or Polars has it as lists."""
    if str(getattr(given, "dtype", "")).startswith(("List", "Array(")) and hasattr(given, "to_arrow"):
        given = given.to_arrow()
    if not type(given).__module__.startswith("pyarrow."):
        return None
    return given.combine_chunks() if hasattr(given, "combine_chunks") else given


def _of_arrow(key: str, name: str, column: "pa.Array") -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column.type, pa.FixedShapeTensorType):
        return _of_tensors(_of_arrow(key, name, column.storage), column.type)
    shape, per_row = [len(column)], 1
    while is_nested(column.type):
        _refuse_gap(key, name, column.is_null(), per_row)
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        other = np.flatnonzero(lengths != lengths[:1])
        if len(other):
            raise _ragged(key, name, other[0] // per_row, lengths[other[0]], lengths[0])
        shape.append(int(lengths[0]) if len(lengths) else 0)
        per_row *= shape[-1]
        column = column.flatten()
    if 0 in shape[1:]:
        return np.empty(shape)
    _refuse_gap(key, name, column.is_null(), per_row)
    if not (pa.types.is_primitive(column.type) and not pa.types.is_temporal(column.type)):
        raise _unusable(key, name, f"holds lists of {column.type}", "lists of numbers can be trained on")
    return column.to_numpy(zero_copy_only=False).reshape(shape)


def _of_tensors(flat: np.ndarray, kind: "pa.FixedShapeTensorType") -> np.ndarray:
    """Tensors whose axes are those of their numbers in the order of `permutation`, as Arrow's format says: pyarrow's own way back refuses some."""
    axes = kind.permutation or range(len(kind.shape))
    return flat.reshape(-1, *kind.shape).transpose(0, *(axis + 1 for axis in axes))


def _refuse_gap(key: str, name: str, missing: "pa.BooleanArray", per_row: int) -> None:
    gaps = np.flatnonzero(missing.to_numpy(zero_copy_only=False))
    if len(gaps):
        raise _gap(key, name, gaps[0] // max(per_row, 1))


def _of_cells(key: str, name: str, values: np.ndarray) -> np.ndarray | None:
    """Of an array of objects, each of them a list or an array."""
    if values.ndim > 1:
        return values
    first = next((each for each in values if not _is_gap(each)), None) if values.dtype.kind == "O" else None
    if not isinstance(first, list | tuple) and not (isinstance(first, np.ndarray) and first.ndim):
        return None
    rows = [_row(key, name, number, cell) for number, cell in enumerate(values)]
    for number, row in enumerate(rows):
        if row.shape != rows[0].shape:
            raise _ragged(key, name, number, list(row.shape), list(rows[0].shape))
    return np.stack(rows)


def _row(key: str, name: str, number: int, cell: Any) -> np.ndarray:
    if _is_gap(cell):
        raise _gap(key, name, number)
    try:
        row = np.asarray(_plain(cell))
    except (ValueError, RecursionError):  # lists of several lengths within each other, or one within itself
        raise _unusable(key, name, f"holds lists of several lengths in row {number} (the first is 0)", EVEN) from None
    if row.dtype.kind == "O":
        raise _gap(key, name, number)
    return row


def _plain(cell: Any) -> Any:
    """Lists in place of arrays of arrays, which pandas makes of lists in lists."""
    nested = isinstance(cell, list | tuple) or (isinstance(cell, np.ndarray) and cell.dtype.kind == "O" and cell.ndim)
    return [_plain(each) for each in cell] if nested else cell


def _is_gap(cell: Any) -> bool:
    return cell is None or type(cell).__name__ == "NAType" or (isinstance(cell, float) and np.isnan(cell))


def _gap(key: str, name: str, row: int) -> InputError:
    return _unusable(key, name, f"has a gap in row {row} (the first is 0)", FILLED)


def _ragged(key: str, name: str, row: int, found: Any, first: Any) -> InputError:
    problem = f"holds lists of several lengths: {found} in row {row} (the first is 0), {first} before"
    return _unusable(key, name, problem, EVEN)


def _unusable(key: str, name: str, problem: str, mend: str) -> InputError:
    return InputError(f"column `{name}` {problem}", key=key, mend=mend)
