"""The picture: panels, title, and the file that it is written to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanmap.analysis import Select, View, load_grid, make_view
from nanmap.config.choices import LEARNING_RATE
from nanmap.errors import InputError
from nanmap.grid.windows import Windows
from nanmap.plot.colormaps import make_colouring
from nanmap.plot.coordinates import borders, centres, coordinate, to_scale
from nanmap.plot.curves import Curve, find_curves
from nanmap.plot.files import DPI, ShownFigure, checked, write
from nanmap.plot.layout import Panels, Sheet, name_panels
from nanmap.plot.legend import draw_bar, line_of, make_legend, points_of, tell_tint
from nanmap.plot.names import name_axis
from nanmap.plot.paint import paint
from nanmap.plot.painted import Painting
from nanmap.plot.paper import Length, make_paper
from nanmap.plot.runner_up import expand
from nanmap.plot.shown_settings import ShownSettings
from nanmap.plot.theme import Theme, find_theme, to_bytes
from nanmap.plot.ticks import Labels, set_up
from nanmap.plot.words import describe_excluded, describe_map
from nanmap.results.folder import RunFolder

MOST_PANELS, MOST_COLUMNS = 30, 6
COLUMNS_FOR = {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3, 9: 3}  # panels of one facet; 4 otherwise
CORE_POINTS = 12  # points per side of a pixel in which runs disagree
CORE_LEAST = 6  # dots per side from which a core can be seen


def draw_map(
    folder: RunFolder,
    x: str,
    y: str,
    *,
    facet: str | Sequence[str] = (),
    value: str = "outcome",
    out: str | Path | None = None,
    title: str | None = None,
    theme: str = "light",
    select: Select | None = None,
    zoom: Windows | None = None,
    width: Length | None = None,
    height: Length | None = None,
    font_size: float | None = None,
    cmap: str | None = None,
    limits: Sequence[float] | None = None,
) -> Figure:
    """Draws what became of each training, over any two axes of a run.

    All cells that differ only in other axes share a pixel. For `outcome` it shows the most common one, with the
    runner-up as a core of the area of its share, and for `cause` the same; for an outcome's name, such as `converged`,
    the share of the runs that ended so; for a numeric column, the median run, where infinite, NaN and missing values have
    their own colours. Over any map with the learning rate along one side run the curves of theory, and beside them the
    measured edges, if `nanmap edge` left any in the run's folder.

    Args:
        folder: the run, which may be unfinished.
        x: column of the horizontal axis.
        y: column of the vertical axis.
        facet: columns of up to two axes over panels: one, or rows and columns.
        value: what to show.
        out: file to write: `.png`, `.svg` or `.pdf`. Its folder is made.
        title: in place of the sweep's own; "" leaves out all the text above the panels.
        theme: `light` or `dark`.
        select: which rows to keep: by axis a value, or a list of values; or a condition as in a sweep's `where`.
        zoom: by axis the ends of a window.
        width: of the picture, inches or a text with its unit.
        height: the same.
        font_size: in points.
        cmap: matplotlib's name of a colormap, for numbers.
        limits: the numbers at the ends of the colour bar.

    Returns:
        The figure, to add to or to save otherwise.

    Raises:
        InputError: a name or value is unknown, the axes make no plane, there are too many panels, or no rows.
    """
    path, paper = checked(out), make_paper(width, height, font_size)
    facet = (facet,) if isinstance(facet, str) else tuple(facet)
    manifest = folder.read_manifest()
    look = find_theme(theme)
    colouring, view = make_colouring(look, cmap, limits), make_view(load_grid(manifest), x, y, facet, select, zoom)
    panels = _panels(view)
    settings = ShownSettings(manifest, view)
    painting = paint(folder, settings, value, colouring)
    curves = [curve for curve in find_curves(folder, settings) if _on_axis(view, curve)]
    expected = painting.rows if not _has_holes(painting, manifest) else view.expected()
    text = describe_map(settings, painting.rows, expected, title, painting.note)
    with matplotlib.style.context("default"), matplotlib.rc_context(look.rc(paper.font)):
        figure = ShownFigure(dpi=DPI, facecolor=look.background)
        sheet = Sheet(figure, paper, painting.bar is not None)
        sheet.take(make_legend(figure, painting, expected, curves, look, describe_excluded(view), sheet.room))
        panels, size, labels = sheet.lay_out(text, panels, view, look, view.y)
        places = figure.subplots(*panels.shape, sharex=True, sharey=True, squeeze=False)
        drawn = _fill(places, view, painting, expected, curves, labels, look)
        if not _has_cores(drawn[0], view):
            tell_tint(*sheet.legends)
        name_panels(places, settings, size, paper.scale)
        if painting.bar is not None:
            across, up = panels.shape[1] * size[0], panels.shape[0] * size[1]
            draw_bar(figure, drawn, painting.bar, (across, up), paper.scale)
        sheet.name_axes(drawn)
        write(figure, path, folder.path)
    return figure


def _panels(view: View) -> Panels:
    """The panels, as they stand beside each other where there is room."""
    counts = [len(each) for each in view.facets]
    mend = 'choose some values: select={"axis": [values]}, on the command line --select axis=value'
    if len(counts) > 2:
        raise InputError("more than two axes", key="facet", value=[each.column for each in view.facets], mend=mend)
    total = int(np.prod(counts, dtype=int))
    columns = counts[1] if len(counts) == 2 else COLUMNS_FOR.get(total, 4)
    if total > MOST_PANELS or columns > MOST_COLUMNS:
        limit = f"at most {MOST_PANELS} panels, {MOST_COLUMNS} of the second facet"
        raise InputError(
            f"{' × '.join(map(str, counts))} panels are too many to read", key="facet", allowed=limit, mend=mend
        )
    names = name_axis(view.x.column), name_axis(view.y.column)
    return Panels(total, (-(-total // columns), columns), len(counts) < 2, names)


def _has_holes(painting: Painting, manifest: Mapping[str, Any]) -> bool:
    return not manifest.get("complete") or manifest["sweep"].get("where") or not painting.rows.all()


def _fill(
    panels: np.ndarray,
    view: View,
    painting: Painting,
    expected: np.ndarray,
    curves: list[Curve],
    labels: tuple[Labels, Labels],
    look: Theme,
) -> list[Axes]:
    """Draws the panels, and removes the places that no panel needs."""
    painting.image[expected == 0] = to_bytes(look.excluded)
    facets = view.shape[:-2]
    drawn = panels.ravel()[: int(np.prod(facets, dtype=int))].tolist()
    for spare in panels.ravel()[len(drawn) :]:
        spare.remove()
    for number, axes in enumerate(drawn):
        panel = tuple(int(each) for each in np.unravel_index(number, facets)) if facets else ()
        set_up(axes, "x", view.x, labels[0])
        set_up(axes, "y", view.y, labels[1])
        axes.patch.set(hatch="////", edgecolor=look.hatch)  # seen through where a cell has no row yet
        _draw_pixels(axes, view, painting, panel)
        for curve in curves:
            _draw_curve(axes, view, curve, panel)
    return drawn


def _draw_pixels(axes: Axes, view: View, painting: Painting, panel: tuple[int, ...]) -> None:
    """One image in the coordinates of the axes' scales, on which the pixels are evenly spaced."""
    image = expand(painting, panel, CORE_POINTS if _has_cores(axes, view) else 1)
    limits = [to_scale(each, borders(each)[[0, -1]]) for each in (view.x, view.y)]
    shrunk = _room(axes, view) < 1
    axes.imshow(
        image,
        extent=(*limits[0], *limits[1]),
        transform=axes.transLimits + axes.transAxes,
        origin="lower",
        aspect="auto",
        interpolation="antialiased" if shrunk else "nearest",
    )
    axes.set(xlim=borders(view.x)[[0, -1]], ylim=borders(view.y)[[0, -1]])


def _has_cores(axes: Axes, view: View) -> bool:
    return _room(axes, view) >= CORE_LEAST


def _room(axes: Axes, view: View) -> float:
    """Dots per side of a pixel."""
    box = axes.get_window_extent()
    return float(min(box.width / view.shape[-1], box.height / view.shape[-2]))


def _draw_curve(axes: Axes, view: View, curve: Curve, panel: tuple[int, ...]) -> None:
    """A staircase: one step per line of pixels, broken where the rate is not known or not on the axis.

    A measured edge is a point per line instead.
    """
    across = view.x.axis.key == LEARNING_RATE
    rate_axis, other = (view.x, view.y) if across else (view.y, view.x)
    if curve.measured:
        box = axes.get_window_extent()
        pitch = (box.height if across else box.width) / len(other) / DPI * 72
        measured = coordinate(rate_axis, curve.rates[panel]), centres(other)
        axes.plot(*(measured if across else measured[::-1]), scalex=False, scaley=False, **points_of(pitch))
        return
    places = np.repeat(coordinate(rate_axis, curve.rates[panel]), 2)
    sides = np.repeat(borders(other), 2)[1:-1]
    points = (places, sides) if across else (sides, places)
    axes.plot(*points, scalex=False, scaley=False, **line_of(curve))


def _on_axis(view: View, curve: Curve) -> bool:
    """Whether any of the curve's rates is on the map."""
    rate_axis = next(each for each in (view.x, view.y) if each.axis.key == LEARNING_RATE)
    return bool(np.isfinite(coordinate(rate_axis, curve.rates)).any())
