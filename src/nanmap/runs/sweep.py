"""A sweep into a run folder: pending shards → engine → Parquet. Cells that have their row are never trained again."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nanmap.engine import Engine, LocalEngine
from nanmap.engine.machine import what_differs
from nanmap.errors import InputError, RunFolderError
from nanmap.objects import is_object
from nanmap.plan import Plan, Variant
from nanmap.results.folder import RunFolder
from nanmap.results.manifest import fingerprint, make_manifest
from nanmap.results.shards import MOST_SHARDS, default_shard_cells
from nanmap.runs.division import Division
from nanmap.runs.extend import Growing, grows
from nanmap.runs.first_tensors import described, has_first_tensors
from nanmap.runs.handing_out import Workers
from nanmap.runs.history import kept_history, recording_kept, recording_of
from nanmap.runs.inputs import keep_inputs
from nanmap.runs.observer import Observer
from nanmap.runs.resume import pinned_widths, resume
from nanmap.runs.work import Work, fill
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
    if workers or is_object(folder.path):
        _refuse_elsewhere(plan, folder, extend, plan.sweep.record.first_tensor and workers is not None)
    folder.refuse_strangers()
    _pin_widths(plan, folder, engine, fresh, tune, observer)
    observer = observer or Observer()
    manifest = _manifest(plan, engine, shard_cells)
    manifest |= {"device": (workers or engine).device, "machine": dict((workers or engine).machine)}
    recording = recording_of(plan.sweep.record, manifest["hash"])
    manifest |= {"history": recording.described()} if recording else {}
    tensors = plan.sweep.record.first_tensor
    manifest |= described(manifest["hash"]) if tensors else {}
    work = Work(plan, engine, observer, recording, tensors, workers)
    if grows(folder, manifest, extend):
        with Growing(folder, manifest, observer) as growing:
            if growing.histories and not recording:
                recording = recording_kept(growing.histories, manifest["hash"])
                work, manifest = work._replace(recording=recording), manifest | {"history": recording.described()}
            if has_first_tensors(folder):
                work, manifest = work._replace(tensors=True), manifest | described(manifest["hash"])
            _check_machine(folder, growing.machine, manifest["machine"], workers is not None, observer)
            with resume(growing.place.cells, manifest | growing.spent, engine, growing.stale, observer) as resumed:
                fill(work, growing.place, resumed, growing)
            growing.commit()
        return folder
    if not recording and not fresh and (kept := kept_history(folder, manifest["hash"])):
        manifest["history"] = kept
    if not fresh and has_first_tensors(folder, manifest["hash"]):
        manifest |= described(manifest["hash"])
    if fresh:  # before anything is removed
        _check_the_rest(folder)
    with resume(folder.cells, manifest, engine, fresh, observer) as resumed:
        if fresh:
            _forget_the_rest(folder)
        _check_machine(folder, resumed.manifest["machine"], manifest["machine"], workers is not None, observer)
        keep_inputs(folder, plan.variants(), observer)
        fill(work, folder, resumed)
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


def _refuse_elsewhere(plan: Plan, folder: RunFolder, extend: bool, tensors: bool) -> None:
    """What workers, and object stores, cannot do.

    Raises:
        InputError: it is asked of them.
    """
    if extend and is_object(folder.path):
        problem = "a run in an object store cannot grow: one state would have to take the place of another in one step"
        raise InputError(problem, file=folder.path, key="extend", mend="extend a folder on a disk")
    if plan.sweep.refine:
        mend = "leave --engine out; or have all of it trained with --refine 0"
        raise InputError("is done on this machine alone", file=plan.sweep.file, key="refine", mend=mend)
    if tensors:
        mend = "have the rows made without it; the same sweep with it, on this machine, looks at them beside the rows"
        raise InputError("is done on this machine alone", file=plan.sweep.file, key="record.first_tensor", mend=mend)


def _check_the_rest(folder: RunFolder) -> None:
    """That what `_forget_the_rest` would remove is nanmap's."""
    for part in (folder.history, folder.first_tensors):
        part.removable(set())
    if folder.next.cells.manifest_file.exists():
        folder.next.cells.clearable()


def _forget_the_rest(folder: RunFolder) -> None:
    """What went with the rows that were: histories, and an extension that was given up."""
    for part in (folder.history, folder.first_tensors):
        part.remove(part.removable(set()))
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
