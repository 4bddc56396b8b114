"""Some rows of very large data, drawn once and in their order: of files without holding all of them, of arrays in memory."""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanmap.config import DataSettings
from nanmap.data.foreign import Part
from nanmap.data.given import GivenArrays, give, hold
from nanmap.data.parquet import has_lists
from nanmap.data.tables import refuse_twice
from nanmap.npz import read_npz

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 2**24  # bytes that are read at a time
SEED = 0


class Sample(NamedTuple):
    """Rows that were drawn, of how many."""

    given: GivenArrays
    rows: int
    total: int


def sample_of(data: DataSettings, given: GivenArrays | None, most_rows: int, most_values: int) -> Sample | None:
    """So many rows of data that have more, and more values than so many; None of smaller data, and of what cannot be read so.

    Args:
        data: where the rows are.
        given: arrays in their place, or None.
        most_rows: rows that are few enough, however long they are.
        most_values: rows times columns that are few enough, however many rows.
    """
    if given is not None:
        return _of_arrays(given, most_rows, most_values)
    path = Path(data.path or "")
    if data.kind == "npz" and path.is_file():
        return _of_npz(path, most_rows, most_values)
    if data.kind not in ("csv", "parquet") or not path.is_file() or data.target is None:
        return None
    if data.kind == "parquet" and has_lists(path):
        return None  # how many values a row has, only its lists tell
    total, columns = _size(path, data.kind)
    kept = _kept(total, columns, most_rows, most_values)
    if kept is None:
        return None
    try:
        frame = _some_lines(path, kept) if data.kind == "csv" else _some_of_parquet(path, kept)
    except (ValueError, OSError):  # what is wrong with it is told where whole files are read
        return None
    if data.target not in frame.columns:
        return None  # it is told where whole files are read
    drawn = give(frame, data.target)
    return None if drawn is None else Sample(drawn, len(kept), total)


def _kept(total: int, columns: int, most_rows: int, most_values: int) -> np.ndarray | None:
    """The numbers of the rows that are drawn, rising; None if all are few enough."""
    if total <= most_rows or total * columns <= most_values:
        return None
    rows = min(most_rows, max(1, most_values // columns))
    return np.sort(np.random.default_rng(SEED).choice(total, rows, replace=False))


def _of_npz(path: Path, most_rows: int, most_values: int) -> Sample | None:
    try:
        found = read_npz(path, ("x", "y"))
    except OSError:  # it is told where whole files are read
        return None
    x, y = found.get("x"), found.get("y")
    if x is None or y is None or x.ndim == 0 or len(x) != len(y[..., None]):
        return None  # so is that
    kept = _kept(len(x), max(1, x[:1].size), most_rows, most_values)
    drawn = None if kept is None else give(x[kept], y[kept])
    return None if kept is None or drawn is None else Sample(drawn, len(kept), len(x))


def _of_arrays(given: GivenArrays, most_rows: int, most_values: int) -> Sample | None:
    inputs, targets = given.inputs, given.targets
    total = len(inputs[0].values) if isinstance(inputs, tuple) else len(inputs)
    columns = len(inputs) if isinstance(inputs, tuple) else int(np.prod(inputs.shape[1:], dtype=np.int64))
    kept = _kept(total, max(columns, 1), most_rows, most_values)
    if kept is None:
        return None
    return Sample(hold(GivenArrays(_taken(inputs, kept), _taken(targets, kept))), len(kept), total)


def _taken(part: Part, kept: np.ndarray) -> Part:
    if isinstance(part, tuple):
        return tuple(column._replace(values=column.values[kept]) for column in part)
    return part[kept]


def _size(path: Path, kind: str) -> tuple[int, int]:
    """Rows and columns. Of a CSV file its lines are counted: a value that holds a line break counts as a row more."""
    if kind == "parquet":
        import pyarrow.parquet as pq

        told = pq.read_metadata(path)
        return told.num_rows, told.num_columns
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            lines, last = lines + block.count(b"\n"), block[-1:]
    lines += last != b"\n"  # the last line may end with the file
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        names = next(csv.reader(text), [])
    return lines - 1, max(len(names), 1)


def _some_lines(path: Path, kept: np.ndarray) -> "pd.DataFrame":
    """A frame of some lines of a CSV file behind its header."""
    import pandas as pd

    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        header = file.readline()
        refuse_twice(path, next(csv.reader([header], skipinitialspace=True), []))
        text = header + "".join(_picked(file, kept))
    return pd.read_csv(io.StringIO(text), low_memory=False, skipinitialspace=True, index_col=False)


def _picked(lines: Iterator[str], kept: np.ndarray) -> Iterator[str]:
    before = -1
    for place in kept.tolist():
        yield next(islice(lines, place - before - 1, None), "")
        before = place


def _some_of_parquet(path: Path, kept: np.ndarray) -> "pd.DataFrame":
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts, start = [], 0
    for batch in pq.ParquetFile(path).iter_batches():
        mine = kept[(kept >= start) & (kept < start + len(batch))] - start
        parts.append(pa.Table.from_batches([batch]).take(pa.array(mine)))
        start += len(batch)
    return pa.concat_tables(parts).to_pandas()
