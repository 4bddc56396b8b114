"""Values → colours: what is asked for is looked up, counted or taken the median of, and painted. Nothing is laid out here."""

from dataclasses import replace

import numpy as np
from matplotlib.colors import Normalize

from nanmap.analysis import Kind, Numbers, View, count_names, count_outcomes, most_common, take_medians
from nanmap.config.losses import loss_entry
from nanmap.errors import InputError, did_you_mean
from nanmap.outcomes import Outcome, Verdict
from nanmap.plot.colormaps import Colouring
from nanmap.plot.paint_numbers import paint_numbers, why_missing
from nanmap.plot.painted import Bar, Painting, extension, percent_ticks
from nanmap.plot.shown_settings import ShownSettings
from nanmap.plot.theme import SEQUENTIAL, Theme, through, to_bytes
from nanmap.plot.words import percent
from nanmap.results.columns import COLUMNS
from nanmap.results.folder import RunFolder
from nanmap.results.schema import TEXT, Column, Reason, Unit

NUMERIC = {each.name: each for each in COLUMNS if each.type != TEXT}
NAMED = {each.name: each.names for each in COLUMNS if each.names}
PALER = 0.25  # of the background, in pixels that were filled in
VALUES = (*NAMED, *Outcome, *NUMERIC)


def paint(folder: RunFolder, settings: ShownSettings, value: str, colouring: Colouring) -> Painting:
    """Paints one column of a run.

    Args:
        folder: the run.
        settings: the trainings on the map, and its view.
        value: `outcome`, `cause`, an outcome's name for the share of the runs that ended so, or a numeric column.
        colouring: the colours of numbers, and the theme.

    Raises:
        InputError: `value` is none of these, is missing in every row, is an accuracy and no classes were predicted, or
            is a column of names while a colormap or limits are asked for.
    """
    check_value(value)
    view = settings.view
    if value in NAMED:
        check_plain(value, colouring)
        names = NAMED[value].by_severity()
        painted = _paint_names(count_names(folder, view, value, names), names, value, colouring.look)
        return _paler(painted, folder, settings, colouring.look) if settings.refined else painted
    if value not in NUMERIC:
        return _paint_share(count_outcomes(folder, view), Outcome(value), colouring)
    column = checked_column(value, settings)
    medians = take_medians(folder, view, value)
    check_present(medians, column)
    return paint_numbers(medians, column, colouring, alive_pixels(folder, view) if column.unit is Unit.LOSS else None)


def check_value(value: str) -> None:
    """Refuses what is no column and no outcome."""
    if value not in VALUES:
        raise InputError("cannot be drawn", key="value", value=value, allowed=VALUES, mend=did_you_mean(value, VALUES))


def checked_column(value: str, settings: ShownSettings) -> Column:
    """The numeric column of a name, unless it says nothing of the trainings at hand."""
    column = NUMERIC[value]
    _check_classes(column, settings)
    return column


def check_plain(value: str, colouring: Colouring) -> None:
    """Names have colours of their own."""
    for key, given in (("cmap", colouring.colormap), ("limits", colouring.limits)):
        if given is not None:
            shown = given if isinstance(given, tuple) else given.name
            mend = "draw a number, such as value loss_final, or the share of the runs: value converged"
            raise InputError(f"is for numbers; `{value}` has a colour for each name", key=key, value=shown, mend=mend)


def alive_pixels(folder: RunFolder, view: View) -> np.ndarray:
    """Pixels in which at least half of the runs neither diverged nor died, as many do that blew up before."""
    counts = count_outcomes(folder, view)
    stable = [not each.unstable and each is not Outcome.DEAD for each in Outcome.by_severity()]
    total = counts.sum(axis=0, dtype=np.int64)
    return (total > 0) & (2 * counts[stable].sum(axis=0, dtype=np.int64) >= total)


def _check_classes(column: Column, settings: ShownSettings) -> None:
    """What counts classes says nothing of a map without any."""
    if Reason.NO_CLASSES in column.reasons and not any(
        loss_entry(kind).of_classes for kind in settings.values("loss.kind")
    ):
        raise InputError(
            "says nothing where numbers are predicted: it would count exact equalities",
            key="value",
            value=column.name,
            mend="r2 tells how much of the target is explained; loss_final compares runs",
        )


def check_present(medians: Numbers, column: Column) -> None:
    """A column without a value in any row would be one grey field, unless that says that something never happened."""
    tally = medians.tally
    if Reason.NEVER in column.reasons or not tally[Kind.MISSING] or tally[Kind.NUMBER] or tally[Kind.INF]:
        return
    mend = f"{column.needs} records it, in a new run" if column.needs else "draw another column"
    problem = f"no run on this map has it: {why_missing(column)}"
    raise InputError(problem, key="value", value=column.name, mend=mend)


def _paint_names(counts: np.ndarray, names: tuple[Verdict, ...], what: str, look: Theme) -> Painting:
    """The most common name of each pixel; `names` go from good to bad."""
    colours = np.array([*(to_bytes(look.own(each.colour)) for each in names), [0, 0, 0, 0]], np.uint8)
    winner, _ = most_common(counts)
    others = counts.astype(np.int32)
    np.put_along_axis(others, np.maximum(winner, 0)[None], 0, axis=0)
    second, _ = most_common(others)
    rows = counts.sum(axis=0, dtype=np.int64)
    share = np.divide(others.max(axis=0), rows, out=np.zeros(rows.shape), where=rows > 0)
    totals = counts.reshape(len(names), -1).sum(axis=1, dtype=np.int64)
    legend = [
        (look.own(each.colour), f"{each or 'none'}  {total:,} · {percent(int(total), int(totals.sum()))}")
        for each, total in zip(names, totals, strict=True)
        if total
    ]
    mixed = bool((share > 0).any())
    core = colours[second] if mixed else None
    note = f"colour: the most common {what} (of equal ones the worse)" if rows.size and rows.max() > 1 else ""
    return Painting(
        colours[winner], rows, f"{what}  trainings · share", legend, None, core, share if mixed else None, note
    )


def _paler(painted: Painting, folder: RunFolder, settings: ShownSettings, look: Theme) -> Painting:
    """The same with pixels that were filled in paler than those that were trained."""
    trained = count_names(folder, settings.view, "outcome", Outcome.by_severity(), filled=False).sum(axis=0)
    inferred = (painted.rows > 0) & (trained == 0)
    image, ground = painted.image.copy(), np.array(to_bytes(look.background), float)
    image[inferred] = np.round((1 - PALER) * image[inferred] + PALER * ground).astype(np.uint8)
    heading = painted.heading.replace("trainings", "cells")
    return replace(
        painted,
        image=image,
        heading=heading,
        note="; ".join(filter(None, [painted.note, "paler: filled in, not trained"])),
    )


def _paint_share(counts: np.ndarray, outcome: Outcome, colouring: Colouring) -> Painting:
    rows = counts.sum(axis=0, dtype=np.int64)
    wanted = counts[Outcome.by_severity().index(outcome)]
    share = np.divide(wanted, rows, out=np.zeros(rows.shape), where=rows > 0)
    low, high = colouring.limits or (0, 1)
    colormap, norm = colouring.colormap or SEQUENTIAL, Normalize(low, high, clip=True)
    image = through(colormap, norm(share))
    image[rows == 0] = 0
    extend = extension(bool((share < low).any()), bool((share > high).any()))
    ticks = percent_ticks() if colouring.limits is None else (None, None)
    return Painting(image, rows, bar=Bar(colormap, norm, f"share of runs: {outcome}", outcome, extend, *ticks))
