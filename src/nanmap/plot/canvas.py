"""What a picture is measured and drawn on: texts that were measured once are not measured again."""

from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg

READERS: dict[type, Any] = {}  # what reads formulas, and knows those that it read for an earlier picture


class MeasuringCanvas(FigureCanvasAgg):
    """A canvas that a figure keeps while it is laid out; without one, it makes another at each question for a size."""

    def get_renderer(self) -> RendererAgg:
        """The one for the figure's size."""
        renderer = super().get_renderer()
        renderer.mathtext_parser = READERS.setdefault(RendererAgg, renderer.mathtext_parser)
        return renderer
