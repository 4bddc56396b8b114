"""CSV, Parquet and npz files as numeric arrays, faults named with their column and line."""

import csv
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanmap.config import DataSettings
from nanmap.data.encoding import Source, encode, encode_classes
from nanmap.data.missing import refuse_mean_label, refuse_missing
from nanmap.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


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
        input_form, target_form: how the numbers of a row lay in the file; None where each row is a list of numbers.
    """

    inputs: np.ndarray
    targets: np.ndarray
    report: list[str]
    features: tuple[str, ...]
    classes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    input_form: RowForm | None = None
    target_form: RowForm | None = None


def read_arrays(data: DataSettings, always_one_hot: bool, any_rank: bool = False) -> Arrays:
    """Arrays `x` `[n, features]` and `y` `[n]` or `[n, outputs]` of an npz file, with `any_rank` of more axes than that.

    With `data.target_kind = "class"` a single column of `y` holds labels; several hold a share of each class.

    Raises:
        InputError: the file or an array is missing, or they do not fit together.
    """
    path = _existing(data)
    try:
        with np.load(path, allow_pickle=False) as file:
            whole = file["x"].dtype.kind in "iub"
            x, y = np.asarray(file["x"], float), file["y"]
    except KeyError:
        raise InputError(
            "needs the arrays `x` and `y`", file=path, mend="np.savez(path, x=inputs, y=targets)"
        ) from None
    except (ValueError, OSError, EOFError) as error:
        problem = f": {error}" if zipfile.is_zipfile(path) else ""
        mend = "np.savez(path, x=inputs, y=targets)"
        raise InputError(f"is no readable npz file{problem}", file=path, mend=mend) from None
    input_form, target_form = None, None
    if any_rank and x.ndim and y.ndim and x.size and y.size:
        input_form = RowForm(x.shape[1:], whole and data.scale_inputs == "none")
        target_form = RowForm(
            y.shape[1:], y.dtype.kind in "iub" and (data.target_kind, data.scale_targets) == ("number", "none")
        )
        x, y = x.reshape(len(x), -1), y.reshape(len(y), -1)
    if not (x.ndim == 2 and y.ndim in (1, 2) and len(x) == len(y)):
        raise InputError(
            f"`x` {x.shape} and `y` {y.shape} do not fit together",
            file=path,
            allowed="x [n, …], y [n] or [n, …]" if any_rank else "x [n, features], y [n] or [n, outputs]",
            mend=None if any_rank or x.ndim < 3 else "x.reshape(len(x), -1); networks of your own take any rank",
        )
    y = y.reshape(len(y), -1)
    features = tuple(f"x[{index}]" for index in range(x.shape[1]))
    refuse_missing(data, bool(np.isnan(x).any()), "x")
    if data.missing != "keep" and np.isinf(x).any():
        raise InputError("`x` holds an infinity", file=path, mend="remove the row or repair the value")
    if data.target_kind == "class" and y.shape[1] == 1:
        import pandas as pd

        targets, classes = encode_classes(data, pd.Series(y[:, 0], name="y"), always_one_hot)
        return Arrays(x, targets.values, [f"target {targets.said}"], features, classes, (), input_form)
    if y.dtype.kind not in "iufb":
        raise InputError("`y` holds no numbers", file=path, mend='data.target_kind = "class" predicts labels')
    y = y.astype(float)
    refuse_missing(data, bool(np.isnan(y).any()), "y")
    refuse_mean_label(data, "y", np.isnan(y))
    if data.missing != "keep" and np.isinf(y).any():
        raise InputError("`y` holds an infinity", file=path, mend="remove the row or repair the value")
    classes = tuple(f"y[{index}]" for index in range(y.shape[1])) if data.target_kind == "class" else ()
    return Arrays(x, y, [], features, classes, (), input_form, target_form)


def read_table(data: DataSettings, always_one_hot: bool) -> Arrays:
    """Inputs, targets and a report of what was done to each column of a CSV or Parquet file.

    Args:
        data: the settings; `kind` is `csv` or `parquet`.
        always_one_hot: whether class targets become one column per class even if there are two.

    Raises:
        InputError: naming the column, the line and the value that cannot be trained on.
    """
    table = _frame(data)
    target = data.target or ""
    every = [name for name in table.columns if name != target]
    names = every if data.columns is None else list(data.columns)
    for name in (target, *names):
        if name not in table.columns:
            known = list(map(str, table.columns))
            raise InputError(
                "no such column",
                file=data.path,
                key="data.target" if name == target else "data.columns",
                value=name,
                allowed=known,
                mend=did_you_mean(name, known),
            )
    if not names:
        raise InputError("has no input column beside the target", file=data.path, key="data.columns")
    columns = [encode(data, table[name], onehot=data.categorical == "onehot") for name in names]
    classes: tuple[str, ...] = ()
    if data.target_kind == "class":
        targets, classes = encode_classes(data, table[target], always_one_hot)
    else:
        targets = encode(data, table[target], onehot=False, target=True)
    features = tuple(name for column in columns for name in column.names)
    report = [*(column.said for column in columns), f"target {targets.said}"]
    inputs = np.hstack([column.values for column in columns])
    return Arrays(inputs, targets.values, report, features, classes, tuple(column.source for column in columns))


def _existing(data: DataSettings) -> Path:
    path = Path(data.path or "")
    if path.is_dir():
        raise InputError("is a folder; a file is expected", file=path, key="data.path")
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
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut
            table = _read_csv(path) if data.kind == "csv" else pd.read_parquet(path)
    except UnicodeDecodeError:
        raise InputError("is not written in UTF-8", file=path, mend="save it as UTF-8 (in Excel: CSV UTF-8)") from None
    except (ValueError, OSError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        if data.kind == "csv":
            _refuse_long_rows(path)
        problem = re.sub(r"^Could not open .* input source '.*?': ", "", str(error).strip())
        raise InputError(f"cannot be read as {data.kind}: {problem}", file=path) from None
    names = _header(path) if data.kind == "csv" else list(map(str, table.columns))
    twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twice is not None:
        raise InputError(f"two columns are called {twice}", file=path, mend="rename one of them, or remove it")
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


def _header(path: Path) -> list[str]:
    return next((values for _, values in _lines(path)), [])


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The values of each row that is not blank, with the number of the line in which it ends."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file, skipinitialspace=True)
        yield from ((reader.line_num, values) for values in reader if values)


def _read_csv(path: Path) -> "pd.DataFrame":
    import pandas as pd

    # index_col=False: with a row longer than the header pandas would take the first column for row names.
    return pd.read_csv(path, low_memory=False, skipinitialspace=True, index_col=False)
