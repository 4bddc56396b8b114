"""What a user holds of a run, finished or not: a face over the run folder, its grids and its maps. Needs no JAX."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanmap.analysis import Comparison, JoinedFolder, compare_runs
from nanmap.errors import InputError, did_you_mean
from nanmap.results.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from nanmap.analysis import Select
    from nanmap.config import Config


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
            InputError: this is no run folder, holds no rows yet, or has no such column.
        """
        dataset = self.folder.dataset()
        known = dataset.schema.names
        for name in columns or ():
            if name not in known:
                mend = did_you_mean(name, known)
                raise InputError("no such column", key="columns", value=name, allowed=known, mend=mend)
        return dataset.to_table(columns=columns).to_pandas()

    def to_xarray(self) -> "xr.Dataset":
        """The rows as a grid over the axes; NaN (or an empty text) where a cell was excluded.

        Raises:
            InputError: this is no run folder, or holds no rows yet.
        """
        from nanmap.analysis import to_xarray

        return to_xarray(self.folder)

    def config(self, cell: int) -> "Config":
        """The settings of one cell, to train it again.

        Args:
            cell: its number, as in the column `cell`.

        Raises:
            InputError: the run has no such cell.

        >>> import nanmap
        >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 20}}
        >>> result = nanmap.sweep(line, {"optimizer.learning_rate": [0.01, 1e3]}, out="results/again")
        >>> nanmap.run(result.config(1)).outcome
        <Outcome.NAN: 'nan'>
        """
        from nanmap.analysis import config_of_cell

        return config_of_cell(self.folder, cell)

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

        return Result(JudgedFolder(self.folder, thresholds))

    def edge(self) -> "pd.DataFrame":
        """The critical learning rates that `nanmap edge` measured: one row per combination of the other axes.

        Raises:
            InputError: none were measured yet.
        """
        return self.folder.edge_rows().to_pandas()

    def _repr_html_(self) -> str | None:
        """What a notebook shows: how the trainings ended, and the obvious picture."""
        from nanmap.plot import as_html

        return as_html(self.folder)

    def report(self, out: str | Path, *, title: str | None = None) -> Path:
        """Writes the run as one HTML file to explore, which needs no network and nothing beside it.

        Args:
            out: the file, `….html`; its folder is made.
            title: in place of the sweep's own.

        Returns:
            The file.

        Raises:
            InputError: the name is no page's, there are too many rows for one, or this is no run folder.

        >>> import nanmap
        >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 200}}
        >>> result = nanmap.sweep(line, {"optimizer.learning_rate": [0.01, 1e3]}, out="results/line")
        >>> result.report("line.html").name
        'line.html'
        """
        from nanmap.report import checked, page, write_page

        path = checked(out)
        write_page(path, page(self.folder, title=title))
        return path

    def map(
        self,
        x: str | None = None,
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
            x: column of the horizontal axis. Without `x` and `y` the axes are those of the first map that the sweep lists,
                else the obvious ones: learning rates along the bottom; a run with a single axis is drawn as lines.
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


Run = Result | str | Path


def concat(runs: Iterable[Run]) -> Result:
    """The rows of several runs as one, over the axes that they have together. Nothing is trained or written.

    Runs may hold other values of the same axes, and a setting that no axis goes over but that is not the same in all runs
    becomes an axis. The grid need not be full: where no run has a row, maps say so, and `to_xarray` has NaN. Cells are
    numbered anew. Settings that two runs have are kept once where their rows are the same to the last bit.

    >>> import nanmap
    >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 200}}
    >>> low = nanmap.sweep(line, {"optimizer.learning_rate": [0.01, 0.1]}, out="results/low")
    >>> high = nanmap.sweep(line, {"optimizer.learning_rate": [1e3]}, out="results/high")
    >>> nanmap.concat([low, "results/high"]).to_pandas(["learning_rate", "outcome"]).outcome.tolist()
    ['converged', 'converged', 'nan']

    Args:
        runs: results, of which some may be judged by other thresholds, or run folders.

    Returns:
        What `Result` says of a run, but for edges, which stay with their run; `Result.manifest["joined"]` names the runs.

    Raises:
        InputError: no runs; the same settings have different rows; or the runs are of different versions of nanmap, are
            judged by other thresholds, record other things, or read a file whose content changed.

    Warns:
        UserWarning: the last digits may differ, because the runs were made on other devices or with other versions of JAX;
            or values of an axis differ in nothing but their last digits, as the inner points of two log axes may.
    """
    folders = [] if isinstance(runs, Result | str | Path) else [_folder(run) for run in runs]
    if not folders:
        raise InputError(
            "expects a list of results or run folders",
            key="runs",
            value=runs,
            mend='nanmap.concat(["results/a", "results/b"])',
        )
    joined = JoinedFolder(folders)
    for note in joined.notes:
        warnings.warn(note, stacklevel=2)
    return Result(joined)


def compare(a: Run, b: Run) -> Comparison:
    """Two runs cell by cell: which cells changed their outcome, and how far the numbers moved.

    Cells are the same where the settings are that an axis of either run goes over. What else differs between the runs
    (versions, device, settings, thresholds) may differ, and is told.

    >>> import nanmap
    >>> line = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 200}}
    >>> result = nanmap.sweep(line, {"optimizer.learning_rate": [0.01, 0.1, 1e3]}, out="results/line")
    >>> comparison = nanmap.compare(result, result.judged(ratio=1e-9))
    >>> comparison.both, comparison.changed, comparison.differs
    (3, 1, {'outcome.ratio': (0.05, 1e-09)})

    Args:
        a: a result or a run folder.
        b: another one.

    Returns:
        `print` shows it as `nanmap compare` does; `to_pandas()` has a row per cell that changed, `to_dict()` plain data.

    Raises:
        InputError: one is no run folder, holds no rows yet, or their axes cannot stand in one grid.
    """
    return compare_runs(_folder(a), _folder(b))


def _folder(run: Run) -> RunFolder:
    if not isinstance(run, Result | str | Path):
        raise InputError("expects a result or a run folder", key="runs", value=run)
    return run.folder if isinstance(run, Result) else RunFolder(run)
