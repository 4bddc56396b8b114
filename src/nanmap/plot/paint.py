"""Values → colours: what is asked for is looked up, counted or taken the median of, and painted. Nothing is laid out here."""

import numpy as np
from matplotlib.colors import Normalize

from nanmap.analysis import Kind, Medians, count_names, count_outcomes, most_common, take_medians
from nanmap.config.losses import LOSSES
from nanmap.errors import InputError, did_you_mean
from nanmap.outcomes import Outcome, Verdict
from nanmap.plot.paint_numbers import paint_numbers, why_missing
from nanmap.plot.painted import Bar, Painting, percent_ticks
from nanmap.plot.shown_settings import ShownSettings
from nanmap.plot.theme import SEQUENTIAL, through, to_bytes
from nanmap.plot.words import percent
from nanmap.results.columns import COLUMNS
from nanmap.results.folder import RunFolder
from nanmap.results.schema import TEXT, Column, Reason

NUMERIC = {each.name: each for each in COLUMNS if each.type != TEXT}
NAMED = {each.name: each.names for each in COLUMNS if each.names}
VALUES = (*NAMED, *Outcome, *NUMERIC)


def paint(folder: RunFolder, settings: ShownSettings, value: str) -> Painting:
    """Paints one column of a run.

    Args:
        folder: the run.
        settings: the trainings on the map, and its view.
        value: `outcome`, `cause`, an outcome's name for the share of the runs that ended so, or a numeric column.

    Raises:
        InputError: `value` is none of these, is missing in every row, or is an accuracy and no classes were predicted.
    """
    if value not in VALUES:
        raise InputError("cannot be drawn", key="value", value=value, allowed=VALUES, mend=did_you_mean(value, VALUES))
    view = settings.view
    if value in NAMED:
        names = NAMED[value].by_severity()
        return _paint_names(count_names(folder, view, value, names), names, value)
    if value not in NUMERIC:
        return _paint_share(count_outcomes(folder, view), Outcome(value))
    column = NUMERIC[value]
    _check_classes(column, settings)
    medians = take_medians(folder, view, value)
    _check_present(medians, column)
    return paint_numbers(medians, column)


def _check_classes(column: Column, settings: ShownSettings) -> None:
    """What counts classes says nothing of a map without any."""
    if Reason.NO_CLASSES in column.reasons and not any(
        LOSSES[kind].of_classes for kind in settings.values("loss.kind")
    ):
        raise InputError(
            "says nothing where numbers are predicted: it would count exact equalities",
            key="value",
            value=column.name,
            mend="r2 tells how much of the target is explained; loss_final compares runs",
        )


def _check_present(medians: Medians, column: Column) -> None:
    """A column without a value in any row would be one grey field, unless that says that something never happened."""
    tally = medians.tally
    if Reason.NEVER in column.reasons or not tally[Kind.MISSING] or tally[Kind.NUMBER] or tally[Kind.INF]:
        return
    mend = f"{column.needs} records it, in a new run" if column.needs else "draw another column"
    problem = f"no run on this map has it: {why_missing(column)}"
    raise InputError(problem, key="value", value=column.name, mend=mend)


def _paint_names(counts: np.ndarray, names: tuple[Verdict, ...], what: str) -> Painting:
    """The most common name of each pixel; `names` go from good to bad."""
    colours = np.array([*(to_bytes(each.colour) for each in names), [0, 0, 0, 0]], np.uint8)
    winner, _ = most_common(counts)
    others = counts.astype(np.int32)
    np.put_along_axis(others, np.maximum(winner, 0)[None], 0, axis=0)
    second, _ = most_common(others)
    rows = counts.sum(axis=0, dtype=np.int64)
    share = np.divide(others.max(axis=0), rows, out=np.zeros(rows.shape), where=rows > 0)
    totals = counts.reshape(len(names), -1).sum(axis=1, dtype=np.int64)
    legend = [
        (each.colour, f"{each or 'none'}  {total:,} · {percent(int(total), int(totals.sum()))}")
        for each, total in zip(names, totals, strict=True)
        if total
    ]
    mixed = bool((share > 0).any())
    core = colours[second] if mixed else None
    note = f"colour: the most common {what} (of equal ones the worse)" if rows.size and rows.max() > 1 else ""
    return Painting(
        colours[winner], rows, f"{what}  trainings · share", legend, None, core, share if mixed else None, note
    )


def _paint_share(counts: np.ndarray, outcome: Outcome) -> Painting:
    rows = counts.sum(axis=0, dtype=np.int64)
    wanted = counts[Outcome.by_severity().index(outcome)]
    share = np.divide(wanted, rows, out=np.zeros(rows.shape), where=rows > 0)
    image = through(SEQUENTIAL, share)
    image[rows == 0] = 0
    label = f"share of runs: {outcome}"
    return Painting(image, rows, bar=Bar(SEQUENTIAL, Normalize(0, 1), label, "neither", *percent_ticks()))
