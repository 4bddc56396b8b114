"""Scaling of columns, fitted on training rows only: a shift and a divisor per column, applied and undone."""

from typing import NamedTuple

import numpy as np


class Scaling(NamedTuple):
    """How columns were scaled.

    Attributes:
        shift, divisor: float64 `[columns]`.
    """

    shift: np.ndarray
    divisor: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Values in the units of the data, `[…, columns]`, as trainings see them."""
        return (values - self.shift) / self.divisor

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Values as trainings see them, `[…, columns]`, in the units of the data."""
        return values * self.divisor + self.shift


UNSCALED = Scaling(np.zeros(1), np.ones(1))


def fit_scaling(columns: np.ndarray, kind: str) -> Scaling:
    """The scaling `none`, `standard`, `minmax` or `maxabs` of columns `[rows, columns]`.

    Missing values are left out of the fit. A constant column has the divisor 1 and is shifted to exactly 0, but under
    `maxabs`, which never shifts; it is told by its ends, as its mean and its deviation are rounded.

    >>> fit_scaling(np.array([[1.0], [3.0]]), "standard").apply(np.array([[5.0]]))
    array([[3.]])
    """
    width = columns.shape[1]
    shift, divisor = np.zeros(width), np.ones(width)
    for index in range(width if kind != "none" else 0):
        known = columns[:, index][~np.isnan(columns[:, index])]
        if not len(known):
            continue
        low, high = known.min(), known.max()
        if kind == "maxabs":
            divisor[index] = np.abs(known).max()
        elif kind == "minmax" or low == high:
            shift[index], divisor[index] = low, high - low
        else:
            # By a power of two, which changes no digit: squares of what is far from 1 would be 0 or infinite.
            power = np.frexp(np.abs(known).max())[1]
            near_one = np.ldexp(known, -power)
            shift[index], divisor[index] = np.ldexp([near_one.mean(), near_one.std()], power)
    return Scaling(shift, np.where(divisor == 0, 1.0, divisor))
