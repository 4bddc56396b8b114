"""Stability maps as pictures. Needs no JAX and touches no global state of matplotlib."""

from nanmap.plot.figure import draw_map

__all__ = ["draw_map"]
