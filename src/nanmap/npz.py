"""Arrays of an npz file, which is asked first how much it unpacks to."""

import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nanmap.errors import InputError
from nanmap.limits import check_memory

KINDS = "biuf"  # of numbers
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # another encoding of the names in records, which are no numbers
}
COPIES = 4  # of each array: unpacked, as float64, and what is made of it


def read_npz(
    path: Path, names: tuple[str, ...] | None = None, mend: str | None = None, **place: Any
) -> dict[str, np.ndarray]:
    """Arrays by name; those of `names` where they are there, else all.

    Args:
        path: the file.
        names: of the arrays that are wanted.
        mend: of a file that cannot be read.
        place: of errors: `key`.

    Raises:
        InputError: it is no readable npz file, unpacks to more than there is memory for, or holds what is no number.
        OSError: it cannot be opened.
    """
    with path.open("rb") as held:
        try:
            sizes = _sizes(held)
        except Exception as error:  # whatever a damaged zip file makes of itself
            raise _unreadable(path, held, error, mend, place) from None
        check_memory(
            COPIES * sum(size for name, size in sizes.items() if names is None or name in names),
            "its arrays",
            file=path,
            **place,
        )
        try:
            held.seek(0)
            with np.load(held, allow_pickle=False) as file:
                found = {name: file[name] for name in file.files if names is None or name in names}
        except MemoryError:
            raise
        except Exception as error:
            raise _unreadable(path, held, error, mend, place) from None
    for name, array in found.items():
        if array.dtype.kind in "cmMV":  # of which NumPy would make other numbers without a word
            said = "store each part as a column of plain numbers"
            raise InputError(f"`{name}` holds {array.dtype}", file=path, mend=said, **place)
    return found


def _sizes(held: BinaryIO) -> dict[str, int]:
    """Bytes that each array takes, as its own header says; the file may hold less, and is damaged then."""
    with zipfile.ZipFile(held) as archive:
        return {each.filename.removesuffix(".npy"): _said_size(archive, each) for each in archive.infolist()}


def _said_size(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        shape, _, dtype = HEADERS[version](file)
        count = 1
        for length in shape:
            count *= int(length)
        size = count * max(dtype.itemsize, 8)
        if count * dtype.itemsize > member.file_size:
            raise ValueError("an array is shorter than it says")
    return size


def _unreadable(path: Path, held: BinaryIO, error: Exception, mend: str | None, place: dict[str, Any]) -> InputError:
    held.seek(0)
    problem = f": {error}" if zipfile.is_zipfile(held) else ""
    return InputError(f"is no readable npz file{problem}", file=path, mend=mend, **place)
