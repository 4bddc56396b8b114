"""The sizes at which nanmap asks before it goes on: counted in whole numbers of Python before anything is allocated.

Each has one name and one place, here; docs/reference.md tells them. What hangs on the machine is memory alone: `NANMAP_MEMORY`, as in
`NANMAP_MEMORY=12GiB`, says how much may be used, else it is three quarters of what is free.
"""

import os
import re
import stat
from pathlib import Path
from typing import Any

from nanmap.errors import InputError, check_path

MOST_AXES = 32  # NumPy numbers cells over at most 64 dimensions; 32 axes of two values are 4·10⁹ cells
MOST_CELLS = 10**15  # thirty years of a million trainings per second
MOST_COUNTED = 10**10  # cells that are looked at one by one, as for a condition; some minutes
MOST_SUMMED = 10**8  # cells of which a finished sweep says what works
MOST_VALUES = 1_000_000  # written one by one; `log` and `linear` make ten times as many, `range` any number
MOST_SPACED = 10_000_000  # of `log` and `linear`
MOST_VARIANTS = 20_000  # settings with a program or rows of their own; each is looked at beforehand, some milliseconds
MOST_ROWS = 100_000_000  # of built-in data
MOST_LAYERS = 200  # each is compiled on its own; 200 take half a minute of a core
MOST_LETTERS = 10_000  # of a condition
MOST_NESTED = 50  # `not` and brackets of a condition within each other
NUMBER_BYTES = 64  # of a number of the rows: read, encoded, split, scaled and hashed, in float64 each
CELL_BYTES = 1000  # of a cell in a shard that fills: its settings and its row; 0.8 kB were measured
PLACE_BYTES = 64  # of a value of an axis on a picture: its place, its label, where it is drawn
NAME_BYTES = 256  # of an input, which has a name
TOML_BYTES = 32 * 2**20  # of a config or a sweep, which is read whole
MEMORY = "NANMAP_MEMORY"
UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
SIZE = re.compile(r"\s*(\d+(?:\.\d*)?)\s*([kmgt]?)i?b?\s*", re.IGNORECASE)


def check_memory(size: int, what: str, **place: Any) -> None:
    """Asks before so many bytes are taken.

    Args:
        size: bytes that will be taken, about.
        what: takes them, in the plural.
        place: of the error: `file`, `key`, `value`, and a `mend` of its own.

    Raises:
        InputError: they are more than may be used.
    """
    allowed = memory_allowed()
    if size > allowed:
        problem = f"{what} take about {told_bytes(size)} of memory, and {told_bytes(allowed)} may be used"
        mend = place.pop("mend", "take fewer")
        raise InputError(problem, mend=f"{mend}, or allow it by {MEMORY}={told_bytes(size).replace(' ', '')}", **place)


def memory_allowed() -> int:
    """Bytes that may be used: as `NANMAP_MEMORY` says, else three quarters of what is free.

    Raises:
        InputError: it says no size.
    """
    given = os.environ.get(MEMORY)
    if given:
        return parse_bytes(given)
    return min(_free(), _of_group()) * 3 // 4


def parse_bytes(text: str) -> int:
    """A size of memory.

    Raises:
        InputError: the text is something else.

    >>> parse_bytes("2GiB"), parse_bytes("1.5 k"), parse_bytes("4096")
    (2147483648, 1536, 4096)
    """
    found = SIZE.fullmatch(text)
    if found is None:
        raise InputError("is no size of memory", key=MEMORY, value=text, mend=f"for example {MEMORY}=8GiB")
    return int(float(found[1]) * UNITS[found[2].lower()])


def told_bytes(size: int) -> str:
    """A number of bytes for people.

    >>> told_bytes(1_700_000_000), told_bytes(500), told_bytes(2**80)
    ('1.6 GiB', '500 B', '1,099,511,627,776 TiB')
    """
    for name, unit in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= unit:
            tenths = (20 * size + unit) // (2 * unit)  # of whole numbers: a float has an end
            return f"{tenths // 10:,} {name}" if tenths >= 100 else f"{tenths / 10:.1f} {name}"
    return f"{size} B"


def check_regular(path: Path, most: int | None = None, **place: Any) -> None:
    """Asks before a file is read whole: a device or a pipe may never end.

    Raises:
        InputError: it is no regular file, or is larger than `most` bytes.
        OSError: it cannot be looked at.
    """
    check_path(path)
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise InputError(
            "is no regular file, but a device or a pipe", file=path, mend="save its content in a file", **place
        )
    if most is not None and status.st_size > most:
        problem = f"has {told_bytes(status.st_size)}"
        raise InputError(
            problem,
            file=path,
            allowed=f"at most {told_bytes(most)}",
            mend="`log`, `linear` and `range` say many values shortly",
            **place,
        )


def _free() -> int:
    """Bytes of memory that nobody uses; on systems that do not say it, half of all there is."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):  # Windows
        return 8 * 2**30


def _of_group() -> int:
    """What the control group of a container leaves."""
    try:
        most, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text().strip() for name in ("max", "current"))
        return max(0, int(most) - int(used)) if most != "max" else 2**63
    except (OSError, ValueError):
        return 2**63
