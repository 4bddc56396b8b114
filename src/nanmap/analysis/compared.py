"""Two runs, cell by cell: which are the same training, and what became of it in each."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from nanmap.analysis.alike import Pairs, read_cells, read_columns, side_by_side
from nanmap.analysis.comparison import FEW, Alone, Comparison, Move, Shift, again
from nanmap.analysis.merged import Merged, differing, merge
from nanmap.analysis.run_settings import RunSettings, almost_equal
from nanmap.results.columns import COLUMNS
from nanmap.results.folder import RunFolder
from nanmap.results.schema import TEXT, Column

if TYPE_CHECKING:
    import pandas as pd

ENDS = ("outcome", "cause")


def compare_runs(a: RunFolder, b: RunFolder) -> Comparison:
    """Holds two runs against each other.

    Cells are the same where all settings are that an axis of either run goes over; a setting that both runs fix may
    differ, and is told.

    Raises:
        InputError: one is no run folder, holds no rows yet, or their axes cannot stand in one grid.
    """
    folders, runs = (a, b), (RunSettings(a), RunSettings(b))
    merged = merge(runs)
    cells = [read_cells(folder) for folder in folders]
    numbers = [merged.numbers(n, each) for n, each in enumerate(cells)]
    pairs = Pairs.of(*numbers)
    sides = cells[0][pairs.one], cells[1][pairs.other]
    changed = _changed(folders, merged, pairs, sides)
    examples = _examples(changed)
    return Comparison(
        names=(runs[0].name, runs[1].name),
        cells=(len(cells[0]), len(cells[1])),
        both=len(pairs.numbers),
        alone=(_alone(numbers[0], pairs, merged), _alone(numbers[1], pairs, merged)),
        differs=_differs(*runs),
        outcomes=_moves(changed),
        shifts=_shifts(folders, pairs, sides),
        examples=examples,
        commands=[
            (_command(a, int(one), runs[0]), _command(b, int(other), runs[1]))
            for one, other in changed[["cell_a", "cell_b"]].iloc[examples].itertuples(index=False)
        ],
        _changed=changed,
    )


def _differs(a: RunSettings, b: RunSettings) -> dict[str, tuple[Any, Any]]:
    """What is not the same of two runs: what they were made with, what they fix, and what their axes hold."""
    versions = [
        {f"version of {name}": version for name, version in (run.manifest.get("versions") or {}).items()}
        for run in (a, b)
    ]
    made = [
        {
            "version of the columns": run.manifest.get("schema"),
            **version,
            "backend": run.manifest.get("backend"),
            "device": run.manifest.get("device"),
            **{f"content of {name}": digest[:12] for name, digest in run.digests.items()},
            "cells side by side": run.manifest.get("widths"),
            "complete": run.manifest.get("complete"),
            "where": run.manifest["sweep"].get("where"),
        }
        for run, version in zip((a, b), versions, strict=True)
    ]
    made[0]["cells side by side"], made[1]["cells side by side"] = _widths(*made)
    found = {name: (made[0].get(name), made[1].get(name)) for name in {**made[0], **made[1]}}
    found = {name: pair for name, pair in found.items() if pair[0] != pair[1]}
    found |= {key: (one, other) for key, (one, other) in differing((a, b)).items()}
    found |= _axes(a, b)
    return found | {
        f"axis {name}, equal but for the last digits: {len(near)}": (repr(near[0][0]), repr(near[0][1]))
        for name, near in almost_equal(a, b).items()
    }


def _widths(one: dict[str, Any], other: dict[str, Any]) -> tuple[str | None, str | None]:
    """How many cells were trained side by side, of the programs that both runs have."""
    widths = [each["cells side by side"] or {} for each in (one, other)]
    shared = [name for name in widths[0] if name in widths[1] and widths[0][name] != widths[1][name]]
    told = [", ".join(str(each[name]) for name in shared[:3]) + " …" * (len(shared) > 3) for each in widths]
    return (told[0], told[1]) if shared else (None, None)


def _axes(a: RunSettings, b: RunSettings) -> dict[str, tuple[Any, Any]]:
    """The axes that do not hold the same values in both."""
    sides = [{axis.column: axis.labels.tolist() for axis in run.grid.axes} for run in (a, b)]
    return {
        f"axis {name}": (_values(sides[0].get(name)), _values(sides[1].get(name)))
        for name in {**sides[0], **sides[1]}
        if sides[0].get(name) != sides[1].get(name)
    }


def _values(labels: list[Any] | None) -> str | None:
    if labels is None:
        return "no axis"
    if len(labels) <= FEW:
        return ", ".join(f"{each:.6g}" if isinstance(each, float) else str(each) for each in labels)
    numbers = all(isinstance(each, int | float) for each in labels)
    return f"{len(labels)} values" + (f", {min(labels):.6g} to {max(labels):.6g}" if numbers else "")


def _alone(numbers: np.ndarray, pairs: Pairs, merged: Merged) -> Alone:
    found = np.setdiff1d(numbers, pairs.numbers)
    return Alone(len(found), [merged.settings(int(number)) for number in found[:FEW]])


def _changed(
    folders: tuple[RunFolder, RunFolder], merged: Merged, pairs: Pairs, sides: tuple[np.ndarray, np.ndarray]
) -> "pd.DataFrame":
    """The cells whose outcome is not the same, by their number in the merged grid."""
    import pandas as pd

    texts: dict[str, np.ndarray] = {}
    for letter, folder, rows in zip("ab", folders, (pairs.one, pairs.other), strict=True):
        table = read_columns(folder, ENDS).take(rows)
        texts |= {f"{name}_{letter}": table[name].to_numpy() for name in ENDS}
    wrong = np.flatnonzero(texts["outcome_a"] != texts["outcome_b"])
    settings = merged.grid.cells(pairs.numbers[wrong]).columns()
    found = {**settings, "cell_a": sides[0][wrong], "cell_b": sides[1][wrong]}
    return pd.DataFrame(found | {name: values[wrong] for name, values in texts.items()})


def _moves(changed: "pd.DataFrame") -> list[Move]:
    counts = Counter(zip(changed.outcome_a.tolist(), changed.outcome_b.tolist(), strict=True))
    return [Move(before, after, count) for (before, after), count in counts.most_common()]


def _examples(changed: "pd.DataFrame") -> list[int]:
    """A few rows: the first of each change, then others."""
    again = changed.duplicated(["outcome_a", "outcome_b"]).to_numpy()
    return sorted(np.argsort(again, kind="stable")[:FEW].tolist())


def _shifts(folders: tuple[RunFolder, RunFolder], pairs: Pairs, sides: tuple[np.ndarray, np.ndarray]) -> list[Shift]:
    """Of the columns that both runs have, those that are not the same in all cells."""
    there = [set(next(folder.tables()).column_names) for folder in folders]
    columns = [column for column in COLUMNS if column.name in there[0] & there[1]]
    compared = side_by_side(*folders, pairs, columns)
    return [_shift(column, a, b, same, sides) for column, a, b, same in compared if not same.all()]


def _shift(
    column: Column, one: pa.ChunkedArray, other: pa.ChunkedArray, same: np.ndarray, sides: tuple[np.ndarray, np.ndarray]
) -> Shift:
    equal = int(same.sum())
    if column.type == TEXT or pa.types.is_boolean(column.type):
        return Shift(column.name, equal, None, None, None, None)
    kinds = [_kinds(each) for each in (one, other)]
    finite = np.flatnonzero(~same & (kinds[0] == 0) & (kinds[1] == 0))
    other_kind = int((kinds[0] != kinds[1]).sum())
    if not len(finite):
        return Shift(column.name, equal, other_kind, None, None, None)
    a, b = (each.take(finite).cast(pa.float64()).to_numpy() for each in (one, other))
    largest = np.maximum(np.abs(a), np.abs(b))
    scale = np.where(largest > 0, largest, 1.0)  # 0 and −0 differ by nothing
    relative = np.abs(a / scale - b / scale)  # scaled first: the difference itself may overflow
    worst = int(np.argmax(relative))
    place = int(sides[0][finite[worst]]), int(sides[1][finite[worst]])
    return Shift(column.name, equal, other_kind, float(np.median(relative)), float(relative[worst]), place)


def _kinds(values: pa.ChunkedArray) -> np.ndarray:
    """0 for a finite number, else which of null, NaN and the infinities it is."""
    null = values.is_null().to_numpy()
    numbers = values.cast(pa.float64()).to_numpy()  # null turns into NaN
    return np.select([null, np.isnan(numbers), np.isposinf(numbers), np.isneginf(numbers)], [1, 2, 3, 4], 0)


def _command(folder: RunFolder, cell: int, run: RunSettings) -> str:
    source, number = folder.source(cell)
    return again(str(source.path), number, run.manifest.get("judged") or {})
