"""Columns of whole numbers that act as names: numbers of shops or of districts, whose order says nothing."""

from typing import NamedTuple

import numpy as np

from nanmap.data import Rows

FEWEST, MOST = 3, 50  # different numbers of a column of names; of two a line is as good as a column each
PER_NAME = 4  # rows that there must be of each, on average
EXPLAINS = 0.1  # share of what a line leaves over, that the names must explain beyond chance


class Named(NamedTuple):
    """A column that acts as names.

    Attributes:
        name: what it is called.
        numbers: how many different ones it holds.
        share: how much of what the best line through all columns leaves over they explain as names, beyond chance.
        gain: the same of what the best constant answer leaves over.
    """

    name: str
    numbers: int
    share: float
    gain: float


def names_in_numbers(rows: Rows) -> list[Named]:
    """The columns of whole numbers that explain more as names than as quantities.

    >>> shop = np.arange(60.0) % 6
    >>> odd = np.array([3.0, -1.0, 4.0, 0.0, 5.0, -2.0])[shop.astype(int)]
    >>> [each.name for each in names_in_numbers(Rows(shop[:, None], odd[:, None], shop[:0, None], odd[:0, None], features=("shop",)))]
    ['shop']
    """
    whole = np.isfinite(rows.inputs).all(axis=1) & np.isfinite(rows.targets).all(axis=1)
    inputs, targets = rows.inputs[whole], rows.targets[whole]
    if len(inputs) <= inputs.shape[1] + 1:
        return []
    columns = np.hstack([inputs / np.maximum(np.abs(inputs).max(axis=0), 1e-300), np.ones((len(inputs), 1))])
    left = targets - columns @ np.linalg.lstsq(columns, targets, rcond=None)[0]
    values = rows.input_scaling.undo(inputs)
    coded = {each.name for each in rows.sources if each.categories}
    total = float(((targets - targets.mean(axis=0)) ** 2).sum())
    found = [
        _named(name, column, left, total)
        for name, column in zip(rows.features, values.T, strict=False)
        if name not in coded
    ]
    return [each for each in found if each is not None and each.share > EXPLAINS]


def _named(name: str, column: np.ndarray, left: np.ndarray, total: float) -> Named | None:
    """What a column explains as names; None if it is no column of few whole numbers."""
    if np.abs(column - np.round(column)).max() > 1e-6:
        return None
    numbers, place = np.unique(np.round(column), return_inverse=True)
    if not FEWEST <= len(numbers) <= min(MOST, len(column) / PER_NAME):
        return None
    size = np.bincount(place)
    means = np.stack([np.bincount(place, each) / size for each in left.T], axis=1)
    rest, whole = float(((left - means[place]) ** 2).sum()), float((left**2).sum())
    if not whole > 0:
        return None
    share = 1 - rest / whole * (len(column) - 1) / (len(column) - len(numbers))
    return Named(name, len(numbers), share, share * whole / total)
