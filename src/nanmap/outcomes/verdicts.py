"""The closed sets of outcomes and causes. A member carries all that is known of it; `classify` says where it holds."""

from enum import StrEnum
from typing import Any, Self


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
    PRECISION = (
        "precision",
        "the number format hardly tells the targets apart: its spacing at their size is over a quarter of their spread; centre them",
        36,
        "#a8b06a",
    )
    NO_MOVEMENT = (
        "no_movement",
        "the loss did not change at all: no gradient reached the parameters, the steps were too small, or just as large as the edge",
        30,
        "#d8cfa8",
    )
    SINGLE_ROWS = (
        "single_rows",
        "batch norm sees single rows, whose variance is 0, so it cannot tell them apart; take larger batches",
        70,
        "#b35f12",
    )
    EXPLODING_GRADIENT = (
        "exploding_gradient",
        "the gradient grows from layer to layer on its way back: the first layer's is a thousand times the last one's",
        95,
        "#e0603d",
    )
    BLOWN_UP_AT_ONCE = (
        "blown_up_at_once",
        "loss or parameters overflowed within the first five updates: the very first steps were far too large",
        105,
        "#a02c1c",
    )
    OVERFLOW = "overflow", "loss or parameters grew step by step until they overflowed", 100, Outcome.INF.colour
    NAN_WITHOUT_INF = (
        "nan_without_inf",
        "a NaN arose where nothing had overflowed: 0/0, as an optimizer with eps = 0 makes of a gradient that is 0",
        120,
        "#8a2f6b",
    )
    RISING = (
        "rising",
        "it had converged and is on its way up again: a longer training would end elsewhere",
        5,
        "#4f86c6",
    )
    GOOD_START = "good_start", "it had converged before its first update", 2, "#2f6fae"
    DEAD_AT_INIT = "dead_at_init", "the layer was dead before the first step", 40, "#56513f"
    BLOWN_UP_THEN_DEAD = "blown_up_then_dead", "the loss blew up and the layer died", 60, "#b98a5a", True
    KILLED = "killed", "the steps drove every unit of a layer below zero", 50, Outcome.DEAD.colour, True
    REBOUNDED = (
        "rebounded",
        "it had fallen and came back up",
        75,
        "#d98f55",
    )
    STEPS_TOO_LARGE = (
        "steps_too_large",
        "the steps are larger than the loss's curvature allows",
        80,
        Outcome.DIVERGED.colour,
    )
    VANISHING_GRADIENT = (
        "vanishing_gradient",
        "the gradient is gone before it reaches the first layer: less than a thousandth of the last one's",
        34,
        "#c9b458",
    )
    CONSTANT_ANSWER = (
        "constant_answer",
        "it answers every row alike: units that are saturated or dead, or kernels that never left 0",
        32,
        "#e3d27c",
    )
    BOUNCING = (
        "bouncing",
        "the loss goes up and down: the noise of small batches, or steps at the edge; smaller steps at the end settle it",
        25,
        "#efd9a6",
    )
    TOO_SLOW = (
        "too_slow",
        "it moves towards the reference, at its last pace with more than ten times the budget still to go",
        15,
        "#c4e3ee",
    )
    BUDGET_TOO_SHORT = (
        "budget_too_short",
        "the budget ended before it came down to the reference",
        10,
        Outcome.PROGRESSING.colour,
    )
    PLATEAU = "plateau", "it came to rest above the reference", 20, Outcome.STALLED.colour


class Stop(Verdict):
    """What ended a training before its budget; the empty text where nothing did."""

    NONE = "", "it ran to its end", 0, Outcome.STALLED.colour
    CONVERGED = "stop_converged", "training.stop_converged: it had converged", 10, Outcome.CONVERGED.colour
    ABOVE = "stop_above", "training.stop_above: its loss was too large", 20, Outcome.DIVERGED.colour
