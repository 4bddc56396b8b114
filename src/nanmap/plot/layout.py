"""Where things stand on the sheet: title above, panels below it, the legend beside or beneath them. In inches."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.transforms import Bbox

from nanmap.analysis import View
from nanmap.plot.labels import wrapped
from nanmap.plot.shown_settings import ShownSettings
from nanmap.plot.theme import Theme
from nanmap.plot.ticks import Labels
from nanmap.plot.words import panel_title

PANEL_WIDTHS = {1: 4.9, 2: 3.1, 3: 2.35, 4: 1.95, 5: 1.7, 6: 1.5}  # by panels in a row: near 900 px at 100 px per inch
PANEL_HEIGHTS = {1: 3.9, 2: 2.6, 3: 2.1}
TALL, LEAST_HEIGHT = 6.6, 1.4  # panels get lower when together they are higher than a screen, to a limit
TEXT_PITCH = 0.2  # least height of a row whose label is a text: none can be left out
LEAST_WIDTH = 7.0  # below, the title would be broken into many lines
PAD = 0.1
BAR = 1.0
TITLE, NAME, TEXT = 12, 9.5, 9  # points
LINE_HEIGHTS = {TITLE: 0.21, TEXT: 0.162}


def panel_size(view: View, rows: int, columns: int) -> tuple[float, float]:
    """Width and height of a panel; low where few rows of pixels are in it, square where both axes are alike."""
    width = PANEL_WIDTHS[columns]
    height = PANEL_HEIGHTS.get(columns, 1.9)
    if view.x.scale == view.y.scale == "log" and len(view.x) == len(view.y):
        height = width
    height = min(height, max(LEAST_HEIGHT, TALL / rows))
    height = min(height, max(0.9, 0.42 * len(view.y) + 0.3))
    return width, max(height, TEXT_PITCH * len(view.y) if view.y.labels.dtype.kind == "O" else 0)


class Sheet:
    """The figure's surface.

    Args:
        figure: the figure, still empty but for the legend.
        legend: the legend, or None where there is nothing to explain.
        beside: whether the legend stands beside the panels; else beneath them, because a colour bar is beside.
    """

    def __init__(self, figure: Figure, legend: Legend | None, beside: bool) -> None:
        self.figure, self.legend, self.beside = figure, legend, beside
        self._engine = ConstrainedLayoutEngine()
        figure.set_layout_engine(self._engine)
        box = legend.get_window_extent() if legend else Bbox([[0, 0], [0, 0]])
        self.legend_size = box.width / figure.dpi, box.height / figure.dpi

    def lay_out(
        self,
        lines: list[str],
        names: tuple[str, str],
        labels: tuple[Labels, Labels],
        panel: tuple[float, float],
        shape: tuple[int, int],
        look: Theme,
    ) -> None:
        """Chooses the figure's size, writes title and text, and gives the panels their room.

        Args:
            lines: the title, and the lines under it.
            names: of the horizontal and the vertical axis.
            labels: the same two's tick labels.
            panel: width and height of a panel.
            shape: rows and columns of panels.
            look: the theme.
        """
        rows, columns = shape
        self.names = names[0], wrapped(names[1], max(1.3, rows * panel[1]), NAME)
        margin = 0.05 + 0.2 * len(self.names[1].split("\n"))  # left of the panels' labels
        legend_width, legend_height = self.legend_size
        right = legend_width + 2 * PAD if self.beside else BAR
        below = 0 if self.beside or not self.legend else legend_height + PAD
        self.left = margin + labels[1].room
        width = max(LEAST_WIDTH, self.left + 0.15 + columns * (panel[0] + 0.12) + right)
        title, text, head = self._wrap(lines, width)
        body = rows * (panel[1] + 0.3) + labels[0].room + 0.45
        height = head + max(body + below, legend_height + 2 * PAD if self.beside else 0)
        self.figure.set_size_inches(width, height)
        self._write(title, text, look)
        taken = right - BAR if not self.beside else right
        # Bottom left of the room for the panels, then its width and height; the axes' names stand outside of it.
        rest = width - taken - margin, height - head - below - 0.25
        rect = (margin / width, (below + 0.25) / height, rest[0] / width, rest[1] / height)
        self._engine.set(rect=rect, w_pad=0.06, h_pad=0.05, wspace=0.02, hspace=0.02)
        self._place_legend(width, height, head)

    def name_axes(self, panels: list[Axes]) -> None:
        """Places the panels for good, and writes the axes' names centred on them, once for all."""
        figure, (x, y) = self.figure, self.names
        self._engine.execute(figure)
        figure.set_layout_engine("none")  # drawing would lay out all of it once more
        width, height = figure.get_size_inches()
        inner = Bbox.union([axes.get_position() for axes in panels])
        tight = [box for axes in panels if (box := axes.get_tightbbox()) is not None]
        outer = Bbox.union(tight).transformed(figure.transFigure.inverted())
        place = outer.x0 - 0.06 / width, (inner.y0 + inner.y1) / 2
        figure.text(*place, y, rotation=90, ha="right", va="center", ma="center", fontsize=NAME)
        place = (inner.x0 + inner.x1) / 2, outer.y0 - 0.06 / height
        figure.text(*place, x, ha="center", va="top", fontsize=NAME)

    def _wrap(self, lines: list[str], width: float) -> tuple[str, str, float]:
        title = wrapped(lines[0], width - 2 * PAD, TITLE, "bold")
        text = "\n".join(wrapped(line, width - 2 * PAD, TEXT) for line in lines[1:])
        heights = LINE_HEIGHTS[TITLE] * len(title.split("\n")), LINE_HEIGHTS[TEXT] * len(text.split("\n"))
        return title, text, sum(heights) + 0.22

    def _write(self, title: str, text: str, look: Theme) -> None:
        width, height = self.figure.get_size_inches()
        top = height - PAD
        below = top - LINE_HEIGHTS[TITLE] * len(title.split("\n")) - 0.04
        self.figure.text(PAD / width, top / height, title, fontsize=TITLE, fontweight="bold", va="top")
        self.figure.text(PAD / width, below / height, text, va="top", color=look.muted, linespacing=1.25)

    def _place_legend(self, width: float, height: float, head: float) -> None:
        if self.legend is None:
            return
        if self.beside:
            self.legend.set_loc("upper right")
            anchor = 1 - PAD / width, (height - head - 0.05) / height
        else:
            self.legend.set_loc("lower left")
            anchor = (self.left + 0.1) / width, PAD / 2 / height
        self.legend.set_bbox_to_anchor(anchor, self.figure.transFigure)


def name_panels(figure: Figure, panels: np.ndarray, settings: ShownSettings) -> None:
    """Titles over the panels, or over the columns and beside the rows of two facets; tick labels where seen best."""
    facets = settings.view.facets
    rows, columns = panels.shape
    room = PANEL_WIDTHS[columns]
    if len(facets) == 1:
        for number, axes in enumerate(panels.ravel()[: len(facets[0])]):
            axes.set_title(panel_title(facets[0], number, settings, room))
            axes.tick_params(which="both", labelbottom=number + columns >= len(facets[0]))
    if len(facets) == 2:
        for number, axes in enumerate(panels[0]):
            axes.set_title(panel_title(facets[1], number, settings, room))
        for number, axes in enumerate(panels[:, -1]):
            label = panel_title(facets[0], number, settings, figure.get_size_inches()[1] / rows * 0.7)
            axes.annotate(label, (1, 0.5), (5, 0), "axes fraction", "offset points", rotation=270, va="center")
