"""Axes of a panel: coordinates, edges of pixels, ticks, and labels that do not run into each other."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedFormatter,
    FixedLocator,
    FuncFormatter,
    LogFormatterMathtext,
    LogLocator,
    MaxNLocator,
    NullFormatter,
)

from nanmap.analysis import Shown

GAP = 0.35  # least distance between labels, in heights of a line


def edges(shown: Shown) -> np.ndarray:
    """Edges of the pixels `[n + 1]` in the axis's coordinates: halfway on its scale; categories count from 0."""
    if shown.scale == "values":
        return np.arange(len(shown) + 1) - 0.5
    points = to_scale(shown, shown.labels)
    middle = (points[1:] + points[:-1]) / 2
    first, last = points[0] - (middle[0] - points[0]), points[-1] + (points[-1] - middle[-1])
    return from_scale(shown, np.concatenate([[first], middle, [last]]))


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
    borders = edges(shown)
    values = np.asarray(values, float)
    if shown.scale != "values":
        inside = (values > borders[0]) & (values < borders[-1])
        return np.where(inside, values, np.nan)
    if shown.labels.dtype.kind not in "if" or not (shown.labels > 0).all():
        return np.full(values.shape, np.nan)
    order = np.argsort(shown.labels)
    if not (np.diff(order) > 0).all() and not (np.diff(order) < 0).all():
        return np.full(values.shape, np.nan)
    return np.interp(np.log(values), np.log(shown.labels[order]), order.astype(float), np.nan, np.nan)


def set_up(axes: Axes, which: str, shown: Shown) -> None:
    """Gives an axis (`x` or `y`) of a panel its scale, its limits and its ticks."""
    axis: Axis = getattr(axes, f"{which}axis")
    if shown.scale == "log":
        _set_log(axes, which, shown)
    elif shown.scale == "linear":
        whole = shown.labels.dtype.kind == "i"
        axis.set_major_locator(MaxNLocator(nbins=_room(axes, which), integer=whole, steps=[1, 2, 2.5, 5, 10]))
    else:
        axis.set_major_locator(FixedLocator(range(len(shown))))
        axis.set_major_formatter(FixedFormatter([label_of(each) for each in shown.labels.tolist()]))
    axes.set(**{f"{which}lim": edges(shown)[[0, -1]]})


def _room(axes: Axes, which: str) -> int:
    """How many labelled ticks fit: one each half inch."""
    box, dpi = axes.get_window_extent(), axes.get_figure(root=True).dpi  # type: ignore[union-attr]
    return max(2, min(8, int((box.width if which == "x" else box.height) / dpi / 0.55)))


def label_of(value: object) -> str:
    """A value as a tick label.

    >>> [label_of(each) for each in (True, 100, 1e-05, 0.30000000000000004, -2.0, "he_normal")]
    ['true', '100', '1e-05', '0.3', '−2', 'he_normal']
    """
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}".replace("-", "−", int(value < 0)) if isinstance(value, int | float) else str(value)


def _set_log(axes: Axes, which: str, shown: Shown) -> None:
    axis: Axis = getattr(axes, f"{which}axis")
    set_scale = getattr(axes, f"set_{which}scale")
    if shown.labels[0] > 0:
        set_scale("log")
        axis.set_major_locator(LogLocator(numticks=12))
        axis.set_minor_locator(LogLocator(subs=np.arange(2, 10), numticks=200))
        axis.set_minor_formatter(NullFormatter())
        _label_narrow(axis, shown)
        return
    set_scale("function", functions=(lambda v: -np.log10(np.maximum(-v, 1e-300)), lambda v: -(10.0**-v)))
    low, high = np.sort(np.log10(-edges(shown)[[0, -1]]))
    decades = np.arange(np.ceil(low), np.floor(high) + 1)
    minors = np.outer(10.0 ** np.arange(np.floor(low), np.ceil(high)), np.arange(2, 10)).ravel()
    axis.set_major_locator(FixedLocator(-(10.0**decades)))
    axis.set_minor_locator(FixedLocator(-minors[(minors > 10**low) & (minors < 10**high)]))
    axis.set_major_formatter(
        FuncFormatter(lambda v, _: f"$\\mathdefault{{−10^{{{round(np.log10(-v))}}}}}$" if v < 0 else "")
    )
    axis.set_minor_formatter(NullFormatter())


def _label_narrow(axis: Axis, shown: Shown) -> None:
    """Less than two powers of ten inside: the powers alone would leave the axis without a measure."""
    low, high = np.log10(edges(shown)[[0, -1]])
    if np.floor(high) - np.ceil(low) < 1:
        axis.set_minor_formatter(LogFormatterMathtext(labelOnlyBase=False, minor_thresholds=(2, 0.5)))


def fit_labels(figure: Figure, panels: Sequence[Axes], x: Shown, y: Shown) -> None:
    """Turns text labels that overlap, and leaves out numbers that do."""
    figure.draw_without_rendering()
    for shown, which in ((x, "x"), (y, "y")):
        if shown.scale != "values":
            continue
        step = max(_step_needed(axes, which) for axes in panels)
        if step == 1:
            continue
        numbers = shown.labels.dtype.kind in "if"
        for axes in panels:
            if numbers:
                _thin(getattr(axes, f"{which}axis"), shown, step)
            elif which == "x":
                axes.tick_params(axis="x", labelrotation=35)
                for text in axes.get_xticklabels():
                    text.set(ha="right", rotation_mode="anchor")


def _thin(axis: Axis, shown: Shown, step: int) -> None:
    kept = range(0, len(shown), step)
    axis.set_major_locator(FixedLocator(kept))
    axis.set_minor_locator(FixedLocator(range(len(shown))))
    axis.set_major_formatter(FixedFormatter([label_of(shown.labels[number].item()) for number in kept]))


def _step_needed(axes: Axes, which: str) -> int:
    """Every how manieth label can be drawn: the largest size over the distance between ticks."""
    texts = [text for text in getattr(axes, f"get_{which}ticklabels")() if text.get_text() and text.get_visible()]
    if len(texts) < 2:
        return 1
    boxes = [text.get_window_extent() for text in texts]
    size = max(box.width if which == "x" else 0.8 * box.height for box in boxes)
    gap = GAP * boxes[0].height if which == "x" else 0
    centres = [box.x0 + box.width / 2 if which == "x" else box.y0 + box.height / 2 for box in boxes]
    pitch = abs(centres[-1] - centres[0]) / (len(centres) - 1)
    return int(np.ceil((size + gap) / pitch)) if pitch else 1
