"""One part of a run folder: a folder of Parquet shards and the manifest that tells of it. Every file appears whole or not at all."""

import json
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from nanmap.errors import RunFolderError
from nanmap.results.columns import blank

if TYPE_CHECKING:
    import pyarrow.dataset as ds

SHARD_FILES = "part-" + "[0-9]" * 6 + ".parquet"
HASH = b"nanmap.hash"
SHARD = b"nanmap.shard"
SHARD_LIMITS = (1024, 65536)  # cells per shard: few enough to lose little, enough to fill the devices
SHARDS_WANTED = 16


class Shards:
    """A folder of Parquet files that are written one by one and read as one table, and its manifest.

    Args:
        path: the folder; need not exist.
        manifest_file: stands beside it.
        rows: what a row is called in messages: `rows`, `edges`.
        command: the subcommand of `nanmap` that writes them.
        pictures: the folder of what is drawn from the rows, if any; goes with them.
    """

    def __init__(self, path: Path, manifest_file: Path, rows: str, command: str, pictures: Path | None = None) -> None:
        self.path, self.manifest_file, self.rows, self.pictures = path, manifest_file, rows, pictures
        self.again = f"nanmap {command} SWEEP --out {shlex.quote(str(path.parent))}"

    def read_manifest(self) -> dict[str, Any]:
        """What the shards were made with.

        Raises:
            RunFolderError: there is no manifest, or it is damaged or foreign.
        """
        folder, name = self.manifest_file.parent, self.manifest_file.name
        try:
            manifest = json.loads(self.manifest_file.read_text(encoding="utf-8"))
        except NotADirectoryError:
            mend = "`nanmap sweep` writes run folders; give the folder it names"
            raise RunFolderError("is no run folder, but a file", file=folder, mend=mend) from None
        except FileNotFoundError:
            problem = f"is no run folder: it has no {name}" if folder.is_dir() else "no such folder"
            mend = "`nanmap sweep` writes run folders; give the folder it names"
            raise RunFolderError(problem, file=folder, mend=mend) from None
        except (OSError, ValueError):  # of JSON or of UTF-8
            mend = f"{self.again} --fresh starts over"
            raise RunFolderError(f"is no run folder: {name} cannot be read", file=folder, mend=mend) from None
        if not (isinstance(manifest, dict) and isinstance(manifest.get("sweep"), dict)):
            raise RunFolderError(f"is no run folder: its {name} is not one of nanmap's", file=folder)
        return manifest

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replaces the manifest."""
        text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        self.manifest_file.parent.mkdir(parents=True, exist_ok=True)
        with Replacing(self.manifest_file) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def file(self, number: int) -> Path:
        """Where a shard stands."""
        return self.path / f"part-{number:06d}.parquet"

    def write(self, number: int, table: pa.Table) -> None:
        """Writes one shard beside its place, flushes it to disk and moves it there."""
        self.path.mkdir(parents=True, exist_ok=True)
        with Replacing(self.file(number)) as temporary:
            # A column's least and greatest leave NaN out, and DuckDB believes them: it would find no NaN.
            exact = [field.name for field in table.schema if not pa.types.is_floating(field.type)]
            pq.write_table(table, temporary, compression="zstd", write_statistics=exact)

    def finished(self, wanted: str) -> set[int]:
        """Numbers of the shards whose hash is `wanted`; others are left out and will be written again."""
        found = set()
        for path in self.path.glob(SHARD_FILES):
            try:
                metadata = pq.read_schema(path).metadata or {}
            except (pa.ArrowInvalid, OSError):
                continue
            number = int(metadata.get(SHARD, b"-1"))
            if metadata.get(HASH, b"").decode() == wanted and path == self.file(number):
                found.add(number)
        return found

    def remove_but(self, numbers: set[int]) -> None:
        """Removes all other shards, and what an interrupted write left."""
        kept = {self.file(number) for number in numbers}
        for path in [*self.path.glob(SHARD_FILES), *self.path.glob(f".{SHARD_FILES}.*")]:
            if path not in kept:
                path.unlink()

    def clear(self) -> None:
        """Removes the shards, what was drawn from them and their manifest, and nothing else that may stand in the folder."""
        self.remove_but(set())
        if self.pictures:
            shutil.rmtree(self.pictures, ignore_errors=True)
        self.manifest_file.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """File names of the shards that are there."""
        return sorted(path.name for path in self.path.glob(SHARD_FILES))

    def columns(self) -> list[str]:
        """Names of the columns, as the first shard has them.

        Raises:
            RunFolderError: there are no shards yet, or it is damaged.
        """
        try:
            return pq.read_schema(self._files()[0]).names
        except (pa.ArrowInvalid, OSError):
            raise self._unreadable() from None

    def dataset(self) -> "ds.Dataset":
        """The rows, lazily.

        Raises:
            RunFolderError: there are none yet, or a shard is damaged.
        """
        import pyarrow.dataset as ds

        files = self._files()
        try:
            return ds.dataset(files, format="parquet")
        except (pa.ArrowInvalid, OSError):
            raise self._unreadable() from None

    def tables(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The rows shard by shard, in order. A column that a shard of an earlier version lacks is missing in all its rows."""
        for path in self._files():
            try:
                with pq.ParquetFile(path) as file:
                    there = set(file.schema_arrow.names)
                    found = file.read(columns and [name for name in columns if name in there])
            except (pa.ArrowInvalid, OSError):
                raise self._unreadable() from None
            for name in columns or ():
                if name not in there:
                    found = found.append_column(name, blank(name, len(found)))
            yield found.select(columns) if columns else found

    def _files(self) -> list[str]:
        files = [str(self.path / name) for name in self.names()]
        if not files:
            raise RunFolderError(f"holds no {self.rows} yet", file=self.path.parent, mend=self.again)
        return files

    def _unreadable(self) -> RunFolderError:
        problem = "holds a file that is not readable Parquet"
        return RunFolderError(problem, file=self.path, mend=f"{self.again} repairs damaged shards")


def shard_metadata(hash: str, number: int) -> dict[str, str]:
    """What a shard's file says of itself, for resuming."""
    return {HASH.decode(): hash, SHARD.decode(): str(number)}


class Replacing:
    """A path to write to, flushed and moved over the target once the block ends without an error."""

    def __init__(self, target: Path) -> None:
        # A leading dot: readers of the folder skip such names, so an interrupted write is never read.
        self.target, self.temporary = target, target.with_name(f".{target.name}.{os.getpid()}")

    def __enter__(self) -> Path:
        return self.temporary

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is not None:
            self.temporary.unlink(missing_ok=True)
            return
        with self.temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.temporary, self.target)


def default_shard_cells(size: int) -> int:
    """Cells per shard for a grid: a power of two, about a sixteenth of the grid.

    >>> default_shard_cells(57_344), default_shard_cells(10_000_000)
    (4096, 65536)
    """
    low, high = SHARD_LIMITS
    return max(low, min(high, 1 << (max(1, size // SHARDS_WANTED).bit_length())))
