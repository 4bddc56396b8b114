"""What may stand in a run folder: files and folders under plain names, no links, and nothing that is waited for when it is opened."""

import os
import re
import stat
from contextlib import suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Literal, cast

from nanmap.errors import RunFolderError, told_of
from nanmap.objects import is_object

NAME = re.compile(r"\w[\w .=+-]{0,199}")  # of a file that settings may name: no way into another folder, no hidden file
DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?", re.IGNORECASE)  # of Windows, in any folder
LETTERS = (
    "letters, digits, blanks and . = + - _, at most 200, the first a letter or digit, the last no blank or dot; "
    "no device of Windows (con, prn, aux, nul, com1, lpt1, …)"
)

Opened = BufferedReader | BufferedWriter


def is_plain(name: str) -> bool:
    """Whether a file may be called so: a name alone, of letters that no system or shell takes for something else.

    >>> is_plain("outcome_x=1.png"), is_plain("../x.png"), is_plain(".png"), is_plain("con.png"), is_plain("x.")
    (True, False, False, False, False)
    """
    fits = NAME.fullmatch(name) and not DEVICE.fullmatch(name) and name[-1] not in ". "
    return bool(fits) and len(name.encode("utf-8", "surrogatepass")) <= 240


def within(root: Path, path: Path) -> Path:
    """The same path, if nothing stands between the run folder and it, nor there, but folders and a file.

    Raises:
        RunFolderError: a link does, and what is behind it is not the run's; or a pipe, a socket or a device, which may never end.
    """
    for each in () if is_object(path) else (path, *path.parents):
        if each == root:
            break
        kind = _kind(each)
        if stat.S_ISLNK(kind):
            raise RunFolderError(
                "is a symbolic link: a run folder holds its own files only",
                file=each,
                mend=f"put the files themselves there, or link the whole folder {root}",
            )
        if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise _no_file(each, "a pipe, a socket or a device")
    return path


def file_within(root: Path, path: Path) -> Path:
    """The same path, if `within` lets it pass and no folder stands there.

    Raises:
        RunFolderError: one does.
    """
    if not is_object(path) and stat.S_ISDIR(_kind(within(root, path))):
        raise _no_file(path, "a folder")
    return path


def opened(path: Path, mode: Literal["rb", "ab"] = "rb") -> Opened:
    """A file of a run folder, open. It is opened without waiting and looked at before a byte is read.

    `within` looks at paths beforehand, and says it in words; whoever may write to the folder may put something else there meanwhile.

    Raises:
        RunFolderError: it is no regular file.
        OSError: it cannot be opened.
    """
    if is_object(path):
        return cast(Opened, path.open(mode))
    file = cast(Opened, open(path, mode, opener=_without_waiting))  # noqa: SIM115, handed on
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _no_file(path, "a pipe, a socket or a device")
    return file


def content_of(path: Path) -> bytes:
    """All of a file of a run folder; raises as `opened` does."""
    with opened(path) as file:
        return file.read()


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _kind(path: Path) -> int:
    """Of what stands there, links not followed; 0 where nothing does."""
    with told_of(path), suppress(FileNotFoundError, NotADirectoryError):
        return path.lstat().st_mode
    return 0


def _no_file(path: Path, what: str) -> RunFolderError:
    return RunFolderError(
        f"is {what}, where a run folder has a file", file=path, mend="move it away; nanmap did not make it"
    )
