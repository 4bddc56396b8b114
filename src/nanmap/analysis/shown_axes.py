"""Axes as a map shows them: the values that are kept, their order, and the scale on which they stand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nanmap.errors import InputError
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


def selected(group: Sequence[Axis], select: Mapping[str, Any]) -> np.ndarray:
    """Positions of a dimension that are kept.

    Raises:
        InputError: a value is not on its axis, or none is left.
    """
    kept = np.arange(len(group[0]))
    for axis in group:
        if axis.column in select:
            value = select[axis.column]
            several = value if isinstance(value, list | tuple | set | np.ndarray) else [value]
            kept = np.intersect1d(kept, [_position(axis, each) for each in several])
    if not len(kept):
        raise InputError("leaves no cell", key="select", value=dict(select))
    return kept


def _position(axis: Axis, value: Any) -> int:
    """Position of a value given by a person: the same text, or the same number to six digits."""
    labels = axis.labels.tolist()
    texts = [str(label).lower() for label in labels]
    if str(value).lower() in texts:
        return texts.index(str(value).lower())
    if axis.labels.dtype.kind in "if":
        try:
            near = np.isclose(axis.labels, float(value), rtol=1e-6, atol=0)
        except (TypeError, ValueError):
            near = np.zeros(1, bool)
        if near.any():
            return int(np.argmax(near))
    raise InputError("is not on the axis", key=f"select.{axis.column}", value=value, allowed=_listed(axis.labels))


def _listed(labels: Iterable[Any], most: int = 12) -> str:
    texts = [f"{each:.10g}" if isinstance(each, float) else str(each) for each in labels]
    more = f", … {texts[-1]} ({len(texts)} values)" if len(texts) > most else ""
    return ", ".join(texts[: most - 1] if more else texts) + more


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
