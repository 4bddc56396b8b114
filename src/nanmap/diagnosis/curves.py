"""The loss over all rows on its way, from trainings that are ended early: nothing else has to be recorded for it."""

import numpy as np

from nanmap.diagnosis.answer import Changes, Curves
from nanmap.diagnosis.bench import Ask, Bench
from nanmap.engine.task import mark_steps
from nanmap.outcomes import MARKS

CURVE_STARTS = 16
POINTS = 16
OF_THE_BUDGET = ("cosine", "linear")  # schedules under which a shorter training is another one


def curves(bench: Bench, changes: Changes, seeds: range) -> Curves:
    """Losses of some starts at updates that grow by a factor, and at the marks of the whole training."""
    variant = bench.variant_of(changes)
    whole = [variant.steps]
    shorter = (
        np.geomspace(1, variant.steps, POINTS).astype(int).tolist()
        if variant.config.optimizer.schedule not in OF_THE_BUDGET
        else []
    )
    budgets = sorted({*shorter, *whole})
    ends = bench.train([Ask(changes, seeds[:CURVE_STARTS], steps=budget) for budget in budgets])
    known: dict[int, np.ndarray] = {}
    for budget, end in zip(budgets, ends, strict=True):
        known |= {step: end[name][0] for step, name in zip(mark_steps(budget), MARKS, strict=True)}
    steps = sorted(known)
    return Curves(np.array(steps, np.int64), np.stack([known[step] for step in steps], axis=1))
