"""A run folder: the manifest and the shards. The only owner of file names; every file appears whole or not at all."""

import json
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from nanmap.errors import InputError

SHARD_FILES = "part-" + "[0-9]" * 6 + ".parquet"
HASH = b"nanmap.hash"
SHARD = b"nanmap.shard"


class Shards:
    """A folder of Parquet files that are written one by one and read as one table.

    Args:
        path: the folder; need not exist.
        mend: what to do where a file is damaged.
    """

    def __init__(self, path: Path, mend: str) -> None:
        self.path, self.mend = path, mend

    def file(self, number: int) -> Path:
        """Where a shard stands."""
        return self.path / f"part-{number:06d}.parquet"

    def write(self, number: int, table: pa.Table) -> None:
        """Writes one shard beside its place, flushes it to disk and moves it there."""
        self.path.mkdir(parents=True, exist_ok=True)
        with _Replacing(self.file(number)) as temporary:
            pq.write_table(table, temporary, compression="zstd")

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

    def names(self) -> list[str]:
        """File names of the shards that are there."""
        return sorted(path.name for path in self.path.glob(SHARD_FILES))

    def dataset(self) -> ds.Dataset | None:
        """The rows, lazily; None if there are none yet."""
        files = sorted(self.path.glob(SHARD_FILES))
        try:
            return ds.dataset([str(file) for file in files], format="parquet") if files else None
        except (pa.ArrowInvalid, OSError):
            raise self.unreadable() from None

    def unreadable(self) -> InputError:
        """What to say of a damaged file."""
        return InputError("holds a file that is not readable Parquet", file=self.path, mend=self.mend)


class RunFolder:
    """Paths, reading and writing of one run.

    Args:
        path: the folder; need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.cells = self.path / "cells"
        self.maps = self.path / "maps"
        self.manifest_file = self.path / "manifest.json"
        self.shards = Shards(self.cells, "run the sweep again: it repairs damaged shards")
        self.edges = Shards(self.path / "edges", "run `nanmap edge` again: it repairs damaged shards")
        self.edges_file = self.path / "edges.json"

    def read_manifest(self) -> dict[str, Any]:
        """The manifest.

        Raises:
            InputError: this is no run folder.
        """
        try:
            manifest = json.loads(self.manifest_file.read_text(encoding="utf-8"))
            if not (isinstance(manifest, dict) and isinstance(manifest.get("sweep"), dict)):
                raise InputError("is no run folder: its manifest.json is not one of nanmap's", file=self.path)
            return manifest
        except FileNotFoundError:
            problem = "is no run folder: it has no manifest.json" if self.path.is_dir() else "no such folder"
            raise InputError(
                problem, file=self.path, mend="`nanmap sweep` writes run folders; give the folder it names"
            ) from None
        except (NotADirectoryError, IsADirectoryError, UnicodeDecodeError, json.JSONDecodeError):
            raise InputError("is no run folder: manifest.json cannot be read", file=self.path) from None

    def read_edges_manifest(self) -> dict[str, Any] | None:
        """What the edges beside the run were searched with; None without any, or where it cannot be read."""
        try:
            told = json.loads(self.edges_file.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            return None
        return told if isinstance(told, dict) else None

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replaces the manifest."""
        self._write_json(self.manifest_file, manifest)

    def write_edges_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replaces what is told of the edges."""
        self._write_json(self.edges_file, manifest)

    def _write_json(self, file: Path, content: Mapping[str, Any]) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        self.path.mkdir(parents=True, exist_ok=True)
        with _Replacing(file) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def clear(self) -> None:
        """Removes the run's own files, and nothing else that may stand in the folder. No run, nothing to remove."""
        if not self.manifest_file.exists():
            return
        shutil.rmtree(self.cells, ignore_errors=True)
        shutil.rmtree(self.maps, ignore_errors=True)
        self.manifest_file.unlink(missing_ok=True)

    def dataset(self) -> ds.Dataset:
        """The rows, lazily.

        Raises:
            InputError: there are none yet.
        """
        self.read_manifest()
        found = self.shards.dataset()
        if found is None:
            raise InputError(
                "holds no rows yet",
                file=self.path,
                mend="run the sweep to its end, or until its first shard is written",
            )
        return found

    def tables(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The rows shard by shard, in order."""
        for fragment in self.dataset().get_fragments():
            try:
                yield fragment.to_table(columns=columns)
            except (pa.ArrowInvalid, OSError):
                raise self.shards.unreadable() from None

    def edge_rows(self) -> pa.Table:
        """The edges beside the run.

        Raises:
            InputError: there are none yet.
        """
        found = self.edges.dataset()
        if found is None:
            raise InputError(
                "holds no edges yet", file=self.path, mend=f"nanmap edge SWEEP --out {shlex.quote(str(self.path))}"
            )
        return found.to_table()


def shard_metadata(hash: str, number: int) -> dict[str, str]:
    """What a shard's file says of itself, for resuming."""
    return {HASH.decode(): hash, SHARD.decode(): str(number)}


class _Replacing:
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
