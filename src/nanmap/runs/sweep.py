"""A sweep into a run folder: pending shards → engine → Parquet. Cells that have their row are never trained again."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nanmap.engine import Engine, LocalEngine
from nanmap.errors import InputError
from nanmap.grid import Cells
from nanmap.plan import Plan, Variant
from nanmap.results.columns import make_table
from nanmap.results.folder import RunFolder
from nanmap.results.manifest import fingerprint, make_manifest
from nanmap.results.shards import MOST_SHARDS, default_shard_cells, shard_metadata
from nanmap.runs.complete import complete_rows
from nanmap.runs.filling import Shard, trained
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
        shard_cells: cells per file; chosen by the size of the grid if None.
        tune: measure how many cells side by side are fastest, instead of deriving it; a folder's widths stay.
        observer: told of progress.

    Raises:
        InputError: a combination of settings is impossible, or the folder holds results of other settings.
    """
    folder, engine = RunFolder(out), engine or LocalEngine()
    shard_cells = shard_cells or default_shard_cells(plan.grid.size)
    _check_size(plan, shard_cells)
    _pin_widths(plan, folder, engine, fresh, tune, observer)
    observer = observer or Observer()
    manifest = _manifest(plan, engine, shard_cells)
    resumed = resume(folder.cells, manifest, engine, fresh, observer)
    with resumed:
        keep_inputs(folder, plan.variants(), observer)
        try:
            _train(plan, engine, resumed, observer)
        finally:  # an interrupted run says what it has, too
            resumed.manifest["shards"] = folder.cells.names()
    return folder


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


def _train(plan: Plan, engine: Engine, resumed: Resumed, observer: Observer) -> None:
    """Trains the cells of all shards that are not finished."""
    size = resumed.manifest["shard_cells"]

    def cells_of(number: int) -> Cells:
        return plan.grid.kept(number * size, min((number + 1) * size, plan.grid.size))

    def write(shard: Shard) -> None:
        metadata = shard_metadata(resumed.manifest["hash"], shard.number)
        table = make_table(shard.cells.numbers, shard.cells.columns(), shard.columns, metadata)
        resumed.shards.write(shard.number, table)

    def count(number: int) -> int:
        end = min((number + 1) * size, plan.grid.size)
        return end - number * size if plan.grid.where is None else len(cells_of(number))

    counts = {number: count(number) for number in range(-(-plan.grid.size // size))}
    observer.started(sum(counts.values()), sum(counts[number] for number in resumed.finished))
    pending = ((n, cells_of(n)) for n, count in counts.items() if count and n not in resumed.finished)
    shards = (Shard(number, cells, plan.lanes(cells)) for number, cells in pending)
    forecaster = Forecaster()
    with Writer(write) as writer:
        for shard, lanes, index, facts in trained(engine, shards):
            rows = complete_rows(lanes, index, facts, forecaster)
            shard.put(lanes.position[index], rows)
            observer.trained(len(index))
            observer.advanced(len(index), rows["outcome"])
            if not shard.missing:
                writer.put(shard)
