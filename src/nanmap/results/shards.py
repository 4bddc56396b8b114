"""One part of a run folder: a folder of Parquet shards and the manifest that tells of it. Every file appears whole or not at all."""

import hashlib
import io
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from nanmap.errors import InputError, RunFolderError, told_of
from nanmap.objects import known_to_arrow, readable
from nanmap.results.columns import VERSION, blank
from nanmap.results.files import TEMPORARY, Replacing, flush_folder, remove_unfinished, sha256_of
from nanmap.results.identity import what_is_wrong
from nanmap.results.places import content_of, file_within, within
from nanmap.results.receipts import Receipts
from nanmap.results.sealed import is_unchanged, sealed
from nanmap.results.strange import strange_columns, strange_rows

if TYPE_CHECKING:
    import pyarrow.dataset as ds

SHARD_FILES = "part-" + "[0-9]" * 6 + ".parquet"
HASH = b"nanmap.hash"
SHARD = b"nanmap.shard"
LEFT_BEHIND = re.compile(r"\.part-\d{6}\.parquet\.\d+")  # by a write of earlier versions that was interrupted
WRITTEN = ("schema", "versions", "hash", "sweep")  # what each manifest says that nanmap wrote
SHARD_LIMITS = (1024, 65536)  # cells per shard: few enough to lose little, enough to fill the devices
SHARDS_WANTED = 16
MOST_SHARDS = 10**6  # their names have six digits
MOST_IN_FOLDER = MOST_SHARDS * SHARD_LIMITS[1]


class Shards:
    """A folder of Parquet files that are written one by one and read as one table, and its manifest.

    Args:
        path: the folder; need not exist.
        manifest_file: stands beside it.
        rows: what a row is called in messages: `rows`, `edges`.
        command: the subcommand of `nanmap` that writes them.
        pictures: the folder of what is drawn from the rows, if any; goes with them.
        once: whether a cell has one row at most.
    """

    def __init__(
        self,
        path: Path,
        manifest_file: Path,
        rows: str,
        command: str,
        pictures: Path | None = None,
        *,
        once: bool = True,
    ) -> None:
        self.once = once
        self.path, self.manifest_file, self.rows, self.pictures = path, manifest_file, rows, pictures
        self.root, self.receipts = path.parent, Receipts(path)
        self._seen: dict[str, tuple[Any, ...]] = {}  # shards that were found whole, and what was looked at
        self.again = f"nanmap {command} SWEEP --out {shlex.quote(str(path.parent))}"

    def read_manifest(self) -> dict[str, Any]:
        """What the shards were made with.

        Raises:
            RunFolderError: there is no manifest, or it is damaged or foreign.
        """
        folder, name = self.root, file_within(self.root, self.manifest_file).name
        try:
            manifest = json.loads(content_of(self.manifest_file).decode())
        except InputError:
            raise
        except NotADirectoryError:
            mend = "`nanmap sweep` writes run folders; give the folder it names"
            raise RunFolderError("is no run folder, but a file", file=folder, mend=mend) from None
        except FileNotFoundError:
            problem = f"is no run folder: it has no {name}" if folder.is_dir() else "no such folder"
            mend = "`nanmap sweep` writes run folders; give the folder it names"
            if self.names():
                problem, mend = f"its {name} is lost", f"{self.again}, as it was run before, writes it anew"
            raise RunFolderError(problem, file=folder, mend=mend) from None
        except (OSError, ValueError, RecursionError):  # of JSON or of UTF-8
            mend = f"{self.again}, as it was run before, writes it anew; --fresh starts over"
            raise RunFolderError(f"is no run folder: {name} cannot be read", file=folder, mend=mend) from None
        if not (isinstance(manifest, dict) and isinstance(manifest.get("sweep"), dict)):
            mend = "`nanmap sweep` writes run folders; give the folder it names, or with --out one of its own"
            raise RunFolderError(f"is no run folder: its {name} is not one of nanmap's", file=folder, mend=mend)
        wrong = what_is_wrong(manifest)
        if (
            manifest.get("schema") != VERSION and not self.keeps_its_seal()
        ):  # of older schemas no hash can be recomputed
            wrong = wrong or "what it says is not what it was sealed with"
        if wrong:
            mend = f"{self.again}, as it was run before, writes it anew; --fresh starts over"
            raise RunFolderError(f"its {name} was damaged or edited: {wrong}", file=folder, mend=mend)
        return manifest

    def keeps_its_seal(self) -> bool:
        """Whether the manifest is as it was written, so far as it tells; those of earlier versions do not.

        Raises:
            OSError: it cannot be looked at.
            ValueError: it is no JSON.
        """
        return is_unchanged(content_of(self.manifest_file)) is not False

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replaces the manifest."""
        content = sealed(manifest)
        with Replacing(self.root, self.manifest_file) as file:
            file.write(content)

    def file(self, number: int) -> Path:
        """Where a shard stands."""
        return self.path / f"part-{number:06d}.parquet"

    def write(self, number: int, table: pa.Table, told: Mapping[str, Any] | None = None) -> None:
        """Writes one shard elsewhere, flushes it to disk and moves it to its place; before that, the receipt of its bytes.

        Args:
            number: of the shard.
            table: its rows.
            told: what else the receipt says of where they come from.
        """
        # A column's least and greatest leave NaN out, and DuckDB believes them: it would find no NaN.
        exact = [field.name for field in table.schema if not pa.types.is_floating(field.type)]
        held, place = io.BytesIO(), self.file(number)
        pq.write_table(table, held, compression="zstd", write_statistics=exact, write_page_checksum=True)
        content = held.getbuffer()
        with Replacing(self.root, place) as file:
            file.write(content)
            hash = (table.schema.metadata or {}).get(HASH, b"").decode()
            facts = {"bytes": len(content), "rows": len(table), "hash": hash, **(told or {})}
            self.receipts.write(place.name, hashlib.sha256(content).hexdigest(), facts)

    def finished(self, wanted: str) -> set[int]:
        """Numbers of the shards whose hash is `wanted` and that are as they were written; others will be written again."""
        found = set()
        for path in self._files():
            hash, number = _said_of(path)
            if hash == wanted and path == self.file(number) and self._fits(path):
                found.add(number)
        return found

    def is_finished(self, number: int, wanted: str) -> bool:
        """Whether one shard is there, its hash is `wanted`, and it is as it was written."""
        path = file_within(self.root, self.file(number))
        return _said_of(path) == (wanted, number) and self.receipts.fits(path.name) is True

    def read(self, number: int, columns: list[str]) -> pa.Table:
        """Columns of one shard."""
        file = file_within(self.root, self.file(number))
        return pq.read_table(readable(file), columns=columns, page_checksum_verification=True)

    def _fits(self, path: Path) -> bool:
        """Whether a shard is what its receipt says; without one, whether its pages are what their checksums say."""
        if self.receipts.read(path.name) is None:
            return is_readable(path)
        self._seen.pop(path.name, None)
        return self._is_whole(path)

    def vouch(self, numbers: Iterable[int], told: Mapping[str, Any] | None = None) -> None:
        """Writes the receipts of shards that were found whole without one, because it was lost or never written."""
        for path in map(self.file, numbers):
            if self.receipts.read(path.name) is None:
                rows, (hash, _) = pq.read_metadata(readable(path)).num_rows, _said_of(path)
                facts = {"bytes": path.stat().st_size, "rows": rows, "hash": hash, **(told or {})}
                self.receipts.write(path.name, sha256_of(path), facts)

    def all_of(self, wanted: str, told: Mapping[str, Any]) -> bool:
        """Whether there are shards, all that can be read say this hash, and their receipts all that is `told`."""
        said = {path: hash for path in self._files() if (hash := _said_of(path)[0]) is not None}
        receipts = [self.receipts.read(path.name) or {} for path in said] if told else []
        return set(said.values()) == {wanted} and all(
            each.get(key) == value for each in receipts for key, value in told.items()
        )

    def damaged(self, wanted: str, finished: set[int]) -> list[str]:
        """Names of the shards that stand at their place, but not as they were written."""
        kept = {self.file(number) for number in finished}
        said = {path: _said_of(path) for path in self._files() if path not in kept}
        return [
            path.name for path, (hash, n) in said.items() if hash is None or (hash == wanted and path == self.file(n))
        ]

    def removable(self, numbers: set[int]) -> list[Path]:
        """All shards but these.

        Raises:
            RunFolderError: a file has a shard's name, but nanmap did not write it.
        """
        kept = {self.file(number) for number in numbers}
        others, listed = [path for path in self._files() if path not in kept], self._listed()
        for path in others:
            if path.name not in listed and self.receipts.read(path.name) is None and _said_of(path)[0] is None:
                raise self._foreign(path.name)
        return others

    def remove(self, shards: Iterable[Path]) -> None:
        """Removes shards, receipts of shards that are not there, and what an interrupted write left."""
        left = [path for path in self.path.glob(".*") if LEFT_BEHIND.fullmatch(path.name)]
        gone = [*shards, *left]
        for path in gone:
            with told_of(path):
                path.unlink()
        if gone:  # rows of other settings must not come back beside a new manifest
            with told_of(self.path):
                flush_folder(self.path)
        for name in set(self.receipts.names()) - set(self.names()):
            self.receipts.remove(name)
        remove_unfinished(self.root)

    def clear(self) -> None:
        """Removes the shards, what was drawn from them and their manifest, and nothing that nanmap did not write.

        Raises:
            RunFolderError: as `clearable`.
        """
        shards = self.clearable()
        pictures = Receipts(self.pictures) if self.pictures else None
        drawn = pictures.unchanged() if pictures else []
        self._begin_anew()
        self.remove(shards)
        if pictures:
            pictures.remove_with(drawn)
        with told_of(self.manifest_file):
            self.manifest_file.unlink(missing_ok=True)

    def clearable(self) -> list[Path]:
        """The shards that go where the part is cleared.

        Raises:
            RunFolderError: the manifest, or a file that has a shard's name, is not nanmap's; nothing was removed then.
        """
        self.refuse_strangers()
        if (self.manifest_file.exists() or self.names()) and not self._wrote_manifest():
            raise self._foreign(self.manifest_file.name)
        return self.removable(set())

    def _files(self) -> list[Path]:
        """What stands where shards do, under names of shards.

        Raises:
            RunFolderError: some of it is a link.
        """
        within(self.root, self.path)
        return [file_within(self.root, path) for path in sorted(self.path.glob(SHARD_FILES))]

    def refuse_strangers(self) -> None:
        """Before anything is written or removed.

        Raises:
            RunFolderError: a link, or what is no file, stands where files of this part, its manifest or its pictures do.
        """
        file_within(self.root, self.manifest_file)
        within(self.root, self.root / TEMPORARY)
        for each in filter(None, (self.path, self.pictures)):
            within(self.root, each)
            Receipts(each).refuse_strangers()
        self._files()

    def _listed(self, complete: bool = False) -> set[str]:
        """Shards that the manifest says were written: so they are known though damage has made them unreadable.

        Args:
            complete: of a run that is, alone.
        """
        try:
            manifest = self.read_manifest()
        except RunFolderError:
            return set()
        told = manifest.get("shards") if manifest.get("complete") or not complete else None
        return set(map(str, told)) if isinstance(told, list) else set()

    def _wrote_manifest(self) -> bool:
        """Whether the manifest is nanmap's; of one that is damaged the shards tell."""
        try:
            manifest = self.read_manifest()
        except RunFolderError:
            return any(self.receipts.read(path.name) or _said_of(path)[0] for path in self._files())
        return all(key in manifest for key in WRITTEN)

    def _begin_anew(self) -> None:
        """The manifest no longer says that the shards are there: whoever is interrupted while they go has lost none."""
        with suppress(RunFolderError):
            self.write_manifest(self.read_manifest() | {"complete": False, "shards": []})

    def _foreign(self, name: str) -> RunFolderError:
        return RunFolderError(
            f"holds a {name} that nanmap did not write; nothing was removed",
            file=self.root if name == self.manifest_file.name else self.path,
            mend="choose another folder with --out, or move this file away yourself",
        )

    def said_of(self, name: str) -> tuple[str | None, int]:
        """The hash and the number that a shard says of itself; None and -1 where it says nothing."""
        return _said_of(self.path / name)

    def names(self) -> list[str]:
        """File names of the shards that are there."""
        return [path.name for path in self._files()]

    def count_rows(self) -> int:
        """Rows of all shards that can be read."""
        return sum(pq.read_metadata(readable(path)).num_rows for path in self._files() if _said_of(path)[0] is not None)

    def columns(self) -> list[str]:
        """Names of the columns, as the first shard has them.

        Raises:
            RunFolderError: there are no shards yet, or it is damaged.
        """
        try:
            return pq.read_schema(readable(self._checked(self._there()[0]))).names
        except (pa.ArrowInvalid, OSError):
            raise self._unreadable() from None

    def dataset(self) -> "ds.Dataset":
        """The rows, lazily.

        Raises:
            RunFolderError: there are none yet, or a shard is damaged.
        """
        import pyarrow.dataset as ds

        files = self._whole()
        checks = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
        checked = ds.ParquetFileFormat(default_fragment_scan_options=checks)
        try:
            return ds.dataset(**known_to_arrow(files), format=checked)
        except (pa.ArrowInvalid, OSError):
            raise self._unreadable() from None

    def tables(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The rows shard by shard, in order. A column that a shard of an earlier version lacks is missing in all its rows."""
        last = -1
        for path in self._whole():
            found = self._read(path, columns, last)
            last = found["cell"][-1].as_py() if "cell" in found.column_names and len(found) else last
            yield found

    def table(self, number: int) -> pa.Table:
        """The rows of one shard, which is there.

        Raises:
            RunFolderError: it is damaged.
        """
        return self._read(self._checked(file_within(self.root, self.file(number))), None)

    def _read(self, path: Path, columns: list[str] | None, after: int = -1) -> pa.Table:
        """Rows of cells beyond `after`."""
        try:
            with pq.ParquetFile(readable(path), page_checksum_verification=True) as file:
                there = set(file.schema_arrow.names)
                found = file.read(columns and [name for name in columns if name in there])
        except (pa.ArrowInvalid, OSError):
            raise self._unreadable() from None
        if wrong := strange_rows(found, after, self.once):
            raise self._strange(path, wrong)
        for name in columns or ():
            if name not in there:
                try:
                    found = found.append_column(name, blank(name, len(found)))
                except KeyError:
                    raise self._strange(path, f"has no column `{name}`") from None
        return found.select(columns) if columns else found

    def _there(self) -> list[Path]:
        """The shards, at least one.

        Raises:
            RunFolderError: there are none yet.
        """
        files = self._files()
        if not files:
            raise RunFolderError(f"holds no {self.rows} yet", file=self.path.parent, mend=self.again)
        return files

    def _whole(self) -> list[Path]:
        """The shards, all as they were written, with columns that nanmap writes.

        Raises:
            RunFolderError: there are none yet, or one is lost, damaged or another program's.
        """
        files = self._there()
        if lost := sorted(self._listed(complete=True) - {path.name for path in files}):
            problem = "is lost: without it the rows are not all of this run's, which is complete"
            raise RunFolderError(problem, file=self.path / lost[0], mend=f"{self.again} makes it anew")
        for path in files:
            try:
                wrong = strange_columns(pq.read_schema(readable(self._checked(path))), of_cells=self.rows == "rows")
            except (pa.ArrowException, OSError):
                raise self._unreadable() from None
            if wrong:
                raise self._strange(path, wrong)
        return files

    def _checked(self, path: Path) -> Path:
        """The same shard, if it is as it was written."""
        if not self._is_whole(path):
            raise RunFolderError("is not as it was written: it is damaged", file=path, mend=self._repairs())
        return path

    def _strange(self, path: Path, wrong: str) -> RunFolderError:
        return RunFolderError(f"is no shard of nanmap's: it {wrong}", file=path, mend=self._repairs())

    def _unreadable(self) -> RunFolderError:
        problem = "holds a file that is not readable Parquet"
        return RunFolderError(problem, file=self.path, mend=self._repairs())

    def _is_whole(self, path: Path) -> bool:
        """Whether a shard is what its receipt says, if it has one; looked at once, until somebody writes it."""
        told = self.receipts.read(path.name)
        now = path.stat()
        seen = (now.st_ino, now.st_size, now.st_mtime_ns, told and told.get("sha256"))
        if told is not None and self._seen.get(path.name) != seen:
            if not self.receipts.fits(path.name):
                return False
            self._seen[path.name] = seen
        return True

    def _repairs(self) -> str:
        return f"{self.again} repairs damaged shards"


def _said_of(path: Path) -> tuple[str | None, int]:
    """The hash and the number that a shard's file says of itself; None and -1 where it says nothing."""
    try:
        metadata = pq.read_schema(readable(path)).metadata or {}
        return metadata[HASH].decode(), int(metadata[SHARD])
    except (pa.ArrowException, OSError, KeyError, ValueError):
        return None, -1


def is_readable(path: Path) -> bool:
    """Whether every page of a shard can be read, and is what its checksum says where it has one."""
    try:
        with pq.ParquetFile(readable(path), page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                file.read_row_group(group)
    except (pa.ArrowException, OSError):
        return False
    return True


def shard_metadata(hash: str, number: int) -> dict[str, str]:
    """What a shard's file says of itself, for resuming."""
    return {HASH.decode(): hash, SHARD.decode(): str(number)}


def default_shard_cells(size: int) -> int:
    """Cells per shard for a grid: a power of two, about a sixteenth of the grid.

    >>> default_shard_cells(57_344), default_shard_cells(10_000_000)
    (4096, 65536)
    """
    low, high = SHARD_LIMITS
    return max(low, min(high, 1 << (max(1, size // SHARDS_WANTED).bit_length())))
