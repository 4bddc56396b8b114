"""The picture: panels, title, legend, colour bar, and the file."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import Normal, Stroke

from nanmap.analysis import Shown, View, load_grid, make_view
from nanmap.errors import InputError
from nanmap.plot.facts import Facts
from nanmap.plot.paint import Bar, Painting, expand, paint
from nanmap.plot.theme import Theme, find_theme, to_bytes
from nanmap.plot.threshold import stable_rates
from nanmap.plot.ticks import coordinate, edges, fit_labels, set_up, to_scale
from nanmap.plot.words import describe_budget, describe_fixed, describe_pixel, describe_training, name_axis, panel_title

if TYPE_CHECKING:
    from nanmap.result import Result

SUFFIXES = (".png", ".svg", ".pdf")
DPI = 200
MOST_PANELS, MOST_COLUMNS = 30, 6
WRAP_AT = 4  # panels of one facet beside each other
PANEL_WIDTHS = {1: 4.9, 2: 3.3, 3: 2.5, 4: 2.1}
"""Where the panels stand in inches: room for the labels on the left and below, the legend on the right."""
