"""Pending shards → engine → store: the only place where compute meets disk."""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nanmap.engine import Engine, LocalEngine
from nanmap.errors import InputError
from nanmap.outcomes import classify
from nanmap.plan import Lanes, Plan, Sweep
from nanmap.result import Result
from nanmap.results.columns import COLUMNS, make_table
from nanmap.results.folder import RunFolder, shard_metadata
from nanmap.results.manifest import describe_changes, fingerprint, make_manifest
from nanmap.theory.forecast import Forecaster
from nanmap.training.program import Program

SHARD_LIMITS = (1024, 65536)  # cells per shard: few enough to lose little, enough to fill the devices
SHARDS_WANTED = 16
WRITES_WAITING = 2  # shards held while the disk is slower than the devices


class Observer(Protocol):
    """Told how a sweep goes on; the command draws a progress bar from it."""

    def started(self, total: int, finished: int) -> None:
        """`total` cells have rows in the end, `finished` of them were there before."""

    def advanced(self, outcomes: np.ndarray) -> None:
        """These cells are done."""

    def noticed(self, sentence: str) -> None:
        """Something a user should know."""


class Silent:
    """An observer that says nothing."""

    def started(self, total: int, finished: int) -> None:
        """Nothing."""

    def advanced(self, outcomes: np.ndarray) -> None:
        """Nothing."""

    def noticed(self, sentence: str) -> None:
        """Nothing."""


class Shard:
    """A shard while it fills: its cells, the batches that train them, and room for their columns."""

    def __init__(self, number: int, cells: np.ndarray, batches: list[Lanes]) -> None:
        self.number, self.cells, self.batches = number, cells, batches
        self.missing = len(cells)
        self.columns: dict[str, np.ndarray] = {}

    def put(self, position: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        """Stores the columns of some cells at their places."""
        for name, values in columns.items():
            if name not in self.columns:
                kind = object if values.dtype.kind in "UO" else values.dtype
                masked = isinstance(values, np.ma.MaskedArray)
                self.columns[name] = (np.ma if masked else np).zeros(len(self.cells), kind)
            self.columns[name][position] = values
        self.missing -= len(position)


def sweep_to_folder(
    sweep: Sweep,
    out: str | Path,
    *,
    engine: Engine | None = None,
    fresh: bool = False,
    shard_cells: int | None = None,
    tune: bool = False,
    observer: Observer | None = None,
) -> Result:
    """Trains every cell of a sweep that has no row yet, and writes the rows.

    Args:
        sweep: what to train.
        out: the run folder.
        engine: the devices to train on; JAX's default ones if None.
        fresh: start over, removing the run's rows.
        shard_cells: cells per file; chosen by the size of the grid if None.
        tune: measure how many cells side by side are fastest, instead of deriving it; a folder's widths stay.
        observer: told of progress.

    Raises:
        InputError: a combination of settings is impossible, or the folder holds results of other settings.
    """
    plan, folder = Plan(sweep), RunFolder(out)
    engine = engine or LocalEngine()
    if observer:
        engine.notify = observer.noticed
    observer = observer or Silent()
    programs = dict.fromkeys(variant.program for variant in plan.variants())
    shard_cells = shard_cells or default_shard_cells(sweep.grid.size)
    identity = {
        "sweep": sweep.describe(),
        "data": fingerprint(variant.config for variant in plan.variants()),
        "shard_cells": shard_cells,
        "backend": engine.backend,
        "widths": {
            program.key: width for program, width in _widths(plan, folder, engine, fresh, tune, observer).items()
        },
    }
    rows = {variant.rows.n for variant in plan.variants()}
    manifest = make_manifest(identity) | {"maps": [options.model_dump() for options in sweep.maps]}
    manifest["rows"] = rows.pop() if len(rows) == 1 else None
    manifest["programs"] = {program.key: program.sentence() for program in programs}
    manifest["device"] = engine.device
    manifest |= _make_room(folder, manifest, fresh)
    folder.write_manifest(manifest)
    started, compiled = time.perf_counter(), engine.compilations
    try:
        _train(plan, folder, engine, manifest["hash"], shard_cells, observer)
        manifest["complete"] = True
    finally:  # an interrupted run says what it has, too
        manifest["timings"]["wall_seconds"] += round(time.perf_counter() - started, 3)
        manifest["compilations"] += engine.compilations - compiled
        manifest["narrowed"] |= {p.key: list(widths) for p, widths in engine.narrowed.items()}
        manifest["shards"] = folder.shards.names()
        folder.write_manifest(manifest)
    return Result(folder.path)


def _widths(
    plan: Plan, folder: RunFolder, engine: Engine, fresh: bool, tune: bool, observer: Observer
) -> dict[Program, int]:
    """The width of every program: the engine's own, else what the folder's manifest has, else measured or derived."""
    programs = dict.fromkeys(variant.program for variant in plan.variants())
    pinned = {} if fresh or not folder.manifest_file.exists() else folder.read_manifest().get("widths")
    pinned = pinned if isinstance(pinned, dict) else {}
    engine.begin({program: pinned[program.key] for program in programs if program.key in pinned})
    if tune and not pinned:
        engine.begin(engine.tune(plan))
    elif tune:
        observer.noticed("the widths of this folder stay as they are; --fresh --tune measures them anew")
    return {program: engine.width(program) for program in programs}


def default_shard_cells(size: int) -> int:
    """Cells per shard for a grid: a power of two, about a sixteenth of the grid.

    >>> default_shard_cells(57_344), default_shard_cells(10_000_000)
    (4096, 65536)
    """
    low, high = SHARD_LIMITS
    return max(low, min(high, 1 << (max(1, size // SHARDS_WANTED).bit_length())))


def _make_room(folder: RunFolder, manifest: dict[str, Any], fresh: bool) -> dict[str, Any]:
    """What the manifest carries on from earlier runs into this folder: time spent, programs compiled, widths that memory did not allow."""
    nothing: dict[str, Any] = {"timings": {"wall_seconds": 0.0}, "compilations": 0, "narrowed": {}}
    if not folder.manifest_file.exists() and any(folder.cells.glob("*")):
        raise InputError(
            "has files but no manifest: it is not a run that can be continued",
            file=folder.cells,
            mend="choose another folder with --out, or remove this one yourself",
        )
    if fresh:
        folder.clear()
    if not folder.manifest_file.exists():
        return nothing
    old = folder.read_manifest()
    if old.get("hash") != manifest["hash"]:
        changed = describe_changes(old, manifest)
        raise InputError(
            f"holds results of other settings: {changed}",
            file=folder.path,
            mend="--fresh replaces them; --out DIR writes elsewhere",
        )
    return nothing | {key: old[key] for key in nothing if key in old}


def _train(plan: Plan, folder: RunFolder, engine: Engine, hash: str, size: int, observer: Observer) -> None:
    finished = folder.shards.finished(hash)
    folder.shards.remove_but(finished)

    def cells_of(number: int) -> np.ndarray:
        return plan.grid.kept(number * size, min((number + 1) * size, plan.grid.size))

    counts = {number: len(cells_of(number)) for number in range(-(-plan.grid.size // size))}
    pending = [number for number, count in counts.items() if count and number not in finished]
    observer.started(sum(counts.values()), sum(counts[number] for number in finished))
    filling: list[tuple[Lanes, Shard]] = []

    def batches() -> Iterator[Lanes]:
        for number in pending:
            cells = cells_of(number)
            shard = Shard(number, cells, plan.lanes(cells))
            for lanes in shard.batches:
                filling.append((lanes, shard))
                yield lanes

    forecaster = Forecaster()
    with ThreadPoolExecutor(1) as writer:
        writes: deque[Future] = deque()
        for batch, index, columns in engine.train(batches()):
            lanes, shard = filling[batch]
            shard.put(lanes.position[index], _complete(lanes, index, columns, forecaster))
            observer.advanced(columns["outcome"])
            if not shard.missing:
                writes.append(writer.submit(_write, plan, folder, hash, shard))
            while len(writes) > WRITES_WAITING:
                writes.popleft().result()
        for write in writes:
            write.result()


def _complete(lanes: Lanes, index: np.ndarray, columns: dict, forecaster: Forecaster) -> dict[str, np.ndarray]:
    """The engine's facts with what follows from them: all columns of a row."""
    columns["outcome"], columns["cause"] = classify(columns, columns["ratio"])
    columns |= forecaster.columns(
        lanes, index, (columns["parameters"], columns["model_state"]) if "parameters" in columns else None
    )
    without = np.full(len(index), lanes.program.val_rows == 0)
    columns["val_loss_final"] = np.ma.array(columns["val_loss_final"], mask=without)
    return {each.name: columns[each.name] for each in COLUMNS}


def _write(plan: Plan, folder: RunFolder, hash: str, shard: Shard) -> None:
    table = make_table(shard.cells, plan.grid.columns(shard.cells), shard.columns, shard_metadata(hash, shard.number))
    folder.shards.write(shard.number, table)
