"""Which outcome and which cause the facts of cells are: the tables of docs/outcomes.md, a line each."""

from collections.abc import Mapping

import numpy as np

from nanmap.outcomes.trend import Facts, Trend
from nanmap.outcomes.verdicts import Cause, Outcome, Stop, Verdict

AT_ONCE = 4  # the last step of which an overflow counts as coming at once: one of the first five updates
EXPLODED, VANISHED = 1e3, 1e-3  # the first layer's gradient over the last one's
DEEP = (
    3  # layers: in fewer it is units that saturate or inputs that are large, no gradient that fades or grows on its way
)
CONSTANT = 0.01  # outputs' spread over that of the targets: below, all rows get one answer
BLOWN = 100  # the same: above, the outputs were blown up, whatever is left of the gradients
NO_BETTER = 0.97  # times the constant answer's loss: less is no constant answer, whatever rounding says of the outputs
FAR = 10  # budgets


def classify(facts: Facts) -> tuple[np.ndarray, np.ndarray]:
    """Outcome and cause of each cell.

    Args:
        facts: arrays `[cells]`: the losses of `MARKS`, `loss_floor`, `loss_constant`, `loss_best`, `first_nan_step` (-1 = never),
            `steps_run`, `stopped_by` (text), `ends_infinite`, `dead_layer`, `dead_at_init`, `broken_by` (cause of a NaN
            or an infinite end), `handicap` (cause that its settings alone are, or the empty text), `layers`,
            `output_spread`, `gradient_ratio`, `gradient_ratio_initial`, and the thresholds `ratio`, `rising`, `falling`,
            `rebound`.

    Returns:
        Two text arrays `[cells]`: values of `Outcome` and of `Cause`.
    """
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        trend = Trend.of(facts)
        outcomes = _outcomes(facts, trend)
        return outcomes, _causes(facts, trend, outcomes)


def broken_by(facts: Facts) -> np.ndarray:
    """The cause of a NaN, or of an infinite end, text `[cells]`; of other cells whatever.

    Args:
        facts: arrays `[cells]`: `first_inf_step` and `first_nan_step` (-1 = never), `loss_initial`, `data_nan`,
            `learning_rate` (the smallest of any layer), `float16`, `layers`, `gradient_ratio_initial` and `overflowed_inside`
            (whether the NaN came of an overflow within its update).
    """
    inf, nan = facts["first_inf_step"], facts["first_nan_step"]
    overflowed = np.where(nan < 0, inf >= 0, ((inf >= 0) & (inf <= nan)) | facts["overflowed_inside"])
    step = np.where(nan < 0, inf, np.where(inf >= 0, np.minimum(inf, nan), nan))
    unfit, float16 = ~np.isfinite(facts["loss_initial"]), facts["float16"]
    return _first_that_holds(
        Cause,
        {
            Cause.DATA_NAN: facts["data_nan"],
            Cause.START_NOT_FINITE: unfit & ~float16,
            Cause.GRADIENT_ASCENT: ~unfit & (facts["learning_rate"] < 0),
            Cause.FLOAT16_RANGE: float16 & (overflowed | unfit),
            Cause.EXPLODING_GRADIENT: overflowed & _explodes(facts),
            Cause.BLOWN_UP_AT_ONCE: overflowed & (step <= AT_ONCE),
            Cause.OVERFLOW: overflowed,
        },
        Cause.NAN_WITHOUT_INF,
    )


def _outcomes(facts: Facts, trend: Trend) -> np.ndarray:
    return _first_that_holds(
        Outcome,
        {
            Outcome.NAN: facts["first_nan_step"] >= 0,
            Outcome.INF: facts["ends_infinite"],
            Outcome.CONVERGED: (trend.final <= trend.enough) | (facts["stopped_by"] == Stop.CONVERGED),
            Outcome.DEAD: facts["dead_layer"],
            Outcome.DIVERGED: trend.came_back | trend.left | (facts["stopped_by"] == Stop.ABOVE),
            Outcome.PROGRESSING: trend.falling,
        },
        Outcome.STALLED,
    )


def _causes(facts: Facts, trend: Trend, outcomes: np.ndarray) -> np.ndarray:
    bad = np.isin(outcomes, [Outcome.NAN, Outcome.INF])
    converged, dead, diverged, progressing, stalled = (
        outcomes == each
        for each in (Outcome.CONVERGED, Outcome.DEAD, Outcome.DIVERGED, Outcome.PROGRESSING, Outcome.STALLED)
    )
    handicap = facts["handicap"]
    no_better = (trend.final > NO_BETTER * trend.constant) & ~trend.dips
    alike = (facts["output_spread"] < CONSTANT) & no_better
    # At the constant answer the last layer's gradient is gone as well: there the start's tells how little gets through.
    faded = (facts["gradient_ratio"] <= VANISHED) | (alike & (facts["gradient_ratio_initial"] <= VANISHED))
    leaves = diverged & ~trend.swings
    approaches = stalled & trend.moves & ~trend.comes_to_rest
    calm = _first_that_holds(
        Cause,
        {
            Cause.GRADIENT_ASCENT: (diverged | stalled) & (handicap == Cause.GRADIENT_ASCENT),
            Cause.PRECISION: (converged | stalled) & (handicap == Cause.PRECISION),
            Cause.NO_MOVEMENT: stalled & trend.still,
            Cause.SINGLE_ROWS: (diverged | stalled) & (handicap == Cause.SINGLE_ROWS),
            Cause.EXPLODING_GRADIENT: diverged & _explodes(facts),
            Cause.RISING: converged & trend.climbs_away,
            Cause.GOOD_START: converged & (trend.first <= trend.enough),
            Cause.DEAD_AT_INIT: dead & facts["dead_at_init"],
            Cause.BLOWN_UP_THEN_DEAD: dead & (trend.final > trend.first),
            Cause.KILLED: dead,
            Cause.REBOUNDED: (leaves & (trend.final <= trend.first)) | (stalled & trend.fell_back),
            Cause.STEPS_TOO_LARGE: leaves,
            Cause.VANISHING_GRADIENT: stalled & faded & (facts["layers"] >= DEEP) & ~(facts["output_spread"] > BLOWN),
            Cause.CONSTANT_ANSWER: stalled & alike,
            Cause.BOUNCING: diverged | (stalled & trend.bounces),
            Cause.TOO_SLOW: (progressing | approaches) & (trend.needed > FAR),
            Cause.BUDGET_TOO_SHORT: progressing | approaches,
            Cause.PLATEAU: stalled,
        },
        Cause.NONE,
    )
    return np.where(bad, facts["broken_by"], calm)


def _explodes(facts: Facts) -> np.ndarray:
    """Whether the gradient at the start grew from layer to layer on its way back."""
    return (facts["gradient_ratio_initial"] >= EXPLODED) & (facts["layers"] >= DEEP)


def _first_that_holds(members: type[Verdict], cases: Mapping[Verdict, np.ndarray], otherwise: Verdict) -> np.ndarray:
    """The first member whose case holds, for each cell: the order is the members', not that of the cases."""
    ordered = [each for each in members if each in cases]
    return np.select([cases[each] for each in ordered], ordered, otherwise)
