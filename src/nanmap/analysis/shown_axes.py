"""Axes as a map shows them: the values that are kept, their order, and the scale on which they stand."""

from dataclasses import dataclass

import numpy as np

from nanmap.grid.axes import Axis

FEW = 12  # this many values are shown one by one, each under its own label, even where they are evenly spaced


@dataclass(frozen=True)
class Shown:
    """An axis as a map shows it: the positions that stay, in the order in which they are drawn.

    Attributes:
        positions: positions along the axis of the grid; numbers on a log or linear scale ascend.
        labels: their values.
        scale: `log`, `linear` or `values`.
    """

    axis: Axis
    positions: np.ndarray
    scale: str

    @property
    def column(self) -> str:
        """The axis's column."""
        return self.axis.column

    @property
    def labels(self) -> np.ndarray:
        """The axis's values, as drawn."""
        return self.axis.labels[self.positions]

    def __len__(self) -> int:
        return len(self.positions)


def shown_axis(axis: Axis, positions: np.ndarray) -> Shown:
    """An axis at some of its positions, in the order of its scale."""
    labels = axis.labels[positions]
    scale = _scale(axis, labels)
    return Shown(axis, positions if scale == "values" else positions[np.argsort(labels)], scale)


def _scale(axis: Axis, labels: np.ndarray) -> str:
    """The scale on which the values are evenly spaced, or `values` where there is none or they are few."""
    if labels.dtype.kind not in "if" or len(labels) < 2 or (axis.scale == "values" and len(labels) <= FEW):
        return "values"
    values = labels.astype(float)
    one_sign = (values > 0).all() or (values < 0).all()
    if axis.scale != "linear" and one_sign and _even(np.log(np.abs(values))):
        return "log"
    return "linear" if axis.scale != "log" and _even(values) else "values"


def _even(values: np.ndarray) -> bool:
    steps = np.diff(values)
    return bool(np.allclose(steps, steps.mean(), rtol=1e-6, atol=0))
