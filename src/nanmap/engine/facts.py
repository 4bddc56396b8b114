"""From the states that a call returns to columns over cells, in NumPy. The rest of a cell after its NaN is filled in here."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from nanmap.engine.circumstances import circumstances
from nanmap.engine.task import mark_steps
from nanmap.outcomes import Stop, broken_by
from nanmap.plan import Lanes
from nanmap.training.records import MEASURE_CEILING, MEASURE_TAIL
from nanmap.training.state import MARKS, Assessment, Events, Losses, State

INITIAL, FINAL = 0, MARKS - 1  # the outermost marks of a whole training


class Records(NamedTuple):
    """The parts of final states that rows are made from, NumPy arrays with the cells in front.

    Attributes:
        events: `Events` of each cell, `[cells, 5]`.
        losses: `Losses`, `[cells, 11]`.
        marks: `[cells, MARKS, 11]`.
    """

    events: np.ndarray
    losses: np.ndarray
    marks: np.ndarray

    @classmethod
    def of(cls, states: Iterable[State]) -> "Records":
        """The records of states of one cell each."""
        parts = zip(*((each.events, each.losses, each.marks) for each in states), strict=True)
        return cls(*(np.array([np.asarray(cell) for cell in part]) for part in parts))


def facts_of(lanes: Lanes, cells: np.ndarray, records: Records) -> dict[str, Any]:
    """Facts about each cell, `[cells]` per name; steps are -1 where an event never came.

    Args:
        lanes: a batch.
        cells: indices into it.
        records: of these cells' final states.
    """
    variant = lanes.variant[cells]
    steps = np.array([each.steps for each in lanes.variants])[variant]
    events = Events(*records.events.astype(np.int64).T)
    losses = Losses(*records.losses.astype(np.float64).T)
    marks = Assessment(*np.moveaxis(records.marks.astype(np.float64), -1, 0))
    nan_step = events.first_nan
    finished, stopped = nan_step >= 0, events.stopped >= 0
    initial, half, eighty, ninety, final = _losses_at_marks(marks.loss, steps, nan_step, stopped)
    infinite = ~finished & (marks.infinite[:, FINAL] > 0)
    # Under batch norm the loss over all rows may be infinite, and stop a training, where no batch's was.
    inf_step = np.where(stopped & infinite & (events.first_inf < 0), events.stopped, events.first_inf)
    facts = {
        "first_inf_step": inf_step,
        "first_nan_step": nan_step,
        "stopped_step": events.stopped,
        "steps_run": np.select([finished, stopped], [nan_step + 1, events.stopped], steps),
        "loss_initial": initial,
        "loss_at_50": half,
        "loss_at_80": eighty,
        "loss_at_90": ninety,
        "loss_final": final,
        "loss_floor": lanes.numbers["floor"][cells],
        "loss_constant": lanes.numbers["constant"][cells],
        "skill": _skill(final, lanes.numbers["constant"][cells]),
        "loss_best": _least(initial, half, eighty, ninety, final, *([] if lanes.program.assessed else [losses.best])),
        "val_loss_final": np.where(finished, np.nan, marks.val_loss[:, FINAL]),
        "accuracy": np.where(finished, np.nan, marks.accuracy[:, FINAL]),
        "val_accuracy": np.where(finished, np.nan, marks.val_accuracy[:, FINAL]),
        "measure": np.where(stopped, np.nan, _measure(losses, events.counted, steps))
        if lanes.program.full_loss
        else np.full(len(cells), np.nan),
        "dead_fraction_initial": marks.dead_fraction[:, INITIAL],
        "dead_fraction": np.where(finished, np.nan, marks.dead_fraction[:, FINAL]),
        "dead_at_init": marks.dead_layer[:, INITIAL] > 0,
        "dead_layer": ~finished & (marks.dead_layer[:, FINAL] > 0),
        "ends_infinite": infinite,
        "overflowed_inside": finished & _overflowed_inside(lanes, events, losses),
        "stopped_by": _stopped_by(lanes, cells, stopped, initial, final),
        "ratio": lanes.numbers["ratio"][cells],
        **{
            name: np.array([getattr(each.config.outcome, name) for each in lanes.variants])[variant]
            for name in ("rising", "falling", "rebound")
        },
        **_ratios(lanes, variant, marks, finished),
        **circumstances(lanes, cells),
    }
    return facts | {"broken_by": broken_by(facts)}


def _overflowed_inside(lanes: Lanes, events: Events, losses: Losses) -> np.ndarray:
    """Whether a NaN came of an overflow within its update, bool `[cells]`.

    Rows and parameters were finite, and nothing but the optimizer may divide by 0: a loss that is a NaN, or a gradient that
    is none, can only come of an overflow between.
    """
    bad_gradient = (events.bad_gradient >= 0) & (events.bad_gradient <= events.first_nan)
    return np.isnan(losses.batch) | bad_gradient | (not lanes.program.may_divide_by_zero)


def _ratios(lanes: Lanes, variant: np.ndarray, marks: Assessment, finished: np.ndarray) -> dict[str, np.ndarray]:
    """What the ends are beside the targets' spread, and the outer layers' gradients beside each other; NaN without either."""
    labelled = lanes.program.labelled  # numbers of classes have no spread
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        spread = np.array([np.nan if labelled else _spread(each.assessed.targets) for each in lanes.variants])[variant]
        r2 = 1 - marks.squared_error[:, FINAL] / spread
        outputs = np.where(spread > 0, np.sqrt(marks.output_variance[:, FINAL] / spread), np.nan)
        gradients = np.where(marks.last_gradient > 0, marks.first_gradient / marks.last_gradient, np.nan)
    return {
        "r2": np.where(finished | (spread == 0) | lanes.program.classifies, np.nan, r2),
        "output_spread": np.where(finished, np.nan, outputs),
        "gradient_ratio_initial": gradients[:, INITIAL],
        "gradient_ratio": np.where(finished, np.nan, gradients[:, FINAL]),
    }


def _losses_at_marks(
    losses: np.ndarray, steps: np.ndarray, nan_step: np.ndarray, stopped: np.ndarray
) -> Iterator[np.ndarray]:
    """The loss at each mark, `[cells]`: NaN once a NaN appeared; of a stopped cell, which stays as it is, that of its end.

    Args:
        losses: as the engine recorded them, `[cells, MARKS]`.
        steps: of the budget, `[cells]`.
    """
    final = losses[:, FINAL]
    for mark, made in enumerate(mark_steps(steps)):
        loss = np.where(np.isnan(losses[:, mark]) & stopped, final, losses[:, mark])
        yield np.where((nan_step >= 0) & (nan_step < made) if mark else False, np.nan, loss)


def _skill(final: np.ndarray, constant: np.ndarray) -> np.ndarray:
    """1 − L / C; NaN where the loss is not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(np.isfinite(final), 1 - final / constant, np.nan)


def _stopped_by(
    lanes: Lanes, cells: np.ndarray, stopped: np.ndarray, initial: np.ndarray, final: np.ndarray
) -> np.ndarray:
    """Name of the stop that ended a cell, or the empty text. Of two that act at once, that of a good end."""
    program = lanes.program
    with np.errstate(over="ignore", invalid="ignore"):
        # The loss that stopped a cell was rounded in another order than the one that is recorded.
        enough = final <= lanes.numbers["enough"][cells] * (1 + 1e-3)
    good = stopped & program.stop_converged & (enough | (not program.stop_above))
    return np.select([good, stopped], [Stop.CONVERGED, Stop.ABOVE], Stop.NONE)


def _spread(targets: np.ndarray) -> float:
    """Variance of the targets, summed over outputs: what r2 compares with. Of equal ones exactly 0, whatever their mean rounds to."""
    return float(np.where(targets.min(axis=0) == targets.max(axis=0), 0.0, targets.var(axis=0)).sum())


def _least(*losses: np.ndarray) -> np.ndarray:
    """The least of the losses that are numbers; NaN where none is."""
    stacked = np.stack(losses)
    least = np.where(np.isnan(stacked), np.inf, stacked).min(axis=0)
    return np.where(np.isnan(stacked[:-1]).all(axis=0) & np.isinf(least), np.nan, least)


def _measure(losses: Losses, counted: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The signed sum of Sohl-Dickstein 2402.06184, losses after a NaN counted as his ceiling.

    Negative where the mean of the last relative losses is below 1, else the sum of their inverses.
    """
    first = np.where(counted > 0, losses.first, MEASURE_CEILING)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        lost = np.minimum(MEASURE_CEILING / np.where(np.isfinite(first), first, MEASURE_CEILING), MEASURE_CEILING)
        missing = steps - counted
        length = np.minimum(steps, MEASURE_TAIL)
        total, inverse = losses.total + losses.total_rest, losses.inverse + losses.inverse_rest
        total = np.where(missing > 0, total + missing * lost, total)
        inverse = np.where(missing > 0, inverse + missing / lost, inverse)
        tail = np.where(missing > 0, losses.tail + np.minimum(missing, length) * lost, losses.tail)
        return np.where(tail / length < 1, -total, inverse)
