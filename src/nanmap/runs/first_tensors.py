"""First tensors beside the rows of a run: in a second pass over the cells in which an infinity or a NaN came."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from nanmap.engine import Engine
from nanmap.errors import InputError, RunFolderError
from nanmap.grid import Cells
from nanmap.outcomes import Facts
from nanmap.plan import Lanes, Plan
from nanmap.results.arrays import numbers_of
from nanmap.results.columns import INFERRED
from nanmap.results.first_tensors import (
    FIRST_TENSOR_COLUMNS,
    NONE,
    first_tensors_hash,
    first_tensors_table,
    make_first_tensors,
)
from nanmap.results.folder import RunFolder
from nanmap.results.shards import shard_metadata
from nanmap.runs.filling import Shard, trained
from nanmap.runs.first_tensor import Replay, first_tensor
from nanmap.runs.observer import Observer

EVENTS = ("first_inf_step", "first_nan_step")
MOST_AT_ONCE = 1 << 17  # cells


def described(rows: str) -> dict[str, Any]:
    """What a manifest says of the first tensors of rows with this hash."""
    return {"first_tensors": {"hash": first_tensors_hash(rows)}}


def has_first_tensors(folder: RunFolder, rows: str | None = None) -> bool:
    """Whether the run in a folder has them, of the rows that it has; and these, if a hash is given, are of such."""
    try:
        manifest = folder.read_manifest()
    except RunFolderError:
        return False
    said = manifest.get("first_tensors")
    known = str(manifest.get("hash"))
    return isinstance(said, dict) and said.get("hash") == first_tensors_hash(known) and rows in (None, known)


def record_first_tensors(
    plan: Plan, engine: Engine, folder: RunFolder, rows: str, shard_cells: int, observer: Observer
) -> None:
    """Trains the cells in which an infinity or a NaN came once more, up to that update; their rows stay.

    Args:
        folder: whose rows are all there.
        rows: their hash.
    """
    shards, hash = folder.first_tensors, first_tensors_hash(rows)
    finished = shards.finished(hash)
    shards.remove(shards.removable(finished))
    breaks = _breaks(plan, folder)
    pending = [number for number in range(-(-plan.grid.size // shard_cells)) if number not in finished]
    broken = {number: _broken(breaks, number * shard_cells, shard_cells) for number in pending}
    observer.replaying(sum(map(len, broken.values())))
    for some in _together(broken):
        table = _found(plan, engine, np.concatenate([broken[number] for number in some]), breaks, observer)
        owner = table["cell"].to_numpy() // shard_cells
        for number in some:
            mine = [table.filter(pa.array(owner == number))]
            shards.write(number, first_tensors_table(mine, shard_metadata(hash, number)))


def _broken(breaks: np.ndarray, first: int, size: int) -> np.ndarray:
    return first + np.flatnonzero(breaks[first : first + size] >= 0)


def _together(broken: dict[int, np.ndarray]) -> Iterator[list[int]]:
    """Shards whose cells are trained at once: those of many broke at the same updates, and a call pauses at each."""
    some: list[int] = []
    cells = 0
    for number, mine in broken.items():
        if some and cells + len(mine) > MOST_AT_ONCE:
            yield some
            some, cells = [], 0
        some, cells = [*some, number], cells + len(mine)
    if some:
        yield some


def _breaks(plan: Plan, folder: RunFolder) -> np.ndarray:
    """The first update of each cell with an infinity or a NaN, int64 by number; -1 where none came, or nobody trained it."""
    found, filled = np.full(plan.grid.size, -1, np.int64), [INFERRED.name] if plan.sweep.refine else []
    for table in folder.tables(["cell", *EVENTS, *filled]):
        steps, missing = zip(*(numbers_of(table[name]) for name in EVENTS), strict=True)
        never = np.iinfo(np.int64).max
        first = np.minimum(*(np.where(none, never, step) for step, none in zip(steps, missing, strict=True)))
        for name in filled:
            first[numbers_of(table[name])[0].astype(bool)] = never
        found[numbers_of(table["cell"])[0]] = np.where(first < never, first, -1)
    return found


def _found(plan: Plan, engine: Engine, numbers: np.ndarray, breaks: np.ndarray, observer: Observer) -> pa.Table:
    """The first tensors of cells with these numbers."""
    parts = [make_first_tensors(NONE)]
    if len(numbers):
        cells = plan.grid.cells(numbers)
        for shard, lanes, index, facts in trained(engine, [Shard(0, cells, _asked(plan, cells, breaks))]):
            place = lanes.position[index]
            parts.append(_table(plan, engine, numbers[place], facts))
            shard.put(place, {})
            observer.replayed(len(index))
    return pa.concat_tables(parts).unify_dictionaries()


def _asked(plan: Plan, cells: Cells, breaks: np.ndarray) -> list[Lanes]:
    return [replace(each, breaks=breaks[cells.numbers[each.position]]) for each in plan.lanes(cells)]


def _table(plan: Plan, engine: Engine, numbers: np.ndarray, facts: Facts) -> pa.Table:
    """The first tensors of some cells; those that are not found among others are looked for alone."""
    if "first_tensor" not in facts:
        mend = "leave it out, or train locally"
        raise InputError("this engine looks for no first tensors", key="record.first_tensor", mend=mend)
    columns = {each.name: facts[each.name].copy() for each in FIRST_TENSOR_COLUMNS[1:]} | {"cell": numbers}
    for place in np.flatnonzero(columns["first_tensor"] == "").tolist():
        (lanes,) = plan.lanes(plan.grid.cells(numbers[place : place + 1]))
        if alone := first_tensor(Replay.of(engine, lanes, int(columns["step"][place]))):
            largest = (np.nan, "") if alone.largest_before is None else (alone.largest_before, alone.largest_in)
            for name, value in zip(columns, (alone.name, alone.step, alone.value, *largest), strict=False):
                columns[name][place] = value
    return make_first_tensors(columns)
