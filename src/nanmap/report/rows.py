"""The rows of a run, column by column, within a budget of bytes: what a page holds of each training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from nanmap.analysis import JoinedFolder
from nanmap.analysis.pixels import ENDS
from nanmap.report.packing import Packed, pack_counts, pack_levels, pack_names, pack_words
from nanmap.results.arrays import names_of, numbers_of
from nanmap.results.columns import COLUMNS, INFERRED
from nanmap.results.folder import RunFolder
from nanmap.results.schema import TEXT, Column, Reason

MEGABYTE = 1_000_000
SMALL, LARGE = (100_000, 8 * MEGABYTE), (1_000_000, 25 * MEGABYTE)  # rows, and bytes of their page
OWN = 400_000  # bytes of scripts, styles, axes and sentences
AT_ONCE = 8  # columns in memory
FULL_DIGITS = 300_000  # rows; of more, six digits of each number would not fit
# Of most use first: what does not fit is left out from the end, columns that are not named here before all others.
WORTH = (
    "outcome",
    "cause",
    "inferred",
    "first_nan_step",
    "first_inf_step",
    "loss_final",
    "loss_initial",
    "measure",
    "skill",
    "predicted_gd",
    "predicted_typical",
    "predicted_mean_square",
    "predicted_catapult",
    "sharpness",
    "loss_constant",
    "loss_floor",
    "loss_at_50",
    "loss_at_80",
    "loss_at_90",
    "val_loss_final",
    "steps_run",
    "accuracy",
    "loss_best",
    "stopped_by",
    "stopped_step",
)


@dataclass(frozen=True)
class Rows:
    """Packed columns.

    Attributes:
        cells: the numbers of the cells that have a row, ascending.
        columns: what the page knows of each column, with its numbers.
        empty: columns without a value in any row, and why.
        left_out: columns that did not fit.
        rounded: whether numbers have 16 bits.
    """

    cells: np.ndarray
    columns: list[dict[str, Any]]
    empty: dict[str, str]
    left_out: list[str]
    rounded: bool

    @property
    def size(self) -> int:
        """Bytes on the page."""
        return sum(len(each["data"]) for each in self.columns)


def budget_of(rows: int) -> int:
    """Bytes that the rows of a page may have; with the page's own it then has 8 MB, or 25 MB at a million.

    >>> budget_of(10), budget_of(100_000), budget_of(1_000_000), budget_of(2_000_000)
    (7600000, 7600000, 24600000, 49600000)
    """
    (small, low), (large, high) = SMALL, LARGE
    if rows > large:
        return high * rows // large - OWN
    return low + max(0, rows - small) * (high - low) // (large - small) - OWN


def read_rows(folder: RunFolder, budget: int) -> Rows:
    """All columns of a run, as many as fit.

    Args:
        folder: the run, finished or not.
        budget: bytes.
    """
    if not has_rows(folder):
        return Rows(np.zeros(0, np.int64), [], {}, [], False)
    cells = _read(folder, ["cell"])["cell"].to_numpy().astype(np.int64)
    order, known = np.argsort(cells, kind="stable"), set(folder.columns())
    wanted = sorted((each for each in (*COLUMNS, INFERRED) if each.name in known), key=lambda each: _worth(each.name))
    rounded = len(cells) > FULL_DIGITS
    found, empty = _packed(folder, wanted, order, rounded)
    if not rounded and sum(each.size for each in found.values()) > budget:
        rounded = True
        found, empty = _packed(folder, wanted, order, rounded)
    kept = _within(found, budget)
    columns = [_told(each, found[each.name]) for each in (*COLUMNS, INFERRED) if each.name in kept]
    return Rows(cells[order], columns, empty, [name for name in found if name not in kept], rounded)


def has_rows(folder: RunFolder) -> bool:
    """Whether a shard is written yet; runs that were put together all have some."""
    return isinstance(folder, JoinedFolder) or bool(folder.cells.names())


def _worth(name: str) -> int:
    return WORTH.index(name) if name in WORTH else len(WORTH)


def _packed(
    folder: RunFolder, wanted: list[Column], order: np.ndarray, rounded: bool
) -> tuple[dict[str, Packed], dict[str, str]]:
    """Each column as text, and of those without any value why."""
    found: dict[str, Packed] = {}
    empty: dict[str, str] = {}
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        table = _read(folder, [each.name for each in some])
        for column in some:
            values = table[column.name].combine_chunks()
            if values.null_count == len(values) and Reason.NEVER not in column.reasons:
                empty[column.name] = column.why_missing()
            else:
                found[column.name] = _pack(column, values, order, rounded)
    return found, empty


def _pack(column: Column, values: Any, order: np.ndarray, rounded: bool) -> Packed:
    chunked = pa.chunked_array([values])
    if column.type == TEXT:
        codes, names = names_of(chunked)
        return pack_names(codes[order], names)
    numbers, missing = numbers_of(chunked)
    numbers, missing = numbers[order], missing[order]
    if not pa.types.is_floating(column.type):
        return pack_counts(numbers.astype(np.int64), missing)
    return (pack_levels if rounded else pack_words)(np.where(missing, np.nan, numbers.astype(float)), missing)


def _within(found: Mapping[str, Packed], budget: int) -> set[str]:
    """Names of those that fit, the ones of most worth first."""
    kept, spent = set(), 0
    for name, each in found.items():
        if spent + each.size <= budget:
            kept.add(name)
            spent += each.size
    return kept


def _told(column: Column, packed: Packed) -> dict[str, Any]:
    """What the page knows of a column."""
    ends = {str(outcome): int(kind) for reason, kind, outcome in ENDS if reason in column.reasons}
    return {
        "name": column.name,
        "label": column.label or column.name,
        "meaning": column.meaning,
        "unit": str(column.unit),
        "better": column.better,
        "scale": column.scale.name.lower(),
        "why_missing": column.why_missing(),
        "missing_is_best": column.missing.name == "NEGATIVE",
        "ends": ends,
        "set": column.names.__name__ if column.names else None,
        "verdicts": [str(each) for each in column.names.by_severity()] if column.names else None,
        **packed.as_dict(),
    }


def _read(folder: RunFolder, names: list[str]) -> pa.Table:
    """Some columns over all shards."""
    return pa.concat_tables(folder.tables(names, filled=True)).unify_dictionaries()
