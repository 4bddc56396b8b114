"""The closed set of outcomes and causes. A member *is* its sentence; `classify` applies the definitions to columns."""

from collections.abc import Mapping
from enum import StrEnum

import numpy as np


class Outcome(StrEnum):
    """How a cell ended, in order of precedence: the first that holds.

    >>> Outcome("dead").sentence
    'all units of a layer give zero on every training row, so nothing below learns'
    """

    NAN = "nan"
    INF = "inf"
    CONVERGED = "converged"
    DEAD = "dead"
    DIVERGED = "diverged"
    PROGRESSING = "progressing"
    STALLED = "stalled"

    @property
    def sentence(self) -> str:
        """What the outcome means, for a reader who never saw it."""
        return OUTCOME_SENTENCES[self]


class Cause(StrEnum):
    """Why it ended so; the empty text where nothing went wrong.

    >>> Cause("steps_too_large").sentence
    "the steps are larger than the loss's curvature allows"
    """

    NONE = ""
    DATA_NAN = "nan_in_data"
    START_NOT_FINITE = "start_not_finite"
    OVERFLOW = "overflow"
    FLOAT16_RANGE = "float16_range"
    NAN_WITHOUT_INF = "nan_without_inf"
    GRADIENT_ASCENT = "gradient_ascent"
    DEAD_AT_INIT = "dead_at_init"
    KILLED = "killed"
    BLOWN_UP_THEN_DEAD = "blown_up_then_dead"
    SINGLE_ROWS = "single_rows"
    STEPS_TOO_LARGE = "steps_too_large"
    BUDGET_TOO_SHORT = "budget_too_short"
    NO_MOVEMENT = "no_movement"
    PLATEAU = "plateau"

    @property
    def sentence(self) -> str:
        """The cause in a sentence."""
        return CAUSE_SENTENCES[self]


OUTCOME_SENTENCES = {
    Outcome.NAN: "a NaN appeared in the loss or in a parameter",
    Outcome.INF: "the run ended with an infinite loss or parameter",
    Outcome.CONVERGED: "the loss came down to the floor",
    Outcome.DEAD: "all units of a layer give zero on every training row, so nothing below learns",
    Outcome.DIVERGED: "the loss is finite but ended above where it began",
    Outcome.PROGRESSING: "the loss was still falling",
    Outcome.STALLED: "the loss fell by less than 1 % over the last tenth of the budget, and is not down at the floor",
}
CAUSE_SENTENCES = {
    Cause.NONE: "nothing went wrong",
    Cause.DATA_NAN: 'the rows hold NaN, so the very first loss is NaN; data.missing = "mean" fills gaps, "drop" leaves such rows out',
    Cause.START_NOT_FINITE: "the loss at initialisation is already not finite: initial kernels or values of the rows are too large, or infinite",
    Cause.OVERFLOW: "loss or parameters grew step by step until they overflowed",
    Cause.FLOAT16_RANGE: "a number passed 65504, the largest that float16 holds; bfloat16 and float32 hold far larger ones",
    Cause.NAN_WITHOUT_INF: "a NaN arose without an infinity before it",
    Cause.GRADIENT_ASCENT: "a negative learning rate climbs the loss instead of descending it",
    Cause.DEAD_AT_INIT: "the layer was dead before the first step",
    Cause.KILLED: "the steps drove every unit of a layer below zero",
    Cause.BLOWN_UP_THEN_DEAD: "the loss blew up and the layer died",
    Cause.SINGLE_ROWS: "batch norm sees single rows, whose variance is 0, so it cannot tell them apart; take larger batches",
    Cause.STEPS_TOO_LARGE: "the steps are larger than the loss's curvature allows",
    Cause.BUDGET_TOO_SHORT: "the budget ended before it came down to the floor",
    Cause.NO_MOVEMENT: "the loss did not change at all: no gradient reached the parameters, or the steps were too small",
    Cause.PLATEAU: "it came to rest, or moves too slowly to get there",
}
STILL_FALLING = 0.99  # a loss below this share of the one at 90 % of the budget is still falling

Columns = Mapping[str, np.ndarray]


def classify(columns: Columns, ratio: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Outcome and cause of each cell.

    Args:
        columns: arrays `[cells]`: `first_inf_step` and `first_nan_step` (-1 = never), `ends_infinite`, `dead_at_end`,
            `dead_at_init`, `data_nan`, `float16`, `single_rows` (bool; batch norm of one row at a time), `loss_initial`,
            `loss_late` (at ⌊0.9·steps⌋), `loss_final`, `loss_floor`, `rate` (the smallest learning rate of
            any layer), and `stopped_converged` if a stop was asked for.
        ratio: `outcome.ratio`, one for all cells or one each.

    Returns:
        Two text arrays `[cells]`: values of `Outcome` and of `Cause`.
    """
    first, late, final = (np.asarray(columns[f"loss_{name}"], float) for name in ("initial", "late", "final"))
    floor = np.asarray(columns["loss_floor"], float)
    has_nan, has_inf = columns["first_nan_step"] >= 0, columns["first_inf_step"] >= 0
    with np.errstate(invalid="ignore", over="ignore"):
        reached = np.where(first <= floor, final <= first, final - floor <= ratio * (first - floor)) & np.isfinite(
            first
        )
        blown = final > first
        falling = final < STILL_FALLING * late
    reached = reached | columns.get("stopped_converged", False)
    outcomes = _first_that_holds(
        {
            Outcome.NAN: has_nan,
            Outcome.INF: columns["ends_infinite"],
            Outcome.CONVERGED: reached,
            Outcome.DEAD: columns["dead_at_end"],
            Outcome.DIVERGED: blown,
            Outcome.PROGRESSING: falling,
        },
        Outcome.STALLED,
    )
    overflowed = has_inf & (~has_nan | (columns["first_inf_step"] <= columns["first_nan_step"]))
    bad, dead = np.isin(outcomes, [Outcome.NAN, Outcome.INF]), outcomes == Outcome.DEAD
    stuck = np.isin(outcomes, [Outcome.DIVERGED, Outcome.STALLED]) & (first != final)
    causes = _first_that_holds(
        {
            Cause.NONE: outcomes == Outcome.CONVERGED,
            Cause.DATA_NAN: bad & columns["data_nan"],
            Cause.START_NOT_FINITE: bad & ~np.isfinite(first),
            Cause.GRADIENT_ASCENT: (columns["rate"] < 0) & ~dead,
            Cause.FLOAT16_RANGE: bad & overflowed & columns["float16"],
            Cause.OVERFLOW: bad & overflowed,
            Cause.NAN_WITHOUT_INF: bad,
            Cause.DEAD_AT_INIT: dead & columns["dead_at_init"],
            Cause.BLOWN_UP_THEN_DEAD: dead & blown,
            Cause.KILLED: dead,
            Cause.SINGLE_ROWS: columns["single_rows"] & stuck,
            Cause.STEPS_TOO_LARGE: outcomes == Outcome.DIVERGED,
            Cause.BUDGET_TOO_SHORT: outcomes == Outcome.PROGRESSING,
            Cause.NO_MOVEMENT: first == final,
        },
        Cause.PLATEAU,
    )
    return outcomes, causes


def _first_that_holds(cases: Mapping[str, np.ndarray], otherwise: str) -> np.ndarray:
    """The first name whose case holds, for each cell."""
    return np.select(list(cases.values()), list(cases), otherwise)
