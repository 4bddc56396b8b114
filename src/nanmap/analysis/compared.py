"""Two runs, cell by cell: which are the same training, and what became of it in each."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from nanmap.analysis.alike import Pairs, read_cells, read_columns, side_by_side
from nanmap.analysis.comparison import FEW, Alone, Comparison, Move, Shift, again
from nanmap.analysis.merged import Merged, merge
from nanmap.analysis.run_differences import run_differences
from nanmap.analysis.run_settings import RunSettings
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
    folders, runs = (a, b), (RunSettings.of(a), RunSettings.of(b))
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
        differs=run_differences(*runs),
        outcomes=_moves(changed),
        shifts=_shifts(folders, pairs, sides),
        examples=examples,
        commands=[
            (_command(a, int(one), runs[0]), _command(b, int(other), runs[1]))
            for one, other in changed[["cell_a", "cell_b"]].iloc[examples].itertuples(index=False)
        ],
        _changed=changed,
    )


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
    return again(str(source.path), number, run.manifest.get("judged") or {}, run.names_code)
