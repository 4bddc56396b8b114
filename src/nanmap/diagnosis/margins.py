"""How far settings are from where they break: the critical rate, measured and predicted, and the rates that work."""

from typing import Any

import numpy as np

from nanmap.advice import edge_of
from nanmap.config.choices import LEARNING_RATE
from nanmap.config.load import with_settings
from nanmap.diagnosis.answer import Changes, Criterion, Edge, RateRange
from nanmap.diagnosis.bench import VARIED, Ask, Bench, Ends
from nanmap.diagnosis.records import Record
from nanmap.edges.bisection import plan_search, search
from nanmap.edges.probe import Prober
from nanmap.edges.rows import EdgeRows
from nanmap.plan import Plan, make_sweep

EDGE_STARTS = 8  # of which the median is told
TRIED = 3  # starts whose curvature is looked at: that of a dead one is 0
TOLERANCE = 0.002  # of the measured edge, relative
RANGE_STARTS = 80  # per rate: all of 73 have a lower bound of 95 %
FINE = (1.0, 2.0, 5.0)
MARGIN = 2.0  # between a rate that is advised and the ends of the range that works


def edge(bench: Bench, changes: Changes, seeds: range, rates: np.ndarray) -> Edge | None:
    """The critical learning rate of the settings with changes; None where there is nothing to search.

    Args:
        bench: trains.
        changes: of the settings.
        seeds: starts; some of them are taken.
        rates: positive rates, between whose ends it is searched.
    """
    variant = bench.variant_of(changes)
    finite = np.isfinite(variant.rows.inputs).all() and np.isfinite(variant.rows.targets).all()
    if not finite or variant.config.optimizer.layer_learning_rates is not None or variant.config.optimizer.group_rates:
        return None
    told = next(filter(None, (edge_of(bench.one(changes, seed)) for seed in seeds[:TRIED])), None)
    low, high = _measured(bench, {**VARIED, **changes} if bench.varied else changes, seeds[:EDGE_STARTS], rates)
    known = np.isfinite(low)
    measured = np.sqrt(low[known] * high[known])
    bracket = tuple(float(each) for each in np.quantile(measured, (0.1, 0.9))) if known.any() else None
    return Edge(
        variant.config.optimizer.learning_rate,
        float(np.median(measured)) if known.sum() > len(low) / 2 else None,
        (bracket[0], bracket[1]) if bracket else None,
        told.rate if told is not None else None,
        told.name if told is not None else "",
    )


def _measured(bench: Bench, changes: Changes, seeds: range, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brackets of each start's edge, NaN without one."""
    positive = rates[rates > 0]
    ends = {"key": LEARNING_RATE, "log": [float(positive.min()), float(positive.max())], "num": 2}
    axes: list[dict[str, Any]] = [
        ends,
        {"key": "training.seed", "range": [seeds.start, seeds.stop if bench.draws(changes) else seeds.start + 1]},
    ]
    plan = Plan(make_sweep(with_settings(bench.tree, changes), axes), bench.allow_python)
    rows = EdgeRows(plan.sweep)
    probe = Prober(plan, rows, bench.engine, np.arange(rows.size), bench.count)
    span = plan_search(*rows.span, TOLERANCE, verified=False)
    found = search(probe, rows.size, span, np.zeros(rows.size, bool), probe.ahead())
    return found.low, found.high


def fine_rates(record: Record, index: int, criterion: Criterion) -> np.ndarray:
    """Rates over the range of those that have hope around a chosen one, and a step of the coarse grid beyond; three per decade."""
    low, high = record.run(criterion, index)
    ends = record.rates[low] / 10, record.rates[high] * 10
    powers = range(int(np.floor(np.log10(ends[0]))), int(np.ceil(np.log10(ends[1]))) + 1)
    fine = [float(f"{digit * 10.0**power:.0e}") for power in powers for digit in FINE]
    inside = {rate for rate in fine if ends[0] * 0.99 <= rate <= ends[1] * 1.01}
    return np.array(sorted(inside | {float(record.rates[index])}))


def rate_range(
    bench: Bench, changes: Changes, rates: np.ndarray, chosen: float, criterion: Criterion, seeds: range
) -> RateRange | None:
    """The rates that work, around the chosen one; None where even that one does not, from so many starts."""
    (ends,) = bench.train([Ask(changes, seeds[:RANGE_STARTS], tuple(rates))])
    return _around(ends, rates, chosen, criterion)


def _around(ends: Ends, rates: np.ndarray, chosen: float, criterion: Criterion) -> RateRange | None:
    works = [ends.share(criterion, index).interval[0] >= criterion.share for index in range(len(rates))]
    low = high = int(np.flatnonzero(rates == chosen)[0])
    if not works[low]:
        return None
    while low > 0 and works[low - 1]:
        low -= 1
    while high + 1 < len(works) and works[high + 1]:
        high += 1
    open_low, open_high = low == 0, high == len(rates) - 1
    below, above = None if open_low else ends.commonest(low - 1), None if open_high else ends.commonest(high + 1)
    return RateRange(float(rates[low]), float(rates[high]), open_low, open_high, below, above)


def within(found: RateRange, own: float, rates: np.ndarray) -> float:
    """Of the rates of a range the one nearest to the own that leaves a factor of two on both sides; the middle where none does.

    >>> within(RateRange(5e-5, 5e-3), 0.01, np.array([5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3]))
    0.002
    """
    inside = rates[(rates >= found.low * MARGIN) & (rates <= found.high / MARGIN)]
    if not len(inside):
        inside, own = rates[(rates >= found.low) & (rates <= found.high)], float(np.sqrt(found.low * found.high))
    middle = abs(own) or float(np.sqrt(found.low * found.high))
    return float(inside[np.argmin(np.abs(np.log(inside / middle)))])
