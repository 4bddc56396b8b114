"""What `nanmap compare` found: the differences between two runs, as attributes, as text and as plain data."""

import math
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FEW = 5  # cells that are told one by one


@dataclass(frozen=True)
class Move:
    """Cells whose class changed: from the one run's to the other's."""

    before: str
    after: str
    cells: int


@dataclass(frozen=True)
class Shift:
    """How far the values of a column moved, over the cells that both runs have.

    Attributes:
        equal: cells with the same to the last bit; NaN equals NaN, null equals null.
        other_kind: cells of which a number, an infinity, a NaN or null became another of these; None for texts and flags.
        median: of |a − b| / max(|a|, |b|) over the cells whose finite numbers differ, so up to 2 where the sign
            changed; None without any, or for texts.
        largest: the same.
        cells: where it is largest: the cell in the one run and in the other.
    """

    column: str
    equal: int
    other_kind: int | None
    median: float | None
    largest: float | None
    cells: tuple[int, int] | None


@dataclass(frozen=True)
class Alone:
    """The cells that one run alone has: how many, and the first few with their settings."""

    count: int
    first: list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs, cell by cell: cells are the same where the settings are that an axis of either run goes over.

    >>> import nanmap
    >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 200}}
    >>> result = nanmap.sweep(line, {"optimizer.learning_rate": [0.01, 0.1, 1e3]}, out="results/line")
    >>> comparison = nanmap.compare(result, result.judged(ratio=1e-9))
    >>> comparison.to_pandas()[["learning_rate", "outcome_a", "outcome_b"]].values.tolist()
    [[0.01, 'converged', 'progressing']]

    Attributes:
        names: the two run folders.
        cells: rows of each.
        both: cells that both have.
        alone: the cells that only the one has, and only the other.
        differs: what is not the same of the runs themselves, by what it is called: in the one and in the other.
        outcomes: how many cells changed their outcome, from which to which, the most first.
        shifts: each column that is not the same in all cells.
        examples: a few of the rows of `to_pandas`, one of each change as far as they go.
        commands: of each of these, the commands that train the cell again, in the one run and the other.
    """

    names: tuple[str, str]
    cells: tuple[int, int]
    both: int
    alone: tuple[Alone, Alone]
    differs: dict[str, tuple[Any, Any]]
    outcomes: list[Move]
    shifts: list[Shift]
    examples: list[int]
    commands: list[tuple[str, str]]
    _changed: "pd.DataFrame"

    @property
    def changed(self) -> int:
        """Cells whose outcome changed."""
        return len(self._changed)

    def to_pandas(self) -> "pd.DataFrame":
        """A row per cell whose outcome changed: its settings, and its number, outcome and cause in each run."""
        return self._changed.copy()

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data; of the cells that changed a few examples."""
        return {
            "runs": list(self.names),
            "differs": {name: list(values) for name, values in self.differs.items()},
            "cells": {"each": list(self.cells), "both": self.both, "only": [each.count for each in self.alone]},
            "only_first": [each.first for each in self.alone],
            "changed": self.changed,
            "share": self.changed / self.both if self.both else None,
            "outcomes": [{"from": each.before, "to": each.after, "cells": each.cells} for each in self.outcomes],
            "examples": [
                {**row, "commands": list(commands)}
                for row, commands in zip(self._examples(), self.commands, strict=True)
            ],
            "columns": [
                {
                    "column": each.column,
                    "equal": each.equal,
                    "other_kind": each.other_kind,
                    "median_relative_difference": each.median,
                    "largest_relative_difference": each.largest,
                    "largest_at": None if each.cells is None else list(each.cells),
                }
                for each in self.shifts
            ],
        }

    def _examples(self) -> list[dict[str, Any]]:
        rows = self._changed.iloc[self.examples].to_dict("records")
        return [{str(name): value for name, value in row.items()} for row in rows]

    def __str__(self) -> str:
        return "\n".join([*self._runs(), *self._cells(), *self._classes(), *self._numbers()])

    def _runs(self) -> list[str]:
        pairs = zip("AB", self.names, self.cells, strict=True)
        lines = [f"{letter}: {name} ({count:,} cells)" for letter, name, count in pairs]
        if not self.differs:
            return [*lines, "both were made with the same settings, versions and device"]
        width = max(map(len, self.differs))
        told = [f"  {name:<{width}}  {_shown(a)} | {_shown(b)}" for name, (a, b) in self.differs.items()]
        return [*lines, "what differs, A | B:", *told]

    def _cells(self) -> list[str]:
        lines = [f"cells of the same settings: {self.both:,}"]
        for letter, alone in zip("AB", self.alone, strict=True):
            if alone.count:
                lines.append(f"only in {letter}: {alone.count:,}, such as {_settings(alone.first[0])}")
        if not self.both and all(self.cells):
            runs = ", ".join(f'"{name}"' for name in self.names)
            lines.append(f"no cell of A has the settings of one of B: nanmap.concat([{runs}]) puts them together")
        return lines

    def _classes(self) -> list[str]:
        if not self.both:
            return []
        if not self.changed:
            return ["outcome: the same in all of them"]
        lines = [f"outcome: changed in {self.changed:,} of {self.both:,} ({_percent(self.changed, self.both)})"]
        lines += [f"  {each.cells:>8,}  {each.before} → {each.after}" for each in self.outcomes]
        lines.append("such as:" if self.changed > FEW else "these are:")
        for row, commands in zip(self._examples(), self.commands, strict=True):
            settings = {name: value for name, value in row.items() if name not in OF_BOTH}
            lines.append(f"  {_settings(settings)}: {row['outcome_a']} → {row['outcome_b']}")
            lines += [f"    {command}" for command in commands]
        return lines

    def _numbers(self) -> list[str]:
        if not self.both:
            return []
        if not self.shifts:
            return ["every value of these rows is the same, bit for bit"]
        width = max(len(each.column) for each in self.shifts)
        head = f"  {'column':<{width}}  {'bit-equal':>11}  {'other kind':>11}  {'median':>9}  {'largest':>9}"
        lines = [
            f"columns that are not the same to the last bit in all {self.both:,} cells (other kind: a number, inf, NaN or null"
        ]
        lines += [
            "that became another of these; median and largest relative difference of the other numbers that differ):",
            head,
        ]
        for each in self.shifts:
            line = f"  {each.column:<{width}}  {each.equal:>11,}"
            line += "" if each.other_kind is None else f"  {each.other_kind:>11,}"
            if each.largest is not None and each.median is not None and each.cells is not None:
                line += f"  {each.median:>9.2g}  {each.largest:>9.2g}  at cell {each.cells[0]} | {each.cells[1]}"
            lines.append(line)
        return lines


OF_BOTH = tuple(f"{name}_{letter}" for name in ("cell", "outcome", "cause") for letter in "ab")


def again(folder: str, cell: int, judged: dict[str, Any], allow_python: bool = False) -> str:
    """The command that trains a cell again."""
    words = ["nanmap", "run", "--cell", str(cell), "--of", folder, *["--allow-python"] * allow_python]
    return shlex.join(
        [*words, *(word for name, value in judged.items() for word in ("--set", f"outcome.{name}={value}"))]
    )


def _settings(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {_shown(value)}" for name, value in settings.items()) or "the only cell"


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) and math.isfinite(value) else str(value)


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return f"{share:.2g} %" if share < 10 else f"{share:.0f} %"
