"""Rows → an xarray dataset over the axes."""

from typing import TYPE_CHECKING

import numpy as np

from nanmap.analysis.view import load_grid
from nanmap.grid import Grid
from nanmap.limits import check_memory
from nanmap.results.columns import COLUMNS
from nanmap.results.folder import RunFolder
from nanmap.results.schema import TEXT

if TYPE_CHECKING:
    import xarray as xr


def to_xarray(folder: RunFolder) -> "xr.Dataset":
    """The rows as arrays over the axes.

    Returns:
        One variable per column. The dimensions are the axes in the grid's order; zipped axes share the dimension named
        after the first of them and are coordinates along it. Cells without a row hold NaN, or "" in text columns;
        integer columns become float64, so that NaN fits in.
    """
    import xarray as xr

    manifest = folder.read_manifest()
    grid = load_grid(manifest)
    check_memory(
        8 * grid.size * len(COLUMNS),
        f"{grid.size:,} cells side by side",
        mend="Result.to_pandas(columns) takes some columns",
    )
    arrays = {each.name: _blank(grid, text=each.type == TEXT) for each in COLUMNS}
    for table in folder.tables(["cell", *arrays]):
        cells = grid.cells(table["cell"].to_numpy()).numbers
        for name, array in arrays.items():
            array.reshape(-1)[cells] = table[name].to_pandas().to_numpy()
    names = [axes[0].column for axes in grid.dimensions]
    coordinates = {
        axis.column: (name, axis.labels) for name, axes in zip(names, grid.dimensions, strict=True) for axis in axes
    }
    told = {each.name: {"unit": each.unit, "meaning": each.meaning} for each in COLUMNS}
    variables = {name: (names, array, told[name]) for name, array in arrays.items()}
    return xr.Dataset(variables, coordinates, {"name": manifest["sweep"]["name"]})


def _blank(grid: Grid, text: bool) -> np.ndarray:
    return np.full(grid.shape, "", object) if text else np.full(grid.shape, np.nan)
