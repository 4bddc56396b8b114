"""Stability maps as pictures. Needs no JAX and touches no global state of matplotlib."""

from nanmap.plot.figure import draw_map
from nanmap.plot.kinds import check_look, draw
from nanmap.plot.lines import draw_lines
from nanmap.plot.notebook import as_html

__all__ = ["as_html", "check_look", "draw", "draw_lines", "draw_map"]
