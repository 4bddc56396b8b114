"""Made by hand: small configs, and run folders whose rows have known contents, to hold the maps against."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from nanmap.analysis import load_grid
from nanmap.outcomes import MARKS
from nanmap.results.columns import COLUMNS, make_table
from nanmap.results.folder import RunFolder
from nanmap.results.identity import IDENTITY, identity_hash
from nanmap.results.schema import TEXT, Column, Missing
from nanmap.results.shards import shard_metadata

LINE = {"data": {"kind": "line", "n": 20}, "training": {"epochs": 10, "batch_size": 32}}
AT_REST = {  # facts of a cell whose loss is that of the constant answer, and stays there
    **dict.fromkeys(MARKS, 1.0), "loss_floor": 0.0, "loss_constant": 1.0, "loss_best": np.nan, "first_nan_step": -1, "first_inf_step": -1,
    "steps_run": 10, "stopped_by": "", "ratio": 0.05, "rising": 1.01, "falling": 0.99, "rebound": 2.0,
    "ends_infinite": False, "dead_layer": False, "dead_at_init": False, "broken_by": "overflow", "handicap": "",
    "layers": 3, "output_spread": 0.5, "gradient_ratio": 0.5, "gradient_ratio_initial": 0.5,
}  # fmt: skip
SMALL_FRACTAL = {  # the fractal network with a tenth of its rows and steps
    "data": {"kind": "gaussian", "n": 24, "features": 16},
    "model": {
        "hidden": [16],
        "activation": "tanh",
        "bias": False,
        "init": "normal",
        "parametrization": "mean_field",
        "gain": 2**0.5,
    },
    "optimizer": {"layer_learning_rates": [1.0, 1.0]},
    "training": {"steps": 60, "batch_size": 24, "dtype": "float64"},
}
RATE = {"key": "optimizer.learning_rate", "log": [1e-3, 10.0], "num": 5}
BATCH = {"key": "training.batch_size", "values": [1, 4, 32]}
SEED = {"key": "training.seed", "range": [0, 4]}


def write_run(
    path: Path,
    axes: list[dict[str, Any]],
    facts: Mapping[str, Any] | None = None,
    *,
    config: Mapping[str, Any] = LINE,
    zip: Iterable[Iterable[str]] = (),
    where: str | None = None,
    shard_cells: int = 7,
    lost: tuple[int, ...] = (),
    **manifest: Any,
) -> RunFolder:
    """A run whose columns are given.

    Args:
        path: the folder to write.
        axes: as in a sweep.
        facts: for some columns an array over the whole grid, or one value; the others hold the best name, -1 or NaN.
        config: the config's tables.
        zip: groups of zipped axes.
        where: the condition for cells to stay.
        shard_cells: cells per shard.
        lost: shards that were never written; the run is unfinished then.
        manifest: further entries of the manifest.
    """
    sweep = {
        "name": "handmade",
        "title": "",
        "config": config,
        "axes": axes,
        "zip": [list(g) for g in zip],
        "where": where,
    }
    manifest = {"sweep": sweep, "shard_cells": shard_cells, "complete": not lost, **manifest}
    if all(key in manifest for key in IDENTITY):  # whole, as nanmap writes it
        manifest["hash"] = identity_hash(manifest)
    folder, grid = RunFolder(path), load_grid(manifest)
    folder.write_manifest(manifest)
    columns = {each.name: _column(each, (facts or {}).get(each.name, ...), grid.size) for each in COLUMNS}
    for number, start in enumerate(range(0, grid.size, shard_cells)):
        cells = grid.kept(start, min(start + shard_cells, grid.size))
        if number in lost or not len(cells):
            continue
        rows = {name: values[cells.numbers] for name, values in columns.items()}
        folder.cells.write(number, make_table(cells.numbers, cells.columns(), rows, shard_metadata("hash", number)))
    return folder


def _column(column: Column, given: Any, size: int) -> np.ndarray:
    if given is ... and column.missing is Missing.MASK:
        return np.ma.masked_all(size)
    if given is ...:
        given = column.names.by_severity()[0] if column.names else -1 if column.type == pa.int64() else np.nan
    if isinstance(given, np.ma.MaskedArray):  # which an array without a mask would make numbers of
        return given
    kind = object if column.type == TEXT else None
    return np.broadcast_to(np.asarray(given, kind), size).copy()
