"""A finished run under other thresholds: its rows judged anew from their own columns. Nothing is trained."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from nanmap.analysis.view import load_grid
from nanmap.config import THRESHOLDS, OutcomeSettings
from nanmap.config.explain import explained_table
from nanmap.errors import InputError, RunFolderError, did_you_mean
from nanmap.grid import Grid
from nanmap.outcomes import MARKS, classify
from nanmap.results.columns import JUDGED_BY_DATA
from nanmap.results.folder import RunFolder
from nanmap.results.schema import TEXT

if TYPE_CHECKING:
    import pyarrow.dataset as ds

TABLE = "outcome"  # of a config
NUMBERS = (
    *MARKS,
    "loss_constant",
    "loss_best",
    "steps_run",
    "layers",
    "output_spread",
    "gradient_ratio",
    "gradient_ratio_initial",
)
FLAGS = ("ends_infinite", "dead_layer", "dead_at_init")
TEXTS = ("stopped_by", "handicap")
READ = ("cell", "cause", "first_nan_step", "loss_floor", *NUMBERS, *FLAGS, *TEXTS)


class JudgedFolder(RunFolder):
    """A run folder whose outcomes and causes follow from other thresholds than those that it was run with.

    Args:
        run: the folder; it stays as it is.
        thresholds: settings of `[outcome]`; those not given stay. `floor` must be a number: other ones need the data.

    Raises:
        InputError: no such threshold, a value is not allowed, or an axis of the run goes over it.
        RunFolderError: this is no run folder, or one of before rows held what their outcome follows from.
    """

    def __init__(self, run: RunFolder, thresholds: Mapping[str, Any]) -> None:
        super().__init__(run.path)
        self.run, self.thresholds = run, dict(thresholds)
        manifest = run.read_manifest()
        if manifest.get("schema", 0) < JUDGED_BY_DATA:
            raise RunFolderError(
                "holds rows that cannot be judged anew: losses on the way and the constant answer's are not among them",
                file=self.path,
                mend=f"{self.cells.again} --fresh trains them again",
            )
        self.grid: Grid = load_grid(manifest)
        self._given = _checked(manifest["sweep"]["config"].get(TABLE) or {}, self.thresholds, self.grid)

    def read_manifest(self) -> dict[str, Any]:
        """The manifest, its config with these thresholds, which `judged` tells."""
        manifest = self.run.read_manifest()
        config = manifest["sweep"]["config"]
        settings = {**(config.get(TABLE) or {}), **self.thresholds}
        sweep = manifest["sweep"] | {"config": config | {TABLE: settings}}
        return manifest | {"sweep": sweep, "judged": {**(manifest.get("judged") or {}), **self.thresholds}}

    def read_edges_manifest(self) -> dict[str, Any] | None:
        """Of the edges beside the run, which do not hang on these thresholds."""
        return self.run.read_edges_manifest()

    def edge_rows(self) -> pa.Table:
        """The edges beside the run."""
        return self.run.edge_rows()

    def source(self, cell: int) -> tuple[RunFolder, int]:
        """The folder on disk that holds the row of a cell, and the cell's number there."""
        return self.run.source(cell)

    def columns(self) -> list[str]:
        """Names of the columns that the rows have."""
        return self.run.columns()

    def dataset(self) -> "ds.Dataset":
        """The rows, in memory."""
        import pyarrow.dataset as ds

        return ds.dataset(pa.concat_tables(self.tables()).unify_dictionaries().sort_by("cell"))

    def tables(self, columns: list[str] | None = None, *, filled: bool = False) -> Iterator[pa.Table]:
        """The rows shard by shard, judged."""
        if columns and not {"outcome", "cause", "loss_floor"} & set(columns):
            yield from self.run.tables(columns)
            return
        wanted = list(dict.fromkeys([*columns, *READ])) if columns else None
        for table in self.run.tables(wanted):
            facts = self._facts(table)
            made = [pa.array(values.astype(str)).cast(TEXT) for values in classify(facts)]
            for name, values in (
                *zip(("outcome", "cause"), made, strict=True),
                ("loss_floor", pa.array(facts["loss_floor"])),
            ):
                if name in table.column_names:
                    there = table.column_names.index(name)
                    table = table.set_column(there, name, values)
            yield table.select(columns) if columns else table

    def _facts(self, table: pa.Table) -> dict[str, np.ndarray]:
        facts = {name: table[name].to_pandas().to_numpy(float) for name in NUMBERS}
        facts |= {name: table[name].to_numpy().astype(bool) for name in FLAGS}
        facts |= {name: np.asarray(table[name].to_pylist(), str) for name in TEXTS}
        # What broke the numbers does not hang on a threshold.
        facts["broken_by"] = np.asarray(table["cause"].to_pylist(), str)
        facts["first_nan_step"] = table["first_nan_step"].fill_null(-1).to_numpy()
        facts |= self._limits(table["cell"].to_numpy())
        floor = facts.pop("floor", None)
        facts["loss_floor"] = table["loss_floor"].to_numpy() if floor is None else floor
        return facts

    def _limits(self, cells: np.ndarray) -> dict[str, np.ndarray]:
        """The thresholds of cells, `[cells]` each: as given, else as their own settings were; `floor` only if given."""
        names = [name for name in THRESHOLDS if name != "floor" or "floor" in self.thresholds]
        found = {name: np.full(len(cells), float(getattr(self._given, name))) for name in names}
        places = self.grid.cells(cells).positions
        for dimension, place in zip(self.grid.dimensions, places, strict=True):
            for axis in dimension:
                for key in axis.keys:
                    table, _, name = key.partition(".")
                    if table == TABLE and name in found:
                        along = axis.numbers_at(key, place).astype(float)
                        found[name] = np.where(np.isnan(along), found[name], along)
        return found


def _checked(own: Mapping[str, Any], given: Mapping[str, Any], grid: Grid) -> OutcomeSettings:
    """The thresholds of all cells, those that an axis sets aside."""
    swept = {key: axis.column for axis in grid.axes for key in axis.keys}
    for name, value in given.items():
        key = f"{TABLE}.{name}"
        if name not in THRESHOLDS:
            raise InputError(
                "no such threshold", key=key, value=value, allowed=THRESHOLDS, mend=did_you_mean(name, THRESHOLDS)
            )
        if key in swept:
            mend = f"keep one value of it instead, with select: {swept[key]}"
            raise InputError(f"the axis `{swept[key]}` goes over it", key=key, value=value, mend=mend)
        if name == "floor" and isinstance(value, str):
            mend = "give the loss itself as a number, or run the sweep with it"
            raise InputError("needs the data, which a run does not keep", key=key, value=value, mend=mend)
    try:
        return OutcomeSettings.model_validate({**own, **given})
    except ValidationError as error:
        raise explained_table(error, TABLE, OutcomeSettings) from None
