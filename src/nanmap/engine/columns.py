"""From the states that a call returns to columns over cells, in NumPy. The rest of a cell after its NaN is filled in here."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from nanmap.plan import Lanes
from nanmap.train import MEASURE_CEILING, MEASURE_TAIL, Measure

RECORDS = ("first_inf", "first_nan", "measure", "marks")  # the parts of a state that rows are made from
INITIAL, LATE, FINAL = range(3)  # the marks of a whole training


def columns_of(lanes: Lanes, cells: np.ndarray, records: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Facts about each cell, `[cells]` per column; steps are -1 where an event never came.

    Args:
        cells: indices into `lanes`.
        records: the `RECORDS` of these cells' final states, NumPy arrays with the cells in front.
    """
    variant = lanes.variant[cells]
    of = {
        name: np.array(values)[variant]
        for name, values in {
            "steps": [each.steps for each in lanes.variants],
            "floor": [each.floor for each in lanes.variants],
            "spread": [_spread(each.rows.targets) for each in lanes.variants],
            "gaps": [
                bool(np.isnan(each.rows.inputs).any() or np.isnan(each.rows.targets).any()) for each in lanes.variants
            ],
        }.items()
    }
    marks = {name: np.asarray(values) for name, values in records["marks"]._asdict().items()}
    nan_step, inf_step = (records[name].astype(np.int64) for name in ("first_nan", "first_inf"))
    finished = nan_step >= 0
    initial, late, final = (marks["loss"][:, mark].astype(np.float64) for mark in (INITIAL, LATE, FINAL))
    late_seen = ~finished | (nan_step >= of["steps"] * 9 // 10)
    late, final = np.where(late_seen, late, np.nan), np.where(finished, np.nan, final)
    dead = marks["dead_fraction"].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        r2 = 1 - marks["squared_error"][:, FINAL].astype(np.float64) / of["spread"]
    return {
        "first_inf_step": inf_step,
        "first_nan_step": nan_step,
        "steps_run": np.where(finished, nan_step + 1, of["steps"]),
        "loss_initial": initial,
        "loss_late": late,
        "loss_final": final,
        "loss_floor": of["floor"],
        "loss_best": _least(initial, late, final, records["measure"].best.astype(np.float64)),
        "val_loss_final": np.where(finished, np.nan, marks["val_loss"][:, FINAL].astype(np.float64)),
        "r2": np.where(finished | (of["spread"] == 0), np.nan, r2),
        "measure": _measured(records["measure"], of["steps"])
        if lanes.program.full_loss
        else np.full(len(cells), np.nan),
        "dead_fraction_initial": dead[:, INITIAL],
        "dead_fraction": np.where(finished, np.nan, dead[:, FINAL]),
        "dead_at_init": marks["dead_layer"][:, INITIAL],
        "dead_at_end": marks["dead_layer"][:, FINAL],
        "ends_infinite": marks["infinite"][:, FINAL],
        "data_nan": of["gaps"],
        "rate": lanes.rates[cells].min(axis=1),
        "ratio": lanes.numbers["ratio"][cells],
    }


def _spread(targets: np.ndarray) -> float:
    """Variance of the targets, summed over outputs: what r2 compares with."""
    return float(targets.var(axis=0).sum())


def _least(*losses: np.ndarray) -> np.ndarray:
    """The least of the losses that are numbers; NaN where none is."""
    stacked = np.stack(losses)
    least = np.where(np.isnan(stacked), np.inf, stacked).min(axis=0)
    return np.where(np.isnan(stacked[:-1]).all(axis=0) & np.isinf(least), np.nan, least)


def _measured(measure: Measure, steps: np.ndarray) -> np.ndarray:
    """The signed sum of Sohl-Dickstein 2402.06184, losses after a NaN counted as his ceiling.

    Negative where the mean of the last relative losses is below 1, else the sum of their inverses.
    """
    first, total, inverse, tail = (
        np.asarray(getattr(measure, name), np.float64) for name in ("first", "total", "inverse", "tail")
    )
    count = np.asarray(measure.count, np.int64)
    first = np.where(count > 0, first, MEASURE_CEILING)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        lost = np.minimum(MEASURE_CEILING / np.where(np.isfinite(first), first, MEASURE_CEILING), MEASURE_CEILING)
        missing = steps - count
        length = np.minimum(steps, MEASURE_TAIL)
        total = np.where(missing > 0, total + missing * lost, total)
        inverse = np.where(missing > 0, inverse + missing / lost, inverse)
        tail = np.where(missing > 0, tail + np.minimum(missing, length) * lost, tail)
        return np.where(tail / length < 1, -total, inverse)
