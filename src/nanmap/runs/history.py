"""Histories beside the rows of a run: with the rows where all cells have one, else in a second pass once all rows are there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from nanmap.config.settings import RecordSettings
from nanmap.engine import Engine
from nanmap.errors import InputError, RunFolderError
from nanmap.grid import Cells, Grid
from nanmap.grid.axes import Axis
from nanmap.outcomes import Facts
from nanmap.plan import Lanes, Plan
from nanmap.results.arrays import names_of, numbers_of
from nanmap.results.folder import RunFolder
from nanmap.results.histories import history_hash, history_table, make_history
from nanmap.results.shards import shard_metadata
from nanmap.runs.filling import Shard, trained
from nanmap.runs.kept import KeptHistories
from nanmap.runs.observer import Observer
from nanmap.training.cell import HISTORY

NEAR = 2  # cells along an axis from a change of outcome that still count as its boundary
SAMPLE = 0.01  # of the other cells beside a boundary
KEPT = "kept"  # in place of whose histories are asked for: those that a smaller run had


@dataclass(frozen=True)
class Recording:
    """What a run is asked to keep beside its rows.

    Attributes:
        updates: of each cell, about: the first ones fall together.
        cells: `all`, `boundary`, a share, or `KEPT`.
        hash: what its shards say.
    """

    updates: int
    cells: str | float
    hash: str

    def described(self) -> dict[str, Any]:
        """For the manifest."""
        return {"updates": self.updates, "cells": self.cells, "hash": self.hash}

    def asked(self, lanes: list[Lanes]) -> list[Lanes]:
        """Batches whose updates are looked at."""
        return [replace(each, history=self.updates) for each in lanes]


def recording_kept(kept: KeptHistories, rows: str) -> Recording:
    """What there is of histories after an extension that asks for none, beside rows of this hash."""
    return Recording(kept.updates, KEPT, history_hash(rows, kept.updates, KEPT))


def recording_of(record: RecordSettings, rows: str) -> Recording | None:
    """What `[record]` asks for, for rows of this hash; None if for nothing."""
    if record.history is None:
        return None
    hash = history_hash(rows, record.history, record.history_cells)
    return Recording(record.history, record.history_cells, hash)


def kept_history(folder: RunFolder, rows: str) -> dict[str, Any] | None:
    """What a folder's manifest says of histories that belong to rows of this hash: they stay when none is asked for."""
    try:
        said = folder.read_manifest().get("history")
    except RunFolderError:
        return None
    if not (isinstance(said, dict) and {"updates", "cells", "hash"} <= said.keys()):
        return None
    return said if said["hash"] == history_hash(rows, said["updates"], said["cells"]) else None


def history_of(numbers: np.ndarray, facts: Facts) -> pa.Table:
    """The history of trained cells with these numbers `[cells]`, up to the update that ended them."""
    if "history_step" not in facts:
        raise InputError("this engine keeps no histories", key="record.history", mend="leave it out, or train locally")
    step = facts["history_step"]
    made = np.where(step < facts["steps_run"][:, None], step, -1)
    return make_history(numbers, {"step": made, **{name: facts[name] for name in HISTORY}})


def record_histories(
    plan: Plan,
    engine: Engine,
    folder: RunFolder,
    recording: Recording,
    shard_cells: int,
    observer: Observer,
    kept: KeptHistories | None = None,
) -> None:
    """Trains the cells whose history is asked for and is not there once more, and keeps it; their rows stay.

    Args:
        folder: whose rows are all there.
        kept: those of the smaller run that this one grew from, which are taken as they are.
    """
    finished = folder.history.finished(recording.hash)
    folder.history.remove(folder.history.removable(finished))
    kept = kept if kept and kept.updates == recording.updates else None
    wanted = _trained_cells(plan, folder)
    if recording.cells != KEPT:
        wanted &= _wanted_cells(plan.grid, folder, recording)
    chosen: dict[int, Cells] = {}
    for number in range(-(-plan.grid.size // shard_cells)):
        if number not in finished:
            cells = plan.grid.kept(number * shard_cells, min((number + 1) * shard_cells, plan.grid.size))
            chosen[number] = cells.take(np.flatnonzero(wanted[cells.numbers]))
    missing = {number: _without(cells, kept, recording) for number, cells in chosen.items()}
    observer.recording(sum(map(len, missing.values())))
    for number, parts in _recorded(plan, engine, recording, missing, observer):
        parts += _taken(chosen[number], kept)
        folder.history.write(number, history_table(parts, shard_metadata(recording.hash, number)))


def _without(cells: Cells, kept: KeptHistories | None, recording: Recording) -> Cells:
    """Those that have no history yet and are to have one."""
    if recording.cells == KEPT:
        return cells.take(np.zeros(0, int))
    return cells.take(np.flatnonzero(~kept.there(cells))) if kept else cells


def _taken(cells: Cells, kept: KeptHistories | None) -> list[pa.Table]:
    """The histories that are there."""
    there = np.flatnonzero(kept.there(cells)) if kept else np.zeros(0, int)
    return [kept.table(cells.take(there))] if kept and len(there) else []


def _recorded(
    plan: Plan, engine: Engine, recording: Recording, chosen: dict[int, Cells], observer: Observer
) -> Iterator[tuple[int, list[pa.Table]]]:
    """The histories of shards, each once it is whole."""
    found: dict[int, list[pa.Table]] = {number: [] for number in chosen}
    yield from ((number, []) for number, cells in chosen.items() if not len(cells))
    shards = (
        Shard(number, cells, recording.asked(plan.lanes(cells))) for number, cells in chosen.items() if len(cells)
    )
    for shard, lanes, index, facts in trained(engine, shards):
        place = lanes.position[index]
        found[shard.number].append(history_of(shard.cells.numbers[place], facts))
        shard.put(place, {})
        observer.recorded(len(index))
        if not shard.missing:
            yield shard.number, found.pop(shard.number)


def _trained_cells(plan: Plan, folder: RunFolder) -> np.ndarray:
    """Those that were trained, bool by number: of a refined run not all."""
    if not plan.sweep.refine:
        return np.ones(plan.grid.size, bool)
    found = np.zeros(plan.grid.size, bool)
    for table in folder.tables(["cell"]):
        found[numbers_of(table["cell"])[0]] = True
    return found


def _wanted_cells(grid: Grid, folder: RunFolder, recording: Recording) -> np.ndarray:
    """Whose history is asked for, bool by number."""
    if recording.cells == "all":
        return np.ones(grid.size, bool)
    share = SAMPLE if isinstance(recording.cells, str) else recording.cells
    sampled = np.random.default_rng(0).random(grid.size) < share
    return sampled | near_boundary(grid, folder) if recording.cells == "boundary" else sampled


def near_boundary(grid: Grid, folder: RunFolder) -> np.ndarray:
    """Which cells have another outcome within `NEAR` cells along an axis of numbers, bool by number."""
    outcomes = np.full(grid.size, -1)
    known: dict[str, int] = {}
    for table in folder.tables(["cell", "outcome"]):
        places, names = names_of(table["outcome"])
        codes = np.array([known.setdefault(name, len(known)) for name in names], int)
        outcomes[numbers_of(table["cell"])[0]] = codes[places]
    shaped = outcomes.reshape(grid.shape)
    near = np.zeros(grid.shape, bool)
    for dimension, axes in enumerate(grid.dimensions):
        for order in _orders(axes):
            back = np.argsort(order)
            ordered = shaped.take(order, dimension)
            for distance in range(1, NEAR + 1):
                near |= _differs(ordered, dimension, distance).take(back, dimension)
    return near.reshape(-1)


def _orders(axes: Sequence[Axis]) -> list[np.ndarray]:
    """Positions along a dimension by the size of each of its axes; none where one has names. A file may list values in any order."""
    return [np.argsort(axis.labels) for axis in axes] if all(axis.are_numbers for axis in axes) else []


def _differs(values: np.ndarray, dimension: int, distance: int) -> np.ndarray:
    """Where the value so far along a dimension, before or behind, is another one; cells without a row are none."""
    found = np.zeros(values.shape, bool)
    if values.shape[dimension] <= distance:
        return found
    found, moved = np.moveaxis(found, dimension, 0), np.moveaxis(values, dimension, 0)
    one, other = moved[distance:], moved[:-distance]
    differs = (one != other) & (one >= 0) & (other >= 0)
    found[distance:] |= differs
    found[:-distance] |= differs
    return np.moveaxis(found, 0, dimension)
