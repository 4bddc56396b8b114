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
    CONVERGED = "converged", "the loss came down to the floor", 0, "#0b4f8f"
    DEAD = "dead", "all units of a layer give zero on every training row, so nothing below learns", 30, "#8d8577"
    DIVERGED = "diverged", "the loss is finite but ended above where it began", 40, "#e79a2b", True
    PROGRESSING = "progressing", "the loss was still falling", 10, "#92d2f2"
    STALLED = (
        "stalled",
        "the loss fell by less than 1 % over the last tenth of the budget, and is not down at the floor",
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
    BUDGET_TOO_SHORT = (
        "budget_too_short",
        "the budget ended before it came down to the floor",
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


STILL_FALLING = 0.99  # a loss below this share of the one at 90 % of the budget is still falling

Facts = Mapping[str, Any]  # what is known of cells, an array `[cells]` per name


def classify(facts: Facts, ratio: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Outcome and cause of each cell.

    Args:
        facts: arrays `[cells]`: `first_inf_step` and `first_nan_step` (-1 = never), `ends_infinite`, `dead_at_end`,
            `dead_at_init`, `data_nan`, `float16`, `single_rows` (bool; batch norm of one row at a time), `loss_initial`,
            `loss_late` (at ⌊0.9·steps⌋), `loss_final`, `loss_floor`, `learning_rate` (the smallest of
            any layer), and `stopped_converged` if a stop was asked for.
        ratio: `outcome.ratio`, one for all cells or one each.

    Returns:
        Two text arrays `[cells]`: values of `Outcome` and of `Cause`.
    """
    first, late, final = (np.asarray(facts[f"loss_{name}"], float) for name in ("initial", "late", "final"))
    floor = np.asarray(facts["loss_floor"], float)
    has_nan, has_inf = facts["first_nan_step"] >= 0, facts["first_inf_step"] >= 0
    with np.errstate(invalid="ignore", over="ignore"):
        reached = np.where(first <= floor, final <= first, final - floor <= ratio * (first - floor)) & np.isfinite(
            first
        )
        blown = final > first
        falling = final < STILL_FALLING * late
    reached = reached | facts.get("stopped_converged", False)
    outcomes = _first_that_holds(
        Outcome,
        {
            Outcome.NAN: has_nan,
            Outcome.INF: facts["ends_infinite"],
            Outcome.CONVERGED: reached,
            Outcome.DEAD: facts["dead_at_end"],
            Outcome.DIVERGED: blown,
            Outcome.PROGRESSING: falling,
        },
        Outcome.STALLED,
    )
    overflowed = has_inf & (~has_nan | (facts["first_inf_step"] <= facts["first_nan_step"]))
    bad, dead = np.isin(outcomes, [Outcome.NAN, Outcome.INF]), outcomes == Outcome.DEAD
    stalled = outcomes == Outcome.STALLED
    stuck = (stalled | (outcomes == Outcome.DIVERGED)) & (first != final)
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
            Cause.BLOWN_UP_THEN_DEAD: dead & blown,
            Cause.KILLED: dead,
            Cause.SINGLE_ROWS: facts["single_rows"] & stuck,
            Cause.STEPS_TOO_LARGE: outcomes == Outcome.DIVERGED,
            Cause.BUDGET_TOO_SHORT: outcomes == Outcome.PROGRESSING,
            Cause.NO_MOVEMENT: stalled & (first == final),
            Cause.PLATEAU: stalled,
        },
        Cause.NONE,
    )
    return outcomes, causes


def _first_that_holds(members: type[Verdict], cases: Mapping[Verdict, np.ndarray], otherwise: Verdict) -> np.ndarray:
    """The first member whose case holds, for each cell: the order is the members', not that of the cases."""
    ordered = [each for each in members if each in cases]
    return np.select([cases[each] for each in ordered], ordered, otherwise)
