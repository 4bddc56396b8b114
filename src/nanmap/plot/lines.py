"""A number along one axis, one line per value of another: the median run, a band over the others, marks for no number."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from nanmap.analysis import Kind, Numbers, Select, View, load_grid, make_view, take_quantiles
from nanmap.errors import InputError
from nanmap.grid.windows import Windows
from nanmap.plot.colormaps import checked_limits
from nanmap.plot.coordinates import centres
from nanmap.plot.files import DPI, ShownFigure, checked, write
from nanmap.plot.layout import Panels, Sheet
from nanmap.plot.legend import place_handles
from nanmap.plot.line_styles import band_handle, marks_of, style_of
from nanmap.plot.names import name_axis
from nanmap.plot.paint import NUMERIC, alive_pixels, check_present, check_value, checked_column
from nanmap.plot.paint_numbers import bar_label, describe_kinds, describe_rank
from nanmap.plot.paper import Length, make_paper
from nanmap.plot.shown_settings import ShownSettings
from nanmap.plot.theme import Theme, find_theme
from nanmap.plot.ticks import set_up
from nanmap.plot.value_axis import ValueAxis, make_value_axis
from nanmap.plot.words import describe_map
from nanmap.results.folder import RunFolder
from nanmap.results.schema import Column

SHARES = (0.1, 0.5, 0.9)  # of the runs of a point, from best to worst: the band's ends and the line
ASIDE = 0.09  # of the distance between two labels: points of several lines over one label


def draw_lines(
    folder: RunFolder,
    x: str,
    *,
    lines: str | None = None,
    value: str = "loss_final",
    out: str | Path | None = None,
    title: str | None = None,
    theme: str = "light",
    select: Select | None = None,
    zoom: Windows | None = None,
    width: Length | None = None,
    height: Length | None = None,
    font_size: float | None = None,
    limits: Sequence[float] | None = None,
) -> Figure:
    """Draws a numeric column along one axis of a run.

    All cells that differ only in other axes share a point: the line goes through their median run, the band from the
    10 % to the 90 % of them, from best to worst, with infinite, NaN and missing ones last. Where the median run is no
    number, or past the upper end, a mark stands above the panel, in a row for each line.

    Args:
        folder: the run, which may be unfinished.
        x: column of the horizontal axis.
        lines: column of the axis of which each value has a line; None for one line.
        value: a numeric column.
        out: file to write, as for `draw_map`; so are `title`, `theme`, `select`, `zoom`, `width`, `height`, `font_size`.
        title: see `out`.
        theme: see `out`.
        select: see `out`.
        zoom: see `out`.
        width: see `out`.
        height: see `out`.
        font_size: see `out`.
        limits: the ends of the vertical axis.

    Raises:
        InputError: a name is unknown, `value` is no number, or there are too many lines.
    """
    path, paper, look = checked(out), make_paper(width, height, font_size), find_theme(theme)
    manifest, ends = folder.read_manifest(), checked_limits(limits)
    _check_numeric(value)
    view = _view(manifest, x, lines, select, zoom)
    _check_count(view, look)
    settings = ShownSettings(manifest, view)
    column = checked_column(value, settings)
    quantiles = take_quantiles(folder, view, value, SHARES)
    check_present(quantiles[1], column)
    up = make_value_axis(quantiles, column, alive_pixels(folder, view), ends)
    expected = view.expected() if not manifest.get("complete") else quantiles[1].rows
    band = "line: the median run; band: 10\u00a0% to 90\u00a0% of the runs" + describe_rank(quantiles[1], column)
    text = describe_map(settings, quantiles[1].rows, expected, title, band * (view.depth > 1), "point")
    with matplotlib.style.context("default"), matplotlib.rc_context(look.rc(paper.font)):
        figure = ShownFigure(dpi=DPI, facecolor=look.background)
        sheet = Sheet(figure, paper, bar=False)
        sheet.take(*_legends(figure, view, quantiles[1], column, up, look, sheet.room))
        names = name_axis(x), bar_label(column)
        _, size, labels = sheet.lay_out(text, Panels(1, (1, 1), False, names), view, look, None)
        axes = figure.subplots()
        axes.set_axisbelow(True)
        set_up(axes, "x", view.x, labels[0])
        up.set_up(axes, size[1] / paper.scale)
        axes.grid(axis="y", color=look.excluded, linewidth=0.5)
        _fill(axes, view, quantiles, column, up, look, paper.scale)
        sheet.name_axes([axes])
        write(figure, path, folder.path)
    return figure


def _view(manifest: Mapping[str, Any], x: str, lines: str | None, select: Select | None, zoom: Windows | None) -> View:
    try:
        return make_view(load_grid(manifest), x, lines, (), select, zoom)
    except InputError as error:
        error.key = "lines" if error.key == "y" else error.key
        raise


def _check_numeric(value: str) -> None:
    check_value(value)
    if value not in NUMERIC:
        mend = "value=loss_final, or skill; a map draws names and shares"
        raise InputError("is no number that a line could follow", key="value", value=value, mend=mend)


def _check_count(view: View, look: Theme) -> None:
    count, most = int(np.prod(view.shape[:-1], dtype=int)), len(look.series)
    if count > most:
        axis = view.y.column
        mend = f"choose some: select={{{axis!r}: […]}}, on the command line --select {axis}=[…]"
        raise InputError(
            f"{count} lines cannot be told apart", key="lines", value=axis, allowed=f"at most {most}", mend=mend
        )


def _legends(
    figure: Figure, view: View, median: Numbers, column: Column, up: ValueAxis, look: Theme, room: float | None
) -> list[Legend]:
    """One for the lines, and one for the band and the marks."""
    several = len(view.shape) > 1
    labels = view.y.labels.tolist() if several else []
    lines = [style_of(number, look).handle(label) for number, label in enumerate(labels)]
    told: dict[Kind | str, str] = dict(describe_kinds(median, column).items())
    told |= {"above": f"above {up.label(1)}"} if up.past(median, 1).any() else {}
    told |= {"below": f"below {up.label(0)}"} if up.past(median, -1).any() else {}
    rest = [
        *[band_handle(look)] * (view.depth > 1),
        *(marks_of(kind, look).handle(text) for kind, text in told.items()),
    ]
    heading = name_axis(view.y.column) if several else ""
    made = place_handles(figure, lines, room, heading, length=2.6), place_handles(figure, rest, room, length=2.6)
    return [legend for legend in made if legend]


def _fill(
    axes: Axes,
    view: View,
    quantiles: list[Numbers],
    column: Column,
    up: ValueAxis,
    look: Theme,
    scale: float,
) -> None:
    count, joined = _count(view), view.x.labels.dtype.kind in "if"
    best, median, worst = ([_line(each, number) for number in range(count)] for each in quantiles)
    every = max(1, len(view.x) // 20)
    marks = [up.marks(each) for each in median]
    below = [up.past(each, -1) for each in median]
    # One row per line that has any, the first line's on top, as in the legend.
    rows = np.cumsum([bool(found) for found in reversed(marks)])[::-1]
    rows_below = np.cumsum([found.any() for found in reversed(below)])[::-1]
    for number in range(count):
        style = style_of(number, look)
        along = centres(view.x) + (0 if joined else ASIDE * (number - (count - 1) / 2))
        if view.depth > 1:
            # Beside a median that is no number, a band would look like numbers that most runs do not have.
            there = median[number].kinds == Kind.NUMBER
            low, high = (np.where(there, end, np.nan) for end in up.band(best[number], worst[number], column))
            style.draw_band(axes, along, low, high, joined)
        style.draw_line(axes, along, up.inside(median[number]), joined, (number * every // count, every))
        mark = marks_of("below", look)
        mark.draw(axes, along[below[number]], rows_below[number] - 0.5, style.colour, scale, inside=True)
        for kind, there in marks[number].items():
            marks_of(kind, look).draw(axes, along[there], rows[number] - 0.3, style.colour, scale)


def _count(view: View) -> int:
    return int(np.prod(view.shape[:-1], dtype=int))


def _line(numbers: Numbers, number: int) -> Numbers:
    """One line's values."""
    values, kinds, rows = (
        each.reshape(-1, each.shape[-1])[number] for each in (numbers.values, numbers.kinds, numbers.rows)
    )
    return Numbers(values, kinds, rows, numbers.tally, numbers.every)
