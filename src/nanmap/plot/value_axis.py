"""The vertical axis of lines: its scale and its ends, and what lies past them."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from nanmap.analysis import Kind, Numbers
from nanmap.errors import InputError
from nanmap.plot.labels import label_of
from nanmap.plot.legend import FEW_DECADES
from nanmap.plot.paint_numbers import DRAWABLE, spread
from nanmap.results.schema import Column, Missing, Scale, Unit

MARGIN = 0.06  # of the axis, beyond the least and the greatest number


@dataclass(frozen=True)
class ValueAxis:
    """Where numbers stand.

    Attributes:
        scale: as matplotlib calls it: `log`, `linear` or `symlog`.
        low, high: its ends.
    """

    scale: str
    low: float
    high: float

    def set_up(self, axes: Axes, inches: float) -> None:
        """Gives the panel, which is so high, this axis."""
        axes.set_yscale(self.scale, **({"linthresh": 1.0} if self.scale == "symlog" else {}))
        axes.set_ylim(self.low, self.high)
        if self.scale == "log":
            axes.yaxis.set_major_locator(LogLocator(numticks=max(3, int(inches / 0.3))))
            axes.yaxis.set_minor_formatter(NullFormatter())
            if self.high / self.low > 1e4:
                axes.yaxis.set_minor_locator(NullLocator())
            if self.high / self.low < FEW_DECADES:
                axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: label_of(float(f"{value:.3g}"))))

    def label(self, end: int) -> str:
        """The lower (0) or the upper (1) end in words."""
        return label_of(float(f"{(self.low, self.high)[end]:.2g}"))

    def past(self, numbers: Numbers, side: int) -> np.ndarray:
        """Which numbers `[n]` lie above the upper end (1), or below the lower one (-1)."""
        real = numbers.kinds == Kind.NUMBER
        with np.errstate(invalid="ignore"):
            return real & (numbers.values > self.high if side > 0 else numbers.values < self.low)

    def inside(self, numbers: Numbers) -> np.ndarray:
        """The numbers `[n]`, those past an end a little beyond it; NaN for what is none."""
        return np.clip(numbers.values, *self._reach())

    def marks(self, numbers: Numbers) -> dict[Kind | str, np.ndarray]:
        """Which points `[n]` have a mark above the panel, of each kind that there is."""
        found: dict[Kind | str, np.ndarray] = {
            kind: numbers.kinds == kind for kind in (Kind.INF, Kind.NAN, Kind.MISSING)
        }
        found["above"] = self.past(numbers, 1)
        return {kind: there for kind, there in found.items() if there.any()}

    def band(self, best: Numbers, worst: Numbers, column: Column) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the band `[n]`; up to the bad end where the worse runs are no numbers."""
        under, over = self._reach()
        bad, good = (under, over) if column.better == "high" else (over, under)
        never = good if column.missing is Missing.NEGATIVE else bad
        ends = []
        for each in (best, worst):
            kinds = [each.kinds == kind for kind in (Kind.NUMBER, Kind.EMPTY, Kind.MISSING)]
            ends.append(np.select(kinds, [self.inside(each), np.full(len(each.values), np.nan), never], bad))
        return np.minimum(*ends), np.maximum(*ends)

    def _reach(self) -> tuple[float, float]:
        """Places just outside of the panel, which no scale refuses."""
        if self.scale == "log":
            return self.low / 10, self.high * 10
        span = self.high - self.low
        return self.low - span, self.high + span


def make_value_axis(
    quantiles: list[Numbers], column: Column, alive: np.ndarray, limits: tuple[float, float] | None
) -> ValueAxis:
    """The axis for the best and the median run of each point; the worst may leave the picture.

    Args:
        quantiles: of each point.
        column: what they are of.
        alive: points at which at least half of the runs did not diverge: they alone set the ends of losses.
        limits: the ends, if they are asked for.

    Raises:
        InputError: ends that a logarithm does not have.
    """
    scale = {Scale.SHARE: "linear", Scale.STEPS: "symlog", Scale.RANK: "symlog"}.get(column.scale, "log")
    if limits is not None:
        if scale == "log" and limits[0] <= 0:
            raise InputError(
                f"`{column.name}` goes by its logarithm, so both must be positive", key="limits", value=limits
            )
        return ValueAxis(scale, *limits)
    numbers = np.concatenate([_of_the_living(each, alive, column) for each in quantiles[:2]])
    scale = "log" if column.scale is Scale.STEPS and (numbers >= 1).all() else scale
    numbers = numbers[numbers > 0] if scale == "log" else numbers
    if column.scale is Scale.SHARE:
        numbers = np.append(np.maximum(numbers, -1), [0.0, 1.0])
    if not len(numbers):
        return ValueAxis(scale, *((0.1, 10.0) if scale == "log" else (0.0, 1.0)))
    return ValueAxis(scale, *_widened(numbers, scale))


def _of_the_living(numbers: Numbers, alive: np.ndarray, column: Column) -> np.ndarray:
    """The numbers that set the ends: where losses diverge, they would be out of all proportion."""
    real = numbers.kinds == Kind.NUMBER
    by_size = column.unit is Unit.LOSS or column.scale is Scale.SHARE
    return numbers.values[real & alive if by_size and (real & alive).any() else real]


def _widened(numbers: np.ndarray, scale: str) -> tuple[float, float]:
    """The least and the greatest, on a logarithm that of most, with a margin."""
    if scale == "symlog" and numbers.min() >= 0:
        return 0.0, float(numbers.max() + 1) * 10**MARGIN
    if scale != "log":
        low, high = float(numbers.min()), float(numbers.max())
        margin = MARGIN * (high - low) or 1.0
        return low - margin, high + margin
    low, high = np.log10(np.clip([numbers.min(), spread(numbers)[1]], *DRAWABLE))
    margin = max(MARGIN * (high - low), 0.1)
    return float(10 ** (low - margin)), float(10 ** (high + margin))
