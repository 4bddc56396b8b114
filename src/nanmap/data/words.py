"""Words for what is wrong with a table, or was done to it."""

from pathlib import Path
from typing import Any

import numpy as np

from nanmap.config import DataSettings
from nanmap.errors import InputError

SHOWN = 12  # names of a long list


def unusable(data: DataSettings, name: str, problem: str, mend: str) -> InputError:
    """The error for a column that cannot be trained on."""
    return InputError(f"column `{name}` {problem}", file=data.path, mend=mend)


def place_of(data: DataSettings, row: int) -> str:
    """Where a row stands: the line of a file, counted from 1, or the row of an array, as Python counts.

    Blank lines of a file are no rows but are lines.
    """
    if data.kind == "arrays":
        return f"row {row} (the first is 0)"
    return f"line {row + 1 if data.kind != 'csv' else _line(data, row)}"


def _line(data: DataSettings, row: int) -> int:
    lines = Path(data.path or "").read_text(encoding="utf-8", errors="replace").splitlines()
    return [number for number, line in enumerate(lines, 1) if line.strip()][row + 1]


def called(value: Any) -> str:
    """What a value is called as a class or a category: numbers as shortly as tells them apart, whole ones without a point.

    >>> called(1.0), called(0.1), called(-0.0), called(1e6), called(1000001.0), called(1000001), called("Oslo")
    ('1', '0.1', '0', '1e+06', '1000001', '1000001', 'Oslo')
    """
    if not isinstance(value, float | np.floating):
        return str(value)
    short = f"{value + 0:g}"  # + 0 leaves −0 without its sign
    return short if type(value)(short) == value else str(value).removesuffix(".0")


def listed(names: Any) -> str:
    """The first few of many names."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + (f", … ({len(names)})" if len(names) > SHOWN else "")
