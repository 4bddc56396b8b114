"""Trains rows at given rates and decides which of them are stable.

Linear models with a squared loss under full-batch descent are decided by the tail of the loss: unstable where the loss
over the last tenth of the horizon grows. Their outcome at the end of a short budget would be biased: a growing mode that
began small is still hidden. All other trainings, and those that a stop may end early, are decided by their outcome at the end
of the sweep's own budget.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from nanmap.edges.rows import EdgeRows
from nanmap.engine import Engine
from nanmap.outcomes import Cause, Facts, Outcome, classify
from nanmap.plan import Lanes, Plan, Variant
from nanmap.theory import linear_problem
from nanmap.theory.predict import why_not_linear_descent
from nanmap.training.lane_numbers import layers_of

TAIL_STEPS = 600  # least horizon of a decision by the tail: modes near the largest have mostly died out by then
ROUNDING = 64  # units in the last place by which an output must move for the loss to count as growing
SWINGS = 1.2 / 0.9  # of the time that momentum swings: what it still adds at nine tenths must be below rounding
LONGEST_SWING = 100_000  # updates that are waited for it
BROKEN = [each for each in Outcome if each.unstable]
BROKEN_BY_STEPS = [each for each in Cause if each.unstable]  # a layer dead at initialisation was not broken by the rate
TAIL, OUTCOME = "tail", "outcome"
MOST_AHEAD = 3


class Prober:
    """Answers which rates are stable, for the rows of a block.

    Args:
        plan: of the sweep.
        edges: its rows.
        engine: trains.
        rows: the rows of this block.
        trained: told how many trainings were made.

    Attributes:
        by_tail: rows that are decided by the tail, bool `[rows]`.
        swings: rows whose momentum swings for longer than is waited for, bool `[rows]`.
        horizon: updates of each row's trainings, before any stretching, int64 `[rows]`.
        cost: lane-updates spent, those of lanes that only fill their group among them.
    """

    def __init__(
        self, plan: Plan, edges: EdgeRows, engine: Engine, rows: np.ndarray, trained: Callable[[int], None]
    ) -> None:
        self.plan, self.edges, self.engine, self.rows, self.trained = plan, edges, engine, rows, trained
        self.by_tail, self.swings = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
        self.horizon = np.zeros(len(rows), np.int64)
        self.cells = edges.cells(rows)
        for lanes in plan.lanes(self.cells):
            self.by_tail[lanes.position] = np.array([decided_by_tail(each) for each in lanes.variants])[lanes.variant]
            least = np.array([horizon(each) for each in lanes.variants])[lanes.variant]
            swing = np.where(self.by_tail[lanes.position], _swing(lanes), 0)
            self.swings[lanes.position] = swing > LONGEST_SWING
            self.horizon[lanes.position] = np.maximum(least, np.minimum(swing, LONGEST_SWING))
        self.cost = 0

    def __call__(self, rows: np.ndarray, rates: np.ndarray, stretch: np.ndarray) -> np.ndarray:
        """Which rates are stable, bool `[probes]`; rows count within the block."""
        stable = np.zeros(len(rows), bool)
        batches = list(self._lanes(rows, rates, stretch))
        self.cost += sum(_cost(self.engine, lanes) for lanes in batches)
        for batch, index, facts in self.engine.train(batches):
            lanes = batches[batch]
            stable[lanes.position[index]] = _stable(lanes, index, facts, self.by_tail[rows[lanes.position[index]]])
            self.trained(len(index))
        return stable

    def column_cost(self) -> int:
        """Lane-updates of one column of a map: every row once, at the horizons used here."""
        once = np.arange(len(self.rows))
        return sum(_cost(self.engine, lanes) for lanes in self._lanes(once, np.ones(len(once)), np.ones(len(once))))

    def ahead(self) -> int:
        """How many bisections one call may make without costing more than one of them."""
        once = np.arange(len(self.rows))
        fullest = 0.0
        for lanes in self._lanes(once, np.ones(len(once)), np.ones(len(once))):
            width = self.engine.width(lanes.program)
            fullest = max(fullest, *(len(group) / width for group in self.engine.groups(lanes)))
        return next((depth for depth in range(MOST_AHEAD, 1, -1) if fullest * ((1 << depth) - 1) <= 1), 1)

    def _lanes(self, rows: np.ndarray, rates: np.ndarray, stretch: np.ndarray) -> Iterator[Lanes]:
        """Batches of the rows at these rates, with their horizons in place of the sweep's budget."""
        steps = (self.horizon[rows] * stretch).astype(np.int64)
        for lanes in self.plan.lanes(self.cells.take(rows)):
            mine = lanes.position
            keys, variant = np.unique(np.stack([lanes.variant, steps[mine]]), axis=1, return_inverse=True)
            made = tuple(replace(lanes.variants[number], steps=int(budget)) for number, budget in keys.T)
            learning_rates = lanes.learning_rates.copy()
            learning_rates[:, layers_of(lanes.program.model, self.edges.layer)] = rates[mine, None]
            yield replace(lanes, variants=made, variant=variant.reshape(-1), learning_rates=learning_rates)


def decided_by_tail(variant: Variant) -> bool:
    """Whether the loss of this training is a sum of powers of its step, so that its tail says whether it is stable."""
    program = variant.program
    return program.full_batch and not program.stops and not why_not_linear_descent(variant.config, variant.rows)


def horizon(variant: Variant) -> int:
    """Updates of a probe: the sweep's budget, or what the tail needs."""
    return max(variant.steps, TAIL_STEPS) if decided_by_tail(variant) else variant.steps


def _swing(lanes: Lanes) -> np.ndarray:
    """Updates until what momentum lets swing has sunk below rounding, `[cells]`; 0 without momentum.

    Below the edge the slow pairs of eigenvalues have modulus √|β|: the loss swings as |β|ᵗcos², and its tail may end high.
    """
    momentum = np.abs(np.nan_to_num(lanes.numbers["momentum"]))
    rounding = ROUNDING * float(jnp.finfo(lanes.program.dtype).eps)
    with np.errstate(divide="ignore", invalid="ignore"):
        swing = SWINGS * np.log(rounding**2) / np.log(momentum)
    return np.ceil(np.where((momentum > 0) & (momentum < 1), swing, 0))


def _stable(lanes: Lanes, index: np.ndarray, facts: Facts, by_tail: np.ndarray) -> np.ndarray:
    outcome, cause = classify(facts)
    broken = np.isin(outcome, BROKEN) | np.isin(cause, BROKEN_BY_STEPS)
    blown = (facts["first_inf_step"] >= 0) | (facts["first_nan_step"] >= 0)
    if not by_tail.any():
        return ~broken
    return ~np.where(by_tail, blown | _tail_grows(lanes, index, facts), broken)


def _tail_grows(lanes: Lanes, index: np.ndarray, facts: Facts) -> np.ndarray:
    """Whether the loss ended above where it stood at nine tenths, by more than rounding."""
    unit = ROUNDING * float(jnp.finfo(lanes.program.dtype).eps)  # NumPy's knows no bfloat16
    size = np.array([_target_size(each) for each in lanes.variants])[lanes.variant[index]]
    with np.errstate(invalid="ignore"):
        noise = unit * np.sqrt(np.maximum(size, facts["loss_initial"]))  # of the outputs, whatever their errors are
        return ~(np.sqrt(facts["loss_final"]) <= np.sqrt(facts["loss_at_90"]) * (1 + unit / 2) + noise)


def _target_size(variant: Variant) -> float:
    problem = linear_problem(variant.config, variant.rows)
    return float((problem.targets**2).sum(axis=1).mean()) if problem is not None else 0.0


def _cost(engine: Engine, lanes: Lanes) -> int:
    width = engine.width(lanes.program)
    return sum(width * lanes.variants[lanes.variant[group[0]]].steps for group in engine.groups(lanes))
