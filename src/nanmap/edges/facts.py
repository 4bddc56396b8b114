"""What is known of the rows of a block: their edges by search, the predictions beside them, the quantiles over seeds."""

import numpy as np

from nanmap.edges.bisection import Edges, Span, search
from nanmap.edges.probe import OUTCOME, TAIL, Prober
from nanmap.edges.quantiles import over_seeds
from nanmap.edges.rows import EdgeRows
from nanmap.engine import Engine
from nanmap.grid import Cells
from nanmap.plan import Plan
from nanmap.runs.observer import Observer
from nanmap.theory import PREDICTIONS
from nanmap.theory.facts import Forecaster, reasons

STABLE = "stable at every rate that was tried"
UNSTABLE = "unstable at the lowest rate that was tried"
SWINGING = "momentum still swings at the longest horizon: a rate below the edge may count as growing"
UNSETTLED = "slow modes still hide the growth at the longest horizon"


def edge_facts(
    plan: Plan, edges: EdgeRows, engine: Engine, rows: np.ndarray, span: Span, observer: Observer
) -> tuple[dict[str, np.ndarray], float]:
    """The facts of a block of rows, one array per name in `EDGE_COLUMNS`, and what they cost in columns of a map.

    Args:
        plan: of the sweep.
        edges: its rows.
        engine: trains.
        rows: numbers of the rows of this block.
        span: where to search.
        observer: told how many trainings a row takes, and how many were made.
    """
    probe = Prober(plan, edges, engine, rows, observer.trained)
    ahead = probe.ahead()
    observer.expected(span.probes(ahead))
    found = search(probe, len(rows), span, probe.by_tail, ahead)
    facts = {**_measured(found, probe, span), **_predicted(plan, probe.cells)}
    facts |= over_seeds(edges, rows, facts["edge_learning_rate"])
    return facts, probe.cost / max(probe.column_cost(), 1)


def _measured(found: Edges, probe: Prober, span: Span) -> dict[str, np.ndarray]:
    lost = np.isfinite(found.low)
    never = np.isnan(found.low) & (found.last_stable >= span.rates[-1]) & ~found.reentrant
    return {
        "edge_learning_rate": np.sqrt(found.low) * np.sqrt(found.high),
        "bracket_low": found.low,
        "bracket_high": found.high,
        "last_stable_rate": found.last_stable,
        "reentrant": found.reentrant,
        "decided_by": np.where(probe.by_tail, TAIL, OUTCOME).astype(object),
        "horizon": probe.horizon * found.stretch,
        "note": np.select(
            [~found.settled, never, ~lost, probe.swings], [UNSETTLED, STABLE, UNSTABLE, SWINGING], ""
        ).astype(object),
    }


def _predicted(plan: Plan, cells: Cells) -> dict[str, np.ndarray]:
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
