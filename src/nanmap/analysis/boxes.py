"""How fractal the borders of a map are: boxes that they cross, by the size of the boxes."""

import numpy as np


def box_counts(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes that a border crosses, at each size that halves.

    Args:
        labels: what each point of a plane is, whole numbers or truths `[rows, columns]`; where they change is a border.

    Returns:
        Sides of the boxes in points, ascending powers of two, and how many boxes hold points of different labels.

    >>> sizes, counts = box_counts(np.add.outer(np.arange(64), np.arange(64)) > 63)  # a straight line
    >>> sizes.tolist(), counts.tolist()
    ([2, 4, 8, 16, 32], [32, 16, 8, 4, 2])
    """
    sizes, counts = [], []
    size, least, most = 1, labels.astype(int), labels.astype(int)
    while min(least.shape) >= 4:
        least, most = _quarters(least).min(axis=(1, 3)), _quarters(most).max(axis=(1, 3))
        size *= 2
        sizes.append(size)
        counts.append(int((least != most).sum()))
    return np.array(sizes), np.array(counts)


def dimensions(counts: np.ndarray) -> np.ndarray:
    """The box-counting dimension between each size and the next: how much faster boxes become more than they become smaller.

    >>> dimensions(np.array([32, 16, 8, 4])).tolist()
    [1.0, 1.0, 1.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log2(counts[:-1] / counts[1:])


def _quarters(points: np.ndarray) -> np.ndarray:
    """Points by the boxes of four that they make, `[rows, 2, columns, 2]`; a last odd row or column is left out."""
    rows, columns = (length // 2 * 2 for length in points.shape)
    return points[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2)
