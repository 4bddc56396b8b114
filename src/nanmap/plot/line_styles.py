"""How lines look: colour, marker and dashes, each of which tells them apart alone; and the marks of what is no number."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from nanmap.analysis import Kind
from nanmap.plot.labels import label_of
from nanmap.plot.theme import Theme

MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
DASHES = ((), (4, 1.5), (1.2, 1.2), (6, 1.5, 1.2, 1.5), (8, 2), (3, 1, 1, 1, 1, 1), (2, 2), (10, 1.5, 2, 1.5))
SHAPES = {Kind.NAN: "x", Kind.INF: r"$\infty$", Kind.MISSING: "|", "above": r"$\uparrow$", "below": r"$\downarrow$"}
ROW = 7.0  # points from one line's marks to the next one's, at the usual size of text
SHADE = 0.16


@dataclass(frozen=True)
class LineStyle:
    """One line of a picture."""

    colour: str
    marker: str
    dashes: tuple[float, ...]

    @property
    def look(self) -> dict[str, Any]:
        """As matplotlib has it."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "markersize": 4.0,
            "linewidth": 1.3,
            "linestyle": (0, self.dashes) if self.dashes else "solid",
        }

    def handle(self, label: object) -> Line2D:
        """For the legend."""
        return Line2D([], [], **self.look, label=label_of(label))

    def draw_line(
        self, axes: Axes, along: np.ndarray, values: np.ndarray, joined: bool, every: tuple[int, int]
    ) -> None:
        """Draws it, broken where values `[n]` are NaN; points alone where places have no order."""
        look = self.look | ({} if joined else {"linestyle": "none"})
        alone = np.isfinite(values) & ~_beside_a_number(values)
        axes.plot(along, values, scalex=False, scaley=False, markevery=every, zorder=3, **look)
        if joined and every[1] > 1:  # a number between two holes makes no line
            axes.plot(along[alone], values[alone], scalex=False, scaley=False, zorder=3, **look | {"linestyle": "none"})

    def draw_band(self, axes: Axes, along: np.ndarray, low: np.ndarray, high: np.ndarray, joined: bool) -> None:
        """Draws what lies between two values `[n]` at each place."""
        if joined:
            axes.fill_between(along, low, high, color=self.colour, alpha=SHADE, linewidth=0, zorder=2)
        else:
            axes.vlines(along, low, high, color=self.colour, alpha=0.6, linewidth=1.2, zorder=2)


def _beside_a_number(values: np.ndarray) -> np.ndarray:
    real = np.concatenate([[False], np.isfinite(values), [False]])
    return real[:-2] | real[2:]


@dataclass(frozen=True)
class Mark:
    """A mark for points that have no place in the panel."""

    shape: str
    ink: str

    def handle(self, label: str) -> Line2D:
        """For the legend."""
        return Line2D([], [], color=self.ink, marker=self.shape, markersize=6, linestyle="none", label=label)

    def draw(
        self, axes: Axes, along: np.ndarray, row: float, colour: str, scale: float = 1.0, inside: bool = False
    ) -> None:
        """Draws them above the panel's upper edge, in a row counted from it; or inside of its lower edge."""
        if not len(along):
            return
        figure: Any = axes.figure
        shift = ScaledTranslation(0, ROW * scale * row / 72, figure.dpi_scale_trans)
        where = blended_transform_factory(axes.transData, axes.transAxes) + shift
        axes.plot(
            along,
            np.full(len(along), 0.0 if inside else 1.0),
            transform=where,
            clip_on=False,
            color=colour,
            marker=self.shape,
            markersize=4.5,
            markeredgewidth=1.0 if self.shape in "x|" else 0.2,
            linestyle="none",
            scalex=False,
            scaley=False,
            zorder=4,
        )


def style_of(number: int, look: Theme) -> LineStyle:
    """The style of a line, counted from 0."""
    return LineStyle(look.series[number], MARKERS[number], DASHES[number])


def marks_of(kind: "Kind | str", look: Theme) -> Mark:
    """The mark of a kind that is no number, or of numbers `above` or `below` the picture."""
    return Mark(SHAPES[kind], look.ink)


def band_handle(look: Theme) -> Patch:
    """The band's entry in the legend."""
    return Patch(facecolor=look.muted, alpha=0.3, linewidth=0, label="10\u00a0% to 90\u00a0% of the runs")
