"""Files of a run folder: written whole or not at all; who may write them, one at a time."""

import hashlib
import io
import json
import os
import platform
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nanmap.errors import RunFolderError, told_of
from nanmap.objects import is_object
from nanmap.results.places import file_within, opened, within

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

TEMPORARY = ".tmp"
UNFINISHED = re.compile(r".+\.[0-9a-f]{8}")  # what `Replacing` calls a file until it is whole


class Replacing:
    """A file to write to, flushed and moved over the target once the block ends without an error.

    In a run folder it is made in a folder of its own: where the rows stand, readers find whole files only. An object of a store
    is made in memory, and put there in one go.

    Args:
        root: the run folder; None for a file that stands in none, which is made beside its target, hidden.
        target: where the file goes; its folder is made.
    """

    def __init__(self, root: Path | None, target: Path) -> None:
        unfinished = f"{target.name}.{secrets.token_hex(4)}"
        self.target = file_within(root, target) if root else target
        self.temporary = (
            within(root, root / TEMPORARY) / unfinished if root else target.with_name(f".{unfinished[-120:]}")
        )

    def __enter__(self) -> BinaryIO:
        if is_object(self.target):
            self._file: BinaryIO = io.BytesIO()
            return self._file
        with self._told():
            for folder in (self.target.parent, self.temporary.parent):
                make_folder(folder)
            self._file = self.temporary.open("xb")
        take(self._file)
        return self._file

    def __exit__(self, kind: type | None, error: BaseException | None, *_: object) -> None:
        with self._told():
            if isinstance(self._file, io.BytesIO):
                if kind is None:
                    self.target.write_bytes(self._file.getbuffer())
                return
            try:
                with self._file as file:
                    if isinstance(error, OSError):  # of a write
                        raise error
                    file.flush()
                    os.fsync(file.fileno())
                if kind is None:
                    os.replace(self.temporary, self.target)
                    flush_folder(self.target.parent)
            finally:
                self.temporary.unlink(missing_ok=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors name the file that is wanted."""
        with told_of(self.target):
            try:
                yield
            except OSError as error:
                if str(error.filename) == str(self.temporary):
                    error.filename = str(self.target)
                raise


class Lock:
    """Held by who writes a part of a run folder, until it lets go or its process ends, however that may be.

    An object store has no locks: there an object says who writes, and whoever comes later can only be told. No harm is done, as
    both write the same shards.

    Args:
        root: the run folder.
        part: its name; each part has a lock of its own, and readers need none.
        wait: until whoever holds it lets go.

    Attributes:
        others: who else seems to write there, in a sentence; None where nobody does, as far as can be known.
    """

    def __init__(self, root: Path, part: str, wait: bool = False) -> None:
        folder = within(root, root / TEMPORARY)
        file = file_within(root, folder / f"{part}.lock")
        self.others: str | None = None
        self._object = file if is_object(file) else None
        if self._object:
            self._say()
            return
        with told_of(file):
            make_folder(folder)
            self._file = opened(file, "ab")
        if take(self._file, wait) is False:
            self._file.close()
            mend = "wait until it has ended, or write elsewhere with --out"
            raise RunFolderError(f"another run is writing its {part}", file=root, mend=mend)

    def _say(self) -> None:
        """Leaves word who writes, and reads who does."""
        assert self._object
        me = json.dumps({"host": platform.node(), "process": os.getpid()}).encode()
        with told_of(self._object):
            if self._object.is_file():
                who = self._object.read_text(errors="replace")
                self.others = (
                    f"another run is writing here, or ended without a word ({who}): an object store has no locks, "
                    "but both would write the same rows"
                )
            self._object.write_bytes(me)

    def release(self) -> None:
        """Lets others write."""
        if self._object:
            with told_of(self._object):
                self._object.unlink(missing_ok=True)
        else:
            self._file.close()


def take(file: BinaryIO, wait: bool = False) -> bool | None:
    """Locks an open file for as long as it is open. False if somebody else holds it, None where there are no such locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # some file systems over a network
        return None
    return True


def remove_unfinished(root: Path) -> None:
    """Removes what interrupted writes left. What another process is writing at the moment is locked, and stays."""
    for left in within(root, root / TEMPORARY).glob("*"):
        if UNFINISHED.fullmatch(left.name) and left.is_file() and not left.is_symlink():
            with told_of(left), opened(left) as file:
                if take(file):
                    left.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Of a file's content, in hexadecimal digits."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it that are missing; a loss of power does not take them back."""
    if is_object(folder):
        return
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        flush_folder(each.parent)


def flush_folder(folder: Path) -> None:
    """So that a loss of power does not take back that a file is there, or gone. Not every system opens folders."""
    if os.name != "posix" or is_object(folder):
        return
    entry = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)
