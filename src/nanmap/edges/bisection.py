"""Bisection over many rows at once. Knows nothing of trainings: a probe says which rates are stable."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Rows, rates and a factor on the horizon, all `[probes]`; answers which rates are stable, bool `[probes]`.
Probe = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

WITHOUT_AXIS = (1e-6, 1e2)  # the rates looked at where a sweep has no axis of them
BUDGET = 25  # probes per row, the whole search taken together
LEAST_SCAN = 6  # rates of the coarse scan, whatever the budget says
VERIFY = 4  # a decision by the tail of the loss is checked over a horizon so many times as long
MOST_STRETCH = 16  # the longest horizon that a row may take


@dataclass(frozen=True)
class Span:
    """Where to look, and how closely.

    Attributes:
        low, high: the lowest and the highest rate of the coarse scan.
        scan: number of its rates, evenly spaced in the logarithm.
        rounds: bisections of the interval between two of them.
    """

    low: float
    high: float
    scan: int
    rounds: int

    @property
    def rates(self) -> np.ndarray:
        """The rates of the coarse scan."""
        return np.geomspace(self.low, self.high, self.scan)

    def probes(self, ahead: int) -> float:
        """Probes of a row that has an edge, with so many bisections per call."""
        return self.scan + self.rounds * ((1 << ahead) - 1) / ahead + 1


@dataclass(frozen=True)
class Edges:
    """What was found for each row, `[rows]` each.

    Attributes:
        low, high: the bracket: stable at `low`, unstable at `high`. NaN where the scan holds no such pair.
        last_stable: the highest rate at which any probe was stable; NaN without one.
        reentrant: stable again above an unstable rate of the scan.
        stretch: factor on the horizon that the decision took.
        settled: whether a longer horizon confirmed the lower end; true where none was asked for.
        probes: how many rates were tried.
    """

    low: np.ndarray
    high: np.ndarray
    last_stable: np.ndarray
    reentrant: np.ndarray
    stretch: np.ndarray
    settled: np.ndarray
    probes: np.ndarray


def plan_search(low: float, high: float, tolerance: float, verified: bool) -> Span:
    """Divides the probes of a row between the coarse scan and the bisection.

    The middle of the bracket is then within `tolerance` of the edge, relative. Within `BUDGET` probes the scan is as fine
    as the bisection leaves room for.

    >>> span = plan_search(1e-6, 1e2, 1e-4, verified=True)
    >>> span.scan, span.rounds, span.scan + span.rounds + VERIFY <= BUDGET
    (7, 14, True)
    """

    def rounds(scan: int) -> int:
        gap = np.log(high / low) / (scan - 1)
        return max(0, int(np.ceil(np.log2(gap / (2 * tolerance)))))

    room = BUDGET - (VERIFY if verified else 0)
    scan = next((scan for scan in range(room, LEAST_SCAN, -1) if scan + rounds(scan) <= room), LEAST_SCAN)
    return Span(low, high, scan, rounds(scan))


def search(probe: Probe, rows: int, span: Span, verified: np.ndarray, ahead: int = 1) -> Edges:
    """Finds the first loss of stability of each row.

    A coarse scan first, since stability need not be monotone in the rate; then bisection between the first unstable rate
    and the stable one below it, all rows at once. Where `verified`, the lower end is probed once more over a longer
    horizon, and where it fails there the bisection is repeated on that horizon. So is the highest rate of all where no rate
    seems unstable.

    Args:
        probe: says what is stable.
        rows: number of rows.
        span: where to look.
        verified: rows whose lower end is to be confirmed, bool `[rows]`.
        ahead: bisections made in one call, by probing all rates that they might ask for. Changes no result: where a
            device has room for more probes than there are rows, it saves calls.
    """
    bracket = _Brackets(probe, rows, span)
    bracket.scan()
    bracket.narrow(bracket.open, ahead)
    failing = (bracket.open | bracket.all_stable) & verified
    while failing.any():
        failing &= ~bracket.confirm(failing)
        again = failing & (bracket.stretch * VERIFY <= MOST_STRETCH)
        bracket.settled[failing & ~again] = False
        bracket.restart(again)
        failing = again & bracket.open
        bracket.narrow(failing, ahead)
    return bracket.found()


class _Brackets:
    """The brackets of all rows, as whole numbers: place k of 2^rounds between two rates of the scan.

    A rate is computed from its place alone, so that the same row gets the same bits whatever was probed beside it.
    """

    def __init__(self, probe: Probe, rows: int, span: Span) -> None:
        self.probe, self.span, self.count = probe, span, rows
        self.places = 1 << span.rounds
        self.stretch = np.ones(rows, np.int64)
        self.settled = np.ones(rows, bool)
        self.probes = np.zeros(rows, np.int64)
        self.last_stable = np.full(rows, -np.inf)
        self.gap = np.zeros(rows, np.int64)
        self.low, self.high = np.zeros(rows, np.int64), np.full(rows, self.places)
        self.open = np.zeros(rows, bool)
        self.all_stable = np.zeros(rows, bool)
        self.reentrant = np.zeros(rows, bool)

    def scan(self) -> None:
        """Probes the rates of the coarse scan."""
        rows = np.repeat(np.arange(self.count), self.span.scan)
        stable = self._ask(rows, np.tile(self.span.rates, self.count)).reshape(self.count, -1)
        first = np.argmax(~stable, axis=1)
        lost = ~stable.all(axis=1)
        later = np.arange(self.span.scan) > first[:, None]
        self.last_stable = np.where(stable, self.span.rates, -np.inf).max(axis=1)
        self.open = lost & stable[:, 0]
        self.all_stable = np.logical_and.reduce(stable, axis=1)
        self.gap = np.where(lost, np.maximum(first - 1, 0), self.span.scan - 2)
        self.low[self.all_stable] = self.places  # the highest rate is the lower end of what nobody looked at
        self.reentrant = lost & (stable & later).any(axis=1)

    def narrow(self, chosen: np.ndarray, ahead: int) -> None:
        """Bisects the brackets of some rows down to neighbouring places."""
        rows = np.flatnonzero(chosen)
        while len(rows := rows[self.high[rows] - self.low[rows] > 1]):
            self._step(rows, ahead)

    def _step(self, rows: np.ndarray, ahead: int) -> None:
        """Up to `ahead` bisections from one call: every place that they may come to is probed, then the path followed."""
        low, high = self.low[rows], self.high[rows]
        depth = max(1, min(ahead, int(np.log2((high - low).max()))))
        inner = np.arange(1, 1 << depth)
        places = low[:, None] + ((high - low)[:, None] * inner >> depth)
        stable = self._ask(np.repeat(rows, len(inner)), self._rates(rows, places).ravel()).reshape(places.shape)
        index, step = np.zeros(len(rows), np.int64), (1 << depth) >> 1
        while step:
            middle = index + step
            holds = stable[np.arange(len(rows)), middle - 1]
            place = places[np.arange(len(rows)), middle - 1]
            self.low[rows] = np.where(holds, place, self.low[rows])
            self.high[rows] = np.where(holds, self.high[rows], place)
            seen = np.where(holds, self._rates(rows, place[:, None])[:, 0], -np.inf)
            self.last_stable[rows] = np.maximum(self.last_stable[rows], seen)
            index = np.where(holds, middle, index)
            step >>= 1

    def confirm(self, chosen: np.ndarray) -> np.ndarray:
        """Which of the chosen rows are stable at their lower end over a longer horizon."""
        rows = np.flatnonzero(chosen)
        confirmed = np.zeros(self.count, bool)
        rates = self._rates(rows, self.low[rows][:, None]).ravel()
        confirmed[rows] = self._ask(rows, rates, self.stretch[rows] * VERIFY)
        return confirmed

    def restart(self, chosen: np.ndarray) -> None:
        """Opens brackets again, on the longer horizon; what seemed stable near the edge no longer counts."""
        self.stretch[chosen] *= VERIFY
        self.open |= chosen
        self.low[chosen], self.high[chosen] = 0, self.places
        self._lower(np.flatnonzero(chosen))
        held = np.where(self.open, self.span.rates[self.gap], -np.inf)
        self.last_stable[chosen] = np.where(self.reentrant, self.last_stable, held)[chosen]

    def _lower(self, rows: np.ndarray) -> None:
        """Goes down to the highest gap whose lower rate is stable on the horizon as it is now; without one nothing is left open."""
        while len(rows):
            stable = self._ask(rows, self.span.rates[self.gap[rows]])
            rows = rows[~stable]
            self.open[rows] = self.gap[rows] > 0
            rows = rows[self.gap[rows] > 0]
            self.gap[rows] -= 1

    def found(self) -> Edges:
        """What is known now."""
        rows = np.arange(self.count)
        low, high = (
            np.where(self.open, self._rates(rows, each[:, None])[:, 0], np.nan) for each in (self.low, self.high)
        )
        last = np.where(np.isfinite(self.last_stable), self.last_stable, np.nan)
        return Edges(low, high, last, self.reentrant, self.stretch, self.settled, self.probes)

    def _rates(self, rows: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Rates at places `[rows, k]` of the rows' gaps."""
        scan = self.span.rates
        below = scan[self.gap[rows]][:, None]
        above = scan[np.minimum(self.gap[rows] + 1, len(scan) - 1)][:, None]
        inside = below * (above / below) ** (places / self.places)
        return np.where(places == 0, below, np.where(places == self.places, above, inside))

    def _ask(self, rows: np.ndarray, rates: np.ndarray, stretch: np.ndarray | None = None) -> np.ndarray:
        stable = self.probe(rows, rates, self.stretch[rows] if stretch is None else stretch)
        np.add.at(self.probes, rows, 1)
        return stable
