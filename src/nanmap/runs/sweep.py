"""A sweep into a run folder: pending shards → engine → Parquet. Cells that have their row are never trained again."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nanmap.engine import Engine, LocalEngine
from nanmap.errors import InputError
from nanmap.grid import Cells
from nanmap.plan import Plan, Variant
from nanmap.results.columns import make_table
from nanmap.results.folder import RunFolder
from nanmap.results.histories import history_table
from nanmap.results.manifest import fingerprint, make_manifest
from nanmap.results.shards import MOST_SHARDS, default_shard_cells, shard_metadata
from nanmap.runs.complete import complete_rows
from nanmap.runs.extend import Growing, grows
from nanmap.runs.filling import Shard, trained
from nanmap.runs.history import Recording, history_of, kept_history, record_histories, recording_of
from nanmap.runs.inputs import keep_inputs
from nanmap.runs.observer import Observer
from nanmap.runs.resume import Resumed, pinned_widths, resume
from nanmap.runs.writer import Writer
from nanmap.theory.facts import Forecaster
from nanmap.training.program import Program


def train_sweep(
    plan: Plan,
    out: str | Path,
    *,
    engine: Engine | None = None,
    fresh: bool = False,
    extend: bool = False,
    shard_cells: int | None = None,
    tune: bool = False,
    observer: Observer | None = None,
) -> RunFolder:
    """Trains every cell of a sweep that has no row yet, and writes the rows.

    Args:
        plan: of the sweep.
        out: the run folder.
        engine: trains; the devices of this process if None.
        fresh: start over, removing the run's rows.
        extend: the folder may hold a smaller run, whose rows stay.
        shard_cells: cells per file; chosen by the size of the grid if None.
        tune: measure how many cells side by side are fastest, instead of deriving it; a folder's widths stay.
        observer: told of progress.

    Raises:
        InputError: a combination of settings is impossible, or the folder holds results of other settings, or with `extend`
            some that the sweep does not hold.
    """
    folder, engine = RunFolder(out), engine or LocalEngine()
    shard_cells = shard_cells or default_shard_cells(plan.grid.size)
    _check_size(plan, shard_cells)
    _pin_widths(plan, folder, engine, fresh, tune, observer)
    observer = observer or Observer()
    manifest = _manifest(plan, engine, shard_cells)
    recording = recording_of(plan.sweep.record, manifest["hash"])
    manifest |= {"history": recording.described()} if recording else {}
    work = _Work(plan, engine, observer, recording)
    if extend and grows(folder, manifest):
        with Growing(folder, manifest, observer) as growing:
            with resume(growing.place.cells, manifest | growing.spent, engine, growing.stale, observer) as resumed:
                _fill(work, growing.place, resumed, growing)
            growing.commit()
        return folder
    if not recording and (kept := kept_history(folder, manifest["hash"])):
        manifest["history"] = kept
    with resume(folder.cells, manifest, engine, fresh, observer) as resumed:
        if fresh:
            _forget_the_rest(folder)
        keep_inputs(folder, plan.variants(), observer)
        _fill(work, folder, resumed)
    return folder


class _Work(NamedTuple):
    """What is to be done, by whom, who is told, and what is recorded beside the rows."""

    plan: Plan
    engine: Engine
    observer: Observer
    recording: Recording | None


def _forget_the_rest(folder: RunFolder) -> None:
    """What went with the rows that were: histories, and an extension that was given up."""
    folder.history.remove(folder.history.removable(set()))
    if folder.next.cells.manifest_file.exists():
        folder.next.cells.clear()


def _check_size(plan: Plan, shard_cells: int) -> None:
    """A folder has so many names for shards."""
    if plan.grid.size > (most := MOST_SHARDS * shard_cells):
        raise InputError(
            f"they make {plan.grid.size:,} cells",
            file=plan.sweep.file,
            key="axes",
            allowed=f"at most {most:,} in one run folder",
            mend="--zoom AXIS=LOW:HIGH trains a part of them into a folder of its own",
        )


def _programs(plan: Plan) -> list[Program]:
    return list(dict.fromkeys(variant.program for variant in plan.variants()))


def _pin_widths(
    plan: Plan, folder: RunFolder, engine: Engine, fresh: bool, tune: bool, observer: Observer | None
) -> None:
    """Gives the engine the widths of the folder's earlier runs, else measured ones where that is asked for."""
    pinned, notify = pinned_widths(folder.cells, _programs(plan), fresh), observer.noticed if observer else None
    engine.begin(pinned, notify)
    if tune and not pinned:
        engine.begin(engine.tune(plan), notify)
    elif tune and notify:
        notify("the widths of this folder stay as they are; --fresh --tune measures them anew")


def _manifest(plan: Plan, engine: Engine, shard_cells: int) -> dict[str, Any]:
    """The manifest of the whole sweep, before anything is spent on it."""
    variants, programs = list(plan.variants()), _programs(plan)
    rows = {variant.rows.n for variant in variants}
    identity = {
        "sweep": plan.sweep.describe(),
        "data": fingerprint(variant.config for variant in variants),
        "shard_cells": shard_cells,
        "backend": engine.backend,
        "widths": {program.key: engine.width(program) for program in programs},
    }
    packages = dict.fromkeys(package for program in programs for package in program.model.packages)
    return make_manifest(identity, packages) | {
        "maps": [options.model_dump() for options in plan.sweep.maps],
        "rows": rows.pop() if len(rows) == 1 else None,
        "programs": {program.key: program.sentence() for program in programs},
        "models": _sentences(variants),
        "device": engine.device,
        "timings": {"wall_seconds": 0.0},
        "compilations": 0,
        "narrowed": {},
    }


def _sentences(variants: Iterable[Variant]) -> dict[str, list[str]]:
    """What maps call the networks, by kind; nothing of those whose settings say it."""
    found: dict[str, list[str]] = {}
    for variant in variants:
        sentence, told = variant.program.model.sentence, found.setdefault(variant.config.model.kind, [])
        if sentence and sentence not in told:
            told.append(sentence)
    return {kind: told for kind, told in found.items() if told}


def _fill(work: _Work, folder: RunFolder, resumed: Resumed, growing: Growing | None = None) -> None:
    """Gives every cell its row, and histories to those that are to have one; however that ends, the manifest says what there is."""
    try:
        _train(work, folder, resumed, growing)
        plan, engine, observer, recording = work
        if recording:
            record_histories(plan, engine, folder, recording, resumed.manifest["shard_cells"], observer)
    finally:  # an interrupted run says what it has, too
        resumed.manifest["shards"] = resumed.shards.names()


def _train(work: _Work, folder: RunFolder, resumed: Resumed, growing: Growing | None) -> None:
    """Trains the cells of all shards that are not finished, but those that a smaller run has."""
    plan, engine, observer, recording = work
    size = resumed.manifest["shard_cells"]
    beside = recording if recording and recording.cells == "all" and not growing else None

    def cells_of(number: int) -> Cells:
        return plan.grid.kept(number * size, min((number + 1) * size, plan.grid.size))

    def write(shard: Shard) -> None:
        if beside:  # first: a shard of rows that is there has its histories
            history = history_table(shard.histories, shard_metadata(beside.hash, shard.number))
            folder.history.write(shard.number, history)
        metadata = shard_metadata(resumed.manifest["hash"], shard.number)
        table = make_table(shard.cells.numbers, shard.cells.columns(), shard.columns, metadata)
        resumed.shards.write(shard.number, table)

    def shards() -> Iterator[Shard]:
        for number in (n for n, count in counts.items() if count and n not in resumed.finished):
            shard = _shard(plan, number, cells_of(number), growing, beside)
            if shard.missing:
                yield shard
            else:
                writer.put(shard)

    def count(number: int) -> int:
        end = min((number + 1) * size, plan.grid.size)
        return end - number * size if plan.grid.where is None else len(cells_of(number))

    def kept(number: int) -> int:
        return counts[number] if number in resumed.finished else _kept(cells_of(number), growing)

    counts = {number: count(number) for number in range(-(-plan.grid.size // size))}
    observer.started(sum(counts.values()), sum(map(kept, counts if growing else resumed.finished)))
    forecaster = Forecaster()
    with Writer(write) as writer:
        for shard, lanes, index, facts in trained(engine, shards()):
            place = lanes.position[index]
            rows = complete_rows(lanes, index, facts, forecaster)
            if beside:
                shard.histories.append(history_of(shard.cells.numbers[place], facts))
            shard.put(place, rows)
            observer.trained(len(index))
            observer.advanced(len(index), rows["outcome"])
            if not shard.missing:
                writer.put(shard)


def _kept(cells: Cells, growing: Growing | None) -> int:
    """How many of a shard's cells have their row already."""
    return int(growing.there(cells).sum()) if growing else 0


def _shard(plan: Plan, number: int, cells: Cells, growing: Growing | None, beside: Recording | None) -> Shard:
    """A shard with the rows that are there already, and batches of the other cells."""
    if growing is None:
        lanes = plan.lanes(cells)
        return Shard(number, cells, beside.asked(lanes) if beside else lanes)
    there = growing.there(cells)
    kept, others = np.flatnonzero(there), np.flatnonzero(~there)
    lanes = plan.lanes(cells.take(others)) if len(others) else []
    shard = Shard(number, cells, [replace(each, position=others[each.position]) for each in lanes])
    if len(kept):
        shard.put(kept, growing.columns(cells.take(kept)))
    return shard
