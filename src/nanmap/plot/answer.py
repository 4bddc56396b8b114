"""The picture of a diagnosis: losses as the settings are and with the fix, and which rates work with which remedy."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke

from nanmap.outcomes import Outcome
from nanmap.plot.files import DPI, ShownFigure, checked, write
from nanmap.plot.labels import wrapped
from nanmap.plot.theme import Theme, find_theme

FONT = 9.0
WIDTHS = (4.4, 4.4)  # inches of the two panels
LABELS = (1.5, 2.25, 3.0)  # inches for the names of remedies
LINES, ROW = 2, 0.32  # a name has so many lines at most, which are so high, in inches
LOWEST, HIGHEST = 1e-12, 1e12  # times the constant answer's loss: what is beyond is cut off


class Course(NamedTuple):
    """Losses on their way.

    Attributes:
        steps: updates made, `[points]`.
        losses: `[starts, points]`; NaN from the first NaN on.
        label: for the legend.
        colour: of an outcome.
    """

    steps: np.ndarray
    losses: np.ndarray
    label: str
    colour: str


class Remedies(NamedTuple):
    """What became of each learning rate under each remedy.

    Attributes:
        rates: rising, above 0, `[rates]`.
        names: of the remedies, the first on top.
        outcomes: the commonest, text `[remedies, rates]`; empty where nothing was trained.
        shares: of starts that succeed, `[remedies, rates]`.
        marks: by a label the rate and the line of remedies that it is on; one that is not above 0 stands at the left end.
    """

    rates: np.ndarray
    names: Sequence[str]
    outcomes: np.ndarray
    shares: np.ndarray
    marks: dict[str, tuple[float, int]]


def draw_answer(
    courses: Sequence[Course],
    levels: dict[str, float],
    remedies: Remedies | None,
    *,
    title: str = "",
    out: str | Path | None = None,
    theme: str = "light",
) -> Figure:
    """Draws both panels; without a map of remedies the first alone.

    Args:
        courses: losses, a line per start.
        levels: losses to hold them against, by name.
        remedies: the map.
        title: above both.
        out: file to write: `.png`, `.svg` or `.pdf`. Its folder is made.
        theme: `light` or `dark`.

    Raises:
        InputError: no picture has such a name, or no theme.
    """
    path, look = checked(out), find_theme(theme)
    count = 1 if remedies is None else 2
    rows = 0 if remedies is None else len(remedies.names)
    label = 0.0 if remedies is None else _label_width(remedies.names)
    size = sum(WIDTHS[:count]) + label, max(3.6, 1.4 + ROW * rows)
    with matplotlib.style.context("default"), matplotlib.rc_context(look.rc(FONT)):
        figure = ShownFigure(figsize=size, dpi=DPI, facecolor=look.background, layout="constrained")
        panels = figure.subplots(1, count, squeeze=False)[0]
        _draw_courses(panels[0], courses, levels, look)
        if remedies is not None:
            _draw_remedies(panels[1], remedies, look)
        if title:
            figure.suptitle(wrapped(title, size[0] - 0.4, 11), x=0.01, ha="left", fontsize=11)
        write(figure, path)
    return figure


def _draw_courses(axes: Axes, courses: Sequence[Course], levels: dict[str, float], look: Theme) -> None:
    """On a logarithmic scale; a cross where a training meets its first infinity or NaN."""
    scale = next((level for level in levels.values() if level > 0), 1.0)
    ends = LOWEST * scale, HIGHEST * scale
    handles: list[Line2D] = []
    least, most = np.inf, scale
    for course in courses:
        colour = look.own(course.colour)
        for losses in course.losses:
            known = np.isfinite(losses)
            shown = np.where(known & (losses > 0), losses, np.nan)
            axes.plot(course.steps, shown, color=colour, linewidth=0.8, alpha=0.6)
            within = np.clip(shown[np.isfinite(shown)], *ends)
            least, most = min(least, within.min(initial=np.inf)), max(most, within.max(initial=0))
            if not known.all() and known.any():
                last = int(np.flatnonzero(known)[-1])
                axes.plot(
                    course.steps[last], np.clip(losses[last], *ends), "x", color=colour, markersize=5, clip_on=False
                )
        finite = np.isfinite(course.losses).any()
        handles.append(Line2D([], [], color=colour, label=course.label + ("" if finite else ": never finite")))
    if any(np.isfinite(each).any() and not np.isfinite(each).all() for course in courses for each in course.losses):
        axes.set_title("×: the first infinity or NaN", fontsize=FONT, loc="left")
    least = min(least, scale) / 2
    for (name, level), style in zip(levels.items(), ("--", ":"), strict=False):
        if level > least:
            handles.append(axes.axhline(level, color=look.muted, linewidth=0.9, linestyle=style, label=name))
    axes.set(xlabel="updates", ylabel="loss over all rows", yscale="log")
    axes.set_ylim(least, most * 2)
    if len(courses) and len(courses[0].steps):
        axes.set_xlim(0, max(int(course.steps[-1]) for course in courses))
    axes.legend(handles=handles, frameon=False, loc="best", handlelength=1.6)


def _draw_remedies(axes: Axes, remedies: Remedies, look: Theme) -> None:
    """A pixel per rate and remedy, in the colour of what became of most starts; the share of successes where some fail."""
    middles = np.log10(remedies.rates)
    half = (middles[-1] - middles[0]) / (2 * max(1, len(middles) - 1)) or 0.5
    rows = len(remedies.names)
    axes.imshow(
        _pixels(remedies, look),
        extent=(middles[0] - half, middles[-1] + half, rows - 0.5, -0.5),
        aspect="auto",
        interpolation="nearest",
    )
    axes.hlines(np.arange(rows - 1) + 0.5, *axes.get_xlim(), colors=look.background, linewidth=0.8)
    for (name, (rate, row)), marker in zip(remedies.marks.items(), ("o", "*", "D"), strict=False):
        at = np.clip(np.log10(rate), middles[0] - half, middles[-1] + half) if rate > 0 else middles[0] - half
        axes.plot(at, row, **_mark(marker), label=name)
    axes.set_yticks(range(rows), [wrapped(name, _label_width(remedies.names), FONT) for name in remedies.names])
    first, last = int(np.ceil(middles[0] - half)), int(np.floor(middles[-1] + half))
    step = max(1, (last - first) // 5)
    axes.set_xticks(range(first, last + 1, step), [f"$10^{{{power}}}$" for power in range(first, last + 1, step)])
    axes.set_xlabel("learning rate")
    axes.set_xlim(middles[0] - half, middles[-1] + half)
    found = {name for name in remedies.outcomes.ravel().tolist() if name}
    patches = [
        Patch(facecolor=look.own(each.colour), edgecolor=look.muted, linewidth=0.5, label=str(each))
        for each in Outcome.by_severity()
        if each in found
    ]
    handles = [*patches, *axes.get_legend_handles_labels()[0]]
    figure = axes.figure
    figure.legend(handles=handles, frameon=False, loc="outside lower right", ncols=7, handlelength=1.3)
    axes.set_title("what most starts end as; paler: not all succeed", fontsize=FONT, loc="left")


def _label_width(names: Sequence[str]) -> float:
    """The least width in which no name touches that of the line below."""
    fits = (width for width in LABELS if all(wrapped(name, width, FONT).count("\n") < LINES for name in names))
    return next(fits, LABELS[-1])


def _pixels(remedies: Remedies, look: Theme) -> np.ndarray:
    """Colours `[remedies, rates, 3]`; a converged pixel is paler by the share of starts that do not succeed."""
    blank = np.array(to_rgb(look.background))
    colours = {str(each): np.array(to_rgb(look.own(each.colour))) for each in Outcome}
    image = np.empty((*remedies.outcomes.shape, 3))
    for place, name in np.ndenumerate(remedies.outcomes):
        share = remedies.shares[place] if name == Outcome.CONVERGED else 1.0
        weight = 0.45 + 0.55 * float(np.clip(share, 0, 1))
        image[place] = np.array(to_rgb(look.excluded)) if not name else weight * colours[name] + (1 - weight) * blank
    return image


def _mark(marker: str) -> dict:
    return {
        "marker": marker, "linestyle": "none", "markersize": 8 if marker == "*" else 6, "markerfacecolor": "white",
        "markeredgecolor": "black", "markeredgewidth": 0.8, "clip_on": False, "zorder": 5,
        "path_effects": [Stroke(linewidth=1.6, foreground="white"), Normal()],
    }  # fmt: skip
