"""Several runs as one: their rows over the axes that they have together. Nothing is trained, and nothing is written."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from nanmap.analysis.alike import Pairs, read_cells, side_by_side
from nanmap.analysis.beside import check_beside, notes_beside
from nanmap.analysis.merged import differing, merge
from nanmap.analysis.run_settings import RunSettings
from nanmap.errors import InputError, RunFolderError
from nanmap.results.columns import CELL, COLUMNS
from nanmap.results.folder import RunFolder
from nanmap.results.schema import Column, axis_column

if TYPE_CHECKING:
    import pyarrow.dataset as ds

SHOWN = 3  # cells that a message names


class JoinedFolder(RunFolder):
    """Run folders read as one, over the union of their axes; a setting in which they differ becomes an axis.

    Args:
        runs: at least one; their cells are numbered anew, row-major over the axes that they have together.

    Attributes:
        notes: what a reader of the rows should know: what differs in last digits.

    Raises:
        InputError: the runs cannot stand beside each other, or hold different rows of the same settings.
    """

    def __init__(self, runs: Sequence[RunFolder]) -> None:
        super().__init__(" + ".join(str(run.path) for run in runs))
        self.runs, self.settings = list(runs), [RunSettings.of(run) for run in runs]
        apart = differing(self.settings)
        check_beside(self.settings, apart)
        self.merged = merge(self.settings, list(apart))
        self.grid = self.merged.grid
        self.notes = notes_beside(self.settings)
        self._twice = self._rows_elsewhere()

    def read_manifest(self) -> dict[str, Any]:
        """What the runs have in common, with the axes that they make together; `joined` names them."""
        manifests = [run.manifest for run in self.settings]
        first, titles = manifests[0], [manifest["sweep"].get("title") for manifest in manifests]
        sweep = {
            "name": " + ".join(dict.fromkeys(manifest["sweep"]["name"] for manifest in manifests)),
            "title": titles[0] if len(set(titles)) == 1 else "",
            "config": first["sweep"]["config"],
            "axes": [spec.model_dump(exclude_unset=True) for spec in self.merged.specs],
            "zip": self.merged.zip,
            "where": self.settings[0].manifest["sweep"].get("where") if self.grid.where else None,
        }
        return {
            **{key: first[key] for key in ("schema", "versions", "backend", "device") if key in first},
            "sweep": sweep,
            "data": sorted({entry for manifest in manifests for entry in manifest.get("data") or ()}),
            "judged": _shared([manifest.get("judged") for manifest in manifests]),
            "rows": _shared([manifest.get("rows") for manifest in manifests]),
            "models": _models(manifests),
            "complete": self._full and all(manifest.get("complete") for manifest in manifests),
            "joined": [run.name for run in self.settings],
        }

    def read_edges_manifest(self) -> None:
        """None: edges belong to a run, and stay in its folder."""

    def edge_rows(self) -> pa.Table:
        """There are none.

        Raises:
            RunFolderError: always.
        """
        raise RunFolderError(
            "runs that were put together have no edges", file=self.path, mend="ask each run for its own"
        )

    def source(self, cell: int) -> tuple[RunFolder, int]:
        """The run that holds the row of a cell, and the cell's number there."""
        for number, run in enumerate(self.runs):
            cells = read_cells(run)
            found = np.flatnonzero(self.merged.numbers(number, cells) == cell)
            if len(found):
                return run.source(int(cells[found[0]]))
        raise InputError("no run has a row of this cell", file=self.path, key="cell", value=cell)

    def columns(self) -> list[str]:
        """Names of the columns that the rows have."""
        return list(self._fields())

    def dataset(self) -> "ds.Dataset":
        """The rows, in memory, by their number."""
        import pyarrow.dataset as ds

        return ds.dataset(pa.concat_tables(self.tables()).unify_dictionaries().sort_by(CELL.name))

    def tables(self, columns: list[str] | None = None, *, filled: bool = False) -> Iterator[pa.Table]:
        """The rows run by run and shard by shard, each once."""
        axes = {axis.column: axis_column(axis.column, axis.labels) for axis in self.grid.axes}
        fields = self._fields()
        wanted = list(fields) if columns is None else columns
        stored = [name for name in wanted if name != CELL.name and name not in axes]
        for number, run in enumerate(self.runs):
            for table in run.tables([CELL.name, *stored]):
                cells = self.merged.numbers(number, table[CELL.name].to_numpy())
                made = {name: axes[name].array(values) for name, values in self.grid.cells(cells).columns().items()}
                made[CELL.name] = pa.array(cells)
                arrays = [made[name] if name in made else table[name] for name in wanted]
                schema = pa.schema([fields[name].field() for name in wanted])
                yield pa.table(arrays, schema=schema).filter(pa.array(~np.isin(cells, self._twice[number])))

    def _fields(self) -> dict[str, Column]:
        axes = (axis_column(axis.column, axis.labels) for axis in self.grid.axes)
        return {each.name: each for each in (CELL, *axes, *COLUMNS)}

    @cached_property
    def _full(self) -> bool:
        """Whether each cell of the grid has a row in one of the runs."""
        rows = sum(len(read_cells(run)) - len(twice) for run, twice in zip(self.runs, self._twice, strict=True))
        return rows == (self.grid.size if self.grid.where is None else sum(map(len, self.grid.chunks())))

    def _rows_elsewhere(self) -> list[np.ndarray]:
        """Of each run the cells whose row an earlier run has to the last bit.

        Raises:
            InputError: an earlier run has another row of them.
        """
        cells = [read_cells(run) for run in self.runs]
        numbers = [self.merged.numbers(number, each) for number, each in enumerate(cells)]
        twice = [np.zeros(0, np.int64) for _ in self.runs]
        for one, other in combinations(range(len(self.runs)), 2):
            pairs = Pairs.of(numbers[one], numbers[other])
            if len(pairs.numbers):
                self._check_same(one, other, pairs, cells)
                twice[other] = np.union1d(twice[other], pairs.numbers)
        return twice

    def _check_same(self, one: int, other: int, pairs: Pairs, cells: list[np.ndarray]) -> None:
        compared = side_by_side(self.runs[one], self.runs[other], pairs, COLUMNS)
        unlike = {column.name: ~same for column, _, _, same in compared if not same.all()}
        if not unlike:
            return
        wrong = np.flatnonzero(np.any(list(unlike.values()), axis=0))
        told = [self._named(pairs, pair, cells[one], cells[other]) for pair in wrong[:SHOWN]]
        more = f" and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
        a, b = self.settings[one].name, self.settings[other].name
        raise InputError(
            f"hold different rows of the same settings: {'; '.join(told)}{more}; they differ in {', '.join(list(unlike)[:4])}",
            key=f"{a} and {b}",
            mend=f"`{shlex.join(['nanmap', 'compare', a, b])}` shows how; leave one of them out, or train one again with --fresh",
        )

    def _named(self, pairs: Pairs, pair: int, one: np.ndarray, other: np.ndarray) -> str:
        settings = ", ".join(f"{k} = {v}" for k, v in self.merged.settings(int(pairs.numbers[pair])).items())
        return f"cell {one[pairs.one[pair]]} and cell {other[pairs.other[pair]]} ({settings})"


def _models(manifests: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for manifest in manifests:
        for kind, sentences in (manifest.get("models") or {}).items():
            found[kind] = list(dict.fromkeys([*found.get(kind, []), *sentences]))
    return found


def _shared(values: list[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else None
