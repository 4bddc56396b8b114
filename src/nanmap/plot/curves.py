"""Where theory and bisection put the edge: curves over any map that has the learning rate along one side.

A curve is drawn only where the rows say that its formula holds, and only where all runs that share a line of pixels agree
on it: elsewhere there is no line, rather than a wrong one.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nanmap.plot.facts import Facts

if TYPE_CHECKING:
    from nanmap.result import Result

RATE = "optimizer.learning_rate"
AGREE = 1e-6  # predictions of the runs of a line that differ by less, relative, are one

# Told apart by their dashes, not by hue: they run over every colour of a map.
SOLID: Any = "solid"
STYLES: dict[str, Any] = {
    "predicted_gd": SOLID,
    "predicted_mean_square": (0, (4, 1.6)),
    "predicted_typical": (0, (1.2, 1.2)),
    "predicted_catapult": (0, (5, 1.4, 1.2, 1.4)),
}


@dataclass(frozen=True)
class Curve:
    """A critical rate for each line of pixels along the learning rate.

    Attributes:
        name: the column that it comes from.
        label: what it is and what it assumes, for the legend.
        rates: `[facets..., pixels of the other axis]`, NaN where there is none.
    """

    name: str
    label: str
    rates: np.ndarray

    @property
    def measured(self) -> bool:
        """Whether it was measured rather than predicted."""
        return self.name == "edge_learning_rate"


def find_curves(result: "Result", facts: Facts) -> list[Curve]:
    """The curves of a map: predictions first, then the measured edge where `nanmap edge` left one beside the run."""
    along = [number for number in (-2, -1) if facts.view.shown[number].axis.key == RATE]
    if not along:
        return []
    lines = _Lines(facts, along[0])
    named = {
        "predicted_gd": _gd_label(facts),
        "predicted_mean_square": _mean_square_label(facts),
        "predicted_typical": _typical_label(facts),
        "predicted_catapult": "2/λ$_0$ at the start (full batch,\nmedian): above, may catapult",
    }
    known = set(result.folder.dataset().schema.names)
    found = [Curve(name, label, _predicted(result, lines, name)) for name, label in named.items() if name in known]
    measured = _measured(result, facts, lines)
    found += (
        [Curve("edge_learning_rate", "measured edge\n(bisection, median)", measured)] if measured is not None else []
    )
    return [curve for curve in found if np.isfinite(curve.rates).any()]


class _Lines:
    """The lines of pixels along the learning rate, and in which of them a cell falls."""

    def __init__(self, facts: Facts, along: int) -> None:
        self.view, self.along = facts.view, along
        self.shape = tuple(np.delete(self.view.shape, along))

    def place(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Flat lines of the cells that are shown, and which cells those are."""
        pixels, _, kept = self.view.place(cells)
        index = np.delete(np.array(np.unravel_index(pixels, self.view.shape)), self.along, axis=0)
        return np.ravel_multi_index(tuple(index), self.shape), kept


def _predicted(result: "Result", lines: _Lines, name: str) -> np.ndarray:
    """One rate per line where all its cells agree; of the start of networks, which differ by seed, the median.

    A network that is dead at the start has no curvature there, and no say.
    """
    places, values = [], []
    for table in result.folder.tables(["cell", name, "sharpness"]):
        place, kept = lines.place(table["cell"].to_numpy())
        sharpness, rates = (table[each].to_numpy().astype(float)[kept] for each in ("sharpness", name))
        alive = ~(sharpness <= 0)
        places.append(place[alive])
        values.append(rates[alive])
    place, value = np.concatenate(places), np.concatenate(values)
    middle, low, high = _spread(place, value, int(np.prod(lines.shape, dtype=int)))
    if name != "predicted_catapult":
        with np.errstate(invalid="ignore"):
            middle = np.where(high - low <= AGREE * high, low, np.nan)
    return np.where(middle > 0, middle, np.nan).reshape(lines.shape)


def _spread(place: np.ndarray, value: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median, least and greatest value of each line; one NaN makes the line's NaN."""
    order = np.lexsort((value, place))  # NaN last
    place, value = place[order], value[order]
    first = np.searchsorted(place, np.arange(count))
    after = np.searchsorted(place, np.arange(count), side="right")
    present = after > first
    last = np.where(present, after - 1, 0)
    first = np.where(present, first, 0)
    pick = lambda index: value[index] if len(value) else np.full(count, np.nan)  # noqa: E731
    whole = present & np.isfinite(pick(last))
    low, below, above, high = (
        np.where(whole, pick(index), np.nan) for index in (first, (first + last) // 2, (first + last + 1) // 2, last)
    )
    return np.sqrt(below) * np.sqrt(above), low, high


def _measured(result: "Result", facts: Facts, lines: _Lines) -> np.ndarray | None:
    """The median measured edge of each line, from the edges beside the run, where they belong to it."""
    told = result.folder.read_edges_manifest()
    if told is None or told["sweep"]["config"] != result.manifest["sweep"]["config"] or not result.folder.edges.names():
        return None
    table = result.edge()
    grid = facts.view.grid
    positions = np.zeros((len(grid.shape), len(table)), np.int64)
    on_grid = np.ones(len(table), bool)
    for number, axes in enumerate(grid.dimensions):
        for axis in axes:
            if axis.key == RATE:
                positions[number] = facts.shown(axis).positions[0]
            elif axis.column not in table:
                return None
            else:
                where = {label: place for place, label in enumerate(axis.labels.tolist())}
                found = np.array([where.get(label, -1) for label in table[axis.column].tolist()])
                positions[number] = np.maximum(found, 0)
                on_grid &= found >= 0
    cells = np.asarray(np.ravel_multi_index(tuple(positions), grid.shape))
    place, kept = lines.place(cells[on_grid])
    value = table.edge_learning_rate.to_numpy()[on_grid][kept]
    return _spread(place, value, int(np.prod(lines.shape, dtype=int)))[0].reshape(lines.shape)


def _gd_label(facts: Facts) -> str:
    momenta = [value for value in facts.values("optimizer.momentum") if value]
    if not momenta:
        return "2/λ$_\\mathrm{max}$ (full batch)"
    if len(facts.values("optimizer.momentum")) > 1:
        return "bound of descent from λ$_\\mathrm{max}$\n(full batch)"
    if any(facts.values("optimizer.nesterov")):
        return "(2 + 2β)/((1 + 2β)λ$_\\mathrm{max}$)\n(Nesterov, full batch)"
    return "2(1 + β)/λ$_\\mathrm{max}$\n(heavy ball, full batch)"


def _mean_square_label(facts: Facts) -> str:
    draws = {"shuffle": "without replacement", "replacement": "with replacement"}.get(facts.one("training.order"))
    return f"safe: mean square bounded\n(batches drawn {draws or 'independently'})"


def _typical_label(facts: Facts) -> str:
    order = facts.one("training.order")
    if order == "sequential":
        return "a pass in order grows\n(spectral radius 1)"
    drawn = {"shuffle": "shuffled passes", "replacement": "independent draws"}.get(order, "as drawn")
    return f"typical run grows\n(Lyapunov exponent 0, {drawn})"
