"""Scaling of columns, fitted on training rows only: a shift and a factor per column."""

import numpy as np


def fit_scaling(columns: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Shift and divisor `[columns]` such that `(x - shift) / divisor` is scaled.

    Missing values are left out of the fit; a constant column keeps the divisor 1.

    >>> fit_scaling(np.array([[1.0], [3.0]]), "standard")
    (array([2.]), array([1.]))
    """
    width = columns.shape[1]
    shift, divisor = np.zeros(width), np.ones(width)
    for index in range(width if kind != "none" else 0):
        known = columns[:, index][~np.isnan(columns[:, index])]
        if not len(known):
            continue
        if kind == "standard":
            shift[index], divisor[index] = known.mean(), known.std()
        elif kind == "minmax":
            shift[index], divisor[index] = known.min(), known.max() - known.min()
        else:
            divisor[index] = np.abs(known).max()
    return shift, np.where(divisor == 0, 1.0, divisor)
