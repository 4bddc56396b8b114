"""A finished (or unfinished) run, for looking at. Needs no JAX."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanmap.results.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


class Result:
    """The rows of a run folder.

    >>> import nanmap
    >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 20}}
    >>> _ = nanmap.sweep(line, {"optimizer.learning_rate": [0.01, 1e3]}, out="results/line")
    >>> result = Result("results/line")
    >>> result.to_pandas(["learning_rate", "outcome"]).outcome.tolist()
    ['converged', 'nan']
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = RunFolder(path)
        self.path = self.folder.path

    def __repr__(self) -> str:
        return f"Result({str(self.path)!r})"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What was run, as written in manifest.json."""
        return self.folder.read_manifest()

    def to_pandas(self, columns: list[str] | None = None) -> "pd.DataFrame":
        """One row per cell, ordered by cell number."""
        table = self.folder.dataset().to_table(columns=columns)
        return table.to_pandas()

    def to_xarray(self) -> "xr.Dataset":
        """The rows as a grid over the axes; NaN (or an empty text) where a cell was excluded."""
        from nanmap.analysis import to_xarray

        return to_xarray(self)

    def edge(self) -> "pd.DataFrame":
        """The critical learning rates that `nanmap edge` measured: one row per combination of the other axes.

        Raises:
            InputError: none were measured yet.
        """
        return self.folder.edge_rows().to_pandas()

    def map(self, x: str, y: str, **options: Any) -> Any:
        """Draws a stability map; see `nanmap.plot.draw_map` for the options. Returns a matplotlib figure."""
        from nanmap.plot import draw_map

        return draw_map(self, x, y, **options)
