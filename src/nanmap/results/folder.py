"""A run folder: the cells of a sweep, the edges beside them, and the maps. The only owner of file names."""

import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nanmap.errors import RunFolderError, check_path, told_of
from nanmap.objects import place
from nanmap.results.columns import INFERRED
from nanmap.results.files import Replacing, sha256_of
from nanmap.results.places import LETTERS, content_of, file_within, is_plain, within
from nanmap.results.receipts import Receipts
from nanmap.results.shards import Shards
from nanmap.results.switch import MAPS, next_of, settle

INPUT = re.compile(r"[0-9a-f]{64}\.npz")

if TYPE_CHECKING:
    import pyarrow.dataset as ds


class RunFolder:
    """Paths, reading and writing of one run.

    Args:
        path: the folder, `s3://…` and `gs://…` as well; need not exist.

    Attributes:
        cells: a row per training of a sweep, with `manifest.json`.
        history: a row per update that was looked at on the way, of the run's cells or some of them.
        first_tensors: a row per cell in which an infinity or a NaN came: the first tensor that was not finite.
        edges: a row per critical rate, with `edges.json`.
        maps: the folder of pictures.
        inputs: the folder of arrays that a program in Python gave to train on.
        temporary: whether the folder goes when nobody holds it any more.
    """

    temporary = False

    def __init__(self, path: str | Path) -> None:
        self.path = place(path)
        check_path(self.path)
        self.maps, self.inputs = self.path / MAPS, self.path / "inputs"
        settle(self.path)
        self.cells = Shards(self.path / "cells", self.path / "manifest.json", "rows", "sweep", self.maps)
        self.history = Shards(self.path / "history", self.path / "manifest.json", "histories", "sweep", once=False)
        self.first_tensors = Shards(self.path / "first_tensors", self.path / "manifest.json", "first tensors", "sweep")
        self.edges = Shards(self.path / "edges", self.path / "edges.json", "edges", "edge")

    @classmethod
    def for_now(cls) -> Self:
        """A folder among the system's temporary ones, which is removed with the last reference to this object."""
        folder = cls(tempfile.mkdtemp(prefix="nanmap-"))
        folder.temporary = True
        weakref.finalize(folder, shutil.rmtree, folder.path, ignore_errors=True)
        return folder

    @property
    def next(self) -> "RunFolder":
        """Where the state that is to take this one's place is assembled."""
        return RunFolder(next_of(self.path))

    def input_file(self, digest: str) -> Path:
        """Where arrays stand that were trained on, by what stands for them."""
        return file_within(self.path, self.inputs / f"{digest}.npz")

    def input_files(self) -> Iterator[Path]:
        """The arrays that are kept, each in a file named by what stands for them."""
        within(self.path, self.inputs)
        return (
            file_within(self.path, file) for file in sorted(self.inputs.glob("*.npz")) if INPUT.fullmatch(file.name)
        )

    def refuse_strangers(self) -> None:
        """Before anything is written or removed.

        Raises:
            RunFolderError: a link, or what is no file, stands where a file of the run does.
        """
        for part in (self.cells, self.history, self.first_tensors, self.edges):
            part.refuse_strangers()
        list(self.input_files())

    def write_input(self, digest: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keeps arrays beside the rows."""
        with Replacing(self.path, self.input_file(digest)) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def forget_inputs(self) -> None:
        """Removes arrays that neither the cells' manifest nor the edges' names. What nanmap did not write stays."""
        manifests = (file_within(self.path, each.manifest_file) for each in (self.cells, self.edges))
        told = "".join(content_of(file).decode(errors="replace") for file in manifests if file.exists())
        for file in self.input_files():
            if file.stem not in told:
                with told_of(file):
                    file.unlink()

    def picture(self, name: str) -> Path:
        """Where a picture of this name stands.

        Raises:
            RunFolderError: it would be written elsewhere.
        """
        if not is_plain(name):
            raise RunFolderError("cannot be the name of a picture", file=self.path, value=name, allowed=LETTERS)
        return file_within(self.path, self.maps / name)

    def keep_picture(self, picture: Path) -> None:
        """Remembers a picture as drawn from the rows: it goes with them."""
        Receipts(self.maps).write(picture.name, sha256_of(picture))

    def read_manifest(self) -> dict[str, Any]:
        """The manifest of the cells.

        Raises:
            RunFolderError: this is no run folder.
        """
        return self.cells.read_manifest()

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replaces the manifest of the cells."""
        self.cells.write_manifest(manifest)

    def read_edges_manifest(self) -> dict[str, Any] | None:
        """What the edges beside the run were searched with; None without any.

        Raises:
            RunFolderError: there are edges, but what says how they were searched is lost or damaged.
        """
        there = self.edges.manifest_file.exists() or self.edges.names()
        return self.edges.read_manifest() if there else None

    def columns(self) -> list[str]:
        """Names of the columns that the rows of the cells have.

        Raises:
            RunFolderError: there are no rows yet, or this is no run folder.
        """
        self.read_manifest()
        return self.cells.columns()

    def dataset(self) -> "ds.Dataset":
        """The rows of the cells, lazily.

        Raises:
            RunFolderError: there are none yet, or this is no run folder.
        """
        self.read_manifest()
        return self.cells.dataset()

    def tables(self, columns: list[str] | None = None, *, filled: bool = False) -> Iterator[pa.Table]:
        """The rows of the cells shard by shard, in order.

        Args:
            columns: which; all if None.
            filled: those that a run which refined itself filled in, too; else the trained ones alone.
        """
        if filled or not self.read_manifest()["sweep"].get("refine"):
            self.read_manifest()
            return self.cells.tables(columns)
        wanted = columns and [*columns, *({INFERRED.name} - set(columns))]
        rows = (table.filter(pc.invert(table[INFERRED.name])) for table in self.cells.tables(wanted))
        return (table.select(columns) if columns else table for table in rows)

    def source(self, cell: int) -> "tuple[RunFolder, int]":
        """The folder on disk that holds the row of a cell, and the cell's number there: this one."""
        return self, cell

    def edge_rows(self) -> pa.Table:
        """The edges beside the run.

        Raises:
            RunFolderError: there are none yet.
        """
        return pa.concat_tables(self.edges.tables())
