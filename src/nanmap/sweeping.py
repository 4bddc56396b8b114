"""Pending shards → engine → store: the only place where compute meets disk."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nanmap.engine import Engine
from nanmap.errors import InputError
from nanmap.manifest import describe_changes, fingerprint, make_manifest
from nanmap.outcomes import classify
from nanmap.plan import Lanes, Plan, Sweep
from nanmap.result import Result
from nanmap.schema import COLUMNS, make_table
from nanmap.store import RunFolder, shard_metadata
from nanmap.theory import linear_sharpness

SHARD_LIMITS = (1024, 65536)  # cells per shard: few enough to lose little, enough to fill the devices
SHARDS_WANTED = 16


class Observer(Protocol):
    """Told how a sweep goes on; the command draws a progress bar from it."""

    def started(self, total: int, finished: int) -> None:
        """`total` cells have rows in the end, `finished` of them were there before."""

    def advanced(self, outcomes: np.ndarray) -> None:
        """These cells are done."""


class Silent:
    """An observer that says nothing."""

    def started(self, total: int, finished: int) -> None:
        """Nothing."""

    def advanced(self, outcomes: np.ndarray) -> None:
        """Nothing."""


@dataclass
class Shard:
    """A shard while it fills: its cells, and room for their columns."""

    number: int
    cells: np.ndarray
    missing: int
    columns: dict[str, np.ndarray]

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
    observer: Observer | None = None,
) -> Result:
    """Trains every cell of a sweep that has no row yet, and writes the rows.

    Args:
        sweep: what to train.
        out: the run folder.
        engine: the devices to train on; JAX's default ones if None.
        fresh: start over, removing the run's rows.
        shard_cells: cells per file; chosen by the size of the grid if None.
        observer: told of progress.

    Raises:
        InputError: a combination of settings is impossible, or the folder holds results of other settings.
    """
    plan, folder = Plan(sweep), RunFolder(out)
    engine = engine or Engine()
    programs = dict.fromkeys(variant.program for variant in plan.variants())
    if not programs:
        raise InputError("`where` excludes every cell", file=sweep.file, key="where", value=sweep.where)
    shard_cells = shard_cells or default_shard_cells(sweep.grid.size)
    identity = {
        "sweep": sweep.describe(),
        "data": fingerprint(variant.config for variant in plan.variants()),
        "shard_cells": shard_cells,
        "backend": engine.backend,
        "jaxlib": version("jaxlib"),
        "widths": {
            str(width): sum(engine.width(p) == width for p in programs) for width in sorted(map(engine.width, programs))
        },
    }
    rows = {variant.rows.n for variant in plan.variants()}
    manifest = make_manifest(identity) | {"maps": [dict(options) for options in sweep.maps]}
    manifest["rows"] = rows.pop() if len(rows) == 1 else None
    _make_room(folder, manifest, fresh)
    folder.write_manifest(manifest)
    started = time.perf_counter()
    _train(plan, folder, engine, manifest["hash"], shard_cells, observer or Silent())
    manifest["programs"] = len(programs)
    manifest["compilations"] = engine.compilations
    manifest["device"] = f"{len(engine.devices)} × {engine.devices[0].device_kind}"
    manifest["timings"] = {"wall_seconds": round(time.perf_counter() - started, 3)}
    manifest["shards"] = [path.name for path in sorted(folder.cells.glob("part-*.parquet"))]
    manifest["complete"] = True
    folder.write_manifest(manifest)
    return Result(folder.path)


def default_shard_cells(size: int) -> int:
    """Cells per shard for a grid: a power of two, about a sixteenth of the grid.

    >>> default_shard_cells(57_344), default_shard_cells(10_000_000)
    (4096, 65536)
    """
    low, high = SHARD_LIMITS
    return max(low, min(high, 1 << (max(1, size // SHARDS_WANTED).bit_length())))


def _make_room(folder: RunFolder, manifest: dict[str, Any], fresh: bool) -> None:
    if not folder.manifest_file.exists() and any(folder.cells.glob("*")):
        raise InputError(
            "has files but no manifest: it is not a run that can be continued",
            file=folder.cells,
            mend="choose another folder with --out, or remove this one yourself",
        )
    if fresh:
        folder.clear()
    if not folder.manifest_file.exists():
        return
    old = folder.read_manifest()
    if old.get("hash") != manifest["hash"]:
        changed = describe_changes(old, manifest)
        raise InputError(
            f"holds results of other settings: {changed}",
            file=folder.path,
            mend="--fresh replaces them; --out DIR writes elsewhere",
        )
    if old.get("complete"):
        manifest |= {key: old[key] for key in ("timings", "device", "compilations") if key in old}


def _train(plan: Plan, folder: RunFolder, engine: Engine, hash: str, size: int, observer: Observer) -> None:
    finished = folder.finished_shards(hash)
    for path in folder.cells.glob("part-*.parquet"):
        if path not in {folder.shard_file(number) for number in finished}:
            path.unlink()
    numbers = range(-(-plan.grid.size // size))
    kept = (
        {number: plan.grid.kept(number * size, min((number + 1) * size, plan.grid.size)) for number in numbers}
        if plan.grid.where
        else None
    )
    count = lambda number: len(kept[number]) if kept else min(size, plan.grid.size - number * size)  # noqa: E731
    pending = [number for number in numbers if number not in finished and count(number)]
    observer.started(sum(map(count, numbers)), sum(count(number) for number in finished))
    if not pending:
        return
    owners: dict[int, Shard] = {}

    def batches() -> Iterator[Lanes]:
        for number in pending:
            cells = kept[number] if kept else plan.grid.kept(number * size, min((number + 1) * size, plan.grid.size))
            shard = Shard(number, cells, len(cells), {})
            for lanes in plan.lanes(cells):
                owners[id(lanes)] = shard
                yield lanes

    sharpness: dict[int, float] = {}
    with ThreadPoolExecutor(1) as writer:
        writes: list[Future] = []
        for lanes, index, columns in engine.train(batches()):
            columns["outcome"], columns["cause"] = classify(columns, columns["ratio"])
            columns["sharpness"] = _sharpness(lanes, index, sharpness)
            has_validation = lanes.program.val_rows > 0
            columns["val_loss_final"] = np.ma.array(
                columns["val_loss_final"], mask=np.full(len(index), not has_validation)
            )
            shard = owners[id(lanes)]
            shard.put(lanes.position[index], {each.name: columns[each.name] for each in COLUMNS})
            observer.advanced(columns["outcome"])
            if not shard.missing:
                writes.append(writer.submit(_write, plan, folder, hash, shard))
                writes = [write for write in writes if not write.done() or write.result()]
        for write in writes:
            write.result()


def _write(plan: Plan, folder: RunFolder, hash: str, shard: Shard) -> None:
    table = make_table(shard.cells, plan.grid.columns(shard.cells), shard.columns, shard_metadata(hash, shard.number))
    folder.write_shard(shard.number, table)


def _sharpness(lanes: Lanes, index: np.ndarray, known: dict[int, float]) -> np.ndarray:
    for variant in lanes.variants:
        if id(variant) not in known:
            known[id(variant)] = linear_sharpness(variant.config, variant.rows)
    return np.array([known[id(variant)] for variant in lanes.variants])[lanes.variant[index]]
