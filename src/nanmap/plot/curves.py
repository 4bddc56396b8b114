"""Where theory and bisection put the edge: curves over any map that has the learning rate along one side.

A curve is drawn only where the rows say that its formula holds, and only where all runs that share a line of pixels agree
on it: elsewhere there is no line, rather than a wrong one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nanmap.config.choices import LEARNING_RATE
from nanmap.config.optimizers import written_bound
from nanmap.plot.shown_settings import ShownSettings
from nanmap.results.arrays import floats_of, numbers_of
from nanmap.results.columns import COLUMNS
from nanmap.results.folder import RunFolder
from nanmap.results.schema import CurveStyle

AGREE = 1e-6  # predictions of the runs of a line that differ by less, relative, are one
NEAR = 0.1  # and the measured edges of its settings
DRAWS = {"training.seed", "model.init"}  # runs that differ only in these are draws of one setting, which has a median


@dataclass(frozen=True)
class Curve:
    """A critical rate for each line of pixels along the learning rate.

    Attributes:
        label: what it is and what it assumes, for the legend.
        rates: `[facets..., pixels of the other axis]`, NaN where there is none.
        dashes: as in `CurveStyle`.
        measured: whether it was measured rather than predicted.
    """

    label: str
    rates: np.ndarray
    dashes: tuple[float, ...] = ()
    measured: bool = False


def find_curves(folder: RunFolder, settings: ShownSettings) -> list[Curve]:
    """The curves of a map: predictions first, then the measured edge where `nanmap edge` left one beside the run."""
    along = [number for number in (-2, -1) if settings.view.shown[number].axis.key == LEARNING_RATE]
    if not along:
        return []
    lines = _Lines(settings, along[0])
    words, known = _words(settings), set(folder.columns())
    styles = {each.name: each.curve for each in COLUMNS if each.curve is not None and each.name in known}
    found = [
        Curve(style.label.format_map(words), rates, style.dashes)
        for style, rates in zip(styles.values(), _predicted(folder, lines, styles), strict=True)
    ]
    found += _measured(folder, settings, lines)
    return [curve for curve in found if np.isfinite(curve.rates).any()]


class _Lines:
    """The lines of pixels along the learning rate, and in which of them a cell falls."""

    def __init__(self, settings: ShownSettings, along: int) -> None:
        self.view, self.along = settings.view, along
        self.shape = tuple(np.delete(self.view.shape, along))

    def place(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Flat lines of the cells that are shown, and which cells those are."""
        pixels, _, kept = self.view.place(cells)
        index = np.delete(np.array(np.unravel_index(pixels, self.view.shape)), self.along, axis=0)
        return np.ravel_multi_index(tuple(index), self.shape), kept


def _predicted(folder: RunFolder, lines: _Lines, styles: Mapping[str, CurveStyle]) -> list[np.ndarray]:
    """Of each column a rate per line where all its cells agree; of the start of networks, which differ by seed, the median.

    A network that is dead at the start has no curvature there, and no say.
    """
    places, values = [], []
    for table in folder.tables(["cell", "sharpness", *styles]):
        place, kept = lines.place(numbers_of(table["cell"])[0])
        alive = ~(floats_of(table["sharpness"])[kept] <= 0)
        places.append(place[alive])
        values.append([floats_of(table[name])[kept][alive] for name in styles])
    place = np.concatenate(places)
    rates = (np.concatenate(parts) for parts in zip(*values, strict=True))
    return [_agreed(lines, place, rate, style) for rate, style in zip(rates, styles.values(), strict=True)]


def _agreed(lines: _Lines, place: np.ndarray, rates: np.ndarray, style: CurveStyle) -> np.ndarray:
    """One rate per line of those of its cells, which stand at `place`."""
    if not np.isfinite(rates).any():
        return np.full(lines.shape, np.nan)
    middle, low, high = _spread(place, rates, int(np.prod(lines.shape, dtype=int)))
    if not style.median:
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


def _measured(folder: RunFolder, settings: ShownSettings, lines: _Lines) -> list[Curve]:
    """The measured edge of each line, from the edges beside the run, where they belong to it.

    Of draws the median; nothing where settings that share the line, such as batch sizes, have edges further apart than
    `NEAR`: between them no training may have its edge.
    """
    found = measured_rows(folder, settings)
    if found is None:
        return []
    grid, (positions, rates) = settings.view.grid, found
    place, kept = lines.place(np.ravel_multi_index(tuple(positions), grid.shape))
    value = rates[kept]
    set_apart = [not {axis.key for axis in axes} <= DRAWS for axes in grid.dimensions]
    _, first, owner = np.unique(positions[set_apart][:, kept], axis=1, return_index=True, return_inverse=True)
    each = _spread(owner.reshape(-1), value, len(first))[0]
    count = int(np.prod(lines.shape, dtype=int))
    middle = _spread(place, value, count)[0]
    _, low, high = _spread(place[first], each, count)
    apart = high > (1 + NEAR) * low
    method = "bisection, median" if len(np.unique(place)) < len(place) else "bisection"
    label = f"measured edge\n({method})" + (f"\nwhere settings agree to {100 * NEAR:.0f} %" if apart.any() else "")
    return [Curve(label, np.where(apart, np.nan, middle).reshape(lines.shape), measured=True)]


def measured_rows(folder: RunFolder, settings: ShownSettings) -> tuple[np.ndarray, np.ndarray] | None:
    """The edges beside the run, where they belong to it: places on the grid, any rate for theirs `[dimensions, edges]`, and rates `[edges]`."""
    told = folder.read_edges_manifest()
    if told is None or told["sweep"].get("config") != settings.tree or not folder.edges.names():
        return None
    if told.get("schema") != settings.manifest.get("schema"):  # decided by outcomes in other words
        return None
    table = folder.edge_rows()
    found = _positions(table, settings)
    if found is None:
        return None
    positions, on_grid = found
    return positions, floats_of(table["edge_learning_rate"])[on_grid]


def curve_labels(settings: ShownSettings) -> dict[str, str]:
    """What each column of critical rates is called in plain text, as the trainings at hand have it."""
    words = {name: _plain(text) for name, text in _words(settings).items()}
    styles = {each.name: each.curve for each in COLUMNS if each.curve is not None}
    return {name: _plain(style.label.format_map(words)) for name, style in styles.items()}


def _plain(label: str) -> str:
    """Without what only matplotlib reads."""
    for marked, plain in {"$_\\mathrm{max}$": "max", "$_0$": "₀", "\n": " "}.items():
        label = label.replace(marked, plain)
    return label


def _positions(table: pa.Table, settings: ShownSettings) -> tuple[np.ndarray, np.ndarray] | None:
    """Where rows of edges stand on the grid, any rate that is shown for theirs `[dimensions, rows on it]`, and which do.

    None where an axis of the grid is no column of theirs.
    """
    positions = np.zeros((len(settings.view.grid.shape), len(table)), np.int64)
    on_grid = np.ones(len(table), bool)
    for number, axes in enumerate(settings.view.grid.dimensions):
        for axis in axes:
            if axis.key == LEARNING_RATE:
                positions[number] = settings.shown(axis).positions[0]
            elif axis.column not in table.column_names:
                return None
            else:
                where = {label: place for place, label in enumerate(axis.labels.tolist())}
                found = np.array([where.get(label, -1) for label in table[axis.column].to_pylist()])
                positions[number] = np.maximum(found, 0)
                on_grid &= found >= 0
    return positions[:, on_grid], on_grid


def _words(settings: ShownSettings) -> dict[str, str]:
    """What the labels of `CurveStyle` leave open, as the trainings of the map have it."""
    order = settings.one("training.order")
    draws = {"shuffle": "without replacement", "replacement": "with replacement"}
    return {"bound": _bound(settings), "draws": draws.get(order, "independently"), "growth": _growth(order)}


def _bound(settings: ShownSettings) -> str:
    momenta, forms = settings.values("optimizer.momentum"), settings.values("optimizer.nesterov")
    if not any(momenta):
        text = f"{written_bound(None, False)} (full batch)"
    elif len(momenta) > 1 or len(forms) > 1:
        text = "bound of descent from λmax\n(full batch)"
    else:
        rule = "Nesterov" if forms[0] else "heavy ball"
        text = f"{written_bound(momenta[0], forms[0])}\n({rule}, full batch)"
    return text.replace("λmax", "λ$_\\mathrm{max}$")


def _growth(order: str | None) -> str:
    if order == "sequential":
        return "a pass in order grows\n(spectral radius 1)"
    drawn = {"shuffle": "shuffled passes", "replacement": "independent draws"}.get(order or "", "as drawn")
    return f"typical run grows\n(Lyapunov exponent 0, {drawn})"
