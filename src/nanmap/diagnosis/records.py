"""What became of a set of remedies at each learning rate, over more and more starts: counts and their bounds. Trains nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from nanmap.analysis.intervals import wilson_interval
from nanmap.diagnosis.answer import Changes, Criterion, Share, Trial
from nanmap.diagnosis.bench import Ask, Bench, Ends, commonest
from nanmap.diagnosis.remedies import RATE, Remedy
from nanmap.outcomes import Outcome

MARGIN = 2  # rates of the grid on either side of a chosen one that should work, too: a factor of about ten in all


@dataclass
class Record:
    """A set of remedies and the ends of its trainings.

    Attributes:
        remedies: the set, without the learning rate.
        rates: that were tried, rising; float64 `[rates]`.
        own: index of the rate that the settings have.
        parts: ends, each with the indices of its rates.
    """

    remedies: tuple[Remedy, ...]
    rates: np.ndarray
    own: int
    parts: list[tuple[np.ndarray, Ends]] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """Of its remedies."""
        return tuple(each.name for each in self.remedies)

    @property
    def changes(self) -> Changes:
        """Of all its remedies."""
        return {key: value for each in self.remedies for key, value in each.changes.items()}

    @property
    def trained(self) -> Changes:
        """The changes, and what stands beside them that changes nothing."""
        beside = {key: value for each in self.remedies for key, value in each.beside.items()}
        return {**beside, **self.changes}

    @property
    def drawn(self) -> bool:
        """Whether its starts differ."""
        return any(ends.drawn for _, ends in self.parts)

    def put(self, index: np.ndarray, ends: Ends) -> None:
        """More starts at some of the rates."""
        self.parts.append((index, ends))

    def tally(self, criterion: Criterion) -> tuple[np.ndarray, np.ndarray]:
        """Successes and starts at each rate, int64 `[rates]`."""
        count, starts = np.zeros((2, len(self.rates)), np.int64)
        for index, ends in self.parts:
            count[index] += ends.success(criterion).sum(axis=1)
            starts[index] += ends.starts
        return count, starts

    def share(self, criterion: Criterion, index: int) -> Share:
        """Successes at a rate."""
        count, starts = self.tally(criterion)
        return Share(int(count[index]), int(starts[index]), self.drawn)

    def hopeful(self, criterion: Criterion) -> np.ndarray:
        """Rates at which the share that is asked for is not yet out of the question, bool `[rates]`."""
        count, starts = self.tally(criterion)
        if not self.drawn:
            return (count == starts) & (starts > 0)
        upper = [wilson_interval(int(c), int(n))[1] if n else 0.0 for c, n in zip(count, starts, strict=True)]
        return (np.array(upper) >= criterion.share) & (count > 0)

    def works(self, criterion: Criterion, index: int) -> bool:
        """Whether it is known to reach the share at a rate."""
        share = self.share(criterion, index)
        return share.starts > 0 and share.interval[0] >= criterion.share

    def size(self, index: int) -> int:
        """How many changes it is at a rate: another rate is one, too, but in the line of another optimizer."""
        own = index == self.own or any(each.rated for each in self.remedies)
        return len(self.remedies) + (0 if own else 1)

    def run(self, criterion: Criterion, index: int) -> tuple[int, int]:
        """First and last of the hopeful rates without a gap around one of them. A negative rate is no neighbour."""
        holds = self.hopeful(criterion) & (self.rates > 0)
        low = high = index
        while low > 0 and holds[low - 1]:
            low -= 1
        while high + 1 < len(holds) and holds[high + 1]:
            high += 1
        return low, high

    def width(self, criterion: Criterion, index: int) -> float:
        """Decades of learning rates without a gap around one."""
        low, high = self.run(criterion, index)
        return float(np.log10(self.rates[high] / self.rates[low])) if self.rates[low] > 0 else 0.0

    def best_rate(self, criterion: Criterion) -> int | None:
        """Of the hopeful rates the one nearest to the own that has a margin on both sides; None without any."""
        hopeful = np.flatnonzero(self.hopeful(criterion) & (self.rates > 0))
        if not len(hopeful):
            return None
        margins = []
        for index in hopeful:
            low, high = self.run(criterion, int(index))
            margins.append(min(index - low, high - index, MARGIN))
        own = abs(self.rates[self.own]) or float(np.sqrt(self.rates[hopeful[0]] * self.rates[hopeful[-1]]))
        far = np.abs(np.log(self.rates[hopeful] / own))
        return int(hopeful[np.lexsort((far, -np.array(margins)))[0]])

    def most(self, criterion: Criterion) -> int:
        """The rate with the largest share; of several the one with the best median skill."""
        count, starts = self.tally(criterion)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(starts > 0, count / starts, -1.0)
        skill = np.array([self.skill(index) for index in range(len(self.rates))])
        return int(np.lexsort((-np.nan_to_num(skill, nan=-np.inf), -share))[0])

    def skill(self, index: int) -> float:
        """Median at a rate; a start without a finite end counts as the worst. NaN where nothing was trained."""
        values = self.skills(index)
        if not len(values):
            return np.nan
        middle = float(np.median(np.where(np.isfinite(values), values, -np.inf)))
        return middle if np.isfinite(middle) else np.nan

    def skills(self, index: int) -> np.ndarray:
        """At a rate, of all its starts."""
        return self._all("skill", index)

    def outcome(self, index: int) -> Outcome | None:
        """The commonest of all its starts at a rate; None where nothing was trained."""
        found = self._all("outcome", index).tolist()
        return commonest(found) if found else None

    def _all(self, name: str, index: int) -> np.ndarray:
        found = [ends[name][np.flatnonzero(part == index)[0]] for part, ends in self.parts if index in part]
        return np.concatenate(found) if found else np.zeros(0)

    def trial(self, bench: Bench, criterion: Criterion, index: int) -> Trial:
        """What is told of it at a rate."""
        skill = self.skill(index)
        own = index == self.own
        return Trial(
            self.names + (() if own or any(each.rated for each in self.remedies) else (RATE,)),
            dict(self.changes) if own else bench.settings(self.changes, float(self.rates[index])),
            self.share(criterion, index),
            self.outcome(index) or Outcome.NAN,
            skill if np.isfinite(skill) else None,
        )


def subsets(remedies: Sequence[Remedy], most: int) -> list[tuple[Remedy, ...]]:
    """All sets of up to so many, the smallest first; none that sets a key twice."""
    found = [some for size in range(most + 1) for some in combinations(remedies, size)]
    return [some for some in found if apart(some)]


def apart(some: Iterable[Remedy]) -> bool:
    """Whether none of them sets what another one sets."""
    keys = [key for each in some for key in each.changes]
    return len(keys) == len(set(keys))


def asks(records: Sequence[Record], chosen: Sequence[np.ndarray], seeds: range) -> list[Ask]:
    """Trainings of some rates of each record."""
    return [Ask(each.trained, seeds, tuple(each.rates[index])) for each, index in zip(records, chosen, strict=True)]
