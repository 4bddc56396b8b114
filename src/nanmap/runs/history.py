"""Histories beside the rows of a run: with the rows where all cells have one, else in a second pass once all rows are there."""

from collections.abc import Iterable, Iterator, Sequence
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


class Histories:
    """The histories that a run is to have, shard by shard: those of a smaller run as they are, the others of cells trained once more.

    Args:
        plan: of the run.
        folder: whose rows are all there; they stay.
        recording: what is asked for.
        shard_cells: cells per shard.
        kept: those of the smaller run that this one grew from.
    """

    def __init__(
        self, plan: Plan, folder: RunFolder, recording: Recording, shard_cells: int, kept: KeptHistories | None = None
    ) -> None:
        self.plan, self.folder, self.recording, self.shard_cells = plan, folder, recording, shard_cells
        self._kept = kept if kept and kept.updates == recording.updates else None
        self._wanted = _trained_cells(plan, folder)
        if recording.cells != KEPT:
            self._wanted &= _wanted_cells(plan.grid, folder, recording)

    def pending(self) -> list[int]:
        """Numbers of the shards that are not there; what stands in the place of some is removed."""
        finished = self.folder.history.finished(self.recording.hash)
        self.folder.history.remove(self.folder.history.removable(finished))
        return [number for number in range(-(-self.plan.grid.size // self.shard_cells)) if number not in finished]

    def missing(self, number: int) -> Cells:
        """The cells of a shard that are to have a history and have none yet."""
        cells = self._cells(number)
        if self.recording.cells == KEPT:
            return cells.take(np.zeros(0, int))
        return cells.take(np.flatnonzero(~self._kept.there(cells))) if self._kept else cells

    def shard(self, number: int) -> Shard:
        """Batches of the cells that have none, at least one."""
        cells = self.missing(number)
        return Shard(number, cells, self.recording.asked(self.plan.lanes(cells)))

    def write(self, number: int, made: list[pa.Table]) -> None:
        """Writes a shard: what was made now, and what there was."""
        cells = self._cells(number)
        there = np.flatnonzero(self._kept.there(cells)) if self._kept else np.zeros(0, int)
        kept = [self._kept.table(cells.take(there))] if self._kept and len(there) else []
        metadata = shard_metadata(self.recording.hash, number)
        self.folder.history.write(number, history_table([*made, *kept], metadata))

    def _cells(self, number: int) -> Cells:
        first = number * self.shard_cells
        cells = self.plan.grid.kept(first, min(first + self.shard_cells, self.plan.grid.size))
        return cells.take(np.flatnonzero(self._wanted[cells.numbers]))


def record_histories(histories: Histories, engine: Engine, shards: Iterable[Shard]) -> Iterator[int]:
    """Trains the cells of some shards that have no history, and writes it with that of the others.

    Yields:
        How many cells have theirs now that had none.
    """
    for shard, lanes, index, facts in trained(engine, shards):
        place = lanes.position[index]
        shard.histories.append(history_of(shard.cells.numbers[place], facts))
        shard.put(place, {})
        if not shard.missing:
            histories.write(shard.number, shard.histories)
        yield len(index)


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
