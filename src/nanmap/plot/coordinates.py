"""Coordinates along an axis of a panel: where pixels begin and end, and where a value stands."""

import numpy as np

from nanmap.analysis import Shown


def borders(shown: Shown) -> np.ndarray:
    """Where pixels begin and end, `[n + 1]`, in the axis's coordinates: halfway on its scale; categories count from 0."""
    if shown.scale == "values":
        return np.arange(len(shown) + 1) - 0.5
    points = to_scale(shown, shown.labels)
    middle = (points[1:] + points[:-1]) / 2
    first, last = points[0] - (middle[0] - points[0]), points[-1] + (points[-1] - middle[-1])
    return from_scale(shown, np.concatenate([[first], middle, [last]]))


def centres(shown: Shown) -> np.ndarray:
    """Middles of the pixels `[n]` in the axis's coordinates."""
    return np.arange(len(shown), dtype=float) if shown.scale == "values" else np.asarray(shown.labels, float)


def to_scale(shown: Shown, values: np.ndarray) -> np.ndarray:
    """Where coordinates stand on the axis's scale, on which pixels are evenly spaced."""
    values = np.asarray(values, float)
    return np.sign(values) * np.log10(np.abs(values)) if shown.scale == "log" else values


def from_scale(shown: Shown, places: np.ndarray) -> np.ndarray:
    """The inverse of `to_scale`."""
    if shown.scale != "log":
        return places
    sign = np.sign(shown.labels[0])
    return sign * 10.0 ** (sign * np.asarray(places))


def coordinate(shown: Shown, values: np.ndarray) -> np.ndarray:
    """Coordinates `[...]` of values on an axis; NaN outside of it, and between labels that are no numbers.

    Between two neighbours on an axis of single values, the place is interpolated on the logarithm.
    """
    ends = borders(shown)[[0, -1]]
    values = np.asarray(values, float)
    if shown.scale != "values":
        inside = (values > ends[0]) & (values < ends[1])
        return np.where(inside, values, np.nan)
    if shown.labels.dtype.kind not in "if" or not (shown.labels > 0).all():
        return np.full(values.shape, np.nan)
    order = np.argsort(shown.labels)
    if not (np.diff(order) > 0).all() and not (np.diff(order) < 0).all():
        return np.full(values.shape, np.nan)
    return np.interp(np.log(values), np.log(shown.labels[order]), order.astype(float), np.nan, np.nan)
