"""Pending blocks of rows → search → Parquet: what `nanmap edge` does, and what an interruption leaves to do."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nanmap.edges.probe import OUTCOME, TAIL, Prober, decided_by_tail
from nanmap.edges.rows import EdgeRows
from nanmap.edges.search import Edges, Span, plan_search, search
from nanmap.edges.table import edge_table
from nanmap.engine import Engine, LocalEngine
from nanmap.errors import InputError
from nanmap.plan import Plan, Sweep
from nanmap.result import Result
from nanmap.results.folder import RunFolder, shard_metadata
from nanmap.results.manifest import describe_changes, fingerprint, make_manifest
from nanmap.theory import PREDICTIONS
from nanmap.theory.forecast import Forecaster, reasons

BLOCK = 2048  # rows that are searched together and written as one file
TOLERANCES = {"float64": 1e-9}  # the finest that a number format resolves; of others 1e-6
COARSEST, FINEST = 0.1, 1e-6
QUANTILES = {"low": 0.1, "median": 0.5, "high": 0.9}

STABLE = "stable at every rate that was tried"
UNSTABLE = "unstable at the lowest rate that was tried"
UNSETTLED = "slow modes still hide the growth at the longest horizon"


class Observer(Protocol):
    """Told how a search goes on."""

    def started(self, total: int, finished: int) -> None:
        """`total` rows have an edge in the end, `finished` of them were there before."""

    def trained(self, count: int) -> None:
        """So many trainings were made."""

    def found(self, rows: int) -> None:
        """So many rows are done."""

    def noticed(self, sentence: str) -> None:
        """Something a user should know."""


class Silent:
    """An observer that says nothing."""

    def started(self, total: int, finished: int) -> None:
        """Nothing."""

    def trained(self, count: int) -> None:
        """Nothing."""

    def found(self, rows: int) -> None:
        """Nothing."""

    def noticed(self, sentence: str) -> None:
        """Nothing."""


def edges_to_folder(
    sweep: Sweep,
    out: str | Path,
    *,
    along: str | None = None,
    tolerance: float = 1e-4,
    engine: Engine | None = None,
    fresh: bool = False,
    block: int = BLOCK,
    observer: Observer | None = None,
) -> Result:
    """Finds the critical learning rate of every row of a sweep that has none yet, and writes them to `out/edges`.

    A row is a combination of all axes but the learning rate; between the ends of that axis the edge is searched (between
    1e-6 and 100 without one).

    Args:
        sweep: what to train.
        out: a run folder; what a sweep wrote there is left alone.
        along: column of the axis of rates, where there are several.
        tolerance: how far the edge may be from the truth, relative; 1e-6 to 0.1, in float64 from 1e-9.
        engine: the devices to train on; JAX's default ones if None.
        fresh: search again, replacing the edges that are there.
        block: rows per file, about.
        observer: told of progress.

    Raises:
        InputError: the rates cannot be searched, or the folder holds edges of other settings.
    """
    rows, plan, folder = EdgeRows(sweep, along), Plan(sweep), RunFolder(out)
    _check_tolerance(tolerance, plan)
    engine = engine or LocalEngine()
    engine.begin({})
    if observer:
        engine.notify = observer.noticed
    low, high = rows.span
    if low >= high:
        raise InputError(
            "has a single rate: no range to search", file=sweep.file, key=f"axes.{rows.rate and rows.rate.column}"
        )
    span = plan_search(low, high, tolerance, any(map(decided_by_tail, plan.variants())))
    manifest = _manifest(sweep, plan, engine, {"along": along, "tolerance": tolerance, "block": block})
    _make_room(folder, manifest, fresh)
    told = observer or Silent()
    finished = folder.edges.finished(manifest["hash"])
    folder.edges.remove_but(finished)
    blocks = [rows.kept(start, stop) for start, stop in rows.shards(block)]
    done = sum(len(kept) for number, kept in enumerate(blocks) if number in finished)
    told.started(sum(map(len, blocks)), done)
    started = time.perf_counter()
    for number, kept in enumerate(blocks):
        if number in finished or not len(kept):
            continue
        facts, cost = _find(plan, rows, engine, kept, span, told.trained)
        folder.edges.write(number, edge_table(rows.columns(kept), facts, shard_metadata(manifest["hash"], number)))
        told.found(len(kept))
        manifest["narrowed"] |= {program.key: list(widths) for program, widths in engine.narrowed.items()}
        manifest["columns_of_a_map"] = max(manifest["columns_of_a_map"], round(cost, 2))
        manifest["wall_seconds"] = round(manifest["wall_seconds"] + time.perf_counter() - started, 3)
        started = time.perf_counter()
        folder.write_edges_manifest(manifest)
    manifest["complete"] = True
    folder.write_edges_manifest(manifest)
    return Result(folder.path)


def _check_tolerance(tolerance: float, plan: Plan) -> None:
    for variant in plan.variants():
        dtype = variant.program.dtype
        finest = TOLERANCES.get(dtype, FINEST)
        if not finest <= tolerance <= COARSEST:
            raise InputError(
                "is no tolerance",
                key="--tolerance",
                value=tolerance,
                allowed=f"{finest:g} to {COARSEST:g}, relative, in {dtype}",
            )


def _manifest(sweep: Sweep, plan: Plan, engine: Engine, search: dict[str, Any]) -> dict[str, Any]:
    variants = list(plan.variants())
    widths = {variant.program.key: engine.width(variant.program) for variant in variants}
    identity = {
        "sweep": sweep.describe(),
        "data": fingerprint(variant.config for variant in variants),
        "search": search,
        "backend": engine.backend,
        "widths": widths,
    }
    return make_manifest(identity) | {"columns_of_a_map": 0.0, "wall_seconds": 0.0, "narrowed": {}}


def _make_room(folder: RunFolder, manifest: dict[str, Any], fresh: bool) -> None:
    old = folder.read_edges_manifest()
    if old is not None and not fresh and old.get("hash") != manifest["hash"]:
        raise InputError(
            f"holds edges of other settings: {describe_changes(old, manifest)}",
            file=folder.edges.path,
            mend="--fresh replaces them; --out DIR writes elsewhere",
        )
    if fresh:
        folder.edges.remove_but(set())
    elif old is not None:
        manifest |= {key: old[key] for key in ("columns_of_a_map", "wall_seconds", "narrowed") if key in old}
    folder.write_edges_manifest(manifest)


def _find(
    plan: Plan,
    edges: EdgeRows,
    engine: Engine,
    kept: np.ndarray,
    span: Span,
    advanced: Callable[[int], None],
) -> tuple[dict[str, np.ndarray], float]:
    """The facts of a block of rows, and what they cost in columns of a map."""
    probe = Prober(plan, edges, engine, kept, advanced)
    found = search(probe, len(kept), span, probe.by_tail, probe.ahead())
    facts = {**_measured(found, probe, span), **_predicted(plan, probe.cells)}
    facts |= _seeds(edges, kept, facts["edge_learning_rate"])
    return facts, probe.cost / max(probe.column_cost(), 1)


def _measured(found: Edges, probe: Prober, span: Span) -> dict[str, np.ndarray]:
    lost = np.isfinite(found.low)
    never = np.isnan(found.low) & (found.last_stable >= span.rates[-1])
    return {
        "edge_learning_rate": np.sqrt(found.low) * np.sqrt(found.high),
        "bracket_low": found.low,
        "bracket_high": found.high,
        "last_stable_rate": found.last_stable,
        "reentrant": found.reentrant,
        "decided_by": np.where(probe.by_tail, TAIL, OUTCOME).astype(object),
        "horizon": probe.horizon * found.stretch,
        "note": np.select([~found.settled, never, ~lost], [UNSETTLED, STABLE, UNSTABLE], "").astype(object),
    }


def _predicted(plan: Plan, cells: np.ndarray) -> dict[str, np.ndarray]:
    """Theory's columns for the rows, and why predictions are absent."""
    facts: dict[str, np.ndarray] = {}
    names = ("sharpness", *(f"predicted_{name}" for name in (*PREDICTIONS, "catapult")))
    absent = {f"predicted_{name}_absent": np.full(len(cells), "", object) for name in PREDICTIONS}
    forecaster = Forecaster(always=True)
    for lanes in plan.lanes(cells):
        columns = forecaster.columns(lanes, np.arange(len(lanes)))
        for name in names:
            facts.setdefault(name, np.full(len(cells), np.nan))[lanes.position] = columns[name]
        momentum = lanes.numbers["momentum"]
        for place, (position, variant) in enumerate(zip(lanes.position, lanes.variant, strict=True)):
            told = reasons(lanes.variants[variant], float(momentum[place]))
            for name, prediction in told.items():
                absent[f"predicted_{name}_absent"][position] = prediction.absent
    return facts | absent


def _seeds(edges: EdgeRows, kept: np.ndarray, edge: np.ndarray) -> dict[str, np.ndarray]:
    """Quantiles of the edges over the rows that differ only in seeds; those stand together in a block."""
    found = {name: np.full(len(kept), np.nan) for name in QUANTILES}
    group = kept // edges.seeds
    for each in np.unique(group) if edges.seeds > 1 else ():
        mine = np.flatnonzero(group == each)
        known = edge[mine][np.isfinite(edge[mine])]
        if len(known) and len(mine) > 1:
            for name, share in QUANTILES.items():
                found[name][mine] = np.exp(np.quantile(np.log(known), share))
    return {f"edge_seeds_{name}": values for name, values in found.items()}
