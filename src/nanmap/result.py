"""What a user holds of a run, finished or not: a face over the run folder, its grids and its maps. Needs no JAX."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanmap.results.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from nanmap.analysis import Select


class Result:
    """The rows of a run folder, as tables, as grids and as pictures.

    >>> import nanmap
    >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 200}}
    >>> _ = nanmap.sweep(line, {"optimizer.learning_rate": [0.01, 1e3]}, out="results/line")
    >>> result = Result("results/line")
    >>> result.to_pandas(["learning_rate", "outcome"]).outcome.tolist()
    ['converged', 'nan']
    """

    def __init__(self, path: "str | Path | RunFolder") -> None:
        self.folder = path if isinstance(path, RunFolder) else RunFolder(path)
        self.path = self.folder.path

    def __repr__(self) -> str:
        return f"Result({str(self.path)!r})"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What was run, as written in manifest.json.

        Raises:
            InputError: this is no run folder.
        """
        return self.folder.read_manifest()

    def to_pandas(self, columns: list[str] | None = None) -> "pd.DataFrame":
        """One row per cell, ordered by cell number.

        Args:
            columns: the columns to read; all of them if None.

        Raises:
            InputError: this is no run folder, or holds no rows yet.
        """
        return self.folder.dataset().to_table(columns=columns).to_pandas()

    def to_xarray(self) -> "xr.Dataset":
        """The rows as a grid over the axes; NaN (or an empty text) where a cell was excluded.

        Raises:
            InputError: this is no run folder, or holds no rows yet.
        """
        from nanmap.analysis import to_xarray

        return to_xarray(self.folder)

    def judged(self, **thresholds: Any) -> "Result":
        """The same rows under other thresholds of the outcomes; nothing is trained, and the folder stays as it is.

        >>> import nanmap
        >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 20}}
        >>> result = nanmap.sweep(line, {"optimizer.learning_rate": [0.01, 0.1]}, out="results/strict")
        >>> result.judged(ratio=1e-6).to_pandas(["learning_rate", "outcome"]).outcome.tolist()
        ['progressing', 'progressing']

        Args:
            thresholds: settings of `[outcome]`, such as `ratio=0.1`; `floor` as a number only.

        Raises:
            InputError: no such threshold, a value is not allowed, or an axis of the run goes over it.
        """
        from nanmap.analysis import JudgedFolder

        return Result(JudgedFolder(self.path, thresholds))

    def edge(self) -> "pd.DataFrame":
        """The critical learning rates that `nanmap edge` measured: one row per combination of the other axes.

        Raises:
            InputError: none were measured yet.
        """
        return self.folder.edge_rows().to_pandas()

    def map(
        self,
        x: str,
        y: str | None = None,
        *,
        kind: str = "map",
        facet: str | Sequence[str] = (),
        lines: str | None = None,
        value: str | None = None,
        out: str | Path | None = None,
        title: str | None = None,
        theme: str = "light",
        select: "Select | None" = None,
        zoom: Mapping[str, Sequence[float]] | None = None,
        width: str | float | None = None,
        height: str | float | None = None,
        font_size: float | None = None,
        cmap: str | None = None,
        limits: Sequence[float] | None = None,
    ) -> "Figure":
        """Draws what became of each training, over any two axes; or a number along one axis, as lines.

        Args:
            x: column of the horizontal axis.
            y: column of the vertical axis of a map.
            kind: `map`, a colour per setting; or `lines`, the value up the side: the median run, and a band from the
                10 % to the 90 % of runs.
            facet: columns of up to two axes over the panels of a map: one, or rows and columns.
            lines: column of the axis of which each value has a line.
            value: what to show: `outcome` (unless given), `cause`, an outcome's name for the share of the runs that
                ended so, or a numeric column; for lines a numeric column, `loss_final` unless given.
            out: file to write: `.png`, `.svg` or `.pdf`. Its folder is made.
            title: in place of the sweep's own; "" leaves out all the text above the panels, for a caption to say.
            theme: `light` or `dark`.
            select: which rows to keep: by axis a value, or a list of values; a condition as in a sweep's `where`, such as
                `"learning_rate < 1e-3 and batch_size >= 4"`; or a list of both, of which all hold.
            zoom: by axis of numbers the low and the high end of a window.
            width: of the picture: inches, or a text such as `"86mm"`; in, cm, mm or pt.
            height: the same.
            font_size: of the text, in points.
            cmap: for numbers a colormap of matplotlib; parts that look like NaN or infinity are left out of it.
            limits: for numbers those at both ends of the colour bar, or of the vertical axis of lines.

        Returns:
            The figure, to add to or to save otherwise.

        Raises:
            InputError: a name or value is unknown, the axes make no plane, there are too many panels, or no rows.
        """
        from nanmap.plot import draw

        return draw(
            self.folder,
            kind,
            x=x,
            y=y,
            facet=facet,
            lines=lines,
            value=value,
            out=out,
            title=title,
            theme=theme,
            select=select,
            zoom=zoom,
            width=width,
            height=height,
            font_size=font_size,
            cmap=cmap,
            limits=limits,
        )
