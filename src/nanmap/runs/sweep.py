"""A sweep into a run folder: pending shards → engine → Parquet. Cells that have their row are never trained again."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nanmap.engine import Engine, LocalEngine
from nanmap.engine.machine import what_differs
from nanmap.errors import InputError, RunFolderError
from nanmap.objects import is_object
from nanmap.plan import Plan, Variant
from nanmap.results.folder import RunFolder
from nanmap.results.manifest import fingerprint, make_manifest
from nanmap.results.shards import MOST_SHARDS, default_shard_cells
from nanmap.runs.division import Division, made, write
from nanmap.runs.extend import Growing, grows
from nanmap.runs.filling import Shard
from nanmap.runs.handing_out import Workers, handed_out
from nanmap.runs.history import Recording, kept_history, record_histories, recording_kept, recording_of
from nanmap.runs.inputs import keep_inputs
from nanmap.runs.job import job_of
from nanmap.runs.observer import Observer
from nanmap.runs.refine import train_refined
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
        workers: make the shards elsewhere; then the engine only says how many cells train side by side there.
        fresh: start over, removing the run's rows.
        extend: the folder may hold a smaller run, whose rows stay.
        shard_cells: cells per file; chosen by the size of the grid if None.
        tune: measure how many cells side by side are fastest, instead of deriving it; a folder's widths stay.
        observer: told of progress.

    Raises:
        InputError: a combination of settings is impossible, or the folder holds results of other settings, or with `extend`
            some that the sweep does not hold.
        ShardError: workers could not make some of the shards; all others are made.
    """
    folder, engine = RunFolder(out), engine or LocalEngine(backend=workers.machine["platform"] if workers else None)
    shard_cells = shard_cells or default_shard_cells(plan.grid.size)
    _check_size(plan, shard_cells)
    folder.refuse_strangers()
    _pin_widths(plan, folder, engine, fresh, tune, observer)
    observer = observer or Observer()
    manifest = _manifest(plan, engine, shard_cells)
    manifest |= {"device": (workers or engine).device, "machine": dict((workers or engine).machine)}
    recording = recording_of(plan.sweep.record, manifest["hash"])
    manifest |= {"history": recording.described()} if recording else {}
    work = _Work(plan, engine, observer, recording, workers)
    if workers or is_object(folder.path):
        _refuse_elsewhere(plan, extend, recording if workers else None)
    if grows(folder, manifest, extend):
        with Growing(folder, manifest, observer) as growing:
            if growing.histories and not recording:
                recording = recording_kept(growing.histories, manifest["hash"])
                work, manifest = work._replace(recording=recording), manifest | {"history": recording.described()}
            _check_machine(folder, growing.machine, manifest["machine"], False, observer)
            with resume(growing.place.cells, manifest | growing.spent, engine, growing.stale, observer) as resumed:
                _fill(work, growing.place, resumed, growing)
            growing.commit()
        return folder
    if not recording and (kept := kept_history(folder, manifest["hash"])):
        manifest["history"] = kept
    if fresh:  # before anything is removed
        _check_the_rest(folder)
    with resume(folder.cells, manifest, engine, fresh, observer) as resumed:
        if fresh:
            _forget_the_rest(folder)
        _check_machine(folder, resumed.manifest["machine"], manifest["machine"], workers is not None, observer)
        keep_inputs(folder, plan.variants(), observer)
        _fill(work, folder, resumed)
    return folder


def count_kept(plan: Plan, out: str | Path, engine: Engine) -> int:
    """How many cells of a sweep an extension of the run in a folder would not train; nothing is changed.

    Raises:
        InputError: there is a run that the sweep does not hold.
    """
    folder = RunFolder(out)
    _pin_widths(plan, folder, engine, False, False, None)
    manifest = _manifest(plan, engine, default_shard_cells(plan.grid.size))
    if not grows(folder, manifest, extend=True):
        return 0
    with Growing(folder, manifest, Observer()) as growing:
        division = Division(plan, manifest["shard_cells"], growing)
        return sum(map(division.kept, division.counts()))


class _Work(NamedTuple):
    """What is to be done, by whom, who is told, what is recorded beside the rows, and who makes the shards if they are made elsewhere."""

    plan: Plan
    engine: Engine
    observer: Observer
    recording: Recording | None
    workers: Workers | None


def _refuse_elsewhere(plan: Plan, extend: bool, recording: Recording | None) -> None:
    """What is done on this machine alone.

    Raises:
        InputError: it is asked of workers, or of an object store.
    """
    if extend:
        mend = "leave --engine out, and extend a folder on a disk"
        raise InputError("is done on this machine alone", key="extend", mend=mend)
    if plan.sweep.refine:
        mend = "leave --engine out; or have all of it trained with --refine 0"
        raise InputError("is done on this machine alone", file=plan.sweep.file, key="refine", mend=mend)
    if recording:
        mend = (
            "have the rows made without it; the same sweep with it, on this machine, records the histories beside them"
        )
        raise InputError("is recorded by this machine alone", file=plan.sweep.file, key="record.history", mend=mend)


def _check_the_rest(folder: RunFolder) -> None:
    """That what `_forget_the_rest` would remove is nanmap's."""
    folder.history.removable(set())
    if folder.next.cells.manifest_file.exists():
        folder.next.cells.clearable()


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


def _fill(work: _Work, folder: RunFolder, resumed: Resumed, growing: Growing | None = None) -> None:
    """Gives every cell its row, and histories to those that are to have one; however that ends, the manifest says what there is."""
    plan, engine, observer, recording, workers = work
    try:
        if plan.sweep.refine:
            train_refined(plan, engine, resumed, observer)
        elif workers:
            _hand_out(plan, workers, folder, resumed, observer)
        else:
            _train(work, folder, resumed, growing)
        if recording:
            kept, size = growing.histories if growing else None, resumed.manifest["shard_cells"]
            record_histories(plan, engine, folder, recording, size, observer, kept)
    finally:  # an interrupted run says what it has, too
        resumed.manifest["shards"] = resumed.shards.names()


def _train(work: _Work, folder: RunFolder, resumed: Resumed, growing: Growing | None) -> None:
    """Trains the cells of all shards that are not finished, but those that a smaller run has."""
    recording = work.recording
    beside = recording if recording and recording.cells == "all" else None
    if beside and growing and not growing.has_all_histories(beside.updates):
        beside = None  # the rows that are there have their histories in the second pass, and so have all
    division = Division(work.plan, resumed.manifest["shard_cells"], growing, beside)
    pending = _pending(division, resumed, work.observer)

    def shards() -> Iterator[Shard]:
        for shard in map(division.shard, pending):
            if shard.missing:
                yield shard
            else:
                writer.put(shard)

    with Writer(lambda shard: write(folder, resumed.manifest["hash"], shard, work.engine, beside)) as writer:
        for shard, outcomes in made(work.engine, shards(), beside):
            work.observer.trained(len(outcomes))
            work.observer.advanced(len(outcomes), outcomes)
            if not shard.missing:
                writer.put(shard)


def _hand_out(plan: Plan, workers: Workers, folder: RunFolder, resumed: Resumed, observer: Observer) -> None:
    """Has the shards that are not finished made elsewhere."""
    division = Division(plan, resumed.manifest["shard_cells"])
    job = job_of(plan, folder, resumed.manifest, workers)
    pending = _pending(division, resumed, observer)
    for receipt in handed_out(workers, job.text(), pending, division.name, observer.noticed):
        resumed.manifest["compilations"] += receipt["compilations"]
        outcomes = np.repeat(list(receipt["outcomes"]), list(receipt["outcomes"].values()))
        observer.advanced(len(outcomes), outcomes)
        observer.trained(len(outcomes))


def _pending(division: Division, resumed: Resumed, observer: Observer) -> list[int]:
    """Numbers of the shards that are not finished, of which the observer is told."""
    counts = division.counts()
    kept = (count if number in resumed.finished else division.kept(number) for number, count in counts.items())
    observer.started(sum(counts.values()), sum(kept))
    return [number for number, count in counts.items() if count and number not in resumed.finished]
