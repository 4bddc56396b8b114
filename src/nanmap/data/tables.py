"""CSV, Parquet and npz files as numeric arrays: text columns encoded, faults named with their column and line."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanmap.config import Data
from nanmap.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

Arrays = tuple[np.ndarray, np.ndarray, list[str]]


def read_arrays(data: Data) -> Arrays:
    """Arrays `x` `[n, features]` and `y` `[n]` or `[n, outputs]` of an npz file.

    Raises:
        InputError: the file or an array is missing, or they do not fit together.
    """
    path = _existing(data)
    try:
        with np.load(path, allow_pickle=False) as file:
            x, y = (np.asarray(file[name], float) for name in ("x", "y"))
    except KeyError:
        raise InputError(
            "needs the arrays `x` and `y`", file=path, mend="np.savez(path, x=inputs, y=targets)"
        ) from None
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"is no readable npz file: {error}", file=path) from None
    if not (x.ndim == 2 and y.ndim in (1, 2) and len(x) == len(y)):
        raise InputError(
            f"`x` {x.shape} and `y` {y.shape} do not fit together",
            file=path,
            allowed="x [n, features], y [n] or [n, outputs]",
        )
    y = y.reshape(len(y), -1)
    _refuse_missing(data, bool(np.isnan(x).any() or np.isnan(y).any()), "x or y")
    _refuse_mean_label(data, "y", np.isnan(y))
    if data.missing != "keep" and (np.isinf(x).any() or np.isinf(y).any()):
        raise InputError("holds an infinity", file=path, mend="remove the row or repair the value")
    return x, y, []


def read_table(data: Data, one_hot: bool) -> Arrays:
    """Inputs, targets and a report of what was done to each column of a CSV or Parquet file.

    Args:
        data: the settings; `kind` is `csv` or `parquet`.
        one_hot: whether class targets become one column per class even if there are two.

    Raises:
        InputError: naming the column, the line and the value that cannot be trained on.
    """
    table = _frame(data)
    target = data.target or ""
    names = list(data.columns or [name for name in table.columns if name != target])
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
        raise InputError("has no input column beside the target", file=data.path)
    parts, report = [], []
    for name in names:
        values, said = _encode(data, table[name], onehot=data.categorical == "onehot")
        parts.append(values)
        report.append(said)
    if data.target_kind == "class":
        targets, said = _classes(data, table[target], one_hot)
    else:
        targets, said = _encode(data, table[target], onehot=False, target=True)
    return np.hstack(parts), targets, [*report, f"target {said}"]


def _line(data: Data, row: int) -> int:
    """The line of a file in which a row stands, counted from 1; blank lines are no rows but are lines."""
    if data.kind != "csv":
        return row + 1
    lines = Path(data.path or "").read_text(encoding="utf-8", errors="replace").splitlines()
    return [number for number, line in enumerate(lines, 1) if line.strip()][row + 1]


def _existing(data: Data) -> Path:
    path = Path(data.path or "")
    if not path.is_file():
        near = did_you_mean(path.name, [other.name for other in path.parent.glob("*")])
        raise InputError("no such file", file=path, key="data.path", mend=near)
    return path


def _frame(data: Data) -> "pd.DataFrame":
    import pandas as pd

    path = _existing(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header would be cut
            table = _read_csv(path) if data.kind == "csv" else pd.read_parquet(path)
    except (ValueError, OSError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise InputError(f"cannot be read as {data.kind}: {str(error).strip()}", file=path) from None
    if len(table.columns) == 1 and ";" in str(table.columns[0]):
        raise InputError(
            "separates its columns by semicolons", file=path, mend="save it with commas, and with points in numbers"
        )
    if table.empty:
        raise InputError("holds no rows", file=path)
    return table


def _read_csv(path: Path) -> "pd.DataFrame":
    import pandas as pd

    # index_col=False: with a row longer than the header pandas would take the first column for row names.
    return pd.read_csv(path, low_memory=False, skipinitialspace=True, index_col=False)


def _encode(data: Data, column: "pd.Series", *, onehot: bool, target: bool = False) -> tuple[np.ndarray, str]:
    """A column as float64 `[n, k]`, NaN where a value is missing, and a sentence on what was done."""
    import pandas as pd

    name = str(column.name)
    if pd.api.types.is_datetime64_any_dtype(column):
        raise _unusable(
            data, name, "holds dates", "turn the dates into numbers first, for example days since the first"
        )
    missing = column.isna().to_numpy()
    _refuse_missing(data, bool(missing.any()), name, missing)
    if target:
        _refuse_mean_label(data, name, missing)
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=float, na_value=np.nan)
        infinite = np.flatnonzero(np.isinf(values))
        if len(infinite) and data.missing != "keep":
            raise InputError(
                f"column `{name}` holds an infinity in line {_line(data, infinite[0])}",
                file=data.path,
                mend="remove the row or repair the value",
            )
        return values[:, None], f"{name}: number" + (f", {missing.sum()} missing" if missing.any() else "")
    texts = column[~missing].astype(str)
    _check_categories(data, name, texts, target)
    categories = sorted(texts.unique())
    codes = np.full(len(column), np.nan)
    codes[~missing] = texts.map({text: code for code, text in enumerate(categories)})
    if not onehot:
        return codes[:, None], f"{name}: {len(categories)} categories as codes 0..{len(categories) - 1}"
    hot = (codes[:, None] == np.arange(len(categories))).astype(float)
    hot[missing] = np.nan
    return hot, f"{name}: {len(categories)} categories one-hot"


def _check_categories(data: Data, name: str, texts: "pd.Series", target: bool) -> None:
    """Refuses text that is no category: stray words among numbers, dates, free text, a text target."""
    import pandas as pd

    numeric = pd.to_numeric(texts, errors="coerce").notna()
    if numeric.any():
        line = _line(data, int(texts.index[~numeric][0]))
        raise InputError(
            f"column `{name}` is numeric but line {line} holds text",
            file=data.path,
            value=texts[~numeric].iloc[0],
            mend="repair the value, or leave it empty and set data.missing",
        )
    if target:
        raise _unusable(data, name, "is the target and holds text", 'data.target_kind = "class" predicts a category')
    dates = pd.to_datetime(texts, errors="coerce", format="ISO8601").notna()
    if len(texts) and dates.all():
        raise _unusable(
            data, name, "holds dates", "turn the dates into numbers first, for example days since the first"
        )
    if texts.nunique() > max(20, len(texts) // 2):
        raise _unusable(
            data,
            name,
            f"holds {texts.nunique()} different texts in {len(texts)} rows; that is no category",
            "leave it out with data.columns",
        )


def _classes(data: Data, column: "pd.Series", one_hot: bool) -> tuple[np.ndarray, str]:
    missing = column.isna().to_numpy()
    _refuse_missing(data, bool(missing.any()), str(column.name), missing)
    _refuse_mean_label(data, str(column.name), missing)
    classes = sorted(column[~missing].unique())
    if len(classes) < 2:
        raise _unusable(data, str(column.name), "has a single class", "a class target needs at least two")
    codes = np.full(len(column), np.nan)
    codes[~missing] = column[~missing].map({value: code for code, value in enumerate(classes)})
    said = f"{column.name}: {len(classes)} classes"
    if len(classes) == 2 and not one_hot:
        return codes[:, None], said
    hot = (codes[:, None] == np.arange(len(classes))).astype(float)
    hot[missing] = np.nan
    return hot, said


def _refuse_missing(data: Data, any_missing: bool, name: str, missing: np.ndarray | None = None) -> None:
    if not any_missing or data.missing != "error":
        return
    where = f" (line {_line(data, np.flatnonzero(missing)[0])}, {missing.sum()} in all)" if missing is not None else ""
    raise InputError(
        f"missing values in `{name}`{where}",
        file=data.path,
        key="data.missing",
        value="error",
        allowed=("drop", "mean", "keep"),
        mend='data.missing = "drop" leaves such rows out, "mean" fills them, "keep" trains on NaN',
    )


def _refuse_mean_label(data: Data, name: str, missing: np.ndarray) -> None:
    if data.missing == "mean" and missing.any():
        raise InputError(
            f"the target `{name}` misses {missing.sum()} values; a mean is no label",
            file=data.path,
            key="data.missing",
            value="mean",
            mend='data.missing = "drop" leaves those rows out',
        )


def _unusable(data: Data, name: str, problem: str, mend: str) -> InputError:
    return InputError(f"column `{name}` {problem}", file=data.path, mend=mend)
