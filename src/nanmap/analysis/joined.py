"""Several runs as one: their rows over the axes that they have together. Nothing is trained, and nothing is written."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from nanmap.analysis.alike import Pairs, read_cells, side_by_side
from nanmap.analysis.merged import differing, merge
from nanmap.analysis.run_settings import RunSettings, almost_equal
from nanmap.errors import InputError, RunFolderError
from nanmap.results.columns import CELL, COLUMNS
from nanmap.results.folder import RunFolder
from nanmap.results.schema import axis_column

REFUSED = ("schema", "nanmap")  # of a manifest and its versions: what a column means may be another thing
TOLD = ("jax", "jaxlib", "optax", "numpy")
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
        self.runs, self.settings = list(runs), [RunSettings(run) for run in runs]
        _check_versions(self.settings)
        _check_files(self.settings)
        apart = differing(self.settings)
        _check_nameable(apart, self.settings)
        self.merged = merge(self.settings, list(apart))
        self.grid = self.merged.grid
        self.notes = _notes(self.settings)
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

    def dataset(self) -> ds.Dataset:
        """The rows, in memory, by their number."""
        return ds.dataset(pa.concat_tables(self.tables()).unify_dictionaries().sort_by(CELL.name))

    def tables(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The rows run by run and shard by shard, each once."""
        axes = {axis.column: axis_column(axis.column, axis.labels) for axis in self.grid.axes}
        fields = {each.name: each for each in (CELL, *axes.values(), *COLUMNS)}
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
        told = []
        for pair in wrong[:SHOWN]:
            here, there = int(cells[one][pairs.one[pair]]), int(cells[other][pairs.other[pair]])
            settings = ", ".join(f"{k} = {v}" for k, v in self.merged.settings(int(pairs.numbers[pair])).items())
            told.append(f"cell {here} and cell {there} ({settings})")
        more = f" and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
        names = f"{self.settings[one].name} and {self.settings[other].name}"
        raise InputError(
            f"hold different rows of the same settings: {'; '.join(told)}{more}; they differ in {', '.join(list(unlike)[:4])}",
            key=names,
            mend=f"`nanmap compare {self.settings[one].name} {self.settings[other].name}` shows how; "
            "leave one of them out, or train one again with --fresh",
        )


def _check_versions(runs: Sequence[RunSettings]) -> None:
    """Columns must mean the same."""
    first = runs[0]
    for run in runs[1:]:
        for key in REFUSED:
            was, now = (
                each.manifest.get(key) or (each.manifest.get("versions") or {}).get(key) for each in (first, run)
            )
            if was != now:
                what = "version of the columns" if key == "schema" else f"version of {key}"
                problem = (
                    f"the {what} is {was} in {first.name} and {now} in {run.name}: their rows do not mean the same"
                )
                mend = "train the older one again: nanmap sweep SWEEP --fresh --out RUN; `nanmap compare` takes both"
                raise InputError(problem, key="runs", mend=mend)


def _check_files(runs: Sequence[RunSettings]) -> None:
    """A file's name stands for one content."""
    for one, other in combinations(runs, 2):
        for name in one.digests.keys() & other.digests.keys():
            if one.digests[name] != other.digests[name]:
                problem = f"the file {name} has other contents in {one.name} than in {other.name}"
                mend = "give other data another file name, or train one of the runs again with the same file"
                raise InputError(problem, key="runs", mend=mend)


def _check_nameable(apart: Mapping[str, list[Any]], runs: Sequence[RunSettings]) -> None:
    """What tells the runs apart must be something that trains otherwise, and that a column can hold."""
    for key, values in apart.items():
        table, _, name = key.partition(".")
        told = ", ".join(f"{value!r} in {run.name}" for run, value in zip(runs, values, strict=True))
        if table == "outcome":
            value = next((each for each in values if not isinstance(each, str)), "…")
            mend = f"judge all of them alike, without training: nanmap.Result(run).judged({name}={value})"
            raise InputError(f"the runs are judged by other thresholds: {told}", key=key, mend=mend)
        if table == "record":
            mend = "run the sweeps with the same [record]"
            raise InputError(f"the runs record other things: {told}", key=key, mend=mend)
    if {"training.epochs", "training.steps"} <= apart.keys():
        mend = "train both by one of them, such as training.steps"
        raise InputError("one run counts epochs and another updates", key="training", mend=mend)


def _notes(runs: Sequence[RunSettings]) -> list[str]:
    """What may make the last digits of the runs' rows differ, and settings that differ in nothing else."""
    found = []
    for key in ("backend", *TOLD):
        values = [run.manifest.get(key) or (run.manifest.get("versions") or {}).get(key) for run in runs]
        if len(set(values)) > 1:
            found.append(f"{key} is " + ", ".join(f"{v} in {run.name}" for run, v in zip(runs, values, strict=True)))
    widths: dict[str, int] = {}
    for run in runs:
        for program, width in (run.manifest.get("widths") or {}).items():
            if widths.setdefault(program, width) != width and len(found) < len(TOLD) + 1:
                found.append(f"{run.name} trained other numbers of cells side by side")
                break
    told = [f"{each}: the last digits may differ, and near a chaotic boundary the outcome" for each in found]
    for one, other in combinations(runs, 2):
        for name, near in almost_equal(one, other).items():
            problem = f"{len(near)} values of {name} in {one.name} and {other.name} are equal but for their last digits"
            told.append(f"{problem}, such as {near[0][0]!r} and {near[0][1]!r}: they are cells of their own")
    return told


def _models(manifests: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for manifest in manifests:
        for kind, sentences in (manifest.get("models") or {}).items():
            found[kind] = list(dict.fromkeys([*found.get(kind, []), *sentences]))
    return found


def _shared(values: list[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else None
