"""The search for the smallest set of remedies: alone, in pairs, in threes, each at many rates; what has no hope is left early."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from nanmap.diagnosis.answer import Criterion
from nanmap.diagnosis.bench import Bench
from nanmap.diagnosis.records import Record, apart, asks, subsets
from nanmap.diagnosis.remedies import RATE, Remedy

SCREEN, LOOK = 4, 16  # starts of the first look at a set and a rate, and of the second where there is hope
STARTS = 128  # of a decision: 64 of 64 do not reach 95 % by the lower bound
MOST_CHANGES = 3
ELSE = (
    "Adam",
    "clip by norm",
    "clip by value",
    "clip at the output",
    "layer norm",
)  # what is advised most, cause or not
TOGETHER = 2  # programs that are compiled at once
PER_DECADE = (1.0, 3.0)
LOWEST, HIGHEST = 1e-7, 3.0  # rates that are tried at least
FAR = 100.0  # a rate that is changed by more stands in for a fault of scale: what keeps the rate mends that itself
SCALES = {"scale inputs", "scale targets"}
SLACK = 0.5  # decades by which a range of rates must be wider to count as wider


@dataclass
class Clock:
    """How much of the budget is left.

    Attributes:
        budget: seconds.
        reserve: seconds that the end of a diagnosis takes, kept for it.
    """

    budget: float
    reserve: float = 0.0
    began: float = field(default_factory=time.monotonic)
    cut: bool = False

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def has_room(self, seconds: float = 0.0) -> bool:
        """Whether something that takes so long still fits; once it does not, the search is cut short."""
        fits = self.spent + self.reserve + seconds <= self.budget
        self.cut |= not fits
        return fits


@dataclass(frozen=True)
class Choice:
    """A set that reaches the success at a rate.

    Attributes:
        index: of the rate.
    """

    record: Record
    index: int

    @property
    def size(self) -> int:
        """Changes."""
        return self.record.size(self.index)

    @property
    def parts(self) -> list[str]:
        """The names of its changes, the learning rate's among them where it has another one and no optimizer brings it."""
        rated = any(each.rated for each in self.record.remedies)
        return [*self.record.names, *([] if self.keeps_rate or rated else [RATE])]

    @property
    def keeps_rate(self) -> bool:
        """Whether it leaves the learning rate as it is."""
        return self.index == self.record.own


def grid_of_rates(own: float, edge: float | None) -> np.ndarray:
    """Learning rates to try, two per decade, and the settings' own among them; rising.

    >>> grid_of_rates(0.02, None)[:4], grid_of_rates(0.02, None)[-2:]
    (array([1.e-07, 3.e-07, 1.e-06, 3.e-06]), array([1., 3.]))
    """
    known = [each for each in (abs(own), edge) if each and np.isfinite(each)]
    low = min([LOWEST, *(each / 1e3 for each in known)])
    high = max([HIGHEST, *(10 * each for each in known if each < 1e30)])
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    rates = [digit * 10.0**power for power in powers for digit in PER_DECADE]
    kept = [float(f"{rate:.0e}") for rate in rates if low * 0.99 <= rate <= high * 1.01]
    return np.array(sorted({*kept, own}))


class Search:
    """All that was tried, and what of it works.

    Args:
        bench: trains.
        criterion: what counts as success.
        found: the remedies that are worth a try.
        rates: learning rates.
        own: the settings' own among them.
        seeds: of the starts that choose.
        clock: the budget.

    Attributes:
        records: by the names of their remedies.
    """

    def __init__(
        self,
        bench: Bench,
        criterion: Criterion,
        found: Sequence[Remedy],
        rates: np.ndarray,
        own: float,
        seeds: range,
        clock: Clock,
    ) -> None:
        self.bench, self.criterion, self.found, self.clock = bench, criterion, list(found), clock
        self.rates, self.own, self.seeds = rates, int(np.flatnonzero(rates == own)[0]), seeds
        self.records: dict[frozenset[str], Record] = {}

    @property
    def free(self) -> list[Remedy]:
        """Remedies that need no program of their own."""
        return [each for each in self.found if not each.costly]

    def explore(self) -> None:
        """Sets of the settings' own program, then those with a remedy that mends a fault of its own, then others until one works."""
        self.screen(subsets(self.free, MOST_CHANGES))
        costly = [each for each in self.found if each.costly]
        self._with_each([each for each in costly if each.specific], MOST_CHANGES - 1)
        if not self.smallest():
            self._with_each([each for each in costly if not each.specific], MOST_CHANGES - 1, until=True)
        if not self.smallest():
            self._pairs(costly)

    def explore_alone(self) -> None:
        """What is often advised, alone, as far as there is room: to tell what would do as well and what would not."""
        new = [each for each in self.found if each.name in ELSE and frozenset({each.name}) not in self.records]
        if new and self.clock.has_room():
            self.screen([(each,) for each in new])

    def _with_each(self, costly: Sequence[Remedy], most: int, until: bool = False) -> None:
        for start in range(0, len(costly), TOGETHER):
            if (until and self.smallest()) or not self.clock.has_room():
                return
            some = costly[start : start + TOGETHER]
            self.screen(
                [(each, *others) for each in some for others in subsets(self.free, most) if apart((each, *others))]
            )

    def _pairs(self, costly: Sequence[Remedy]) -> None:
        """Two programs' remedies in one, the most promising first."""
        promising = sorted(costly, key=self._promise, reverse=True)
        for pair in [each for each in subsets(promising, 2) if len(each) == 2]:
            if self.smallest() or not self.clock.has_room():
                return
            self.screen([(*pair, *others) for others in subsets(self.free, 1) if apart((*pair, *others))])

    def _promise(self, remedy: Remedy) -> tuple[float, float]:
        """The largest share, then the best skill, of any set with it."""
        mine = [record for names, record in self.records.items() if remedy.name in names]
        best = [(record, record.most(self.criterion)) for record in mine]
        shares = [record.share(self.criterion, index).rate for record, index in best]
        skills = [np.nan_to_num(record.skill(index), nan=-1e9) for record, index in best]
        return (max(shares, default=0.0), max(skills, default=-1e9))

    def screen(self, sets: Iterable[tuple[Remedy, ...]]) -> None:
        """Looks at sets at all rates, from a few starts; from more where that leaves hope."""
        new = [Record(some, self.rates, self.own) for some in sets if self._is_new(some)]
        every = np.arange(len(self.rates))
        self._train(new, [every] * len(new), self.seeds[:SCREEN])
        for record in new:
            self.records[frozenset(record.names)] = record
        hopeful = [(each, np.flatnonzero(each.hopeful(self.criterion))) for each in new if each.drawn]
        hopeful = [(each, index) for each, index in hopeful if len(index)]
        self._train([each for each, _ in hopeful], [index for _, index in hopeful], self.seeds[SCREEN:LOOK])

    def _is_new(self, some: tuple[Remedy, ...]) -> bool:
        names = frozenset(each.name for each in some)
        changes = {key: value for each in some for key, value in each.changes.items()}
        return names not in self.records and self.bench.possible(changes)

    def _train(self, records: Sequence[Record], chosen: Sequence[np.ndarray], seeds: range) -> None:
        for record, index, ends in zip(records, chosen, self.bench.train(asks(records, chosen, seeds)), strict=True):
            record.put(index, ends)

    def smallest(self) -> list[Choice]:
        """The sets of fewest changes that are known to work, each at its best rate: nothing smaller is left that may."""
        for size in range(1, MOST_CHANGES + 1):
            if working := self._working(size):
                return working
        return []

    def working(self) -> list[Choice]:
        """All sets that are known to work, or have hope and hold no smaller one that works, decided by all starts."""
        found: list[Choice] = []
        for size in range(1, MOST_CHANGES + 1):
            found += self._working(size, found)
        return found

    def _working(self, size: int, smaller: Sequence[Choice] = ()) -> list[Choice]:
        """The sets of so many changes that work and hold none of some smaller ones; where a set's rate fails, its next best is decided."""
        while True:
            candidates = [each for each in self._hopeful() if each.size == size and not self._holds(each, smaller)]
            if not self._decide(candidates):
                return [each for each in candidates if each.record.works(self.criterion, each.index)]

    def best_skill(self) -> float | None:
        """The largest median skill of anything that was tried; None where no end is finite."""
        skills = [record.skill(index) for record in self.records.values() for index in range(len(self.rates))]
        known = [each for each in skills if np.isfinite(each)]
        return max(known, default=None)

    def _hopeful(self) -> list[Choice]:
        """Each set at its own rate, where there is hope, and else at its best."""
        found = []
        for record in self.records.values():
            hopeful, best = record.hopeful(self.criterion), record.best_rate(self.criterion)
            rated = any(each.rated for each in record.remedies)
            if hopeful[self.own] and not rated:
                found.append(Choice(record, self.own))
            elif best is not None:
                found.append(Choice(record, best))
        return [each for each in found if each.size]

    def _decide(self, choices: Sequence[Choice]) -> bool:
        """Trains the rest of the starts that a decision takes, a few at a time, as long as there is hope; whether any was left to train."""
        trained = False
        for seeds in (self.seeds[LOOK : STARTS // 2], self.seeds[STARTS // 2 : STARTS]):
            open_ = [each for each in choices if self._is_open(each, seeds)]
            self._train([each.record for each in open_], [np.array([each.index]) for each in open_], seeds)
            trained |= bool(open_)
        return trained

    def _is_open(self, choice: Choice, seeds: range) -> bool:
        record = choice.record
        share = record.share(self.criterion, choice.index)
        return (
            record.drawn
            and share.starts < seeds.stop - self.seeds.start
            and bool(record.hopeful(self.criterion)[choice.index])
        )

    def _holds(self, choice: Choice, smaller: Sequence[Choice]) -> bool:
        """Whether a set holds one of some smaller ones, the learning rate counted as a part.

        Where a far rate stands in for a scale, a set that mends the scale itself is another way, and is to be told.
        """
        parts = set(choice.parts)
        scales = not self.is_far(choice) and parts & SCALES
        return any(set(each.parts) <= parts for each in smaller if not (scales and self._stands_in(each, parts)))

    def _stands_in(self, smaller: Choice, parts: set[str]) -> bool:
        return self.is_far(smaller) and bool((parts - set(smaller.parts)) & SCALES)

    def is_far(self, choice: Choice) -> bool:
        """Whether its rate is so far from the one that there is that it stands in for a fault of scale."""
        own, rate = self.rates[self.own], choice.record.rates[choice.index]
        rated = any(each.rated for each in choice.record.remedies)
        return not rated and own != 0 and not 1 / FAR <= abs(rate / own) <= FAR

    def stood_in_for(self, choice: Choice) -> Choice | None:
        """The set with the scales mended that its far rate stands in for, at a rate that is near; None where there is none."""
        if not self.is_far(choice):
            return None
        lacking = sorted(SCALES - set(choice.parts))
        for more in [some for size in (1, 2) for some in combinations(lacking, size)]:
            record = self.records.get(frozenset({*choice.record.names, *more}))
            if record is not None and (near := self._nearest(record)) is not None:
                return near
        return None

    def _nearest(self, record: Record) -> Choice | None:
        """The best rate of a set, if that is near and known to work; where one fails, the next is decided."""
        while (best := record.best_rate(self.criterion)) is not None:
            near = Choice(record, best)
            if self.is_far(near):
                return None
            if not self._decide([near]):
                return near if record.works(self.criterion, best) else None
        return None

    def ranked(self, choices: Sequence[Choice]) -> list[Choice]:
        """Of equally many changes first those that mend a fault of its own at the rate that there is, then the widest range of rates.

        A rate that is far from the one that there is comes after all others. Half a decade more of rates is no difference; then
        the order of the remedies decides, the rate alone first.
        """
        order = {each.name: number for number, each in enumerate(self.found, 1)}

        def rank(choice: Choice) -> tuple:
            record = choice.record
            specific = choice.keeps_rate and bool(record.remedies) and all(each.specific for each in record.remedies)
            width = record.width(self.criterion, choice.index)
            keys = len(record.changes) + (0 if choice.keeps_rate else 1)
            return (
                choice.size,
                not specific,
                keys,
                self.is_far(choice),
                -round(width / (2 * SLACK)),
                [order[name] for name in record.names],
            )

        return sorted(choices, key=rank)
