"""The picture of the gallery: of each training the loss of some starts as it is and with its fix."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanmap.diagnosis.answer import Curves
from nanmap.outcomes import Outcome

STARTS, POINTS = 4, 40  # that are kept of each training
COLUMNS, PANEL = 6, (1.75, 1.3)  # inches
BEYOND = 1e9  # times the first loss: what is beyond is cut off


def kept(curves: Curves | None) -> dict[str, Any] | None:
    """A few losses on their way, for a file."""
    if curves is None:
        return None
    places = np.unique(np.linspace(0, len(curves.steps) - 1, POINTS).astype(int))
    losses = [[float(f"{loss:.3g}") for loss in each[places]] for each in curves.losses[:STARTS]]
    return {"steps": curves.steps[places].tolist(), "losses": losses}


def draw(results: Mapping[str, Mapping[str, Any]], out: Path) -> None:
    """A panel per training; grey is as it is, a cross where it turns infinite or NaN, blue with the fix."""
    with matplotlib.style.context("default"), matplotlib.rc_context({"font.size": 6, "axes.linewidth": 0.4}):
        rows = ceil(len(results) / COLUMNS)
        figure = Figure(figsize=(COLUMNS * PANEL[0], rows * PANEL[1]), layout="constrained")
        panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for axes, (name, found) in zip(panels, results.items(), strict=False):
            _draw_one(axes, name, found["curves"])
        for axes in panels[len(results) :]:
            axes.set_axis_off()
        figure.savefig(out, dpi=130)


def _draw_one(axes: Axes, name: str, curves: Mapping[str, Any]) -> None:
    before, after = curves["before"], curves["after"]
    first = next((loss for each in before["losses"] for loss in _numbers(each)[:1] if np.isfinite(loss)), 1.0)
    for courses, colour in ((before, "#8a8a8a"), (after, Outcome.CONVERGED.colour)):
        for losses in courses["losses"] if courses else ():
            values = np.clip(_numbers(losses), None, BEYOND * first)
            axes.plot(courses["steps"], np.where(values > 0, values, np.nan), color=colour, linewidth=0.8)
            known = np.flatnonzero(np.isfinite(_numbers(losses)))
            if 0 < len(known) < len(losses):
                axes.plot(courses["steps"][known[-1]], values[known[-1]], "x", color=colour, markersize=3)
    axes.set_yscale("log")
    axes.set_title(name, fontsize=6, pad=2)
    axes.tick_params(length=1.5, width=0.4, pad=1, which="both")
    axes.minorticks_off()


def _numbers(losses: list[Any]) -> np.ndarray:
    """As JSON has them: NaN and infinities are texts."""
    return np.array([float(loss) for loss in losses])
