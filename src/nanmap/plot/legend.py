"""How to read the colours: the legend and the colour bar, beside the panels."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.legend_handler import HandlerPatch
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Transform

from nanmap.plot.curves import Curve
from nanmap.plot.labels import label_of, text_width, wrapped
from nanmap.plot.painted import Bar, Painting
from nanmap.plot.theme import Theme

CORE, TINT = "core: the runner-up,\narea = its share", "tint: the runner-up,\nby its share"
BAR_WIDTH, BAR_ROOM = 0.17, 0.25  # inches
BAR_LABEL = 0.2  # inches from one label to the next
BESIDE = 2.6  # inches for a label beside the panels
HANDLE, GAP = 0.55, 0.2  # inches for a handle, and between two columns
MOST_LINES = 3  # of a bar's label
MOST_COLUMNS = 4
FEW_DECADES = 1000  # below, powers of ten alone would be too few ticks


def line_of(curve: Curve) -> dict[str, Any]:
    """How a prediction is drawn: white edged in black, so that it is seen on every colour."""
    return {
        "color": "white",
        "linewidth": 1.1,
        "linestyle": (0, curve.dashes) if curve.dashes else "solid",
        "dash_capstyle": "butt",
        "solid_joinstyle": "miter",
        "path_effects": [Stroke(linewidth=2.4, foreground="black"), Normal()],
        "zorder": 4,
    }


def points_of(pitch: float) -> dict[str, Any]:
    """How a measurement is drawn: black points edged in white, as large as `pitch` points between two lines allow."""
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": float(np.clip(0.5 * pitch, 1.6, 4.2)),
        "markerfacecolor": "black",
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
        "zorder": 5,
    }


class CorePatch(Patch):
    """A pixel whose runs disagree, for the legend."""


class CoreHandler(HandlerPatch):
    """Draws such a pixel: a field with a core."""

    def create_artists(
        self,
        legend: Legend,
        orig_handle: Artist,
        xdescent: float,
        ydescent: float,
        width: float,
        height: float,
        fontsize: float,
        trans: Transform,
    ) -> list[Artist]:
        """Two rectangles, the inner one a quarter of the outer's area."""
        outer = Rectangle((-xdescent, -ydescent), width, height)
        inner = Rectangle((-xdescent + width / 4, -ydescent + height / 4), width / 2, height / 2)
        for patch, shade in ((outer, "#9aa1a9"), (inner, "#41474d")):
            patch.set(facecolor=shade, linewidth=0, transform=trans)
        return [outer, inner]


def make_legend(
    figure: Figure,
    painting: Painting,
    expected: np.ndarray,
    curves: list[Curve],
    look: Theme,
    excluded: str,
    room: float | None,
) -> Legend | None:
    """The legend of every colour that occurs and is not on the colour bar, still without a place.

    Args:
        figure: where it will stand.
        painting: the painted map.
        expected: rows per pixel once the run is complete.
        curves: those that are on the map.
        look: the theme.
        excluded: what left out the cells that have no row.
        room: inches of its width, if it stands beneath the panels; None beside them.
    """
    handles: list[Any] = [
        Patch(facecolor=colour, label=label, edgecolor=look.muted, linewidth=0.5) for colour, label in painting.legend
    ]
    if painting.core is not None:
        handles.append(CorePatch(label=CORE))
    if ((expected > painting.rows) & (painting.rows == 0)).any():
        handles.append(Patch(facecolor=look.background, edgecolor=look.hatch, hatch="////", label="not trained"))
    if (expected == 0).any():
        handles.append(Patch(facecolor=look.excluded, edgecolor=look.muted, linewidth=0.5, label=excluded))
    for curve in curves:
        style = points_of(10.0) if curve.measured else line_of(curve)
        handles.append(Line2D([], [], **style, label=curve.label))
    length = 1.3 if not curves else 2.2  # room for a dash and its gap
    return place_handles(figure, handles, room, heading=painting.heading, length=length)


def tell_tint(*legends: Legend) -> None:
    """Says that there was no room for cores, and colours were mixed."""
    for text in (text for legend in legends for text in legend.get_texts()):
        if text.get_text() == CORE:
            text.set_text(TINT)


def place_handles(
    figure: Figure, handles: list[Any], room: float | None, heading: str = "", length: float = 1.3
) -> Legend | None:
    """A legend of handles with their labels, broken into lines and set in columns as there is room."""
    if not handles:
        return None
    text = float(matplotlib.rcParams["legend.fontsize"])
    scale = text / 9
    most = BESIDE * scale if room is None else room - HANDLE * scale
    for handle in handles:
        handle.set_label(_within(most, handle.get_label(), text))
    legend = figure.legend(
        handles=handles,
        title=_within(most, heading, text) or None,
        ncols=1 if room is None else _columns([handle.get_label() for handle in handles], room, text),
        columnspacing=1.2,
        frameon=False,
        handlelength=length,
        handleheight=1.1,
        labelspacing=0.55,
        borderaxespad=0,
        alignment="left",
        handler_map={CorePatch: CoreHandler()},
    )
    legend.get_title().set_fontweight("bold")
    legend.set_in_layout(False)  # the sheet makes room for it
    return legend


def _within(inches: float, label: str, size: float) -> str:
    """The label, broken into lines where it is wider and has none yet; else its blanks stay as they are."""
    return label if "\n" in label or "$" in label or text_width(label, size) <= inches else wrapped(label, inches, size)


def _columns(labels: list[str], room: float, size: float) -> int:
    """Columns of a legend that stands beneath the panels."""
    widest = max(text_width(line, size) for label in labels for line in label.split("\n"))
    return int(np.clip((room + GAP) / (widest + (HANDLE + GAP) * size / 9), 1, min(MOST_COLUMNS, len(labels))))


def draw_bar(figure: Figure, panels: list[Axes], bar: Bar, inches: tuple[float, float], scale: float) -> None:
    """Draws the colour bar beside the panels, which are so wide and so high together."""
    width, height = inches
    drawn = figure.colorbar(
        ScalarMappable(bar.norm, bar.colormap),
        ax=panels,
        extend=bar.extend,
        fraction=BAR_ROOM / width,
        aspect=max(5, height / BAR_WIDTH),
        pad=0.015,
    )
    label = wrapped(bar.label, max(1.0, height), 9.5 * scale)
    drawn.set_label(label if label.count("\n") < MOST_LINES else bar.short)
    drawn.outline.set_linewidth(0.5)
    low, high = bar.norm.vmin or 0, bar.norm.vmax or 0
    if isinstance(bar.norm, LogNorm) and high < FEW_DECADES * low:
        fits = height > 3 * np.log10(high / low) * BAR_LABEL * scale
        drawn.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if fits else (1,)))
        drawn.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: label_of(float(value))))
        drawn.ax.yaxis.set_minor_formatter(NullFormatter())
    if bar.ticks is not None:
        drawn.set_ticks(bar.ticks, labels=bar.tick_labels)
        drawn.ax.minorticks_off()
