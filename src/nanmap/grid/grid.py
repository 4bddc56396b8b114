"""The grid: cells numbered row-major over its dimensions, decoded by arithmetic. Ten million cells cost nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nanmap.grid.axes import Axis
from nanmap.grid.where import Condition

CHUNK = 1 << 20  # cells looked at in one go


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
        return int(np.prod(self.shape, dtype=np.int64))

    def decode(self, cells: np.ndarray) -> np.ndarray:
        """Positions `[dimensions, cells]` of cell numbers along each dimension."""
        return np.array(np.unravel_index(cells, self.shape)) if self.shape else np.zeros((0, len(cells)), int)

    def columns(self, cells: np.ndarray) -> dict[str, np.ndarray]:
        """What the rows say for each axis, `[cells]` per column."""
        positions = self.decode(cells)
        return {
            axis.column: axis.labels[position]
            for dimension, position in zip(self.dimensions, positions, strict=True)
            for axis in dimension
        }

    def kept(self, start: int, stop: int) -> np.ndarray:
        """The cell numbers of `start..stop` that `where` keeps."""
        cells = np.arange(start, stop)
        return cells if self.where is None else cells[np.broadcast_to(self.where(self.columns(cells)), cells.shape)]

    def chunks(self) -> Iterator[np.ndarray]:
        """All cells that stay, a chunk at a time."""
        return (self.kept(start, min(start + CHUNK, self.size)) for start in range(0, self.size, CHUNK))

    def settings(self, positions: Mapping[int, int]) -> dict[str, object]:
        """The settings that the given dimensions make at the given positions."""
        merged: dict[str, object] = {}
        for dimension, position in positions.items():
            for axis in self.dimensions[dimension]:
                merged |= axis.settings[position]
        return merged
