"""Parquet files: asked first how much they say they are, read as a table, or as arrays where columns hold lists."""

from pathlib import Path
from typing import TYPE_CHECKING

from nanmap.config import DataSettings
from nanmap.data.given import GivenArrays, give
from nanmap.data.nested import is_nested
from nanmap.errors import InputError, did_you_mean
from nanmap.limits import NAME_BYTES, NUMBER_BYTES, check_memory

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq


def read_parquet(path: Path) -> "pd.DataFrame":
    """A table. Pages that carry a checksum are held against it.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        frame = _read(path).to_pandas()
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever Arrow holds that pandas cannot
        raise ValueError(str(error)) from None
    frame.columns = list(map(str, frame.columns))
    return frame


def lists_of(data: DataSettings, path: Path) -> GivenArrays | None:
    """The columns that the settings choose, if one of them holds lists; None of any other file.

    Raises:
        InputError: no such column, lists of several shapes or with gaps, or lists beside other inputs.
    """
    schema = _schema(path)
    if schema is None or not any(is_nested(field.type) for field in schema):
        return None
    names, target = chosen_columns(data, _columns(schema)), data.target or ""
    if not any(is_nested(schema.field(name).type) for name in (*names, target)):
        return None
    try:
        table = _read(path, [*names, target])
    except ValueError as error:
        raise InputError(f"cannot be read as parquet: {error}", file=path) from None
    try:
        return give(table, target)
    except InputError as error:
        error.key = None  # `x` and `y` are words of a program in Python
        raise error.within(path) from None


def has_lists(path: Path) -> bool:
    """Whether a file has a column of lists."""
    schema = _schema(path)
    return schema is not None and any(is_nested(field.type) for field in schema)


def chosen_columns(data: DataSettings, known: list[str]) -> list[str]:
    """The input columns that the settings choose among those that a file has.

    Raises:
        InputError: they name one that it has not, or none.
    """
    target = data.target or ""
    names = [name for name in known if name != target] if data.columns is None else list(data.columns)
    for name in (target, *names):
        if name not in known:
            key, mend = "data.target" if name == target else "data.columns", did_you_mean(name, known)
            raise InputError("no such column", file=data.path, key=key, value=name, allowed=known, mend=mend)
    if not names:
        raise InputError("has no input column beside the target", file=data.path, key="data.columns")
    return names


def _columns(schema: "pa.Schema") -> list[str]:
    """Names of the columns, without those that pandas wrote as row names."""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in schema.names if name not in index]


def _schema(path: Path) -> "pa.Schema | None":
    """None where it cannot be read: whoever reads the whole file says why."""
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path)
    except Exception:  # whatever a damaged file makes of itself
        return None


def _read(path: Path, columns: list[str] | None = None) -> "pa.Table":
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            check_memory(_bytes(file.metadata), "its rows", file=path, key="data.path")
            return file.read(columns)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # whatever a damaged file makes of itself
        raise ValueError(str(error)) from None


def _bytes(told: "pq.FileMetaData") -> int:
    """What its rows take in memory, as it says itself: few bytes may say much."""
    groups = [told.row_group(number) for number in range(told.num_row_groups)]
    unpacked = sum(group.total_byte_size for group in groups)
    values = sum(group.column(number).num_values for group in groups for number in range(told.num_columns))
    values = max(values, told.num_rows * told.num_columns)
    return values * NUMBER_BYTES + told.num_columns * NAME_BYTES + 2 * unpacked
