"""What five losses say of the way that a training went, `[cells]` each."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np

Facts = Mapping[str, Any]  # what is known of cells, an array `[cells]` per name
TENTHS = (0, 5, 8, 9, 10)  # of the budget, after which the loss over all rows is taken
MARKS = ("loss_initial", "loss_at_50", "loss_at_80", "loss_at_90", "loss_final")

STIRS = 1e-6  # of a loss: what float32 sums of rows tremble by is below
SETTLES = 0.9  # of the last but one difference: a last one below is coming to rest
AWAY = 100  # times the constant answer's loss: beyond, whatever bounces has left
LOST = 1.1  # times the lowest loss: above, something may have been lost again


def enough(floor: Any, constant: Any, ratio: Any) -> Any:
    """The loss at which a training counts as converged.

    Args:
        floor: `loss_floor`, the reference.
        constant: `loss_constant`.
        ratio: `outcome.ratio`: how much of the way from the constant answer to the reference may be left.

    >>> float(enough(1.0, 5.0, 0.05)), float(enough(4.5, 5.0, 0.5))  # a reference that says little leaves some room
    (1.2, 5.75)
    """
    with np.errstate(invalid="ignore"):  # squares of large targets are infinite, and then nothing is enough
        return floor + ratio * np.maximum(constant - floor, ratio * constant)


@dataclass(frozen=True)
class Trend:
    """The losses at the marks beside what they are held against, float64 `[cells]`.

    Attributes:
        first, half, eighty, ninety, final: of `MARKS`.
        floor, constant: `loss_floor` and `loss_constant`.
        best: the least of all losses over all rows that were taken: of full batch at every update.
        steps: updates made.
        ratio, up, down, rebound: the thresholds `ratio`, `rising`, `falling` and `rebound`.
    """

    first: np.ndarray
    half: np.ndarray
    eighty: np.ndarray
    ninety: np.ndarray
    final: np.ndarray
    floor: np.ndarray
    constant: np.ndarray
    best: np.ndarray
    steps: np.ndarray
    ratio: np.ndarray
    up: np.ndarray
    down: np.ndarray
    rebound: np.ndarray

    @classmethod
    def of(cls, facts: Facts) -> Self:
        """From the facts of cells."""
        names = (
            *MARKS,
            "loss_floor",
            "loss_constant",
            "loss_best",
            "steps_run",
            "ratio",
            "rising",
            "falling",
            "rebound",
        )
        return cls(*(np.asarray(facts[name], float) for name in names))

    @cached_property
    def enough(self) -> np.ndarray:
        """The loss at which a cell counts as converged."""
        return np.asarray(enough(self.floor, self.constant, self.ratio))

    @cached_property
    def made(self) -> list[np.ndarray]:
        """Updates at each mark. Those of short budgets may stand at one update count, with one loss."""
        return [self.steps * tenth // 10 for tenth in TENTHS]

    @cached_property
    def lowest(self) -> np.ndarray:
        """The least of the losses at the marks, NaN aside; infinite where there is none."""
        marks = (self.first, self.half, self.eighty, self.ninety, self.final)
        return np.fmin.reduce([np.full(np.shape(self.first), np.inf), *marks])

    @cached_property
    def rising(self) -> np.ndarray:
        """Whether the loss rose twice in a row at the end: from the last mark but two, and from the last but one.

        Marks of short budgets that stand at one update count once: then it is compared with the last two before the
        end that differ, or with the only one.
        """
        made = self.made
        before = np.where(made[2] < made[3], self.eighty, np.where(made[1] < made[3], self.half, self.first))
        rose = (self.ninety > self.up * before) | (made[3] == 0)
        return rose & (self.final > self.up * self.ninety)

    @property
    def came_back(self) -> np.ndarray:
        """Whether it ended above the constant answer and far above its own lowest."""
        return (self.final > self.constant) & (self.final > self.rebound * self.lowest)

    @property
    def left(self) -> np.ndarray:
        """Whether it rises past its start, or far above its own lowest."""
        return self.rising & ((self.final > self.up * self.first) | (self.final > self.rebound * self.lowest))

    @property
    def falling(self) -> np.ndarray:
        """Whether it still reached new lows."""
        return (self.final < self.down * self.ninety) & (self.final <= self.lowest)

    @property
    def climbs_away(self) -> np.ndarray:
        """Whether a converged loss is rising for good: not the rounding of one that is next to nothing."""
        return self.rising & (self.final > self.rebound * self.lowest) & (self.final > STIRS * self.constant)

    @property
    def dips(self) -> np.ndarray:
        """Whether it was below all marks between them, as a loss is that jumps to and fro at every update."""
        return self.best < self.down * self.lowest

    @property
    def still(self) -> np.ndarray:
        """Whether all losses are the same."""
        same = [each == self.final for each in (self.first, self.half, self.eighty, self.ninety)]
        return np.logical_and.reduce([*same, ~self.dips])

    @property
    def fell_back(self) -> np.ndarray:
        """Whether most of what was gained from the start to the lowest is lost again, and something was gained at all."""
        lost = self.final - self.lowest > (self.first - self.lowest) / 2
        return lost & (self.final > LOST * self.lowest) & (self.first > LOST * self.lowest)

    @property
    def bounces(self) -> np.ndarray:
        """Whether the loss went up in its last half, or was lower between the marks."""
        last = (self.half, self.eighty, self.ninety, self.final)
        up = np.logical_or.reduce([after > self.up * before for before, after in pairwise(last)])
        return up | ((self.ninety < self.down * self.eighty) & (self.final > self.ninety)) | self.dips

    @property
    def swings(self) -> np.ndarray:
        """Whether the loss bounces and ends below what it had been in its last half, of the size of a constant's: not away."""
        below = self.final < np.fmax.reduce([self.half, self.eighty, self.ninety])
        return self.bounces & below & (self.final <= AWAY * self.constant)

    @property
    def moves(self) -> np.ndarray:
        """Whether each loss is below the one before, by more than rounding since half of the budget."""
        way = zip((self.first, self.half, self.eighty, self.ninety, self.final), self.made, strict=True)
        below = [(after < before) | (same == made) for (before, same), (after, made) in pairwise(way)]
        ordered = np.logical_and.reduce(below)
        return ordered & (self.half - self.final > STIRS * self.final)

    @property
    def comes_to_rest(self) -> np.ndarray:
        """Whether the last two tenths lead to a limit above the reference: Aitken's, of differences that clearly shrink.

        Where they hardly do, rounding decides what the limit is: float32 puts one of 0 at a fifth of the loss.
        """
        before, last = self.eighty - self.ninety, self.ninety - self.final
        limit = self.final - last**2 / (before - last)
        return (last > 0) & (last < SETTLES * before) & (limit > self.enough)

    @property
    def needed(self) -> np.ndarray:
        """Budgets from here to the reference, if what is above the floor goes on shrinking as from the last mark but one."""
        left = np.log(self.final - self.floor) - np.log(self.enough - self.floor)
        share = (self.made[4] - self.made[3]) / self.steps
        return share * left / (np.log(self.ninety - self.floor) - np.log(self.final - self.floor))
