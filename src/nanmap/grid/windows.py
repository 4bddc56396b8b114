"""A window on an axis of numbers: from a low to a high end, both included and both within the axis."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from nanmap.errors import InputError, did_you_mean
from nanmap.grid.axes import Axis

Windows = Mapping[str, Sequence[float]]  # of some axes, by column: the low and the high end
ROUNDING = 1e-9  # relative; an end as it is written may miss the axis's own by so much


def checked_windows(zoom: Windows | None, axes: Sequence[Axis], key: str = "zoom") -> dict[str, tuple[float, float]]:
    """The windows as pairs of numbers, by column.

    Args:
        zoom: as given by a user.
        axes: all that there are.
        key: what errors call it.

    Raises:
        InputError: no mapping of axes to two ascending numbers; an axis is unknown, or none of numbers; or a window
            reaches beyond its axis.
    """
    by_column = {axis.column: axis for axis in axes}
    if not isinstance(zoom or {}, Mapping):
        raise InputError("expects a window per axis", key=key, value=zoom, mend='{"learning_rate": (1e-3, 1e-2)}')
    for name in zoom or {}:
        if name not in by_column:
            mend = did_you_mean(name, by_column)
            raise InputError("no such axis", key=key, value=name, allowed=list(by_column), mend=mend)
    return {name: _checked(by_column[name], window, f"{key}.{name}") for name, window in (zoom or {}).items()}


def _checked(axis: Axis, window: Any, key: str) -> tuple[float, float]:
    if not axis.are_numbers:
        name = axis.column
        mend = f"a map chooses with select, as {name}={axis.labels[0]}; a sweep in its file, or with --set axes.{name}.values"
        raise InputError("its values are no numbers, so it has no window", key=key, value=window, mend=mend)
    numbers = isinstance(window, Sequence | np.ndarray) and not isinstance(window, str) and len(window) == 2
    if not numbers or any(isinstance(end, bool) or not isinstance(end, Real) for end in window):
        raise InputError("expects two numbers, the low and the high end", key=key, value=window)
    low, high = (end.item() if isinstance(end, np.generic) else end for end in window)
    if not low < high:
        mend = f"{axis.column}={high:g}:{low:g}" if high < low else "give a low and a high end"
        raise InputError("its low end must be below its high end", key=key, value=f"{low:g}:{high:g}", mend=mend)
    least, most = axis.span
    if low < least - ROUNDING * abs(least) or high > most + ROUNDING * abs(most):
        allowed = f"{least:.10g} to {most:.10g}"
        raise InputError("reaches beyond the axis", key=key, value=f"{low:g}:{high:g}", allowed=allowed)
    return low, high


def inside(axis: Axis, window: tuple[float, float]) -> np.ndarray:
    """Which of an axis's values are in a window, its ends among them, bool `[values]`.

    Raises:
        InputError: none is.
    """
    low, high = (end + sign * ROUNDING * abs(end) for end, sign in zip(window, (-1, 1), strict=True))
    kept = (axis.labels >= low) & (axis.labels <= high)
    if not kept.any():
        ordered = np.sort(axis.labels)
        above = int(np.searchsorted(ordered, window[0]))
        value = f"{window[0]:g}:{window[1]:g}"
        allowed = f"its values next to it are {ordered[above - 1]:.10g} and {ordered[above]:.10g}"
        raise InputError("holds no value of the axis", key=f"zoom.{axis.column}", value=value, allowed=allowed)
    return kept
