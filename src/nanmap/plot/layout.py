"""Where things stand on the sheet: title above, panels below it, the legend beside or beneath them. In inches."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.transforms import Bbox

from nanmap.analysis import View
from nanmap.plot.facts import Facts
from nanmap.plot.theme import Theme
from nanmap.plot.words import panel_title, wrapped

PANEL_WIDTHS = {1: 4.9, 2: 3.1, 3: 2.35, 4: 1.95, 5: 1.7, 6: 1.5}  # by panels in a row: near 900 px at 100 px per inch
PANEL_HEIGHTS = {1: 3.9, 2: 2.6, 3: 2.1}
LEAST_WIDTH = 7.0  # below, the title would be broken into many lines
PAD = 0.1
LABELS = 0.95  # room for the tick labels and the name of the vertical axis
BAR = 1.0
TITLE, TEXT = 12, 9  # points
LINE_HEIGHTS = {TITLE: 0.21, TEXT: 0.162}


def panel_size(view: View, columns: int) -> tuple[float, float]:
    """Width and height of a panel; low where few rows of pixels are in it, square where both axes are alike."""
    width = PANEL_WIDTHS[columns]
    height = PANEL_HEIGHTS.get(columns, 1.9)
    if view.x.scale == view.y.scale == "log" and len(view.x) == len(view.y):
        height = width
    return width, min(height, max(0.9, 0.42 * len(view.y) + 0.3))


class Sheet:
    """The figure's surface.

    Args:
        figure: the figure, still empty but for the legend.
        legend: the legend, or None where there is nothing to explain.
        beside: whether the legend stands beside the panels; else beneath them, because a colour bar is beside.
    """

    def __init__(self, figure: Figure, legend: Legend | None, beside: bool) -> None:
        self.figure, self.legend, self.beside = figure, legend, beside
        box = legend.get_window_extent() if legend else Bbox([[0, 0], [0, 0]])
        self.legend_size = box.width / figure.dpi, box.height / figure.dpi

    def lay_out(self, lines: list[str], panel: tuple[float, float], shape: tuple[int, int], look: Theme) -> None:
        """Chooses the figure's size, writes title and text, and gives the panels their room.

        Args:
            lines: the title, and the lines under it.
            panel: width and height of a panel.
            shape: rows and columns of panels.
            look: the theme.
        """
        rows, columns = shape
        legend_width, legend_height = self.legend_size
        right = legend_width + 2 * PAD if self.beside else BAR
        below = 0 if self.beside or not self.legend else legend_height + PAD
        width = max(LEAST_WIDTH, LABELS + columns * (panel[0] + 0.12) + right)
        title, text, head = self._wrap(lines, width)
        body = rows * (panel[1] + 0.3) + 0.65
        height = head + max(body + below, legend_height + 2 * PAD if self.beside else 0)
        self.figure.set_size_inches(width, height)
        self._write(title, text, look)
        taken = right - BAR if not self.beside else right
        engine = self.figure.get_layout_engine()
        assert isinstance(engine, ConstrainedLayoutEngine)  # asked for when the figure was made
        # Bottom left of the room for the panels, then its width and height; axis names are written into its margins.
        rect = (
            0.25 / width,
            (below + 0.25) / height,
            1 - (taken + 0.25) / width,
            (height - head - below - 0.25) / height,
        )
        engine.set(rect=rect, w_pad=0.06, h_pad=0.05, wspace=0.02, hspace=0.02)
        self._place_legend(width, height, head)

    def name_axes(self, panels: list[Axes], x: str, y: str) -> None:
        """Writes the axes' names centred on the panels, once for all of them."""
        figure = self.figure
        figure.draw_without_rendering()
        width, height = figure.get_size_inches()
        boxes = Bbox.union([axes.get_position() for axes in panels])
        _, top = boxes.y0 * height, boxes.y1 * height
        label = wrapped(y, max(1.2, boxes.height * height), 9.5)
        edge = Bbox.union([axes.get_tightbbox() for axes in panels]).transformed(figure.transFigure.inverted())
        middle = min((boxes.y0 + boxes.y1) / 2, top / height)
        figure.text(edge.x0 - 0.06 / width, middle, label, rotation=90, ha="right", va="center", fontsize=9.5)
        figure.text((boxes.x0 + boxes.x1) / 2, edge.y0 - 0.06 / height, x, ha="center", va="top", fontsize=9.5)

    def _wrap(self, lines: list[str], width: float) -> tuple[str, str, float]:
        title = wrapped(lines[0], width - 2 * PAD, TITLE)
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
            anchor, corner = (1 - PAD / width, (height - head - 0.05) / height), "upper right"
        else:
            anchor, corner = (LABELS / width, PAD / 2 / height), "lower left"
        self.legend.set_loc(corner)
        self.legend.set_bbox_to_anchor(anchor, self.figure.transFigure)


def name_panels(figure: Figure, panels: np.ndarray, facts: Facts) -> None:
    """Titles over the panels, or over the columns and beside the rows of two facets; tick labels where seen best."""
    facets = facts.view.facets
    rows, columns = panels.shape
    room = PANEL_WIDTHS[columns]
    if len(facets) == 1:
        for number, axes in enumerate(panels.ravel()[: len(facets[0])]):
            axes.set_title(wrapped(panel_title(facets, [number], facts), room))
            axes.tick_params(which="both", labelbottom=number + columns >= len(facets[0]))
    if len(facets) == 2:
        for number, axes in enumerate(panels[0]):
            axes.set_title(wrapped(panel_title(facets[1:], [number], facts), room))
        for number, axes in enumerate(panels[:, -1]):
            label = wrapped(panel_title(facets[:1], [number], facts), figure.get_size_inches()[1] / rows * 0.8)
            axes.annotate(label, (1, 0.5), (5, 0), "axes fraction", "offset points", rotation=270, va="center")
