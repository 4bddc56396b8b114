"""Rows → arrays: the outcomes or the median of each pixel of a map.

Cells find their place by their number, so rows are read shard by shard and a missing shard leaves a hole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import pyarrow as pa

from nanmap.analysis.view import View
from nanmap.errors import RunFolderError
from nanmap.outcomes import Outcome
from nanmap.results.arrays import names_of, numbers_of
from nanmap.results.columns import column_named
from nanmap.results.folder import RunFolder
from nanmap.results.schema import Column, Missing, Reason


class Kind(IntEnum):
    """What stands in a numeric column: a median must not turn one of these into another."""

    EMPTY = 0  # no row
    NUMBER = 1
    INF = 2
    NAN = 3
    MISSING = 4


ENDS = (  # why a number is missing, and what it is then, in runs that ended so
    (Reason.ENDED_BY_NAN, Kind.NAN, Outcome.NAN),
    (Reason.NOT_FINITE, Kind.NAN, Outcome.NAN),
    (Reason.NOT_FINITE, Kind.INF, Outcome.INF),
)


@dataclass(frozen=True)
class Numbers:
    """A numeric column, one value per pixel.

    Attributes:
        values: the value of the pixel's median run, or of another quantile; NaN wherever `kinds` is not NUMBER.
        kinds: what that run holds.
        rows: rows per pixel.
        tally: rows of each kind, over all pixels.
        every: the numbers of all rows, in any order.
    """

    values: np.ndarray
    kinds: np.ndarray
    rows: np.ndarray
    tally: dict[Kind, int]
    every: np.ndarray


def count_names(folder: RunFolder, view: View, column: str, names: Sequence[str], *, filled: bool = True) -> np.ndarray:
    """Rows of each name in each pixel, for a column of names, `[len(names), *view.shape]`; with those that were filled in, or without."""
    counts = np.zeros((len(names), *view.shape), np.min_scalar_type(view.depth))
    flat = counts.reshape(len(names), -1)
    for pixels, _, kept, texts in _placed(folder, view, column, filled=filled):
        np.add.at(flat, (_codes(texts, names)[kept], pixels), 1)
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


def take_medians(folder: RunFolder, view: View, name: str) -> Numbers:
    """The median run of each pixel for a numeric column.

    Runs are ordered from best to worst: numbers, then infinity, NaN, and a missing value last (of the first step of
    an event it comes first: never is best, and early is worse than late); the middle one is shown, of two middle ones their mean, or the worse where one is no number. So NaN is shown where at least half of
    the runs are NaN, and no NaN is dropped to make room for a number. In the columns that hold no NaN, a value that is
    missing because the run ended as NaN, or infinite, counts as one.
    """
    return take_quantiles(folder, view, name, (0.5,))[0]


def take_quantiles(folder: RunFolder, view: View, name: str, shares: Sequence[float]) -> list[Numbers]:
    """The same for other runs than the middle one: for each share the run that has so many of the pixel's before it.

    Between two runs the value is interpolated, or is the worse where one is no number.
    """
    column = column_named(name)
    sign = -1.0 if column.better == "high" else 1.0
    values, kinds = _gather(folder, view, column)
    tally = {kind: int((kinds == kind).sum()) for kind in Kind}
    rows = (kinds != Kind.EMPTY).sum(axis=1).reshape(view.shape)
    every = values[kinds == Kind.NUMBER]
    ordered = np.sort(sign * values, axis=1)
    found = []
    for share in shares:
        if view.depth == 1:
            value, kind = values[:, 0], kinds[:, 0]
        else:
            value, kind = _ranked(ordered, kinds, share, column.missing is Missing.NEGATIVE)
            value = sign * value
        value = np.where(kind == Kind.NUMBER, value, np.nan)
        found.append(Numbers(value.reshape(view.shape), kind.reshape(view.shape), rows, tally, every))
    return found


def _gather(folder: RunFolder, view: View, column: Column) -> tuple[np.ndarray, np.ndarray]:
    """Values and kinds of all rows, `[pixels, depth]`."""
    pixels = int(np.prod(view.shape, dtype=np.int64))
    values, kinds = np.full((pixels, view.depth), np.nan), np.zeros((pixels, view.depth), np.uint8)
    known = {kind: outcome for reason, kind, outcome in ENDS if reason in column.reasons}
    wanted = (column.name, "outcome") if known else (column.name,)
    for pixel, layer, kept, numbers, *outcomes in _placed(folder, view, *wanted):
        found, kind = _numbers(numbers)
        for each in outcomes:
            missing, (codes, names) = kind == Kind.MISSING, names_of(each)
            for end, outcome in known.items():
                if outcome in names:
                    kind[missing & (codes == names.index(outcome))] = end
        values[pixel, layer], kinds[pixel, layer] = found[kept], kind[kept]
    return values, kinds


def _ranked(
    ordered: np.ndarray, kinds: np.ndarray, share: float, missing_is_best: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A quantile along the last axis. np.sort puts −inf first and NaN last, which is the order wanted."""
    real = ((kinds == Kind.NUMBER) | (kinds == Kind.INF)).sum(axis=1)
    rated = real + (kinds == Kind.NAN).sum(axis=1)
    total = (kinds != Kind.EMPTY).sum(axis=1)
    place = share * np.maximum(total - 1, 0)
    low, high = np.floor(place).astype(int), np.ceil(place).astype(int)
    weight = place - low
    if missing_is_best:  # positions among those that are there; below 0 stand the missing ones
        low, high = low - (total - rated), high - (total - rated)
    rows = np.arange(len(ordered))
    with np.errstate(invalid="ignore"):
        before, after = ordered[rows, np.where(low < 0, high, low)], ordered[rows, high]
        value = np.where(weight > 0, before * (1 - weight) + after * weight, before)
    tests = [total == 0, (high < 0) | (high >= rated), high >= real, ~np.isfinite(value)]
    return value, np.select(tests, [Kind.EMPTY, Kind.MISSING, Kind.NAN, Kind.INF], Kind.NUMBER).astype(np.uint8)


def _placed(folder: RunFolder, view: View, *names: str, filled: bool = False) -> Iterator[tuple[Any, ...]]:
    """Of each shard the pixels and the places within them `[shown]`, which rows are shown, and the columns of all."""
    for table in folder.tables(["cell", *names], filled=filled):
        yield *view.place(numbers_of(table["cell"])[0]), *(table[name] for name in names)


def _codes(column: pa.ChunkedArray, names: Sequence[str]) -> np.ndarray:
    """Of each row `[rows]` the place of its text among the names."""
    codes, there = names_of(column)
    for name in there:
        if name not in names:
            raise RunFolderError("holds rows of another version", value=name, allowed=names)
    return np.array([names.index(name) for name in there], np.intp)[codes]


def _numbers(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    numbers, missing = numbers_of(column)
    values = np.where(missing, np.nan, numbers.astype(float))
    tests = [missing, np.isnan(values), np.isinf(values)]
    return values, np.select(tests, [Kind.MISSING, Kind.NAN, Kind.INF], Kind.NUMBER)
