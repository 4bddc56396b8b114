"""How fractal a border is: boxes that it crosses, by their size. Rows say on which side of it each point of a plane lies."""

import numpy as np


def box_counts(side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes that a border crosses, at each size that halves.

    Args:
        side: on which side of the border each point lies, bool `[rows, columns]`.

    Returns:
        Sides of the boxes in points, ascending powers of two, and how many boxes hold points of both sides.

    >>> sizes, counts = box_counts(np.add.outer(np.arange(64), np.arange(64)) > 63)  # a straight line
    >>> sizes.tolist(), counts.tolist()
    ([2, 4, 8, 16, 32], [32, 16, 8, 4, 2])
    """
    sizes, counts = [], []
    size, any_true, any_false = 1, side, ~side
    while min(any_true.shape) >= 4:
        any_true, any_false = _halved(any_true), _halved(any_false)
        size *= 2
        sizes.append(size)
        counts.append(int((any_true & any_false).sum()))
    return np.array(sizes), np.array(counts)


def dimensions(counts: np.ndarray) -> np.ndarray:
    """The box-counting dimension between each size and the next: how much faster boxes become more than they become smaller.

    >>> dimensions(np.array([32, 16, 8, 4])).tolist()
    [1.0, 1.0, 1.0]
    """
    return np.log2(counts[:-1] / counts[1:])


def _halved(held: np.ndarray) -> np.ndarray:
    """Whether any of four boxes that make one holds such a point; a last odd row or column is left out."""
    rows, columns = (length // 2 * 2 for length in held.shape)
    quarters = held[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2)
    return np.asarray(quarters.any(axis=(1, 3)))
