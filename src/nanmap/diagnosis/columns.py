"""What a look at the columns of some rows says: their scales, what is no number, labels and numbers taken for each other."""

from typing import NamedTuple

import numpy as np

from nanmap.data import Rows

CENTRED, NARROWEST, WIDEST = 0.5, 0.5, 2.0  # beyond, a column is worth scaling: its mean, its standard deviation
FEW_LABELS = 20  # different whole numbers up to which targets may be labels
FEW = 0.05  # share of the rows up to which numbers that are too large are strays
MANY_CLASSES = 0.2  # classes per row from which on classes may be numbers


def moments(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of what is finite in each column, `[columns]`; NaN where nothing is."""
    found = []
    for column in columns.T:
        known = column[np.isfinite(column)]
        power = np.frexp(np.abs(known).max(initial=0.0))[1]  # else squares of 1e308 are infinite
        near_one = np.ldexp(known, -power)
        found.append(np.ldexp([near_one.mean(), near_one.std()], power) if len(known) else (np.nan, np.nan))
    mean, spread = np.array(found).reshape(-1, 2).T
    return mean, spread


def far_from_standard(columns: np.ndarray) -> np.ndarray:
    """Which columns are worth scaling: they vary, and lie off 0 or vary by much less or more than 1. `[columns]`."""
    mean, spread = moments(columns)
    return np.asarray((spread > 0) & ((np.abs(mean) > CENTRED) | (spread < NARROWEST) | (spread > WIDEST)))


def beyond_repair(rows: Rows) -> bool:
    """Whether the rows hold what is no number: no setting but one that takes it out can help."""
    return not all(np.isfinite(each).all() for each in (rows.inputs, rows.targets))


def beyond_format(rows: Rows, largest: float) -> bool:
    """Whether a number of the rows is too large for a number format; NaN and infinities are none."""
    return any((np.abs(each[np.isfinite(each)]) > largest).any() for each in (rows.inputs, rows.targets))


def strays(column: np.ndarray, largest: float) -> np.ndarray:
    """The rows of a column whose numbers are too large, where they are few: mostly a slip of whoever wrote them."""
    stray = np.flatnonzero(np.abs(column) > largest)
    return stray if len(stray) <= FEW * len(column) else stray[:0]


def labels_as_numbers(targets: np.ndarray) -> bool:
    """Whether a target of numbers may be labels: few different whole numbers, each many times."""
    known = targets[np.isfinite(targets)]
    values = np.unique(known)
    few = 2 < len(values) <= min(FEW_LABELS, len(known) / 10)
    return targets.shape[1] == 1 and few and bool((values == np.round(values)).all())


def numbers_as_classes(rows: Rows) -> bool:
    """Whether classes may be numbers: nearly as many of them as rows, all with names that are numbers."""
    try:
        list(map(float, rows.classes))
    except ValueError:
        return False
    return len(rows.classes) > MANY_CLASSES * rows.n


class Kept(NamedTuple):
    """Columns that are not missing in every row.

    Attributes:
        names: theirs.
        whole: how many of them have no gap.
    """

    names: list[str]
    whole: int


def without_empty(rows: Rows) -> Kept | None:
    """The columns that hold anything, where some hold nothing; None else, or where columns have no names."""
    gaps = dict(zip(rows.features, np.isnan(rows.inputs).T, strict=False))
    empty = [name for name, missing in gaps.items() if missing.all()]
    names = [each.name for each in rows.sources if each.name not in empty]
    if not empty or not names or len(names) == len(rows.sources):
        return None
    return Kept(names, sum(not gaps[name].any() for name in names if name in gaps))
