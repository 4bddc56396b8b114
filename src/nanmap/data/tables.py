"""CSV, Parquet and npz files as numeric arrays, faults named with their column and line."""

import csv
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanmap.config import DataSettings
from nanmap.data.encoding import Encoded, Source, encode, encode_classes, refuse_infinity
from nanmap.data.foreign import Column, Part
from nanmap.data.given import GivenArrays
from nanmap.data.missing import refuse_gaps, refuse_mean_label, refuse_missing
from nanmap.data.parquet import chosen_columns, lists_of, read_parquet
from nanmap.errors import InputError, did_you_mean
from nanmap.limits import NUMBER_BYTES, check_memory, check_regular
from nanmap.npz import read_npz

if TYPE_CHECKING:
    import pandas as pd


SAVE = "np.savez(path, x=inputs, y=targets)"
LOOKED_AT = 1 << 16  # bytes of a CSV file that say how long a value is


class RowForm(NamedTuple):
    """How the numbers of one row lie.

    Attributes:
        shape: of one row.
        whole: whether they are whole numbers.
    """

    shape: tuple[int, ...]
    whole: bool = False


class Arrays(NamedTuple):
    """Inputs and targets as numbers, before splitting and scaling.

    Attributes:
        inputs, targets: float64 `[n, features]` and `[n, outputs]`.
        report: what was done to each column.
        features: what each input is called.
        classes: what the classes are called; none for numbers.
        sources: the columns of a table that the inputs were made from; none where each is one.
        target: what the target is called, where its settings do not say it.
        input_form, target_form: how the numbers of a row lay in the file; None where each row is a list of numbers.
    """

    inputs: np.ndarray
    targets: np.ndarray
    report: list[str]
    features: tuple[str, ...]
    classes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    target: str | None = None
    input_form: RowForm | None = None
    target_form: RowForm | None = None


def read_arrays(data: DataSettings, always_one_hot: bool, any_rank: bool = False) -> Arrays:
    """Arrays `x` `[n, features]` and `y` `[n]` or `[n, outputs]` of an npz file, with `any_rank` of more axes than that.

    With `data.target_kind = "class"` a single column of `y` holds labels; several hold a share of each class.

    Raises:
        InputError: the file or an array is missing, or they do not fit together.
    """
    path = _existing(data)
    found = read_npz(path, ("x", "y"), SAVE)
    if len(found) < 2:
        raise InputError("needs the arrays `x` and `y`", file=path, mend=SAVE)
    x, y = found["x"], found["y"]
    if x.dtype.kind not in "iufb":
        raise InputError("`x` holds no numbers", file=path, mend="store numbers; a CSV file may hold categories")
    if not any_rank:
        x = x.astype(float)
    input_form, target_form = None, None
    if any_rank:
        x, input_form = _flat(x, data.scale_inputs == "none")
        y, target_form = _flat(y, data.scale_targets == "none" and data.target_kind == "number")
        x = x.astype(float)
    if not (x.ndim == 2 and y.ndim in (1, 2) and len(x) == len(y)):
        raise InputError(
            f"`x` {x.shape} and `y` {y.shape} do not fit together",
            file=path,
            allowed="x [n, …], y [n] or [n, …]" if any_rank else "x [n, features], y [n] or [n, outputs]",
            mend=None if any_rank or x.ndim < 3 else "x.reshape(len(x), -1); networks of your own take any rank",
        )
    if not x.size or not y.size:
        raise InputError(f"`x` {x.shape} or `y` {y.shape} holds no number", file=path)
    y = y.reshape(len(y), -1)
    features = tuple(f"x[{index}]" for index in range(x.shape[1]))
    refuse_missing(data, bool(np.isnan(x).any()), "x")
    if data.missing != "keep" and np.isinf(x).any():
        raise InputError("`x` holds an infinity", file=path, mend="remove the row or repair the value")
    if data.target_kind == "class" and y.shape[1] == 1:
        import pandas as pd

        targets, classes = encode_classes(data, pd.Series(y[:, 0], name="y"), always_one_hot)
        return Arrays(x, targets.values, [f"target {targets.said}"], features, classes, input_form=input_form)
    if y.dtype.kind not in "iufb":
        raise InputError("`y` holds no numbers", file=path, mend='data.target_kind = "class" predicts labels')
    y = y.astype(float)
    refuse_missing(data, bool(np.isnan(y).any()), "y")
    refuse_mean_label(data, "y", np.isnan(y))
    if data.missing != "keep" and np.isinf(y).any():
        raise InputError("`y` holds an infinity", file=path, mend="remove the row or repair the value")
    classes = tuple(f"y[{index}]" for index in range(y.shape[1])) if data.target_kind == "class" else ()
    return Arrays(x, y, [], features, classes, input_form=input_form, target_form=target_form)


def read_table(data: DataSettings, always_one_hot: bool, any_rank: bool = False) -> Arrays:
    """Inputs, targets and a report of what was done to each column of a CSV or Parquet file.

    Args:
        data: the settings; `kind` is `csv` or `parquet`.
        always_one_hot: whether class targets become one column per class even if there are two.
        any_rank: take lists of any depth, and say how they lie.

    Raises:
        InputError: naming the column, the line and the value that cannot be trained on.
    """
    if data.kind == "parquet" and (lists := lists_of(data, _existing(data))):
        return _encode_lists(data, lists, always_one_hot, any_rank)
    table = _frame(data)
    target = data.target or ""
    names = chosen_columns(data, list(map(str, table.columns)))
    _refuse_unknown(data, names)
    columns = _encoded(data, [table[name] for name in names])
    classes: tuple[str, ...] = ()
    if data.target_kind == "class":
        targets, classes = encode_classes(data, table[target], always_one_hot)
    else:
        targets = encode(data, table[target], onehot=False, target=True)
    report = [*(column.said for column in columns), f"target {targets.said}"]
    return Arrays(*_side_by_side(columns, targets.values, report), classes, tuple(each.source for each in columns))


def _encode_lists(data: DataSettings, given: GivenArrays, always_one_hot: bool, any_rank: bool) -> Arrays:
    """Of a file some of whose columns hold lists: they were chosen when it was read, and are known by the target's and their own name."""
    for part in (given.inputs, given.targets):
        if isinstance(part, np.ndarray) and part.ndim > 2 and not any_rank:
            mend = "lists of numbers in place of lists of lists; networks of your own take any rank"
            raise InputError(f"holds lists in lists, of the shape {list(part.shape[1:])}", file=data.path, mend=mend)
    try:
        found = encode_given(data.model_copy(update={"columns": None}), given, always_one_hot, any_rank)
    except InputError as error:
        raise error.within(data.path or "") from None
    return found._replace(target=data.target)


def _flat(array: np.ndarray, unscaled: bool) -> tuple[np.ndarray, RowForm | None]:
    """An array of any rank as `[n, columns]`, and how its rows lay. What is scaled is not whole any more."""
    if not array.size or not array.ndim:
        return array, None
    return array.reshape(len(array), -1), RowForm(array.shape[1:], array.dtype.kind in "iub" and unscaled)


def with_classes_last(arrays: Arrays, class_axis: int) -> Arrays:
    """Shares of classes `[n, classes, …]` with the classes on their last axis; labels, whole numbers, stay as they are."""
    form = arrays.target_form
    if class_axis != 1 or form is None or form.whole or len(form.shape) < 2:
        return arrays
    moved = np.moveaxis(arrays.targets.reshape(-1, *form.shape), 1, -1)
    return arrays._replace(
        targets=moved.reshape(arrays.targets.shape), target_form=form._replace(shape=moved.shape[1:])
    )


def encode_given(data: DataSettings, given: GivenArrays, always_one_hot: bool, any_rank: bool = False) -> Arrays:
    """Inputs, targets and a report from what a program in Python gave: columns as those of a table, numbers as they are.

    Args:
        data: the settings.
        given: the arrays.
        always_one_hot: as for `read_table`.
        any_rank: take numbers of any rank, and say how they lie.

    Raises:
        InputError: naming the column, the row and the value that cannot be trained on; or shapes that no network takes.
    """
    part, input_form, target_form = given.targets, None, None
    if any_rank and isinstance(part, np.ndarray):
        part, target_form = _flat(part, data.scale_targets == "none" and data.target_kind == "number")
        target_form = None if data.target_kind == "class" and part.shape[1] == 1 else target_form  # it is encoded
    targets, classes, said, target = _given_targets(data, part, always_one_hot)
    named = given.inputs if isinstance(given.inputs, tuple) else _named(given.inputs) if data.categories else None
    if named is not None:
        _refuse_unknown(data, [column.name for column in named])
        columns = _encoded(data, [column.series() for column in _chosen(data, named)])
        report = [*(column.said for column in columns), *said]
        sources = tuple(column.source for column in columns)
        return Arrays(*_side_by_side(columns, targets, report), classes, sources, target, None, target_form)
    assert isinstance(given.inputs, np.ndarray)
    inputs = given.inputs
    if any_rank and data.columns is None:
        inputs, input_form = _flat(inputs, data.scale_inputs == "none")
    inputs, names = _matrix("x", inputs)
    kept = _picked(data, names)
    # In one order, whatever order theirs was: sums over them are the same to the last bit.
    inputs, features = np.ascontiguousarray(inputs[:, kept]), tuple(names[place] for place in kept)
    _check_numbers(data, inputs, features)
    return Arrays(inputs, targets, said, features, classes, (), target, input_form, target_form)


def _named(inputs: np.ndarray) -> tuple[Column, ...]:
    """The columns of numbers under the names that they go by."""
    values, names = _matrix("x", inputs)
    return tuple(Column(name, "number", np.ascontiguousarray(each)) for name, each in zip(names, values.T, strict=True))


def _refuse_unknown(data: DataSettings, names: list[str]) -> None:
    """Refuses categories that are no input column."""
    for name in data.categories:
        if name not in names:
            mend = did_you_mean(name, names)
            raise InputError(
                "no such input column", file=data.path, key="data.categories", value=name, allowed=names, mend=mend
            )


def _given_targets(
    data: DataSettings, part: Part, always_one_hot: bool
) -> tuple[np.ndarray, tuple[str, ...], list[str], str]:
    """Targets, their classes, what was done to them, and what they are called."""
    if len(part) == 1 if isinstance(part, tuple) else part.ndim == 1 or part.shape[1:] == (1,):
        column = part[0] if isinstance(part, tuple) else Column("y", "number", part.reshape(-1))
        if data.target_kind == "class":
            encoded, classes = encode_classes(data, column.series(), always_one_hot)
        else:
            encoded, classes = encode(data, column.series(), onehot=False, target=True), ()
        return encoded.values, classes, [f"target {encoded.said}"], column.name
    if isinstance(part, tuple):
        each = [encode(data, column.series(), onehot=False, target=True) for column in part]
        values, names = np.hstack([column.values for column in each]), tuple(column.name for column in part)
    else:
        values, names = _matrix("y", np.ascontiguousarray(part))
        _check_numbers(data, values, names, targets=True)
    return values, names if data.target_kind == "class" else (), [], "y"


def _matrix(key: str, array: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers with a column per feature, and what the columns are called."""
    if array.ndim > 2:
        allowed = "x [n] or [n, columns]; y [n] or [n, outputs]"
        mend = f"{key}={key}.reshape(len({key}), -1)"
        raise InputError("has too many dimensions", key=key, value=array.shape, allowed=allowed, mend=mend)
    if array.ndim == 1:
        return array[:, None], (key,)
    if not array.shape[1]:
        raise InputError("has no columns", key=key, value=array.shape)
    return array, tuple(f"{key}[{index}]" for index in range(array.shape[1]))


def _check_numbers(data: DataSettings, values: np.ndarray, names: tuple[str, ...], targets: bool = False) -> None:
    """Refuses gaps and infinities by their column and row."""
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return
    for place in np.flatnonzero(~np.isfinite(values).all(axis=0)):
        refuse_gaps(data, names[place], np.isnan(values[:, place]), targets)
        refuse_infinity(data, names[place], values[:, place])


def _chosen(data: DataSettings, columns: tuple[Column, ...]) -> list[Column]:
    return [columns[place] for place in _picked(data, tuple(column.name for column in columns))]


def _picked(data: DataSettings, names: tuple[str, ...]) -> list[int]:
    """The places of the columns that the settings choose."""
    wanted = names if data.columns is None else data.columns
    for name in wanted:
        if name not in names:
            mend = did_you_mean(name, names)
            raise InputError("no such column", key="data.columns", value=name, allowed=names, mend=mend)
    if not wanted:
        raise InputError("names no input column", key="data.columns", allowed=names)
    return [names.index(name) for name in wanted]


def _encoded(data: DataSettings, columns: "Iterable[pd.Series]") -> list[Encoded]:
    return [encode(data, column, onehot=data.categorical == "onehot") for column in columns]


def _side_by_side(
    columns: list[Encoded], targets: np.ndarray, report: list[str]
) -> tuple[np.ndarray, np.ndarray, list[str], tuple[str, ...]]:
    """The first fields of `Arrays`: all columns in one array, and the name of each."""
    inputs = np.hstack([column.values for column in columns])
    return inputs, targets, report, tuple(name for column in columns for name in column.names)


def _existing(data: DataSettings) -> Path:
    path = Path(data.path or "")
    if path.is_dir():
        raise InputError("is a folder; a file is expected", file=path, key="data.path")
    if path.exists():
        check_regular(path, key="data.path")
    if not path.is_file():
        near = did_you_mean(path.name, [other.name for other in path.parent.glob("*")])
        raise InputError("no such file", file=path, key="data.path", mend=near)
    return path


def _frame(data: DataSettings) -> "pd.DataFrame":
    import pandas as pd

    path = _existing(data)
    if data.kind == "csv":
        _refuse_separators(path)
    try:
        table = _read_csv(path) if data.kind == "csv" else read_parquet(path)
    except InputError:
        raise
    except UnicodeDecodeError:
        raise InputError("is not written in UTF-8", file=path, mend="save it as UTF-8 (in Excel: CSV UTF-8)") from None
    except (ValueError, OSError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        if data.kind == "csv":
            _refuse_long_rows(path)
        problem = re.sub(r"^Could not open .* input source '.*?': ", "", str(error).strip())
        mend = "write the file anew; if it is of another kind, say so by data.kind"
        raise InputError(f"cannot be read as {data.kind}: {problem}", file=path, mend=mend) from None
    refuse_twice(path, _header(path) if data.kind == "csv" else list(map(str, table.columns)))
    if table.empty:
        raise InputError("holds no rows", file=path)
    return table


def _refuse_separators(path: Path) -> None:
    with path.open(encoding="utf-8", errors="replace") as file:
        header = file.readline()
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if mark in header and "," not in header:
            raise InputError(
                f"separates its columns by {name}", file=path, mend="save it with commas, and with points in numbers"
            )


def _refuse_long_rows(path: Path) -> None:
    """Names the first row that is longer than the header."""
    width = 0
    for line, values in _lines(path):
        width = width or len(values)
        if len(values) > width:
            raise InputError(
                f"line {line} has {len(values)} values, the header {width}",
                file=path,
                mend='put a value that holds a comma in quotes ("1,5"), or name every column in the header',
            )


def refuse_twice(path: Path, names: list[str]) -> None:
    """Raises InputError if two columns have one name."""
    twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twice is not None:
        raise InputError(f"two columns are called {twice}", file=path, mend="rename one of them, or remove it")


def _header(path: Path) -> list[str]:
    return next((values for _, values in _lines(path)), [])


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The values of each row that is not blank, with the number of the line in which it ends."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file, skipinitialspace=True)
        try:
            yield from ((reader.line_num, values) for values in reader if values)
        except csv.Error as error:
            mend = "quotes that are never closed make one value of many lines"
            raise InputError(f"line {reader.line_num} cannot be read: {error}", file=path, mend=mend) from None


def _read_csv(path: Path) -> "pd.DataFrame":
    import pandas as pd

    check_memory(_csv_bytes(path), "its rows", file=path, key="data.path")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut
        # index_col=False: with a row longer than the header pandas would take the first column for row names.
        return pd.read_csv(path, low_memory=False, skipinitialspace=True, index_col=False)


def _csv_bytes(path: Path) -> int:
    """What the rows of a CSV file take, about: as many values to a byte as it begins with."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(LOOKED_AT)
    values = head.count(b",") + head.count(b"\n") + 1
    return size + size * values // max(1, len(head)) * NUMBER_BYTES
