"""One column of a table as numbers: what it holds decides how. What cannot be trained on is refused, with the mend."""

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanmap.config import DataSettings
from nanmap.data.missing import refuse_gaps, told_missing
from nanmap.data.words import SHOWN, called, listed, place_of, unusable
from nanmap.errors import InputError
from nanmap.limits import NAME_BYTES, NUMBER_BYTES, check_memory

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal", "empty")  # kinds as pandas infers them
DATES = ("datetime", "datetime64", "date", "period")
TIMES = ("time", "timedelta", "timedelta64")
TEXTS = ("string", "categorical")
DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})"
    r"|(\d{1,2}\.? )?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? (\d{1,2}(,? \d{4})?|\d{4}))([ T].*)?",
    re.IGNORECASE,
)
TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[ap]m)?", re.IGNORECASE)
# A number for a person: decimal commas, groups of thousands, a currency or a percent sign.
NUMBER = re.compile(r"[€$£¥]?\s*[+-]?(\d{1,3}([,.'\s]\d{3})+|\d+)([.,]\d+)?\s*[%€$£¥]?")
PLAIN = 'write plain numbers with a decimal point, 1234.5 for "1.234,5"'
MANY = 20  # more different texts than this, and than half the rows, are no categories


class Source(NamedTuple):
    """A column as its file holds it, and how one value of it becomes numbers.

    Attributes:
        name: what it is called.
        categories: its texts, each encoded as its index; none for numbers.
        hot: whether each category is a column of its own.
    """

    name: str
    categories: tuple[str, ...] = ()
    hot: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({' or '.join(self.categories[:SHOWN])})" if self.categories else self.name

    def numbers(self, value: float | str) -> list[float]:
        """The encoding of a category or of a number.

        Raises:
            ValueError: it is neither.

        >>> Source("town", ("Bern", "Oslo"), hot=True).numbers("Oslo"), Source("size").numbers(2)
        ([0.0, 1.0], [2.0])
        """
        text = called(value)
        if text in self.categories:
            code = self.categories.index(text)
            return [float(code == each) for each in range(len(self.categories))] if self.hot else [float(code)]
        if self.categories and text.lower() in self.categories:  # tables and Python write True
            return self.numbers(text.lower())
        if self.hot or (isinstance(value, str) and not _is_number(value)):
            raise ValueError(f"`{text}` is no {'category' if self.categories else 'number'} of {self}")
        return [float(value)]


class Encoded(NamedTuple):
    """A column as numbers.

    Attributes:
        values: float64 `[n, k]`, NaN where a value is missing.
        names: what each of the k columns is called.
        said: what was done, in a sentence.
        source: how it was done.
    """

    values: np.ndarray
    names: tuple[str, ...]
    said: str
    source: Source


def encode(data: DataSettings, column: "pd.Series", *, onehot: bool, target: bool = False) -> Encoded:
    """A column as numbers: numbers as they are, true and false as 1 and 0, categories one-hot or as codes.

    Raises:
        InputError: naming the column, the line and the value that cannot be trained on.
    """
    from pandas.api.types import infer_dtype

    name, missing = str(column.name), column.isna().to_numpy()
    kind = "empty" if missing.all() else str(infer_dtype(column, skipna=True))
    refuse_gaps(data, name, missing, target)
    if kind in DATES or kind in TIMES:
        raise _times(data, name, "dates" if kind in DATES else "times")
    if kind == "boolean" or kind in NUMBERS:
        values = column.to_numpy(dtype=float, na_value=np.nan)
        refuse_infinity(data, name, values)
        said = "true and false as 1 and 0" if kind == "boolean" else "number"
        if name in data.categories and not target:
            names = column[~missing].astype(float)
            return _as_categories(
                data, name, names.map(called), list(map(called, sorted(names.unique()))), missing, onehot
            )
        source = Source(name, ("false", "true") if kind == "boolean" else ())
        said += f"{_constant(values)}{told_missing(missing)}{_infinite(values)}"
        return Encoded(values[:, None], (name,), f"{name}: {said}", source)
    if kind not in TEXTS:
        what = "values of several kinds" if kind.startswith("mixed") else kind
        raise unusable(data, name, f"holds {what}", "leave it out with data.columns, or turn it into numbers first")
    texts = column[~missing].astype(str)
    _check_categories(data, name, texts, target, declared=kind == "categorical")
    return _as_categories(data, name, texts, sorted(texts.unique()), missing, onehot)


def _as_categories(
    data: DataSettings, name: str, texts: "pd.Series", categories: list[str], missing: np.ndarray, onehot: bool
) -> Encoded:
    """A column of names: of those that are there, `missing` says where none is."""
    codes = np.full(len(missing), np.nan)
    codes[~missing] = texts.map({text: code for code, text in enumerate(categories)})
    source = Source(name, tuple(categories), onehot)
    if not onehot:
        shown = listed(f"{text} = {code}" for code, text in enumerate(categories))
        said = f"{len(categories)} categories as codes: {shown}"
        return Encoded(codes[:, None], (name,), f"{name}: {said}{told_missing(missing)}", source)
    _check_size(data, name, codes, len(categories), "data.categorical")
    hot = one_hot(codes, len(categories))
    names = tuple(f"{name}={text}" for text in categories)
    said = f"{len(categories)} categories one-hot: {listed(categories)}"
    return Encoded(hot, names, f"{name}: {said}{told_missing(missing)}", source)


def encode_classes(data: DataSettings, column: "pd.Series", always_one_hot: bool) -> tuple[Encoded, tuple[str, ...]]:
    """A target of classes, and what they are called: one column of 0 and 1 for two classes, else one column each.

    Args:
        data: the settings.
        column: the labels.
        always_one_hot: whether two classes become two columns, too.
    """
    name, missing = str(column.name), column.isna().to_numpy()
    refuse_gaps(data, name, missing, target=True)
    labels = column[~missing]
    numbers = labels.dtype.kind in "iufb"
    found = sorted(labels.unique() if numbers else labels.astype(str).unique())
    if len(found) < 2:
        raise unusable(data, name, "has a single class", "a class target needs at least two")
    if len(found) > max(MANY, len(labels) // 2):
        raise unusable(
            data,
            name,
            f"holds {len(found)} different values in {len(labels)} rows; these are no classes",
            'data.target_kind = "number" predicts a number',
        )
    classes = tuple(map(called, found))
    source = Source(name, classes, len(found) > 2 or always_one_hot)
    codes = np.full(len(column), np.nan)
    codes[~missing] = (labels if numbers else labels.astype(str)).map({label: i for i, label in enumerate(found)})
    if len(found) == 2 and not always_one_hot:
        said = f"{name}: 2 classes, {classes[0]} = 0 and {classes[1]} = 1"
        return Encoded(codes[:, None], (name,), said, source), classes
    _check_size(data, name, codes, len(classes), "data.target_kind")
    said = f"{name}: {len(classes)} classes, one output each: {listed(classes)}"
    names = tuple(f"{name}={each}" for each in classes)
    return Encoded(one_hot(codes, len(classes)), names, said, source), classes


def _check_size(data: DataSettings, name: str, codes: np.ndarray, count: int, key: str) -> None:
    """Asks before a column becomes many: a small file may hold thousands of different texts."""
    check_memory(
        count * (len(codes) * NUMBER_BYTES + NAME_BYTES), f"the {count:,} columns of `{name}`", file=data.path, key=key
    )


def one_hot(codes: np.ndarray, count: int) -> np.ndarray:
    """A column per code, NaN where the code is."""
    hot = (codes[:, None] == np.arange(count)).astype(float)
    hot[np.isnan(codes)] = np.nan
    return hot


def refuse_infinity(data: DataSettings, name: str, values: np.ndarray) -> None:
    """Raises InputError for infinities unless whatever there is is to be kept."""
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite) and data.missing != "keep":
        raise InputError(
            f"column `{name}` holds an infinity in {place_of(data, infinite[0])}",
            file=data.path,
            mend="remove the row or repair the value",
        )


def _check_categories(data: DataSettings, name: str, texts: "pd.Series", target: bool, declared: bool) -> None:
    """Refuses text that is no category: dates, numbers in disguise, stray words among numbers, free text, a text target."""
    import pandas as pd

    if target:
        _refuse_disguised(data, name, texts)
        raise unusable(data, name, "is the target and holds text", 'data.target_kind = "class" predicts a category')
    if declared:  # a Parquet file says of a column that it is a category
        return
    numeric = pd.to_numeric(texts, errors="coerce").notna()
    if numeric.all():
        raise unusable(data, name, "holds numbers stored as text", "store them as numbers, or as a categorical column")
    _refuse_disguised(data, name, texts)
    if numeric.any():
        first = texts[~numeric]
        raise InputError(
            f"column `{name}` is numeric but {place_of(data, int(first.index[0]))} holds text",
            file=data.path,
            value=first.iloc[0],
            mend="repair the value, or leave it empty and set data.missing",
        )
    if texts.nunique() > max(MANY, len(texts) // 2):
        problem = f"holds {texts.nunique()} different texts in {len(texts)} rows; that is no category"
        raise unusable(data, name, problem, "leave it out with data.columns")


def _refuse_disguised(data: DataSettings, name: str, texts: "pd.Series") -> None:
    """Refuses dates, times and numbers that are written for people: as categories they would lose their order."""
    for pattern, what in ((DATE, "dates"), (TIME, "times")):
        if _share(texts, pattern) > 0.5:
            raise _times(data, name, what)
    like = texts.map(lambda text: bool(NUMBER.fullmatch(text.strip())))
    if like.mean() > 0.5:
        import pandas as pd

        odd = texts[like & pd.to_numeric(texts, errors="coerce").isna()]
        if len(odd):
            place = place_of(data, int(odd.index[0]))
            raise InputError(
                f"column `{name}` holds numbers that are written for people, first in {place}",
                file=data.path,
                value=odd.iloc[0],
                mend=PLAIN,
            )


def _share(texts: "pd.Series", pattern: re.Pattern) -> float:
    return float(texts.map(lambda text: bool(pattern.fullmatch(text.strip()))).mean())


def _times(data: DataSettings, name: str, what: str) -> InputError:
    mend = "days since the first" if what == "dates" else "seconds"
    return unusable(data, name, f"holds {what}", f"turn them into numbers first, for example {mend}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _constant(values: np.ndarray) -> str:
    known = values[~np.isnan(values)]
    return f", constant {known[0]:g}: it tells no rows apart" if len(known) > 1 and known.min() == known.max() else ""


def _infinite(values: np.ndarray) -> str:
    infinite = np.isinf(values)
    return f", {infinite.sum()} infinite" if infinite.any() else ""
