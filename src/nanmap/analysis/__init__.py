"""Rows → grids. Draws nothing and needs no JAX; `plot` and `result` call it."""

from nanmap.analysis.dataset import to_xarray
from nanmap.analysis.intervals import wilson_interval
from nanmap.analysis.judged import JudgedFolder
from nanmap.analysis.pixels import (
    Kind,
    Medians,
    count_names,
    count_outcomes,
    most_common,
    take_medians,
)
from nanmap.analysis.shown_axes import Shown
from nanmap.analysis.view import View, load_grid, make_view

__all__ = [
    "JudgedFolder",
    "Kind",
    "Medians",
    "Shown",
    "View",
    "count_names",
    "count_outcomes",
    "load_grid",
    "make_view",
    "most_common",
    "take_medians",
    "to_xarray",
    "wilson_interval",
]
