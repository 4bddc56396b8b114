"""A run folder: the cells of a sweep, the edges beside them, and the maps. The only owner of file names."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from nanmap.errors import RunFolderError
from nanmap.results.shards import Shards

if TYPE_CHECKING:
    import pyarrow.dataset as ds


class RunFolder:
    """Paths, reading and writing of one run.

    Args:
        path: the folder; need not exist.

    Attributes:
        cells: a row per training of a sweep, with `manifest.json`.
        edges: a row per critical rate, with `edges.json`.
        maps: the folder of pictures.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.maps = self.path / "maps"
        self.cells = Shards(self.path / "cells", self.path / "manifest.json", "rows", "sweep", self.maps)
        self.edges = Shards(self.path / "edges", self.path / "edges.json", "edges", "edge")

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
        """What the edges beside the run were searched with; None without any, or where it cannot be read."""
        try:
            return self.edges.read_manifest()
        except RunFolderError:
            return None

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

    def tables(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The rows of the cells shard by shard, in order."""
        self.read_manifest()
        return self.cells.tables(columns)

    def source(self, cell: int) -> "tuple[RunFolder, int]":
        """The folder on disk that holds the row of a cell, and the cell's number there: this one."""
        return self, cell

    def edge_rows(self) -> pa.Table:
        """The edges beside the run.

        Raises:
            RunFolderError: there are none yet.
        """
        return pa.concat_tables(self.edges.tables())
