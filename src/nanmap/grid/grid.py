"""The grid: cells numbered row-major over its dimensions, decoded by arithmetic. Ten million cells cost nothing."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nanmap.errors import InputError
from nanmap.grid.axes import Axis, zipped
from nanmap.grid.where import Condition, parse_where
from nanmap.limits import MOST_CELLS, MOST_COUNTED

CHUNK = 1 << 20  # cells looked at in one go
LOOKED_AT = 1 << 24  # combinations that a condition is asked about one by one, within a second or two
DRAWN = 1 << 20  # cells that speak for a larger grid: a share is known to 0.1 %


@dataclass(frozen=True)
class Grid:
    """Axes in file order. Zipped axes share one dimension, at the place of the first of them.

    Attributes:
        dimensions: groups of axes that are walked together; the first group is the slowest.
        where: condition for cells to stay, or None. Excluded cells keep their numbers.
    """

    dimensions: tuple[tuple[Axis, ...], ...]
    where: Condition | None = None

    @property
    def axes(self) -> list[Axis]:
        """All axes, in the order of the dimensions."""
        return [axis for dimension in self.dimensions for axis in dimension]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        return tuple(len(dimension[0]) for dimension in self.dimensions)

    @property
    def size(self) -> int:
        """Number of cells, excluded ones among them."""
        return math.prod(self.shape)

    def over(self, dimensions: Iterable[int]) -> "Grid":
        """The grid over some of its dimensions, and all that the condition asks of: what stays there, stays whatever the others are."""
        wanted = {*dimensions, *self.asked}
        return Grid(tuple(axes for number, axes in enumerate(self.dimensions) if number in wanted), self.where)

    @cached_property
    def asked(self) -> tuple[int, ...]:
        """The dimensions that the condition asks of."""
        names = self.where.columns if self.where else frozenset()
        return tuple(
            number for number, axes in enumerate(self.dimensions) if any(axis.column in names for axis in axes)
        )

    def count(self) -> tuple[int, bool]:
        """Cells that stay, and whether that is exact: of a condition with too many combinations a sample is asked."""
        if self.where is None:
            return self.size, True
        part = self.over(())
        if part.size <= LOOKED_AT:
            return sum(map(len, part.chunks())) * (self.size // part.size), True
        return round(len(part.drawn()) / DRAWN * self.size), False

    def drawn(self) -> "Cells":
        """Those of `DRAWN` cells, drawn at random and always the same, that stay."""
        return self.staying(self.cells(np.random.default_rng(0).integers(0, self.size, DRAWN)))

    def cells(self, numbers: np.ndarray) -> "Cells":
        """The cells with these numbers, decoded.

        Raises:
            InputError: a number is none of the grid's.
        """
        if len(numbers) and not 0 <= (last := int(numbers.max())) < self.size:
            raise InputError("no such cell", key="cell", value=last, allowed=f"0 to {self.size - 1:,}")
        decoded = np.unravel_index(numbers, self.shape) if self.shape else np.zeros((0, len(numbers)), int)
        return Cells(self, numbers, np.array(decoded))

    def kept(self, start: int, stop: int) -> "Cells":
        """The cells of `start..stop` that `where` keeps."""
        return self.staying(self.cells(np.arange(start, stop)))

    def staying(self, cells: "Cells") -> "Cells":
        """Those of some cells that `where` keeps."""
        if self.where is None:
            return cells
        return cells.take(np.flatnonzero(np.broadcast_to(self.where(cells.columns()), len(cells))))

    def chunks(self) -> Iterator["Cells"]:
        """All cells that stay, a chunk at a time.

        Raises:
            InputError: they are too many to be looked at one by one.
        """
        if self.size > MOST_COUNTED:
            problem = f"the axes make {self.size:,} cells together, too many to be looked at one by one"
            mend = "a condition on fewer axes, or on axes with fewer values"
            raise InputError(problem, key="axes", allowed=f"at most {MOST_COUNTED:,}", mend=mend)
        return (self.kept(start, min(start + CHUNK, self.size)) for start in range(0, self.size, CHUNK))

    def settings(self, positions: Mapping[int, int]) -> dict[str, object]:
        """The settings that the given dimensions make at the given positions."""
        merged: dict[str, object] = {}
        for dimension, position in positions.items():
            for axis in self.dimensions[dimension]:
                merged |= axis.settings[position]
        return merged


@dataclass(frozen=True, eq=False)
class Cells:
    """Some cells of a grid, decoded once on their way.

    Attributes:
        numbers: int64 `[cells]`.
        positions: along each dimension, `[dimensions, cells]`.
    """

    grid: Grid
    numbers: np.ndarray
    positions: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, index: np.ndarray) -> "Cells":
        """Some of them."""
        return Cells(self.grid, self.numbers[index], self.positions[:, index])

    def columns(self) -> dict[str, np.ndarray]:
        """What the rows say for each axis, `[cells]` per column."""
        return {
            axis.column: axis.at(position)
            for dimension, position in zip(self.grid.dimensions, self.positions, strict=True)
            for axis in dimension
        }


def make_grid(axes: Sequence[Axis], groups: Iterable[Sequence[str]] = (), where: str | None = None) -> Grid:
    """The grid over axes.

    Args:
        axes: in the order of the file, the slower ones first.
        groups: columns of axes that are walked together.
        where: condition for cells to stay, as a sweep's file writes it.

    Raises:
        InputError: a group names no axis, or axes of other lengths; the condition cannot be read or compared.
    """
    grid = Grid(zipped(axes, groups), parse_where(where, [axis.column for axis in axes]) if where else None)
    if grid.size > MOST_CELLS:
        problem = f"the axes make {grid.size:,} cells together"
        raise InputError(problem, key="axes", allowed=f"at most {MOST_CELLS:,}", mend="fewer or coarser axes")
    if where and axes:
        grid.kept(0, 1)  # a number compared with a text shows here, before anything runs
    return grid
