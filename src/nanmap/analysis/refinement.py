"""Which points of a map are worth asking for: those near a change. Knows no training: it asks, and is told a label and a number.

A plane is looked at through a mesh of lines that becomes finer by halves. A block of the mesh whose corners are alike is taken to be
alike inside, and its points are filled in; of other blocks, and of those beside them, every point of the next mesh is asked for. What
is filled in counts as known, until a change comes near: then it is asked for after all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

Ask = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
UNKNOWN = -1


@dataclass
class Filled:
    """What is known of planes `[planes, rows, columns]`.

    Attributes:
        labels: as they were told, int, or filled in; UNKNOWN in planes that are left out.
        asked: which points were asked for, bool.
    """

    labels: np.ndarray
    asked: np.ndarray


def first_stride(lengths: tuple[int, int], coarse: tuple[int, int]) -> int:
    """How far the lines of the first mesh are apart, a power of two: so that each way there are at least `coarse` lines.

    >>> first_stride((1024, 1024), (33, 33)), first_stride((1024, 1024), (64, 33))
    (32, 16)
    """
    longest, stride = max(lengths) - 1, 1
    while 2 * stride <= longest and all(
        len(lines(length, 2 * stride)) >= least for length, least in zip(lengths, coarse, strict=True)
    ):
        stride *= 2
    return stride


def lines(length: int, stride: int) -> np.ndarray:
    """Where the lines of a mesh stand: every so far, and at the end.

    >>> lines(10, 4).tolist()
    [0, 4, 8, 9]
    """
    return np.unique([*range(0, length, stride), length - 1])


def refine(shape: tuple[int, int, int], stride: int, kept: np.ndarray, ask: Ask, tolerance: float = np.inf) -> Filled:
    """Asks for the points near a change, and fills in the others.

    Args:
        shape: planes, rows, columns.
        stride: of the first mesh, a power of two.
        kept: which planes are looked at, bool `[planes]`.
        ask: from flat places to labels, whole numbers from 0 on, and numbers, which are finite where labels are alike.
        tolerance: corners whose numbers are further apart are not alike.
    """
    found = _Planes(shape, kept, ask, tolerance)
    mesh = found.mesh(stride)
    found.learn(mesh, np.ones((shape[0], *(len(each) for each in mesh)), bool))
    found.settle(mesh)
    while stride > 1:
        stride //= 2
        finer = found.mesh(stride)
        changing = found.changing(mesh)
        found.fill(mesh, finer)
        found.learn(finer, _touched(changing, mesh, finer))
        mesh = finer
        found.settle(mesh)
    return Filled(found.labels, found.asked)


Mesh = tuple[np.ndarray, np.ndarray]  # the lines along rows and along columns


class _Planes:
    """Labels and numbers of all points so far."""

    def __init__(self, shape: tuple[int, int, int], kept: np.ndarray, ask: Ask, tolerance: float) -> None:
        self.shape, self.kept, self.ask, self.tolerance = shape, kept, ask, tolerance
        self.labels, self.numbers = np.full(shape, UNKNOWN, np.int32), np.zeros(shape)
        self.asked = np.zeros(shape, bool)

    def mesh(self, stride: int) -> Mesh:
        return lines(self.shape[1], stride), lines(self.shape[2], stride)

    def learn(self, mesh: Mesh, wanted: np.ndarray) -> bool:
        """Asks for points of a mesh, `[planes, lines, lines]`, that were not asked for; whether there were any."""
        planes, rows, columns = np.nonzero(wanted & self.kept[:, None, None])
        places = np.ravel_multi_index((planes, mesh[0][rows], mesh[1][columns]), self.shape)
        places = places[~self.asked.reshape(-1)[places]]
        if len(places):
            self.labels.reshape(-1)[places], self.numbers.reshape(-1)[places] = self.ask(places)
            self.asked.reshape(-1)[places] = True
        return bool(len(places))

    def settle(self, mesh: Mesh) -> None:
        """Asks for what was filled in next to a change, until no change is next to anything that was."""
        while self.learn(mesh, _touched(_grown(self.changing(mesh)), mesh, mesh)):
            pass

    def changing(self, mesh: Mesh) -> np.ndarray:
        """Which blocks have corners that are not alike, bool `[planes, blocks, blocks]`."""
        labels, numbers = (_corners(each[:, mesh[0][:, None], mesh[1]]) for each in (self.labels, self.numbers))
        differ = labels.max(axis=0) != labels.min(axis=0)
        return differ | (numbers.max(axis=0) - numbers.min(axis=0) > self.tolerance)

    def fill(self, mesh: Mesh, finer: Mesh) -> None:
        """Gives the points of a finer mesh that nothing is known of what the first corner of their block has."""
        block = [mesh[side][_blocks(mesh[side], finer[side])[0]] for side in (0, 1)]
        here, corner = (slice(None), finer[0][:, None], finer[1]), (slice(None), block[0][:, None], block[1])
        unknown = self.labels[here] == UNKNOWN
        self.numbers[here] = np.where(unknown, self.numbers[corner], self.numbers[here])
        self.labels[here] = np.where(unknown, self.labels[corner], self.labels[here])


def _corners(points: np.ndarray) -> np.ndarray:
    """Of each block between points its four corners, `[4, planes, blocks, blocks]`."""
    sides = (slice(None, -1), slice(1, None))
    return np.stack([points[:, rows, columns] for rows, columns in product(sides, sides)])


def _blocks(coarse: np.ndarray, fine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The blocks between coarse lines that hold each fine line: one, or the two that meet there."""
    last = len(coarse) - 2
    above, below = (np.searchsorted(coarse, fine, side) - 1 for side in ("right", "left"))
    return np.clip(above, 0, last), np.clip(below, 0, last)


def _touched(blocks: np.ndarray, mesh: Mesh, finer: Mesh) -> np.ndarray:
    """Points of the finer mesh that lie in one of some blocks of a mesh, or on its side."""
    rows, columns = (_blocks(*sides) for sides in zip(mesh, finer, strict=True))
    found = np.zeros((len(blocks), len(finer[0]), len(finer[1])), bool)
    for row, column in product(rows, columns):
        found |= blocks[:, row[:, None], column]
    return found


def _grown(blocks: np.ndarray) -> np.ndarray:
    """Some blocks and all that touch them."""
    padded = np.pad(blocks, ((0, 0), (1, 1), (1, 1)))
    rows, columns = blocks.shape[1:]
    return np.logical_or.reduce(
        [padded[:, i : i + rows, j : j + columns] for i, j in product(range(3), range(3))], axis=0
    )
