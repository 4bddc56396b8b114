"""Words for what is wrong with a table, or was done to it."""

from pathlib import Path
from typing import Any

from nanmap.config import DataSettings
from nanmap.errors import InputError

SHOWN = 12  # names of a long list


def unusable(data: DataSettings, name: str, problem: str, mend: str) -> InputError:
    """The error for a column that cannot be trained on."""
    return InputError(f"column `{name}` {problem}", file=data.path, mend=mend)


def line_of(data: DataSettings, row: int) -> int:
    """The line of a file in which a row stands, counted from 1; blank lines are no rows but are lines."""
    if data.kind != "csv":
        return row + 1
    lines = Path(data.path or "").read_text(encoding="utf-8", errors="replace").splitlines()
    return [number for number, line in enumerate(lines, 1) if line.strip()][row + 1]


def listed(names: Any) -> str:
    """The first few of many names."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + (f", … ({len(names)})" if len(names) > SHOWN else "")
