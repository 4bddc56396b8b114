"""Which edges a sweep has: one per combination of all axes but the learning rate."""

from collections.abc import Iterator

import numpy as np

from nanmap.edges.bisection import WITHOUT_AXIS
from nanmap.errors import InputError
from nanmap.grid import Cells, Grid
from nanmap.grid.axes import Axis
from nanmap.limits import check_memory
from nanmap.plan import Sweep
from nanmap.training.lane_numbers import lane_number

ROW_BYTES = 256  # of an edge while it is searched: its place, its brackets, its row
SEEDS = ("training.seed", "data.seed")


class EdgeRows:
    """The rows of the table of edges, numbered with the seeds fastest, so that the seeds of a row stand together.

    Args:
        sweep: the sweep.
        along: column of the axis of rates; needed only where layers have rates of their own.

    Attributes:
        rate: the axis of rates, or None.
        layer: the layer whose rate is searched, or None for all that have none of their own.
        axes: the other axes, in the order of the grid.
        seeds: how many rows differ only in seeds.

    Raises:
        InputError: the sweep's rates cannot be searched.
    """

    def __init__(self, sweep: Sweep, along: str | None = None) -> None:
        self.grid: Grid = sweep.grid
        self.rate = _rate_axis(sweep, along)
        number = lane_number(self.rate.key or "") if self.rate else None
        self.layer = number.layer if number else None
        dimensions = range(len(self.grid.dimensions))
        others = [each for each in dimensions if self.rate not in self.grid.dimensions[each]]
        seeds = [each for each in others if all(axis.key in SEEDS for axis in self.grid.dimensions[each])]
        self._order = [*(each for each in others if each not in seeds), *seeds]
        self._shape = tuple(self.grid.shape[each] for each in self._order)
        self.axes = [axis for each in others for axis in self.grid.dimensions[each]]
        self.seeds = int(np.prod([self.grid.shape[each] for each in seeds], dtype=np.int64))
        self.size = int(np.prod(self._shape, dtype=np.int64))
        # The seeds of a row are never parted: a quantile over them is one number of all.
        check_memory(ROW_BYTES * self.seeds, f"{self.seeds:,} seeds of one edge", file=sweep.file, key="axes")

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest rate of the sweep's axis."""
        if self.rate is None:
            return WITHOUT_AXIS
        low, high = self.rate.span
        return float(low), float(high)

    def kept(self, start: int, stop: int) -> np.ndarray:
        """The row numbers of `start..stop` that have a cell which `where` keeps."""
        rows = np.arange(start, stop)
        if self.grid.where is None:
            return rows
        rates = 1 if self.rate is None else len(self.rate)
        keeps = np.zeros(len(rows), bool)
        for position in range(rates):
            cells = self.cells(rows, position)
            keeps |= np.broadcast_to(self.grid.where(cells.columns()), len(cells))
        return rows[keeps]

    def cells(self, rows: np.ndarray, position: int = 0) -> Cells:
        """A cell of each row: the one at a position of the axis of rates."""
        places = np.zeros((len(self.grid.shape), len(rows)), np.int64)
        if self._order:
            places[self._order] = np.unravel_index(rows, self._shape)
        if self.rate is not None:
            number = next(n for n, axes in enumerate(self.grid.dimensions) if self.rate in axes)
            places[number] = position
        numbers = np.ravel_multi_index(tuple(places), self.grid.shape) if len(places) else np.zeros_like(rows)
        return Cells(self.grid, np.asarray(numbers), places)

    def columns(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Values of the other axes, `[rows]` per column."""
        made = self.cells(rows).columns()
        return {axis.column: made[axis.column] for axis in self.axes}

    def shards(self, size: int) -> Iterator[tuple[int, int]]:
        """Starts and ends of blocks of about `size` rows; the seeds of a row are never parted."""
        step = max(1, size // self.seeds) * self.seeds
        return ((start, min(start + step, self.size)) for start in range(0, self.size, step))


def _rate_axis(sweep: Sweep, along: str | None) -> Axis | None:
    numbers = {axis: filter(None, map(lane_number, axis.keys)) for axis in sweep.grid.axes}
    rates = [axis for axis, found in numbers.items() if any(number.per_layer for number in found)]
    own = (sweep.tree.get("optimizer") or {}).get("layer_learning_rates")
    names = [axis.column for axis in rates]
    if along is not None and along not in names:
        raise InputError("is no axis of learning rates", key="--along", value=along, allowed=names or "nothing")
    axis = next((axis for axis in rates if axis.column == along), rates[0] if len(rates) == 1 else None)
    if axis is None and rates:
        raise InputError("has several axes of rates", file=sweep.file, key="--along", allowed=names, mend="choose one")
    if axis is None:
        if own:
            raise InputError(
                "gives every layer a rate of its own, and none is an axis",
                file=sweep.file,
                key="optimizer.layer_learning_rates",
                mend='make one of them an axis: key = "optimizer.layer_learning_rates.0"',
            )
        return None
    _check_axis(sweep, axis)
    return axis


def _check_axis(sweep: Sweep, axis: Axis) -> None:
    """The rate must be free: an axis of its own, of positive numbers."""
    if axis.key is None:
        raise InputError(
            "sets the rate together with other settings",
            file=sweep.file,
            key=f"axes.{axis.column}",
            mend="give the learning rate an axis of its own, or none",
        )
    if any(len(group) > 1 for group in sweep.grid.dimensions if axis in group):
        raise InputError(
            "is zipped with another axis", file=sweep.file, key=f"axes.{axis.column}", mend="leave it alone"
        )
    if axis.span[0] <= 0:
        raise InputError(
            "an edge is searched among positive rates",
            file=sweep.file,
            key=f"axes.{axis.column}",
            value=float(axis.span[0]),
            mend=f"--set axes.{axis.column}.log='[1e-6, 1]'",
        )
