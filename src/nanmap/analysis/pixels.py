"""Rows → arrays: the outcomes or the median of each pixel of a map.

Cells find their place by their number, so rows are read shard by shard and a missing shard leaves a hole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nanmap.analysis.view import View
from nanmap.outcomes import Outcome
from nanmap.results.columns import column_named
from nanmap.results.folder import RunFolder
from nanmap.results.schema import Missing, Reason


class Kind(IntEnum):
    """What stands in a numeric column: a median must not turn one of these into another."""

    EMPTY = 0  # no row
    NUMBER = 1
    INF = 2
    NAN = 3
    MISSING = 4


@dataclass(frozen=True)
class Medians:
    """A numeric column, one value per pixel.

    Attributes:
        values: the median run's value; NaN wherever `kinds` is not NUMBER.
        kinds: what the median run holds.
        rows: rows per pixel.
        tally: rows of each kind, over all pixels.
    """

    values: np.ndarray
    kinds: np.ndarray
    rows: np.ndarray
    tally: dict[Kind, int]


def count_names(folder: RunFolder, view: View, column: str, names: Sequence[str]) -> np.ndarray:
    """Rows of each name in each pixel, for a column of names, `[len(names), *view.shape]`."""
    counts = np.zeros((len(names), *view.shape), np.min_scalar_type(view.depth))
    flat = counts.reshape(len(names), -1)
    for pixels, _, values in _placed(folder, view, column):
        np.add.at(flat, (_codes(values, names), pixels), 1)
    return counts


def count_outcomes(folder: RunFolder, view: View) -> np.ndarray:
    """Rows of each outcome in each pixel, from good to bad as in `Outcome.by_severity`, `[outcomes, *view.shape]`."""
    return count_names(folder, view, "outcome", Outcome.by_severity())


def most_common(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most common name of each pixel, and how many of its runs agree.

    Args:
        counts: as `count_outcomes` gives them.

    Returns:
        Positions among the names, which go from good to bad (-1 without any row; of equally common ones the worse), and shares (NaN without any).

    >>> counts = np.array([[3, 2, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 2, 0]])
    >>> most_common(counts)[0].tolist(), most_common(counts)[1].tolist()
    ([0, 6, -1], [0.75, 0.5, nan])
    """
    total = counts.sum(axis=0, dtype=np.int64)
    winner = len(counts) - 1 - np.argmax(counts[::-1], axis=0)
    agreement = np.divide(counts.max(axis=0), total, out=np.full(total.shape, np.nan), where=total > 0)
    return np.where(total > 0, winner, -1), agreement


def take_medians(folder: RunFolder, view: View, name: str) -> Medians:
    """The median run of each pixel for a numeric column.

    Runs are ordered from best to worst: numbers, then infinity, NaN, and a missing value last (of the first step of
    an event it comes first: never is best, and early is worse than late); the middle one is shown, of two middle ones their mean, or the worse where one is no number. So NaN is shown where at least half of
    the runs are NaN, and no NaN is dropped to make room for a number. In the columns that hold no NaN, a value that is
    missing because the run ended as NaN counts as one.
    """
    column = column_named(name)
    sign = -1.0 if column.better == "high" else 1.0
    pixels = int(np.prod(view.shape, dtype=np.int64))
    values, kinds = np.full((pixels, view.depth), np.nan), np.zeros((pixels, view.depth), np.uint8)
    wanted = (name, "outcome") if Reason.ENDED_BY_NAN in column.reasons else (name,)
    for pixel, layer, numbers, *outcome in _placed(folder, view, *wanted):
        found, kind = _numbers(numbers)
        for each in outcome:
            kind[(kind == Kind.MISSING) & _is(each, Outcome.NAN)] = Kind.NAN
        values[pixel, layer], kinds[pixel, layer] = found, kind
    tally = {kind: int((kinds == kind).sum()) for kind in Kind}
    if view.depth == 1:
        middle, kind = values[:, 0], kinds[:, 0]
    else:
        middle, kind = _middle(sign * values, kinds, sign, column.missing is Missing.NEGATIVE)
    middle = np.where(kind == Kind.NUMBER, middle, np.nan)
    rows = (kinds != Kind.EMPTY).sum(axis=1)
    return Medians(middle.reshape(view.shape), kind.reshape(view.shape), rows.reshape(view.shape), tally)


def _middle(values: np.ndarray, kinds: np.ndarray, sign: float, missing_is_best: bool) -> tuple[np.ndarray, np.ndarray]:
    """Median along the last axis. np.sort puts −inf first and NaN last, which is the order wanted."""
    ordered = np.sort(values, axis=1)
    real = ((kinds == Kind.NUMBER) | (kinds == Kind.INF)).sum(axis=1)
    rated = real + (kinds == Kind.NAN).sum(axis=1)
    total = (kinds != Kind.EMPTY).sum(axis=1)
    low, high = np.maximum(total - 1, 0) // 2, np.maximum(total, 1) // 2
    high = np.minimum(high, np.maximum(total - 1, 0))
    if missing_is_best:  # positions among those that are there; below 0 stand the missing ones
        low, high = low - (total - rated), high - (total - rated)
    rows = np.arange(len(ordered))
    with np.errstate(invalid="ignore"):
        middle = ordered[rows, np.where(low < 0, high, low)] / 2 + ordered[rows, high] / 2
    tests = [total == 0, (high < 0) | (high >= rated), high >= real, ~np.isfinite(middle)]
    return sign * middle, np.select(tests, [Kind.EMPTY, Kind.MISSING, Kind.NAN, Kind.INF], Kind.NUMBER).astype(np.uint8)


def _placed(folder: RunFolder, view: View, *names: str) -> Iterator[tuple[Any, ...]]:
    """Of each shard the pixels, the places within them `[rows]`, and the columns."""
    for table in folder.tables(["cell", *names]):
        pixels, layers, kept = view.place(table["cell"].to_numpy())
        yield pixels, layers, *(table[name].combine_chunks().filter(pa.array(kept)) for name in names)


def _codes(column: pa.Array, names: Sequence[str]) -> np.ndarray:
    column = column.dictionary_encode() if not pa.types.is_dictionary(column.type) else column
    codes = np.array([names.index(name) for name in column.dictionary.to_pylist()], np.intp)
    return codes[column.indices.to_numpy()]


def _is(column: pa.Array, name: str) -> np.ndarray:
    return pc.equal(column.cast(pa.string()), str(name)).to_numpy(zero_copy_only=False)


def _numbers(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    missing = column.is_null().to_numpy(zero_copy_only=False)
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)  # null turns into NaN
    tests = [missing, np.isnan(values), np.isinf(values)]
    return values, np.select(tests, [Kind.MISSING, Kind.NAN, Kind.INF], Kind.NUMBER)
