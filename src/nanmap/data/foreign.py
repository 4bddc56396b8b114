"""What a program in Python holds, as arrays or as columns: found by what an object offers, so that no framework is imported."""

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from nanmap.data.encoding import DATES, NUMBERS, TEXTS, TIMES
from nanmap.data.nested import stacked
from nanmap.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "flag", "text", "category", "lists"]
DECLARED = ("categor", "enum")  # how frames begin to name the type of a column that they know to be of categories
# What turns an object into one that can be read here, by the method that it has.
MENDS = {"collect": "collect()", "toarray": "toarray()", "compute": "compute()", "float": "float()"}


class Column(NamedTuple):
    """A named column of a frame, in a form that a file can hold.

    Attributes:
        name: what the frame calls it.
        kind: numbers; `flag`, true and false; `text`; `category`, texts of which the frame says that they are one; or `lists`
            of numbers, of one shape in all rows.
        values: `[n]` numbers, of lists `[n, …]`; of a flag with gaps 1, 0 and NaN; of texts their places in `texts`, −1 for a gap.
        texts: the different texts, in order; none for numbers.
    """

    name: str
    kind: Kind
    values: np.ndarray
    texts: tuple[str, ...] = ()

    def series(self) -> "pd.Series":
        """The column as a table has it."""
        import pandas as pd

        if self.kind == "category":
            return pd.Series(pd.Categorical.from_codes(self.values, pd.Index(self.texts)), name=self.name)
        if self.kind == "text":
            texts = np.array([*self.texts, None], object)  # −1 finds the last
            return pd.Series(texts[self.values], name=self.name, dtype=object)
        if self.kind == "flag" and self.values.dtype.kind == "f":
            flags = [None if np.isnan(value) else bool(value) for value in self.values]
            return pd.Series(flags, name=self.name, dtype=object)
        return pd.Series(self.values, name=self.name)


Part = np.ndarray | tuple[Column, ...]


def as_part(key: str, given: Any) -> Part:
    """Numbers `[n, …]`, or the columns of what has names or holds texts.

    Args:
        key: `x` or `y`, for messages.
        given: an array or a tensor of any framework, a frame or a series of any library, a mapping of columns, or lists.

    Raises:
        InputError: it is none of these, or holds what cannot be trained on.

    >>> as_part("x", [[1, 2], [3, 4]]).shape
    (2, 2)
    >>> [column.name for column in as_part("x", {"size": [1.5, 2.5], "town": ["Bern", "Oslo"]})]
    ['size', 'town']
    """
    if hasattr(given, "collect") and not hasattr(given, "to_numpy"):  # a query: even its names take work
        raise InputError("is not computed yet", key=key, value=type(given).__name__, mend=_mend(key, given))
    named = _named_columns(key, given)
    if named is not None:
        return _columns(key, named)
    array = _array(key, given)
    if array.dtype.names:
        return _columns(key, [(name, array[name]) for name in array.dtype.names])
    if array.dtype.kind in "OUS" and array.ndim in (1, 2) and len(array):
        lone = array.ndim == 1
        return _columns(key, [(key, array)] if lone else [(f"{key}[{n}]", each) for n, each in enumerate(array.T)])
    return _numbers(key, array)


def alone(key: str, part: Part) -> Part:
    """The array of a column of lists, which is not one beside others.

    Raises:
        InputError: it stands among others.
    """
    name = next((column.name for column in part if column.kind == "lists"), None) if isinstance(part, tuple) else None
    if name is None or not isinstance(part, tuple):
        return part
    if len(part) > 1:
        others = [column.name for column in part if column.name != name]
        mend = f"choose it alone: {key}={key}[['{name}']], or from a file data.columns = [\"{name}\"]"
        raise InputError(f"column `{name}` holds lists, beside others", key=key, value=others, mend=mend)
    return part[0].values


def _named_columns(key: str, given: Any) -> list[tuple[str, Any]] | None:
    """The columns of a frame, a series or a mapping with their names; None of what has no names."""
    if isinstance(given, Mapping):
        return list(given.items())
    if hasattr(given, "iter_columns"):  # Polars
        return list(zip(given.columns, given.iter_columns(), strict=True))
    if hasattr(given, "column_names") and hasattr(given, "columns"):  # Arrow
        return list(zip(given.column_names, given.columns, strict=True))
    if hasattr(given, "columns") and hasattr(given, "items"):  # pandas, and what is like it
        return list(given.items())
    if hasattr(given, "columns") and hasattr(given, "__arrow_c_stream__"):  # such as a query of DuckDB
        import pyarrow as pa

        table = pa.table(given)
        return list(zip(table.column_names, table.columns, strict=True))
    if hasattr(given, "name") and hasattr(given, "to_numpy") and getattr(given, "ndim", 1) == 1:  # a series
        return [(key if given.name in (None, "") else given.name, given)]
    if hasattr(given, "__dataframe__"):
        from pandas.api.interchange import from_dataframe

        return [(str(name), column) for name, column in from_dataframe(given).items()]
    return None


def _columns(key: str, named: Iterable[tuple[str, Any]]) -> tuple[Column, ...]:
    found: dict[str, Column] = {}
    for name, values in named:
        if str(name) in found:
            raise InputError(f"two columns are called {name}", key=key, mend="rename one of them, or remove it")
        found[str(name)] = _column(key, str(name), values)
    if not found:
        raise InputError("has no columns", key=key)
    lengths = {name: len(column.values) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        raise InputError("has columns of other lengths", key=key, value=lengths)
    return tuple(found.values())


def _column(key: str, name: str, given: Any) -> Column:
    """One column, as its values are."""
    import pandas as pd
    from pandas.api.types import infer_dtype

    declared = str(getattr(given, "dtype", getattr(given, "type", ""))).lower().startswith((*DECLARED, "dictionary"))
    lists = stacked(key, name, given, lambda: _array(key, given))
    if lists is not None:
        return Column(name, "lists", _numbers(key, lists))
    values = _array(key, given)
    if values.dtype.kind == "b":
        return Column(name, "flag", values)
    if values.dtype.kind not in "OUSMm" and not declared:
        return Column(name, "number", _numbers(key, values))
    missing = pd.isna(values)
    kind = "empty" if missing.all() else str(infer_dtype(values, skipna=True))
    if kind in DATES or kind in TIMES:
        what, mend = ("dates", "days since the first") if kind in DATES else ("times", "seconds")
        raise _unusable(key, name, f"holds {what}", f"turn them into numbers first, for example {mend}")
    if (kind in NUMBERS or kind == "boolean") and not declared:
        whole = np.array(values.tolist()) if not missing.any() else values
        numbers = np.full(len(values), np.nan)
        numbers[~missing] = values[~missing].astype(float)
        fits = whole.dtype.kind in "iufb"
        return Column(name, "flag" if kind == "boolean" else "number", whole if fits else numbers)
    plain = kind != "bytes" and all(isinstance(value, str | int | float | np.generic) for value in values[~missing])
    if kind not in TEXTS and not plain:
        what = "values of several kinds" if kind.startswith("mixed") else kind
        raise _unusable(key, name, f"holds {what}", "leave it out, or turn it into numbers first")
    codes, texts = np.full(len(values), -1), np.array([str(value) for value in values[~missing]], object)
    codes[~missing], different = pd.factorize(texts, sort=True)
    return Column(name, "category" if declared else "text", codes, tuple(different))


def _array(key: str, given: Any) -> np.ndarray:
    """The values as NumPy has them, on this machine and without a gradient."""
    if isinstance(given, str | bytes | PathLike):
        mend = 'a file is named in the config: data.kind = "csv" with data.path and data.target'
        raise InputError("expects an array, not a name", key=key, value=given, mend=mend)
    try:
        for method in ("detach", "cpu"):  # a tensor's: of its gradient, and from its device
            given = getattr(given, method)() if hasattr(given, method) else given
        if isinstance(given, np.ma.MaskedArray):
            return np.asarray(np.ma.filled(given.astype(float), np.nan))
        # In this order: to_numpy of Arrow's arrays refuses what it would have to copy.
        lone = hasattr(given, "to_numpy") and not hasattr(given, "__array__")
        return np.asarray(given.to_numpy() if lone else given)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        first = (str(error).strip() or repr(error)).splitlines()[0]
        problem = f"cannot be read as an array: {first}"
        raise InputError(problem, key=key, value=type(given).__name__, mend=_mend(key, given)) from None


def _numbers(key: str, array: np.ndarray) -> np.ndarray:
    """Real numbers in their own type, of which files and NumPy know; others in the next larger one."""
    kind = array.dtype.kind
    if kind == "f" and array.dtype.itemsize > 8:  # whose bytes hold more than their values
        return array.astype(np.float64)
    if kind == "V":  # such as bfloat16, which NumPy has no name for
        try:
            return array.astype(np.float32)
        except (TypeError, ValueError):
            pass
    if kind in "Mm":
        what, mend = ("dates", "days since the first") if kind == "M" else ("times", "seconds")
        raise InputError(f"holds {what}", key=key, mend=f"turn them into numbers first, for example {mend}")
    if kind not in "iufb" or array.ndim == 0:
        problem = "expects numbers" if array.ndim else "expects an array with a row per example"
        raise InputError(
            problem, key=key, value=_called(array), mend=_mend(key, array.item() if not array.ndim else array)
        )
    return array


def _called(array: np.ndarray) -> str:
    return f"{array.dtype} {array.shape}" if array.ndim else type(array.item()).__name__


def _mend(key: str, given: Any) -> str:
    method = next(
        (call for name, call in MENDS.items() if hasattr(given, name) and not isinstance(given, np.ndarray)), ""
    )
    return f"{key}={key}.{method}" if method else "an array, a frame or lists of numbers"


def _unusable(key: str, name: str, problem: str, mend: str) -> InputError:
    return InputError(f"column `{name}` {problem}", key=key, mend=mend)
