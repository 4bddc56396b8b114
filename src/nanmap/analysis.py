"""Rows → grids: a run as an array over its axes, and what each pixel of a map shows.

Draws nothing and needs no JAX; `plot`, `report` and `Result.to_xarray` call it. Cells find their place by their
number, so rows are read shard by shard, in any order, and a shard that is missing leaves a hole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from nanmap.errors import InputError, did_you_mean
from nanmap.outcomes import Outcome
from nanmap.plan.axes import Axis, AxisSpec, column_names
from nanmap.plan.grid import Grid
from nanmap.plan.where import parse_where
from nanmap.schema import COLUMNS, TEXT

if TYPE_CHECKING:
    import xarray as xr

    from nanmap.result import Result

SEVERITY = (
    Outcome.CONVERGED,
    Outcome.PROGRESSING,
    Outcome.STALLED,
    Outcome.DEAD,
    Outcome.DIVERGED,
    Outcome.INF,
    Outcome.NAN,
)
HIGHER_IS_BETTER = ("r2",)  # for every other column the worst runs are the largest
CHUNK = 1 << 20  # cells looked at together when `where` is asked for each of them


class Kind(IntEnum):
    """What stands in a numeric column: a median must not turn one of these into another."""

    EMPTY = 0  # no row
    NUMBER = 1
    INF = 2
    NAN = 3
    MISSING = 4


@dataclass(frozen=True)
class Shown:
    """An axis as a map shows it: the positions that stay, in the order in which they are drawn.

    Attributes:
        positions: positions along the axis of the grid; numbers on a log or linear scale ascend.
        labels: their values.
        scale: `log`, `linear` or `values`.
    """

    axis: Axis
    positions: np.ndarray
    scale: str

    @property
    def column(self) -> str:
        """The axis's column."""
        return self.axis.column

    @property
    def labels(self) -> np.ndarray:
        """The axis's values, as drawn."""
        return self.axis.labels[self.positions]

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True)
class View:
    """The part of a grid that a map shows, and where each cell falls in it.

    Attributes:
        shown: the facets, then y, then x: the dimensions of the pixels.
        merged: the axes whose values share a pixel, slowest first.
        fixed: the axes of which `select` left one value.
    """

    grid: Grid
    shown: tuple[Shown, ...]
    merged: tuple[Shown, ...]
    fixed: tuple[Shown, ...]

    @property
    def x(self) -> Shown:
        """The horizontal axis."""
        return self.shown[-1]

    @property
    def y(self) -> Shown:
        """The vertical axis."""
        return self.shown[-2]

    @property
    def facets(self) -> tuple[Shown, ...]:
        """The axes over the panels."""
        return self.shown[:-2]

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels along the facets, y and x."""
        return tuple(map(len, self.shown))

    @property
    def depth(self) -> int:
        """Cells that share a pixel, where `where` excludes none."""
        return int(np.prod([len(each) for each in self.merged], dtype=np.int64))

    def place(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Flat pixel and place within the pixel for the cells that are shown, and which ones those are `[cells]`."""
        positions = self.grid.decode(cells)
        kept = np.ones(len(cells), bool)
        flat = []
        for group in (self.shown, self.merged, self.fixed):
            index = np.zeros(len(cells), np.int64)
            for each in group:
                found = self._lookup(each)[positions[self._dimension(each)]]
                kept &= found >= 0
                index = index * len(each) + found
            flat.append(index)
        return flat[0][kept], flat[1][kept], kept

    def _dimension(self, shown: Shown) -> int:
        return next(number for number, axes in enumerate(self.grid.dimensions) if shown.axis in axes)

    def _lookup(self, shown: Shown) -> np.ndarray:
        lookup = np.full(len(shown.axis), -1)
        lookup[shown.positions] = np.arange(len(shown))
        return lookup

    def expected(self) -> np.ndarray:
        """Cells per pixel once the run is complete: 0 where `where` excludes all."""
        if self.grid.where is None:
            return np.full(self.shape, self.depth)
        counts = np.zeros(self.shape, np.int64)
        for start in range(0, self.grid.size, CHUNK):
            pixels, _, _ = self.place(self.grid.kept(start, min(start + CHUNK, self.grid.size)))
            np.add.at(counts.reshape(-1), pixels, 1)
        return counts


@dataclass(frozen=True)
class Medians:
    """A numeric column, one value per pixel.

    Attributes:
        values: the median run's value; NaN wherever `kinds` is not NUMBER.
        kinds: what the median run holds.
        tally: rows of each kind, over all pixels.
    """

    values: np.ndarray
    kinds: np.ndarray
    tally: dict[Kind, int]


def load_grid(manifest: Mapping[str, Any]) -> Grid:
    """The grid that a manifest tells of."""
    sweep = manifest["sweep"]
    specs = [AxisSpec.model_validate(table) for table in sweep["axes"]]
    axes = {column: Axis(spec, column) for spec, column in zip(specs, column_names(specs), strict=True)}
    groups = {name: tuple(group) for group in sweep.get("zip") or () for name in group}
    dimensions = dict.fromkeys(groups.get(column, (column,)) for column in axes)
    where = parse_where(sweep["where"], axes) if sweep.get("where") else None
    return Grid(tuple(tuple(axes[name] for name in group) for group in dimensions), where)


def to_xarray(result: "Result") -> "xr.Dataset":
    """The rows as arrays over the axes.

    Returns:
        One variable per column. The dimensions are the axes in the grid's order; zipped axes share the dimension named
        after the first of them and are coordinates along it. Cells without a row hold NaN, or "" in text columns;
        integer columns become float64, so that NaN fits in.
    """
    import xarray as xr

    grid = load_grid(result.manifest)
    arrays = {each.name: _blank(grid, text=each.type == TEXT) for each in COLUMNS}
    for table in result.folder.tables(["cell", *arrays]):
        cells = table["cell"].to_numpy()
        for name, array in arrays.items():
            array.reshape(-1)[cells] = table[name].to_pandas().to_numpy()
    names = [axes[0].column for axes in grid.dimensions]
    coordinates = {axis.column: (name, axis.labels) for name, axes in zip(names, grid.dimensions, strict=True) for axis in axes}
    told = {each.name: {"unit": each.unit, "meaning": each.meaning} for each in COLUMNS}
    variables = {name: (names, array, told[name]) for name, array in arrays.items()}
    return xr.Dataset(variables, coordinates, {"name": result.manifest["sweep"]["name"]})


def make_view(
    grid: Grid, x: str, y: str, facet: Sequence[str] = (), select: Mapping[str, Any] | None = None
) -> View:
    """Which axis goes where on a map.

    Args:
        grid: the run's grid.
        x: column of the horizontal axis; `y` of the vertical one, `facet` of those over the panels.
        select: a value, or a list of values, to keep for some axes; all others are left out.

    Raises:
        InputError: a name is no axis, an axis is named twice, or a selected value is not on its axis.
    """
    by_column = {axis.column: axis for axis in grid.axes}
    wanted = {"x": x, "y": y} | {f"facet {number}": name for number, name in enumerate(facet, 1)}
    for place, name in wanted.items():
        _check_axis(name, by_column, place.split()[0])
    _check_apart(grid, wanted)
    select = dict(select or {})
    for name in select:
        _check_axis(name, by_column, "select")
    made = {name: _shown(by_column[name], select.get(name, ...)) for name in by_column}
    shown = tuple(made[name] for name in (*facet, y, x))
    taken = {axis.column for group in grid.dimensions for axis in group if {a.column for a in group} & set(wanted.values())}
    rest = [_rest(group, made, select) for group in grid.dimensions if group[0].column not in taken]
    # Zipped axes of one group move together: only one of them counts, and a selection on any of them holds.
    extra = [made[name] for name in select if name in taken and name not in wanted.values()]
    merged = tuple(each for each in rest if len(each) > 1)
    return View(grid, shown, merged, tuple(each for each in rest if len(each) == 1) + tuple(extra))


def count_outcomes(result: "Result", view: View) -> np.ndarray:
    """Rows of each outcome in each pixel, `[len(SEVERITY), *view.shape]`."""
    counts = np.zeros((len(SEVERITY), *view.shape), np.min_scalar_type(view.depth))
    flat = counts.reshape(len(SEVERITY), -1)
    for pixels, _, column in _placed(result, view, "outcome"):
        np.add.at(flat, (_outcome_codes(column), pixels), 1)
    return counts


def most_common(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most common outcome of each pixel, and how many of its runs agree.

    Args:
        counts: as `count_outcomes` gives them.

    Returns:
        Positions in `SEVERITY` (-1 without any row; of equally common ones the worse), and shares (NaN without any).

    >>> counts = np.array([[3, 2, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 2, 0]])
    >>> most_common(counts)[0].tolist(), most_common(counts)[1].tolist()
    ([0, 6, -1], [0.75, 0.5, nan])
    """
    total = counts.sum(axis=0, dtype=np.int64)
    winner = len(counts) - 1 - np.argmax(counts[::-1], axis=0)
    agreement = np.divide(counts.max(axis=0), total, out=np.full(total.shape, np.nan), where=total > 0)
    return np.where(total > 0, winner, -1), agreement


def take_medians(result: "Result", view: View, name: str) -> Medians:
    """The median run of each pixel for a numeric column.

    Runs are ordered from best to worst: numbers, then infinity, NaN, and a missing value last; the middle one is
    shown, of two middle ones their mean, or the worse where one is no number. So NaN is shown where at least half of
    the runs are NaN, and no NaN is dropped to make room for a number.
    """
    sign = -1.0 if name in HIGHER_IS_BETTER else 1.0
    pixels = int(np.prod(view.shape, dtype=np.int64))
    values, kinds = np.full((pixels, view.depth), np.nan), np.zeros((pixels, view.depth), np.uint8)
    for pixel, layer, column in _placed(result, view, name):
        values[pixel, layer], kinds[pixel, layer] = _numbers(column)
    tally = {kind: int((kinds == kind).sum()) for kind in Kind}
    middle, kind = (values[:, 0], kinds[:, 0]) if view.depth == 1 else _middle(sign * values, kinds, sign)
    middle = np.where(kind == Kind.NUMBER, middle, np.nan)
    return Medians(middle.reshape(view.shape), kind.reshape(view.shape), tally)


def _middle(values: np.ndarray, kinds: np.ndarray, sign: float) -> tuple[np.ndarray, np.ndarray]:
    """Median along the last axis. np.sort puts −inf first and NaN last, which is the order wanted."""
    ordered = np.sort(values, axis=1)
    real = ((kinds == Kind.NUMBER) | (kinds == Kind.INF)).sum(axis=1)
    rated = real + (kinds == Kind.NAN).sum(axis=1)
    total = (kinds != Kind.EMPTY).sum(axis=1)
    low, high = np.maximum(total - 1, 0) // 2, np.maximum(total, 1) // 2
    high = np.minimum(high, np.maximum(total - 1, 0))
    rows = np.arange(len(ordered))
    with np.errstate(invalid="ignore"):
        middle = ordered[rows, low] / 2 + ordered[rows, high] / 2
    tests = [total == 0, high >= rated, high >= real, ~np.isfinite(middle)]
    return sign * middle, np.select(tests, [Kind.EMPTY, Kind.MISSING, Kind.NAN, Kind.INF], Kind.NUMBER).astype(np.uint8)


def _placed(result: "Result", view: View, name: str) -> Iterator[tuple[np.ndarray, np.ndarray, pa.Array]]:
    for table in result.folder.tables(["cell", name]):
        pixels, layers, kept = view.place(table["cell"].to_numpy())
        yield pixels, layers, table[name].combine_chunks().filter(pa.array(kept))


def _outcome_codes(column: pa.Array) -> np.ndarray:
    column = column.dictionary_encode() if not pa.types.is_dictionary(column.type) else column
    codes = np.array([SEVERITY.index(Outcome(name)) for name in column.dictionary.to_pylist()], np.intp)
    return codes[column.indices.to_numpy()]


def _numbers(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    missing = column.is_null().to_numpy(zero_copy_only=False)
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)  # null turns into NaN
    tests = [missing, np.isnan(values), np.isinf(values)]
    return values, np.select(tests, [Kind.MISSING, Kind.NAN, Kind.INF], Kind.NUMBER)


def _blank(grid: Grid, text: bool) -> np.ndarray:
    return np.full(grid.shape, "", object) if text else np.full(grid.shape, np.nan)
