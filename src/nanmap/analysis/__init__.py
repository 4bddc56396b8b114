"""Rows → grids. Draws nothing and needs no JAX; `plot` and `result` call it."""

from nanmap.analysis.cell import config_of_cell, differences, filled_outcome, row_of_cell
from nanmap.analysis.compared import compare_runs
from nanmap.analysis.comparison import Comparison
from nanmap.analysis.dataset import to_xarray
from nanmap.analysis.growth import Growth
from nanmap.analysis.intervals import wilson_interval
from nanmap.analysis.joined import JoinedFolder
from nanmap.analysis.judged import JudgedFolder
from nanmap.analysis.obvious import obvious_axes
from nanmap.analysis.pixels import (
    Kind,
    Numbers,
    count_names,
    count_outcomes,
    most_common,
    take_medians,
    take_quantiles,
)
from nanmap.analysis.run_settings import RunSettings
from nanmap.analysis.selection import Select
from nanmap.analysis.shown_axes import Shown
from nanmap.analysis.view import View, load_grid, make_view
from nanmap.analysis.working import Working, best_cell, what_works

__all__ = [
    "Comparison",
    "Growth",
    "JoinedFolder",
    "JudgedFolder",
    "Kind",
    "Numbers",
    "RunSettings",
    "Select",
    "Shown",
    "View",
    "Working",
    "best_cell",
    "compare_runs",
    "config_of_cell",
    "count_names",
    "count_outcomes",
    "differences",
    "filled_outcome",
    "load_grid",
    "make_view",
    "most_common",
    "obvious_axes",
    "row_of_cell",
    "take_medians",
    "take_quantiles",
    "to_xarray",
    "what_works",
    "wilson_interval",
]
