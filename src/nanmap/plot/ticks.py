"""Ticks of a panel, and labels that do not run into each other: what does not fit is turned, or left out."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.textpath import TextPath
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from nanmap.analysis import Shown
from nanmap.plot.scale import edges

SIZE = 8.5  # points
LINE = 0.15  # height of a line of labels, in inches
GAP = 0.06  # least distance between two labels, and to the axis
POWER = 0.42  # width of a label like −10⁻⁵


@dataclass(frozen=True)
class Labels:
    """How the labels of an axis are drawn.

    Attributes:
        step: every how manieth value has one.
        angle: by how many degrees they are turned.
        room: inches that they take, across the axis.
        most: how many there may be where they are free to choose.
    """

    step: int
    angle: int
    room: float
    most: int


def fit_labels(shown: Shown, which: str, inches: float) -> Labels:
    """Labels for an axis (`x` or `y`) that is so long."""
    most = max(2, min(8, int(inches / 0.55)))
    if shown.scale != "values":
        return Labels(1, 0, POWER if which == "y" else LINE + GAP, most)
    width = max(TextPath((0, 0), label_of(each), size=SIZE).get_extents().width / 72 for each in shown.labels.tolist())
    pitch = inches / len(shown)
    numbers = shown.labels.dtype.kind in "if"
    if which == "y":
        return Labels(int(np.ceil(LINE / pitch)) if numbers else 1, 0, width + 2 * GAP, most)
    if width + GAP <= pitch or numbers:
        return Labels(int(np.ceil((width + GAP) / pitch)), 0, LINE + GAP, most)
    angle = 35 if pitch > 1.8 * LINE else 90
    turned = width * np.sin(np.deg2rad(angle)) + LINE * np.cos(np.deg2rad(angle))
    return Labels(1, angle, float(turned) + GAP, most)


def set_up(axes: Axes, which: str, shown: Shown, labels: Labels) -> None:
    """Gives an axis (`x` or `y`) of a panel its scale, its limits and its ticks."""
    axis: Axis = getattr(axes, f"{which}axis")
    if shown.scale == "log":
        _set_log(axes, which, shown)
    elif shown.scale == "linear":
        whole = shown.labels.dtype.kind == "i"
        axis.set_major_locator(MaxNLocator(nbins=labels.most, integer=whole, steps=[1, 2, 2.5, 5, 10]))
    else:
        _set_categories(axes, which, shown, labels)
    axes.set(**{f"{which}lim": edges(shown)[[0, -1]]})


def _set_categories(axes: Axes, which: str, shown: Shown, labels: Labels) -> None:
    axis: Axis = getattr(axes, f"{which}axis")
    kept = range(0, len(shown), labels.step)
    axis.set_major_locator(FixedLocator(kept))
    axis.set_minor_locator(FixedLocator(range(len(shown)) if labels.step > 1 else []))
    axis.set_major_formatter(FixedFormatter([label_of(shown.labels.tolist()[number]) for number in kept]))
    if labels.angle:
        axes.tick_params(axis="x", labelrotation=labels.angle)
        for text in axes.get_xticklabels():
            text.set(ha="right", va="center" if labels.angle == 90 else "top", rotation_mode="anchor")


def label_of(value: object) -> str:
    """A value as a tick label.

    >>> [label_of(each) for each in (True, 100, 1e-05, 0.30000000000000004, -2.0, "he_normal")]
    ['true', '100', '1e−5', '0.3', '−2', 'he_normal']
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, int | float):
        return str(value)
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    mantissa, e, exponent = text.partition("e")
    return mantissa.replace("-", "−") + (f"e{int(exponent)}".replace("-", "−") if e else "")


def _set_log(axes: Axes, which: str, shown: Shown) -> None:
    axis: Axis = getattr(axes, f"{which}axis")
    set_scale = getattr(axes, f"set_{which}scale")
    if shown.labels[0] > 0:
        set_scale("log")
        axis.set_major_locator(LogLocator(numticks=12))
        axis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=200))
        axis.set_minor_formatter(NullFormatter())
        low, high = np.log10(edges(shown)[[0, -1]])
        if np.floor(high) - np.ceil(low) < 1:  # powers of ten alone would leave the axis without a measure
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: label_of(float(value))))
        return
    set_scale("function", functions=(lambda v: -np.log10(np.maximum(-v, 1e-300)), lambda v: -(10.0**-v)))
    low, high = np.sort(np.log10(-edges(shown)[[0, -1]]))
    decades = np.arange(np.ceil(low), np.floor(high) + 1)
    minors = np.outer(10.0 ** np.arange(np.floor(low), np.ceil(high)), np.arange(2, 10)).ravel()
    axis.set_major_locator(FixedLocator((-(10.0**decades)).tolist()))
    axis.set_minor_locator(FixedLocator((-minors[(minors > 10**low) & (minors < 10**high)]).tolist()))
    axis.set_major_formatter(
        FuncFormatter(lambda v, _: f"$\\mathdefault{{−10^{{{round(np.log10(-v))}}}}}$" if v < 0 else "")
    )
    axis.set_minor_formatter(NullFormatter())
