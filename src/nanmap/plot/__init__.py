"""Stability maps as pictures. Needs no JAX and touches no global state of matplotlib."""

from nanmap.plot.figure import draw_map
from nanmap.plot.kinds import draw
from nanmap.plot.lines import draw_lines

__all__ = ["draw", "draw_lines", "draw_map"]
