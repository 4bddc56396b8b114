"""Of a run the settings that work: how robustly over starts, and how far below the rates that blow up."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from nanmap.analysis import Working, what_works, wilson_interval
from nanmap.config.choices import LEARNING_RATE
from nanmap.grid import Grid
from nanmap.outcomes import Outcome
from nanmap.results.arrays import names_of, numbers_of
from nanmap.results.folder import RunFolder

SEED = "training.seed"


def best_settings(folder: RunFolder, grid: Grid) -> dict[str, Any]:
    """The settings that converge at the most rates, as sentences with their cell, and the values with which nothing does."""
    working, never = what_works(folder)
    blew_up = _blew_up(folder, grid) if working else np.zeros(0, np.int8)
    return {"works": [_told(each, grid, blew_up) for each in working], "never": never}


def _told(each: Working, grid: Grid, blew_up: np.ndarray) -> dict[str, Any]:
    low, high = wilson_interval(each.converged, each.starts) if each.starts > 1 else (None, None)
    return {
        "cell": each.cell,
        "sentence": each.sentence(),
        "converged": each.converged,
        "starts": each.starts,
        "interval": None if low is None else [low, high],
        "edge": _edge(each.cell, grid, blew_up),
    }


def _edge(cell: int, grid: Grid, blew_up: np.ndarray) -> Mapping[str, float] | None:
    """The next larger rate at which some start blows up, and how many times as large it is; None without one on the axis."""
    along = next((n for n, axes in enumerate(grid.dimensions) if axes[0].key == LEARNING_RATE), None)
    if along is None:
        return None
    places = list(grid.cells(np.array([cell])).positions[:, 0])
    draws = [n for n, axes in enumerate(grid.dimensions) if all(axis.key == SEED for axis in axes)]
    line = blew_up.reshape(grid.shape)[
        tuple(slice(None) if n in (along, *draws) else places[n] for n in range(len(grid.shape)))
    ]
    kept = [n for n in range(len(grid.shape)) if n == along or n in draws]
    broken = (np.moveaxis(line, kept.index(along), 0).reshape(grid.shape[along], -1) == 1).any(axis=1)
    rates = np.asarray(grid.dimensions[along][0].labels, float)
    own = rates[places[along]]
    above = rates[broken & (np.abs(rates) > np.abs(own)) & (np.sign(rates) == np.sign(own))]
    if own == 0 or not len(above):
        return None
    nearest = float(above[np.argmin(np.abs(above))])
    return {"rate": nearest, "times": nearest / float(own)}


def _blew_up(folder: RunFolder, grid: Grid) -> np.ndarray:
    """Of each cell whether it ended past the edge: 1, 0, or −1 without a row."""
    found = np.full(grid.size, -1, np.int8)
    for table in folder.tables(["cell", "outcome"]):
        codes, names = names_of(table["outcome"])
        found[numbers_of(table["cell"])[0]] = np.array([Outcome(name).unstable for name in names], np.int8)[codes]
    return found
