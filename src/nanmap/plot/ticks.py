"""Ticks of a panel, and labels that do not run into each other: what does not fit is turned, or left out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.lines import Line2D
from matplotlib.markers import TICKDOWN, TICKLEFT
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullFormatter, NullLocator

from nanmap.analysis import Shown
from nanmap.plot.coordinates import borders
from nanmap.plot.labels import label_of, text_width

SIZE = 8.5  # points
LINE = 0.15  # height of a line of labels, in inches
GAP = 0.06  # least distance between two labels, and to the axis
POWER = 0.37  # width of a label like 10⁻⁵, with its gap
AFTER = 1e-3  # small ticks are drawn after those with a label, and before whatever else there is
SMALL: dict[str, Any] = {"x": TICKDOWN, "y": TICKLEFT}
LEAST_DECADE = 0.3  # below, there are small ticks at powers of ten only


@dataclass(frozen=True)
class Labels:
    """How the labels of an axis are drawn.

    Attributes:
        step: every how manieth value has one.
        angle: by how many degrees they are turned.
        room: inches that they take, across the axis.
        inches: length of the axis.
        scale: by how much they are larger than usual.
    """

    step: int
    angle: int
    room: float
    inches: float
    scale: float = 1.0


class SmallTicks(Artist):
    """Ticks without a label, as one line: of matplotlib's own each is five artists, placed anew at each measuring.

    Args:
        axes: the panel.
        which: the axis that they stand on, `x` or `y`.
        places: in its coordinates.
    """

    def __init__(self, axes: Axes, which: str, places: np.ndarray) -> None:
        super().__init__()
        edge, across = np.zeros(len(places)), which == "x"
        look: Any = rcParams
        self.which, self.places = which, places
        self.line = Line2D(
            *((places, edge) if across else (edge, places)),
            transform=axes.get_xaxis_transform() if across else axes.get_yaxis_transform(),
            linestyle="none",
            marker=SMALL[which],
            color=look[f"{which}tick.color"],
            markersize=look[f"{which}tick.minor.size"],
            markeredgewidth=look[f"{which}tick.minor.width"],
        )
        self.line.set_figure(axes.figure)
        self.set_zorder(getattr(axes, f"{which}axis").get_zorder() + AFTER)

    def draw(self, renderer: RendererBase) -> None:
        """Draws them."""
        self.line.draw(renderer)
        self.stale = False


def fit_labels(shown: Shown, which: str, inches: float, scale: float = 1.0) -> Labels:
    """Labels for an axis (`x` or `y`) that is so long, `scale` times as large as usual."""
    line = LINE * scale
    if shown.scale != "values":
        return Labels(1, 0, POWER * scale + GAP if which == "y" else line + GAP, inches, scale)
    width = max(text_width(label_of(each), SIZE * scale) for each in shown.labels.tolist())
    pitch = inches / len(shown)
    numbers = shown.labels.dtype.kind in "if"
    if which == "y":
        return Labels(int(np.ceil(line / pitch)) if numbers else 1, 0, width + 2 * GAP, inches, scale)
    if width + GAP <= pitch or numbers:
        return Labels(int(np.ceil((width + GAP) / pitch)), 0, line + GAP, inches, scale)
    angle = 35 if pitch > 1.8 * line else 90
    turned = width * np.sin(np.deg2rad(angle)) + line * np.cos(np.deg2rad(angle))
    return Labels(1, angle, float(turned) + GAP, inches, scale)


def set_up(axes: Axes, which: str, shown: Shown, labels: Labels) -> None:
    """Gives an axis (`x` or `y`) of a panel its scale, its limits and its ticks."""
    axis: Axis = getattr(axes, f"{which}axis")
    if shown.scale == "log":
        _set_log(axes, which, shown, labels)
    elif shown.scale == "linear":
        whole = shown.labels.dtype.kind == "i"
        axis.set_major_locator(
            MaxNLocator(
                nbins=max(2, min(8, int(labels.inches / 0.55 / labels.scale))), integer=whole, steps=[1, 2, 2.5, 5, 10]
            )
        )
    else:
        _set_categories(axes, which, shown, labels)
    axes.set(**{f"{which}lim": borders(shown)[[0, -1]]})


def _set_categories(axes: Axes, which: str, shown: Shown, labels: Labels) -> None:
    axis: Axis = getattr(axes, f"{which}axis")
    kept = range(0, len(shown), labels.step)
    axis.set_major_locator(FixedLocator(kept))
    _draw_small(axes, which, np.setdiff1d(np.arange(len(shown)), kept))
    axis.set_major_formatter(FixedFormatter([label_of(shown.labels.tolist()[number]) for number in kept]))
    if labels.angle:
        axes.tick_params(axis="x", labelrotation=labels.angle)
        for text in axes.get_xticklabels():
            text.set(ha="right", va="center" if labels.angle == 90 else "top", rotation_mode="anchor")


def _set_log(axes: Axes, which: str, shown: Shown, labels: Labels) -> None:
    """Powers of ten, every so many that their labels fit, and small ticks between them."""
    axis: Axis = getattr(axes, f"{which}axis")
    inches = labels.inches / labels.scale
    sign = int(np.sign(shown.labels[0]))
    if sign > 0:
        getattr(axes, f"set_{which}scale")("log")
    else:  # matplotlib's log scale knows no negative numbers
        mirrored = (lambda v: -np.log10(np.maximum(-v, 1e-300)), lambda v: -(10.0**-v))
        getattr(axes, f"set_{which}scale")("function", functions=mirrored)
    low, high = np.sort(np.log10(np.abs(borders(shown)[[0, -1]])))
    powers = np.arange(np.ceil(low), np.floor(high) + 1)
    stride = int(np.ceil(POWER / (inches / (high - low))))
    majors = 10 ** powers[powers % stride == 0]
    fine = np.arange(1, 10) if inches / (high - low) > LEAST_DECADE else np.ones(1)
    minors = np.outer(10 ** np.arange(np.floor(low), np.ceil(high)), fine).ravel()
    if len(majors) < 2:  # one power of ten, or none, would leave the axis without a measure
        majors = np.outer(10 ** np.arange(np.floor(low), np.ceil(high)), (1, 2, 5)).ravel()
    majors, minors = (each[(each > 10**low) & (each < 10**high)] for each in (majors, minors))
    short = bool((majors != 10 ** np.round(np.log10(majors))).any())
    if short:
        majors = _apart(majors, which, inches / (high - low))
    axis.set_major_locator(FixedLocator((sign * majors).tolist()))
    _draw_small(axes, which, sign * np.setdiff1d(minors, majors))
    axis.set_major_formatter(
        FixedFormatter([label_of(float(f"{sign * v:.3g}")) if short else _power(sign, v) for v in majors])
    )


def _draw_small(axes: Axes, which: str, places: np.ndarray) -> None:
    """Draws ticks without labels, where others have some; alone they are matplotlib's, whose layout makes room for them."""
    axis: Axis = getattr(axes, f"{which}axis")
    alone = not len(axis.get_majorticklocs())
    axis.set_minor_locator(FixedLocator(places.tolist()) if alone else NullLocator())
    axis.set_minor_formatter(NullFormatter())
    if len(places) and not alone:
        axes.add_artist(SmallTicks(axes, which, places))


def _apart(values: np.ndarray, which: str, decade: float) -> np.ndarray:
    """Of ascending values on a log axis those whose labels do not touch the one before; a power of ten is so many inches long."""
    kept: list[float] = []
    end = -np.inf
    for value in values.tolist():
        size = text_width(label_of(float(f"{value:.3g}")), SIZE) if which == "x" else LINE
        place = decade * np.log10(value)
        if place - size / 2 >= end:
            kept.append(value)
            end = place + size / 2 + GAP
    return np.array(kept)


def _power(sign: int, value: float) -> str:
    return f"$\\mathdefault{{{'−' * (sign < 0)}10^{{{round(np.log10(value))}}}}}$"
