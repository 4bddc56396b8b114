"""The closed sets of outcomes and causes. A member carries all that is known of it; `classify` says where it holds."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

import numpy as np


class Verdict(StrEnum):
    """A name with all that is to be said of it. Members stand in order of precedence: the first that holds.

    Attributes:
        sentence: what it means, for a reader who never saw it.
        severity: how bad it is; the larger, the worse.
        colour: of its pixels on a map.
        unstable: whether steps that lead to it are too large: the edge of `nanmap edge` is where it begins.
    """

    sentence: str
    severity: float
    colour: str
    unstable: bool

    def __new__(cls, value: str, *known: Any) -> Self:
        """The text itself, as which it compares and is stored; all else hangs on it. `unstable` is False unless given."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence, member.severity, member.colour, member.unstable = (*known, False)[:4]
        return member

    @classmethod
    def by_severity(cls) -> tuple[Self, ...]:
        """All members from good to bad.

        >>> [str(each) for each in Outcome.by_severity()]
        ['converged', 'progressing', 'stalled', 'dead', 'diverged', 'inf', 'nan']
        """
        return tuple(sorted(cls, key=lambda each: each.severity))


class Outcome(Verdict):
    """How a cell ended.

    Colours differ in lightness as well as in hue, so that they stay apart in grey and to any eye. In grey from light to
    dark: stalled, progressing, diverged, dead, inf, converged, nan, at least 9 L* apart.

    >>> Outcome("nan").sentence
    'a NaN appeared in the loss or in a parameter'
    """

    NAN = "nan", "a NaN appeared in the loss or in a parameter", 60, "#33103f", True
    INF = "inf", "the run ended with an infinite loss or parameter", 50, "#c53a22", True
    CONVERGED = (
        "converged",
        "the loss came down to the reference: it answers as well, whatever it started from",
        0,
        "#0b4f8f",
    )
    DEAD = "dead", "all units of a layer give zero on every training row, so nothing below learns", 30, "#8d8577"
    DIVERGED = (
        "diverged",
        "it ended worse than the best constant answer and than twice its own best, or rising past its start",
        40,
        "#e79a2b",
        True,
    )
    PROGRESSING = "progressing", "the loss was still reaching new lows", 10, "#92d2f2"
    STALLED = (
        "stalled",
        "at rest, or bouncing, above the reference",
        20,
        "#f6efd8",
    )


class Cause(Verdict):
    """Why it ended so; the empty text where nothing went wrong. A cause has the hue of the outcome that it leads to.

    >>> Cause("steps_too_large").sentence
    "the steps are larger than the loss's curvature allows"
    """

    NONE = "", "nothing went wrong", 0, Outcome.CONVERGED.colour
    DATA_NAN = (
        "nan_in_data",
        'the rows hold NaN, so the very first loss is NaN; data.missing = "mean" fills gaps, "drop" leaves such rows out',
        140,
        Outcome.NAN.colour,
    )
    START_NOT_FINITE = (
        "start_not_finite",
        "the loss at initialisation is already not finite: initial kernels or values of the rows are too large, or infinite",
        130,
        "#5c3a8c",
    )
    GRADIENT_ASCENT = (
        "gradient_ascent",
        "a negative learning rate climbs the loss instead of descending it",
        90,
        "#f7d354",
    )
    FLOAT16_RANGE = (
        "float16_range",
        "a number passed 65504, the largest that float16 holds; bfloat16 and float32 hold far larger ones",
        110,
        "#7d2222",
    )
    OVERFLOW = "overflow", "loss or parameters grew step by step until they overflowed", 100, Outcome.INF.colour
    NAN_WITHOUT_INF = "nan_without_inf", "a NaN arose without an infinity before it", 120, "#8a2f6b"
    DEAD_AT_INIT = "dead_at_init", "the layer was dead before the first step", 40, "#56513f"
    BLOWN_UP_THEN_DEAD = "blown_up_then_dead", "the loss blew up and the layer died", 60, "#b98a5a", True
    KILLED = "killed", "the steps drove every unit of a layer below zero", 50, Outcome.DEAD.colour, True
    SINGLE_ROWS = (
        "single_rows",
        "batch norm sees single rows, whose variance is 0, so it cannot tell them apart; take larger batches",
        70,
        "#b35f12",
    )
    STEPS_TOO_LARGE = (
        "steps_too_large",
        "the steps are larger than the loss's curvature allows",
        80,
        Outcome.DIVERGED.colour,
    )
    REBOUNDED = (
        "rebounded",
        "it had fallen, and came back up, above what the best constant answer leaves",
        75,
        "#d98f55",
    )
    BUDGET_TOO_SHORT = (
        "budget_too_short",
        "the budget ended before it came down to the reference",
        10,
        Outcome.PROGRESSING.colour,
    )
    NO_MOVEMENT = (
        "no_movement",
        "the loss did not change at all: no gradient reached the parameters, or the steps were too small",
        30,
        "#d8cfa8",
    )
    PLATEAU = "plateau", "it came to rest, or moves too slowly to get there", 20, Outcome.STALLED.colour


class Stop(Verdict):
    """What ended a training before its budget; the empty text where nothing did."""

    NONE = "", "it ran to its end", 0, Outcome.STALLED.colour
    CONVERGED = "stop_converged", "training.stop_converged: it had converged", 10, Outcome.CONVERGED.colour
    ABOVE = "stop_above", "training.stop_above: its loss was too large", 20, Outcome.DIVERGED.colour


Facts = Mapping[str, Any]  # what is known of cells, an array `[cells]` per name
TENTHS = (0, 5, 8, 9, 10)  # of the budget, after which the loss over all rows is taken
MARKS = ("loss_initial", "loss_at_50", "loss_at_80", "loss_at_90", "loss_final")


def enough(floor: Any, constant: Any, ratio: Any) -> Any:
    """The loss at which a training counts as converged.

    Args:
        floor: `loss_floor`, the reference.
        constant: `loss_constant`.
        ratio: `outcome.ratio`: how much of the way from the constant answer to the reference may be left.

    >>> float(enough(1.0, 5.0, 0.05)), float(enough(4.9, 5.0, 0.05))  # a reference that says little leaves some room
    (1.2, 4.9125)
    """
    return floor + ratio * np.maximum(constant - floor, ratio * constant)


def classify(facts: Facts) -> tuple[np.ndarray, np.ndarray]:
    """Outcome and cause of each cell.

    Args:
        facts: arrays `[cells]`: the losses of `MARKS`, `loss_floor`, `loss_constant`, `first_inf_step` and
            `first_nan_step` (-1 = never), `steps_run`, `stopped_by` (text), `ends_infinite`, `dead_layer`,
            `dead_at_init`, `data_nan`, `float16`, `single_rows` (bool; batch norm of one row at a time),
            `learning_rate` (the smallest of any layer), and the thresholds `ratio`, `rising`, `falling`, `rebound`.

    Returns:
        Two text arrays `[cells]`: values of `Outcome` and of `Cause`.
    """
    first, _, _, ninety, final = (np.asarray(facts[name], float) for name in MARKS)
    constant = np.asarray(facts["loss_constant"], float)
    has_nan, has_inf = facts["first_nan_step"] >= 0, facts["first_inf_step"] >= 0
    with np.errstate(invalid="ignore", over="ignore"):
        reached = final <= enough(np.asarray(facts["loss_floor"], float), constant, facts["ratio"])
        lowest = _lowest(facts)
        rebounded = (final > constant) & (final > facts["rebound"] * lowest)
        past = (final > facts["rising"] * first) | (final > facts["rebound"] * lowest)
        blown = rebounded | (_rises(facts) & past) | (facts["stopped_by"] == Stop.ABOVE)
        falling = (final < facts["falling"] * ninety) & (final <= lowest)
        above_start = final > first
    outcomes = _first_that_holds(
        Outcome,
        {
            Outcome.NAN: has_nan,
            Outcome.INF: facts["ends_infinite"],
            Outcome.CONVERGED: reached | (facts["stopped_by"] == Stop.CONVERGED),
            Outcome.DEAD: facts["dead_layer"],
            Outcome.DIVERGED: blown,
            Outcome.PROGRESSING: falling,
        },
        Outcome.STALLED,
    )
    overflowed = has_inf & (~has_nan | (facts["first_inf_step"] <= facts["first_nan_step"]))
    bad, dead = np.isin(outcomes, [Outcome.NAN, Outcome.INF]), outcomes == Outcome.DEAD
    stalled, diverged = outcomes == Outcome.STALLED, outcomes == Outcome.DIVERGED
    causes = _first_that_holds(
        Cause,
        {
            Cause.NONE: outcomes == Outcome.CONVERGED,
            Cause.DATA_NAN: bad & facts["data_nan"],
            Cause.START_NOT_FINITE: bad & ~np.isfinite(first),
            Cause.GRADIENT_ASCENT: (facts["learning_rate"] < 0) & ~dead,
            Cause.FLOAT16_RANGE: bad & overflowed & facts["float16"],
            Cause.OVERFLOW: bad & overflowed,
            Cause.NAN_WITHOUT_INF: bad,
            Cause.DEAD_AT_INIT: dead & facts["dead_at_init"],
            Cause.BLOWN_UP_THEN_DEAD: dead & above_start,
            Cause.KILLED: dead,
            Cause.SINGLE_ROWS: facts["single_rows"] & (stalled | diverged) & (first != final),
            Cause.STEPS_TOO_LARGE: diverged & ~(rebounded & ~above_start),
            Cause.REBOUNDED: diverged,
            Cause.BUDGET_TOO_SHORT: outcomes == Outcome.PROGRESSING,
            Cause.NO_MOVEMENT: stalled & (first == final),
            Cause.PLATEAU: stalled,
        },
        Cause.NONE,
    )
    return outcomes, causes


def _lowest(facts: Facts) -> np.ndarray:
    """The least of the losses at the marks, NaN aside; infinite where there is none."""
    return np.fmin.reduce(
        [np.full(np.shape(facts[MARKS[0]]), np.inf), *(np.asarray(facts[name], float) for name in MARKS)]
    )


def _rises(facts: Facts) -> np.ndarray:
    """Whether the loss rose twice in a row at the end: from the last mark but two, and from the last but one.

    Marks of short budgets that stand at one update count once: then it is compared with the last two before the end that
    differ, or with the only one.
    """
    made = [np.asarray(facts["steps_run"]) * tenth // 10 for tenth in TENTHS]
    first, half, eighty, ninety, final = (np.asarray(facts[name], float) for name in MARKS)
    before = np.where(made[2] < made[3], eighty, np.where(made[1] < made[3], half, first))
    rose = (ninety > facts["rising"] * before) | (made[3] == 0)
    return rose & (final > facts["rising"] * ninety)


def _first_that_holds(members: type[Verdict], cases: Mapping[Verdict, np.ndarray], otherwise: Verdict) -> np.ndarray:
    """The first member whose case holds, for each cell: the order is the members', not that of the cases."""
    ordered = [each for each in members if each in cases]
    return np.select([cases[each] for each in ordered], ordered, otherwise)
