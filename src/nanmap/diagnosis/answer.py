"""What a diagnosis found: all that is to be said of a training, as figures. Words, patches and pictures are made of it elsewhere."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nanmap.analysis.intervals import wilson_interval
from nanmap.config import Config, DataSettings
from nanmap.diagnosis.root_causes import RootCause
from nanmap.outcomes import Cause, Outcome
from nanmap.runs.first_tensor import FirstTensor

Changes = Mapping[str, Any]  # dotted key → value; None takes a setting out


@dataclass(frozen=True)
class Share:
    """How many of some starts did something.

    Attributes:
        drawn: whether starts differ at all. If nothing is drawn one start is all there is, and what it does is certain.

    >>> Share(128, 128).interval[0] > 0.95, Share(64, 64).interval[0] > 0.95
    (True, False)
    """

    count: int
    starts: int
    drawn: bool = True

    @property
    def rate(self) -> float:
        """From 0 to 1."""
        return self.count / self.starts

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval for the true share."""
        if not self.drawn:
            return self.rate, self.rate
        return wilson_interval(self.count, self.starts)


@dataclass(frozen=True)
class Quantiles:
    """10 %, 50 % and 90 % of something over the starts in which it is there.

    Attributes:
        starts: how many those are.
    """

    low: float
    median: float
    high: float
    starts: int


@dataclass(frozen=True)
class Ending:
    """A way in which some starts ended: the outcome and the cause of their rows."""

    outcome: Outcome
    cause: Cause
    count: int


@dataclass(frozen=True)
class Happening:
    """What becomes of the settings as they are.

    Attributes:
        endings: ways to end, the commonest first; their counts are those of all starts.
        successes: starts that succeed.
        first_bad: the first step whose loss or parameters hold an infinity or a NaN; None where none came.
        skill: at the end: 0 is the best constant answer, 1 is perfect; None where no end is finite.
        loss_initial, loss_final: over the starts in which they are finite; None where none is.
        loss_constant, loss_floor: losses of the best constant answer and of the reference.
        accuracy: of classes at the end; None of numbers.
        steps, steps_per_epoch: updates of a whole training, and of a pass over the rows.
    """

    endings: tuple[Ending, ...]
    successes: Share
    first_bad: Quantiles | None
    skill: Quantiles | None
    loss_initial: Quantiles | None
    loss_final: Quantiles | None
    loss_constant: float
    loss_floor: float
    accuracy: Quantiles | None
    steps: int
    steps_per_epoch: int

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """How many of the starts end so, from whatever cause: the commonest first, of equally many the worse."""
        counts: Counter[Outcome] = Counter()
        for each in self.endings:
            counts[each.outcome] += each.count
        return dict(sorted(counts.items(), key=lambda pair: (-pair[1], -pair[0].severity)))

    @property
    def outcome(self) -> Outcome:
        """The commonest."""
        return next(iter(self.outcomes))


@dataclass(frozen=True)
class Evidence:
    """A sentence with its figures.

    Attributes:
        figures: the same by name, for programs.
        proof: whether it is a comparison that was trained, and no reading of rows or settings.
    """

    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    proof: bool = False


@dataclass(frozen=True)
class Edge:
    """Where training turns unstable, along the learning rate.

    Attributes:
        rate: the user's.
        measured: the critical rate by bisection, median of some starts; None where none was found.
        bracket: its 10 % and 90 % quantiles over those starts.
        predicted: 2/λ or what its rule makes of the curvature; None where no rule holds.
        rule: which, in words.
    """

    rate: float
    measured: float | None
    bracket: tuple[float, float] | None
    predicted: float | None
    rule: str

    @property
    def ratio(self) -> float | None:
        """Measured over predicted."""
        return self.measured / self.predicted if self.measured and self.predicted else None

    @property
    def factor(self) -> float | None:
        """By how much the user's rate is above the edge, measured if it is; below 1 it is below."""
        edge = self.measured or self.predicted
        return self.rate / edge if edge else None


@dataclass(frozen=True)
class RateRange:
    """The learning rates that work, without a gap around the one that was chosen.

    Attributes:
        low, high: lowest and highest rate that reaches the success.
        open_low, open_high: whether the lowest or highest rate of all that were tried still works, so that the end is not known.
        below, above: what most starts end as at the next rate that was tried on either side; None where none was.
    """

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False
    below: Outcome | None = None
    above: Outcome | None = None


@dataclass(frozen=True)
class Trial:
    """A set of remedies that was tried.

    Attributes:
        remedies: their names, as `diagnosis.remedies` has them: `learning rate`, `scale inputs`, …
        changes: what they change.
        successes: of the starts that were spent on it.
        outcome: the commonest.
        skill: median at the end; None where no end is finite.
    """

    remedies: tuple[str, ...]
    changes: Changes
    successes: Share
    outcome: Outcome
    skill: float | None = None


@dataclass(frozen=True)
class Curves:
    """The loss over all rows on its way.

    Attributes:
        steps: updates made, int64 `[points]`, from 0.
        losses: float64 `[starts, points]`; NaN from the first NaN on.
    """

    steps: np.ndarray
    losses: np.ndarray


@dataclass(frozen=True)
class Fix:
    """The smallest set of changes that reaches the success, or the best there is.

    Attributes:
        trial: the set; its successes are those of fresh starts, which had no part in choosing it.
        reaches: whether Wilson's lower bound is at the success asked for. If not, it is the best there is.
        config: the settings with it.
        rates: the learning rates that work with it; None where layers have their own.
        skill: at the end, over the fresh starts.
        edge: of the settings with it.
        parts: what its proper subsets reach at their best, the largest first: why nothing smaller is told.
    """

    trial: Trial
    reaches: bool
    config: Config
    rates: RateRange | None
    skill: Quantiles | None
    edge: Edge | None
    parts: tuple[Trial, ...]


@dataclass(frozen=True)
class RateMap:
    """Which learning rates work with which remedies: the map of `--out`.

    Attributes:
        rates: float64 `[rates]`, rising, above 0.
        remedies: a name per line of the map, `as it is` first, then alone, then the fix.
        successes: counts, int64 `[remedies, rates]`; -1 where nothing was trained.
        outcomes: the commonest outcome, text `[remedies, rates]`; empty where nothing was trained.
        starts: of each.
        changes: what each remedy changes, without the learning rate.
    """

    rates: np.ndarray
    remedies: tuple[str, ...]
    successes: np.ndarray
    outcomes: np.ndarray
    starts: int
    changes: tuple[Changes, ...]


@dataclass(frozen=True)
class Criterion:
    """What counts as success.

    Attributes:
        skill: at least so much at the end; None: the outcome `converged`.
        share: of starts that must reach it, by Wilson's lower bound.
    """

    skill: float | None = None
    share: float = 0.95

    def __str__(self) -> str:
        return "converged" if self.skill is None else f"skill of {self.skill:g} or more"


@dataclass(frozen=True)
class Spent:
    """What it took.

    Attributes:
        trainings, programs: how many were trained and compiled.
        seconds: of wall clock.
        seeds: `training.seed` of the starts by what they were for: `now`, `choice`, `fresh`.
        cut_short: whether the budget ended the search before everything was tried.
    """

    trainings: int
    programs: int
    seconds: float
    seeds: Mapping[str, tuple[int, int]]
    cut_short: bool = False


@dataclass(frozen=True)
class Whole:
    """What the rows that were looked at were drawn from.

    Attributes:
        data: settings of all of them.
        rows: how many they are.
    """

    data: DataSettings
    rows: int


@dataclass(frozen=True)
class Answer:
    """What is wrong with a training, why, and the smallest change that mends it.

    Attributes:
        config: the settings as they were given.
        criterion: what counts as success.
        happening: what becomes of them.
        cause: why: of all causes that are proven the first in the order of evidence.
        also: the others, where the fix mends several at once.
        evidence: what speaks for it, the strongest first.
        ruled_out: what was looked at and is not the reason.
        first_tensor: of the first start in which a number came that is none, where that was; None where none did.
        edge: the critical rate; None where rates have none, or layers have rates of their own.
        fix: the smallest; None where nothing is wrong or nothing helps.
        others: other sets that reach the success, the smallest first.
        in_vain: what is often advised and does not reach it, alone.
        limit: what limits the best there is, where nothing reaches the success.
        before, after: losses of some starts as the settings are, and with the fix.
        map: rate × remedy; None where layers have rates of their own.
        spent: what it took.
        notes: what else is to be said, such as rows that were left out.
        whole: where all rows are, if some of them were looked at.
        given: the arrays and the network that a program gave, held for `config` and `fix.config` to be trained on them.
    """

    config: Config
    criterion: Criterion
    happening: Happening
    cause: RootCause
    also: tuple[RootCause, ...]
    evidence: tuple[Evidence, ...]
    ruled_out: tuple[Evidence, ...]
    first_tensor: FirstTensor | None
    edge: Edge | None
    fix: Fix | None
    others: tuple[Trial, ...]
    in_vain: tuple[Trial, ...]
    limit: Evidence | None
    before: Curves
    after: Curves | None
    map: RateMap | None
    spent: Spent
    notes: tuple[str, ...] = ()
    whole: Whole | None = None
    given: object = field(default=None, repr=False, compare=False)

    @property
    def outcome(self) -> Outcome:
        """The commonest of the settings as they are."""
        return self.happening.outcome
