"""A sweep into a run folder: pending shards → engine → Parquet. Cells that have their row are never trained again."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nanmap.engine import Engine, LocalEngine
from nanmap.engine.machine import what_differs
from nanmap.errors import InputError, RunFolderError
from nanmap.plan import Plan, Variant
from nanmap.results.folder import RunFolder
from nanmap.results.manifest import fingerprint, make_manifest
from nanmap.results.shards import MOST_SHARDS, default_shard_cells
from nanmap.runs.division import Division, made, write
from nanmap.runs.handing_out import Workers, handed_out
from nanmap.runs.inputs import keep_inputs
from nanmap.runs.job import job_of
from nanmap.runs.observer import Observer
from nanmap.runs.resume import Resumed, pinned_widths, resume
from nanmap.runs.writer import Writer
from nanmap.training.program import Program


def train_sweep(
    plan: Plan,
    out: str | Path,
    *,
    engine: Engine | None = None,
    workers: Workers | None = None,
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
        workers: make the shards elsewhere; then the engine only says how many cells train side by side there.
        fresh: start over, removing the run's rows.
        shard_cells: cells per file; chosen by the size of the grid if None.
        tune: measure how many cells side by side are fastest, instead of deriving it; a folder's widths stay.
        observer: told of progress.

    Raises:
        InputError: a combination of settings is impossible, or the folder holds results of other settings.
        ShardError: workers could not make some of the shards; all others are made.
    """
    folder, engine = RunFolder(out), engine or LocalEngine(backend=workers.machine["platform"] if workers else None)
    shard_cells = shard_cells or default_shard_cells(plan.grid.size)
    _check_size(plan, shard_cells)
    _pin_widths(plan, folder, engine, fresh, tune, observer)
    observer = observer or Observer()
    manifest = _manifest(plan, engine, shard_cells)
    manifest |= {"device": (workers or engine).device, "machine": dict((workers or engine).machine)}
    resumed = resume(folder.cells, manifest, engine, fresh, observer)
    with resumed:
        _check_machine(folder, resumed.manifest["machine"], manifest["machine"], workers is not None, observer)
        keep_inputs(folder, plan.variants(), observer)
        try:
            if workers:
                _hand_out(plan, workers, folder, resumed, observer)
            else:
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


def _check_machine(
    folder: RunFolder, there: Mapping[str, str], here: Mapping[str, str], elsewhere: bool, observer: Observer
) -> None:
    """That the rows which come are made on a machine like those that are there.

    Raises:
        RunFolderError: they would be made elsewhere, on others. Of what this process trains itself it is said only.
    """
    wrong = what_differs(there, here)
    if wrong and elsewhere:
        mend = "--fresh makes all rows there; --out DIR writes elsewhere"
        raise RunFolderError(f"holds rows of another machine than the workers': {wrong}", file=folder.path, mend=mend)
    if wrong:
        observer.noticed(f"the rows that are there were made on another machine, which may round otherwise: {wrong}")


def _train(plan: Plan, engine: Engine, resumed: Resumed, observer: Observer) -> None:
    """Trains the cells of all shards that are not finished."""
    division = Division(plan, resumed.manifest["shard_cells"])
    shards = map(division.shard, _pending(division, resumed, observer))
    with Writer(lambda shard: write(resumed.shards, resumed.manifest["hash"], shard, engine)) as writer:
        for shard, outcomes in made(engine, shards):
            observer.trained(len(outcomes))
            observer.advanced(len(outcomes), outcomes)
            if not shard.missing:
                writer.put(shard)


def _hand_out(plan: Plan, workers: Workers, folder: RunFolder, resumed: Resumed, observer: Observer) -> None:
    """Has the shards that are not finished made elsewhere."""
    division = Division(plan, resumed.manifest["shard_cells"])
    job = job_of(plan, folder, resumed.manifest, workers)
    pending = list(_pending(division, resumed, observer))
    for receipt in handed_out(workers, job.text(), pending, division.name, observer.noticed):
        resumed.manifest["compilations"] += receipt["compilations"]
        outcomes = np.repeat(list(receipt["outcomes"]), list(receipt["outcomes"].values()))
        observer.advanced(len(outcomes), outcomes)
        observer.trained(len(outcomes))


def _pending(division: Division, resumed: Resumed, observer: Observer) -> Iterator[int]:
    """Numbers of the shards that are not finished."""
    counts = division.counts()
    observer.started(sum(counts.values()), sum(counts[number] for number in resumed.finished))
    return (number for number, count in counts.items() if count and number not in resumed.finished)
