"""The edges of a sweep into a run folder: pending blocks of rows → search → Parquet. Rows that have their edge stay."""

from pathlib import Path
from typing import Any

from nanmap.edges.bisection import Span, plan_search
from nanmap.edges.facts import edge_facts
from nanmap.edges.probe import decided_by_tail
from nanmap.edges.rows import EdgeRows
from nanmap.edges.table import edge_table
from nanmap.edges.tolerance import check_tolerance
from nanmap.engine import Engine, LocalEngine
from nanmap.errors import InputError
from nanmap.plan import Plan
from nanmap.results.folder import RunFolder
from nanmap.results.manifest import fingerprint, make_manifest
from nanmap.results.shards import shard_metadata
from nanmap.runs.inputs import keep_inputs
from nanmap.runs.observer import Observer
from nanmap.runs.resume import Resumed, beside_hash, pinned_widths, resume

BLOCK = 2048  # rows that are searched together and written as one file


def find_edges(
    plan: Plan,
    out: str | Path,
    *,
    along: str | None = None,
    tolerance: float = 1e-4,
    engine: Engine | None = None,
    fresh: bool = False,
    block: int = BLOCK,
    observer: Observer | None = None,
) -> RunFolder:
    """Finds the critical learning rate of every row of a sweep that has none yet, and writes them to `out/edges`.

    A row is a combination of all axes but the learning rate; between the ends of that axis the edge is searched (between
    1e-6 and 100 without one).

    Args:
        plan: of the sweep.
        out: a run folder; what a sweep wrote there is left alone.
        along: column of the axis of rates, where there are several.
        tolerance: how far the edge may be from the truth, relative; 1e-6 to 0.1, in float64 from 1e-9.
        engine: trains; the devices of this process if None.
        fresh: search again, replacing the edges that are there.
        block: rows per file, about.
        observer: told of progress.

    Raises:
        InputError: the rates cannot be searched, or the folder holds edges of other settings.
    """
    rows, folder = EdgeRows(plan.sweep, along), RunFolder(out)
    check_tolerance(tolerance, plan)
    span = _span(rows, plan, tolerance)
    engine = engine or LocalEngine()
    widths = pinned_widths(folder.edges, (variant.program for variant in plan.variants()), fresh)
    engine.begin(widths, observer.noticed if observer else None)
    manifest = _manifest(plan, engine, {"along": along, "tolerance": tolerance, "block": block})
    observer = observer or Observer()
    folder.refuse_strangers()
    with resume(folder.edges, manifest, engine, fresh, observer) as resumed:
        keep_inputs(folder, plan.variants(), observer)
        _search(plan, rows, span, engine, resumed, observer)
    return folder


def _span(rows: EdgeRows, plan: Plan, tolerance: float) -> Span:
    """Where the edges are searched, and how closely."""
    low, high = rows.span
    if low >= high:
        key = f"axes.{rows.rate and rows.rate.column}"
        raise InputError("has a single rate: no range to search", file=plan.sweep.file, key=key)
    return plan_search(low, high, tolerance, any(map(decided_by_tail, plan.variants())))


def _manifest(plan: Plan, engine: Engine, search: dict[str, Any]) -> dict[str, Any]:
    """The manifest of all edges, before anything is spent on them."""
    variants = list(plan.variants())
    identity = {
        "sweep": plan.sweep.describe(),
        "data": fingerprint(variant.config for variant in variants),
        "search": search,
        "backend": engine.backend,
        "widths": {variant.program.key: engine.width(variant.program) for variant in variants},
    }
    packages = dict.fromkeys(package for variant in variants for package in variant.program.model.packages)
    return make_manifest(identity, packages) | {"columns_of_a_map": 0.0, "wall_seconds": 0.0, "narrowed": {}}


def _search(plan: Plan, rows: EdgeRows, span: Span, engine: Engine, resumed: Resumed, observer: Observer) -> None:
    """Searches the edges of all blocks that are not finished."""
    manifest, shards = resumed.manifest, resumed.shards
    blocks = [rows.kept(start, stop) for start, stop in rows.shards(manifest["search"]["block"])]
    done = sum(len(kept) for number, kept in enumerate(blocks) if number in resumed.finished)
    observer.started(sum(map(len, blocks)), done)
    for number, kept in enumerate(blocks):
        if number in resumed.finished or not len(kept):
            continue
        facts, cost = edge_facts(plan, rows, engine, kept, span, observer)
        table = edge_table(rows.columns(kept), facts, shard_metadata(manifest["hash"], number))
        shards.write(number, table, beside_hash(manifest))
        observer.advanced(len(kept))
        manifest["columns_of_a_map"] = max(manifest["columns_of_a_map"], round(cost, 2))
        resumed.account()
