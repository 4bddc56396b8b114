"""A place in an object store, `s3://…` or `gs://…`, with as much of a path as a run folder asks of one. By pyarrow's file systems.

Objects are written whole: a store shows an object once it is complete, and a stream that fails half-way would publish what it had.
There are no links, no folders that need to be made, and no locks.
"""

import fnmatch
import re
import stat
from collections.abc import Iterator
from functools import lru_cache, total_ordering
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, cast

from nanmap.errors import RunFolderError

URL = re.compile(r"(s3|gs|gcs):(?:/+([^?]*))?(\?.*)?")  # a `Path` has made one slash of two
SETTINGS = "s3://bucket/folder?region=…&endpoint_override=HOST:PORT&scheme=http"


class Stat(NamedTuple):
    """What can be told of an object without reading it."""

    st_size: int
    st_mtime_ns: int
    st_ino: int = 0
    st_mode: int = stat.S_IFREG


def place(path: "str | Path | ObjectPath") -> Path:
    """The path of a folder on this machine, or of a place in an object store.

    Raises:
        RunFolderError: what is given is no address of an object store.

    >>> place("results/line")
    PosixPath('results/line')
    """
    if isinstance(path, ObjectPath):
        return cast(Path, path)
    address = URL.fullmatch(str(path))
    if address is None:
        return Path(path)
    scheme, key, settings = (group or "" for group in address.groups())
    if not key.strip("/"):
        raise RunFolderError("names no bucket", file=str(path), allowed=SETTINGS)
    return cast(Path, ObjectPath(f"{scheme}://", PurePosixPath(key.strip("/")), settings))


def is_object(path: Path) -> bool:
    """Whether a path is a place in an object store."""
    return isinstance(path, ObjectPath)


def readable(path: Path) -> Any:
    """What readers of Parquet take: a path, or an object that is open."""
    return path.open("rb") if is_object(path) else path


def known_to_arrow(paths: list[Path]) -> dict[str, Any]:
    """Files of one place as `pyarrow.dataset.dataset` takes them."""
    first = paths[0]
    if isinstance(first, ObjectPath):
        return {"source": [cast(ObjectPath, each).where for each in paths], "filesystem": first.filesystem}
    return {"source": list(map(str, paths))}


@total_ordering
class ObjectPath:
    """An object, or what stands before the last `/` of some.

    Args:
        scheme: `s3://` and the like.
        key: the bucket and what follows.
        settings: of the store, as pyarrow reads them behind a `?`.
    """

    def __init__(self, scheme: str, key: PurePosixPath, settings: str = "") -> None:
        self.scheme, self.key, self.settings = scheme, key, settings

    def __str__(self) -> str:
        return f"{self.scheme}{self.key}{self.settings}"

    __repr__ = __str__

    def __truediv__(self, name: str) -> "ObjectPath":
        return ObjectPath(self.scheme, self.key / name, self.settings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectPath) and str(self) == str(other)

    def __lt__(self, other: "ObjectPath") -> bool:
        return self.key < other.key

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def name(self) -> str:
        """Behind the last `/`."""
        return self.key.name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return self.key.stem

    @property
    def suffix(self) -> str:
        """`.parquet` and the like."""
        return self.key.suffix

    @property
    def parent(self) -> "ObjectPath":
        """Before the last `/`."""
        return ObjectPath(self.scheme, self.key.parent, self.settings)

    @property
    def parents(self) -> list["ObjectPath"]:
        """The parent and those above it, up to the bucket."""
        return [ObjectPath(self.scheme, each, self.settings) for each in self.key.parents if each.name]

    @property
    def filesystem(self) -> Any:
        """Of pyarrow; its own paths are `where`."""
        return _filesystem(self.scheme, self.key.parts[0], self.settings)

    @property
    def where(self) -> str:
        """What the file system calls it."""
        return str(self.key)

    def absolute(self) -> "ObjectPath":
        """It is one always."""
        return self

    def exists(self) -> bool:
        """Whether there is such an object, or one below it."""
        return self._info().type.name != "NotFound"

    def is_file(self) -> bool:
        """Whether it is an object."""
        return self._info().type.name == "File"

    def is_dir(self) -> bool:
        """Whether there are objects below it."""
        return self._info().type.name == "Directory"

    def is_symlink(self) -> bool:
        """There are none."""
        return False

    def stat(self) -> Stat:
        """Its size, and when it was written."""
        info = self._found()
        return Stat(info.size, info.mtime_ns)

    def mkdir(self, **_: Any) -> None:
        """Nothing has to be made."""

    def rmdir(self) -> None:
        """Nothing is left of a folder without objects."""

    def iterdir(self) -> Iterator["ObjectPath"]:
        """What stands directly below it."""
        from pyarrow.fs import FileSelector

        found = self.filesystem.get_file_info(FileSelector(self.where, allow_not_found=True))
        yield from (self / each.base_name for each in found)

    def glob(self, pattern: str) -> Iterator["ObjectPath"]:
        """Those directly below it whose names are like the pattern."""
        return (each for each in self.iterdir() if fnmatch.fnmatchcase(each.name, pattern))

    def open(self, mode: str = "rb") -> Any:
        """To read it, from any place on; what is written is written whole, by `write_bytes`."""
        self._found()
        return self.filesystem.open_input_file(self.where)

    def read_bytes(self) -> bytes:
        """All of it."""
        with self.open() as file:
            content: bytes = file.read()
        return content

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """All of it as text."""
        return self.read_bytes().decode(encoding, errors)

    def write_bytes(self, content: bytes | memoryview) -> None:
        """Puts an object there in one go.

        Raises:
            OSError: the store did not take it, or has less of it.
        """
        stream = self.filesystem.open_output_stream(self.where)
        stream.write(content)  # in no `with`: it would complete the object after an error, too
        stream.close()
        if (size := self.stat().st_size) != len(content):
            raise OSError(None, f"the store has {size:,} bytes of {len(content):,}", str(self))

    def unlink(self, missing_ok: bool = False) -> None:
        """Removes it."""
        if not missing_ok or self.is_file():
            self.filesystem.delete_file(self.where)

    def _info(self) -> Any:
        return self.filesystem.get_file_info(self.where)

    def _found(self) -> Any:
        info = self._info()
        if info.type.name != "File":
            raise FileNotFoundError(2, "no such object", str(self))
        return info


@lru_cache(maxsize=16)
def _filesystem(scheme: str, bucket: str, settings: str) -> Any:
    from pyarrow.fs import FileSystem

    address = f"{scheme.replace('gcs:', 'gs:')}{bucket}{settings}"
    try:
        return FileSystem.from_uri(address)[0]
    except (OSError, ValueError) as error:  # pyarrow tells a wrong setting, or that it was built without the store
        why = str(error).partition("\n")[0]
        raise RunFolderError(f"is no place in an object store: {why}", file=address, allowed=SETTINGS) from None
