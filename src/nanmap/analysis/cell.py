"""The training behind one row of a run: its settings, its row, and whether another row is the same."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nanmap.analysis.view import load_grid
from nanmap.config import Config, build_config
from nanmap.errors import InputError
from nanmap.results.columns import INFERRED
from nanmap.results.folder import RunFolder


def config_of_cell(folder: RunFolder, cell: int) -> Config:
    """The complete settings of a cell.

    Args:
        folder: the run.
        cell: its number, row-major over the axes.

    Raises:
        InputError: the run has no such cell.
    """
    grid = load_grid(folder.read_manifest())
    if not 0 <= cell < grid.size:
        raise InputError("no such cell", key="--cell", value=cell, allowed=f"0 to {grid.size - 1:,}")
    places = grid.cells(np.array([cell])).positions[:, 0]
    settings = grid.settings(dict(enumerate(map(int, places))))
    tree = folder.read_manifest()["sweep"]["config"]
    if digest := (tree.get("data") or {}).get("sha256"):
        settings["data.path"] = str(folder.input_file(digest))  # wherever the folder stands now
    return build_config(tree, settings)


def row_of_cell(folder: RunFolder, cell: int) -> dict[str, Any] | None:
    """The row as it is stored, without its number and its axes; None where there is none."""
    axes = {axis.column for axis in load_grid(folder.read_manifest()).axes}
    for table in folder.tables():
        found = np.flatnonzero(table["cell"].to_numpy() == cell)
        if len(found):
            (row,) = table.slice(int(found[0]), 1).to_pylist()
            return {name: value for name, value in row.items() if name != "cell" and name not in axes}
    return None


def filled_outcome(folder: RunFolder, cell: int) -> str | None:
    """The outcome that was filled in for a cell of a refined run; None where it was trained, or has no row."""
    if not folder.read_manifest()["sweep"].get("refine"):
        return None
    for table in folder.tables(["cell", "outcome", INFERRED.name], filled=True):
        found = np.flatnonzero((table["cell"].to_numpy() == cell) & table[INFERRED.name].to_numpy())
        if len(found):
            return str(table["outcome"][int(found[0])].as_py())
    return None


def differences(stored: Mapping[str, Any], again: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Columns of two rows whose values are not the same to the last bit, as they were and as they are.

    >>> differences({"loss_final": float("nan"), "steps_run": 3}, {"loss_final": float("nan"), "steps_run": 4})
    {'steps_run': (3, 4)}
    """
    names = [name for name in stored if name in again]
    return {name: (stored[name], again[name]) for name in names if not _same(stored[name], again[name])}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return bool(one == other)
