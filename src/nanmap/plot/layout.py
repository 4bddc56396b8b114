"""Where things stand on the sheet: title above, panels below it, the legend beside or beneath them. In inches."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.transforms import Bbox

from nanmap.analysis import Shown, View
from nanmap.errors import InputError
from nanmap.plot.canvas import MeasuringCanvas
from nanmap.plot.labels import wrapped
from nanmap.plot.paper import Paper
from nanmap.plot.shown_settings import ShownSettings
from nanmap.plot.theme import Theme
from nanmap.plot.ticks import Labels, fit_labels
from nanmap.plot.words import panel_title

PANEL_WIDTHS = {1: 4.9, 2: 3.1, 3: 2.35, 4: 1.95, 5: 1.7, 6: 1.5}  # by panels in a row: near 900 px at 100 px per inch
PANEL_HEIGHTS = {1: 3.9, 2: 2.6, 3: 2.1}
TALL, LEAST_HEIGHT = 6.6, 1.4  # panels get lower when together they are higher than a screen, to a limit
TEXT_PITCH = 0.2  # least height of a row whose label is a text: none can be left out
LEAST_WIDTH = 7.0  # below, the title would be broken into many lines
LEAST_PANEL = 0.5  # width and height below which nothing can be read
READABLE = 1.0  # width of a panel below which fewer stand beside each other
LEAST_BESIDE = 5.5  # of a sheet on which a legend stands beside the panels
PAD = 0.1
LEGEND_GAP = 0.08
BAR = 1.0
TITLE, NAME, TEXT = 12, 9.5, 9  # points
LINE_HEIGHTS = {TITLE: 0.21, TEXT: 0.162}


@dataclass(frozen=True)
class Panels:
    """The panels of a picture.

    Attributes:
        count: how many there are.
        shape: rows and columns of them.
        free: whether fewer may stand beside each other.
        names: of the horizontal and the vertical axis.
    """

    count: int
    shape: tuple[int, int]
    free: bool
    names: tuple[str, str]

    def with_columns(self, columns: int) -> "Panels":
        """The same in so many columns."""
        return Panels(self.count, (-(-self.count // columns), columns), self.free, self.names)


def panel_height(view: View, shape: tuple[int, int], width: float) -> float:
    """Height of a panel of a width; low where few rows of pixels are in it, square where both axes are alike."""
    rows, columns = shape
    height = width / PANEL_WIDTHS[columns] * PANEL_HEIGHTS.get(columns, 1.9)
    if view.x.scale == view.y.scale == "log" and len(view.x) == len(view.y):
        height = width
    height = min(height, max(LEAST_HEIGHT, TALL / rows))
    height = min(height, max(0.9, 0.42 * len(view.y) + 0.3))
    return max(height, TEXT_PITCH * len(view.y) if view.y.labels.dtype.kind == "O" else 0)


class Sheet:
    """The figure's surface.

    Args:
        figure: the figure, still empty.
        paper: its size, so far as that is asked for.
        bar: whether a colour bar stands beside the panels, so that the legend stands beneath them.
    """

    def __init__(self, figure: Figure, paper: Paper, bar: bool) -> None:
        self.figure, self.paper, self.bar, self.scale = figure, paper, bar, paper.scale
        self.beside = not bar and (paper.width is None or paper.width >= LEAST_BESIDE * self.scale)
        self.legends: tuple[Legend, ...] = ()
        MeasuringCanvas(figure)
        self._engine = ConstrainedLayoutEngine()
        figure.set_layout_engine(self._engine)

    @property
    def room(self) -> float | None:
        """Width for a legend beneath the panels; None where it stands beside them."""
        return None if self.beside else (self.paper.width or LEAST_WIDTH) - 2 * PAD

    def take(self, *legends: Legend | None) -> None:
        """Keeps room for legends, one under the other; None where there is nothing to explain."""
        self.legends = tuple(legend for legend in legends if legend)
        boxes = [legend.get_window_extent() for legend in self.legends]
        self._heights = [box.height / self.figure.dpi for box in boxes]
        between = LEGEND_GAP * self.scale * max(0, len(boxes) - 1)
        self.legend_size = (
            max([box.width / self.figure.dpi for box in boxes], default=0.0),
            sum(self._heights) + between,
        )

    def lay_out(
        self, lines: list[str], panels: Panels, view: View, look: Theme, up: Shown | None
    ) -> tuple[Panels, tuple[float, float], tuple[Labels, Labels]]:
        """Chooses the figure's size, writes title and text, and gives the panels their room.

        Args:
            lines: the title, and the lines under it; none where a caption will say all that.
            panels: how many, beside each other where there is room.
            view: what is shown.
            look: the theme.
            up: the vertical axis; None where it is of numbers.

        Returns:
            The panels as they stand, the size of each, and their tick labels.

        Raises:
            InputError: the width or the height that is asked for has no room for the panels.
        """
        scale, (right, below) = self.scale, self._beside_and_below()
        side = fit_labels(up, "y", 1.0, scale).room if up is not None else 0.5 * scale
        margin = 0.05 + 0.2 * scale
        panels, width = self._across(panels, margin + side + 0.15 * scale + right)
        rows, columns = panels.shape
        height = panel_height(view, panels.shape, width) if up is not None else 0.75 * width
        bottom = fit_labels(view.x, "x", width, scale)
        sheet_width = self.paper.width or max(
            LEAST_WIDTH * min(1, scale), margin + side + 0.15 * scale + columns * (width + 0.12) + right
        )
        title, text, head = self._wrap(lines, sheet_width)
        around = head + below + bottom.room + 0.45 * scale
        height = self._up(height, rows, around, head)
        labels = bottom, fit_labels(up, "y", height, scale) if up is not None else Labels(1, 0, side, height, scale)
        self.names = panels.names[0], wrapped(panels.names[1], max(1.3, rows * height), NAME * scale)
        margin = 0.05 + 0.2 * scale * len(self.names[1].split("\n"))  # left of the panels' labels
        self.left = margin + side
        beside = self.legend_size[1] + 2 * PAD if self.beside else 0
        total = self.paper.height or head + max(around - head + rows * (height + 0.3 * scale), beside)
        self.figure.set_size_inches(sheet_width, total)
        self._write(title, text, look)
        self._place(margin, right, below, head)
        return panels, (width, height), labels

    def name_axes(self, panels: list[Axes]) -> None:
        """Places the panels for good, and writes the axes' names centred on them, once for all."""
        figure, (x, y) = self.figure, self.names
        self._engine.execute(figure)
        figure.set_layout_engine(None)  # drawing would lay out all of it once more
        width, height = figure.get_size_inches()
        inner = Bbox.union([axes.get_position() for axes in panels])
        tight = [box for axes in panels if (box := axes.get_tightbbox()) is not None]
        outer = Bbox.union(tight).transformed(figure.transFigure.inverted())
        size = NAME * self.scale
        place = outer.x0 - 0.06 / width, (inner.y0 + inner.y1) / 2
        figure.text(*place, y, rotation=90, ha="right", va="center", ma="center", fontsize=size)
        x = wrapped(x, 0.95 * width, size)
        place = min(max(inner.x0 + inner.x1, 0), 2) / 2, outer.y0 - 0.06 / height
        figure.text(*place, x, ha="center", va="top", ma="center", fontsize=size)

    def _beside_and_below(self) -> tuple[float, float]:
        """Room that legend and colour bar take, right of the panels and beneath them."""
        width, height = self.legend_size
        if self.beside:
            return width + 2 * PAD if self.legends else PAD, 0.0
        return BAR * self.scale if self.bar else PAD, height + PAD if self.legends else 0.0

    def _across(self, panels: Panels, taken: float) -> tuple[Panels, float]:
        """The panels' columns, and their width."""
        columns = panels.shape[1]
        if self.paper.width is None:
            return panels, PANEL_WIDTHS[columns]
        free = self.paper.width - taken
        while panels.free and columns > 1 and free / columns - 0.12 < READABLE:
            columns -= 1
        width = free / columns - 0.12
        least = max(columns * (LEAST_PANEL + 0.12) + taken, self.legend_size[0] + 2 * PAD)
        if self.paper.width < least:
            mend = f"{_rounded_up(least)}in, or a smaller font"
            raise InputError("too narrow for what is on it", key="width", value=f"{self.paper.width:g}in", mend=mend)
        return panels.with_columns(columns), width

    def _up(self, height: float, rows: int, around: float, head: float) -> float:
        """A panel's height."""
        if self.paper.height is None:
            return height
        height = (self.paper.height - around) / rows - 0.3 * self.scale
        least = rows * (LEAST_PANEL + 0.3 * self.scale) + around
        least = max(least, head + self.legend_size[1] + 2 * PAD) if self.beside else least
        if self.paper.height < least:
            mend = (
                f"{_rounded_up(least)}in, a smaller font, or an empty title, which leaves out the text above the panels"
            )
            raise InputError("too low for what is on it", key="height", value=f"{self.paper.height:g}in", mend=mend)
        return height

    def _wrap(self, lines: list[str], width: float) -> tuple[str, str, float]:
        if not lines:
            return "", "", PAD
        scale = self.scale
        title = wrapped(lines[0], width - 2 * PAD, TITLE * scale, "bold")
        text = "\n".join(wrapped(line, width - 2 * PAD, TEXT * scale) for line in lines[1:])
        heights = LINE_HEIGHTS[TITLE] * len(title.split("\n")), LINE_HEIGHTS[TEXT] * len(text.split("\n"))
        return title, text, scale * sum(heights) + 0.22

    def _write(self, title: str, text: str, look: Theme) -> None:
        if not title:
            return
        width, height = self.figure.get_size_inches()
        top = height - PAD
        below = top - self.scale * LINE_HEIGHTS[TITLE] * len(title.split("\n")) - 0.04
        place, size = PAD / width, TITLE * self.scale
        self.figure.text(place, top / height, title, fontsize=size, fontweight="bold", va="top")
        self.figure.text(place, below / height, text, va="top", color=look.muted, linespacing=1.25)

    def _place(self, margin: float, right: float, below: float, head: float) -> None:
        """Gives the layout engine the room for the panels; the axes' names stand outside of it."""
        width, height = self.figure.get_size_inches()
        taken = 0 if self.bar else right
        name = 0.25 * self.scale
        rest = width - taken - margin, height - head - below - name
        rect = (margin / width, (below + name) / height, rest[0] / width, rest[1] / height)
        self._engine.set(rect=rect, w_pad=0.06, h_pad=0.05, wspace=0.02, hspace=0.02)
        top = height - head - 0.05 if self.beside else PAD / 2 + self.legend_size[1]
        side = self.left + 0.1 if self.left + 0.1 + self.legend_size[0] <= width - PAD else PAD
        side = width - self.legend_size[0] - PAD if self.beside else side
        for legend, taken in zip(self.legends, self._heights, strict=True):
            legend.set_loc("upper left")
            legend.set_bbox_to_anchor((side / width, top / height), self.figure.transFigure)
            top -= taken + LEGEND_GAP * self.scale


def _rounded_up(inches: float) -> str:
    return f"{np.ceil(10 * inches) / 10:g}"


def name_panels(panels: np.ndarray, settings: ShownSettings, size: tuple[float, float], scale: float) -> None:
    """Titles over the panels, or over the columns and beside the rows of two facets; tick labels where seen best."""
    facets = settings.view.facets
    columns = panels.shape[1]
    if len(facets) == 1:
        for number, axes in enumerate(panels.ravel()[: len(facets[0])]):
            axes.set_title(panel_title(facets[0], number, settings, size[0] / scale))
            axes.tick_params(which="both", labelbottom=number + columns >= len(facets[0]))
    if len(facets) == 2:
        for number, axes in enumerate(panels[0]):
            axes.set_title(panel_title(facets[1], number, settings, size[0] / scale))
        for number, axes in enumerate(panels[:, -1]):
            label = panel_title(facets[0], number, settings, size[1] / scale)
            axes.annotate(label, (1, 0.5), (5, 0), "axes fraction", "offset points", rotation=270, va="center")
