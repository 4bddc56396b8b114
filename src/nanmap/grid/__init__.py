"""The grid: axes, the condition on cells, and cells by number, decoded by arithmetic and never held."""

from nanmap.grid.axes import Axis, AxisSpec, column_names
from nanmap.grid.grid import Cells, Grid
from nanmap.grid.where import Condition, parse_where

__all__ = ["Axis", "AxisSpec", "Cells", "Condition", "Grid", "column_names", "parse_where"]
