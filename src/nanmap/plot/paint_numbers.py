"""Numeric columns → colours: the median run of each pixel, with colours of their own for what is no number."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from matplotlib.colors import LogNorm, Normalize, SymLogNorm

from nanmap.analysis import Kind, Numbers
from nanmap.errors import InputError
from nanmap.plot.colormaps import Colouring, beyond
from nanmap.plot.labels import label_of
from nanmap.plot.painted import Bar, Painting, extension, percent_ticks
from nanmap.plot.theme import DIVERGING, SEQUENTIAL, Theme, through, to_bytes
from nanmap.plot.words import percent
from nanmap.results.schema import Column, Missing, Reason, Scale, Unit

# Percentiles of the losses that are alive, between which losses are coloured; of few losses it is all of them.
SPREAD: tuple[tuple[float, Literal["lower", "higher"]], ...] = ((2, "lower"), (98, "higher"))
NEAR = 10  # unless the least and the greatest are within this factor of them
DRAWABLE = (1e-100, 1e100)  # matplotlib looks for ticks and colours as far again beyond both ends
BUFFER = 0.2  # the palest of both signs stay apart

Places = Callable[[np.ndarray], np.ndarray]


def paint_numbers(medians: Numbers, column: Column, colouring: Colouring, alive: np.ndarray | None = None) -> Painting:
    """Paints a numeric column. Dark is good throughout, unless a colormap is given: low losses, late accidents.

    Args:
        medians: the median run of each pixel.
        column: the column that they are of.
        colouring: the colours that are asked for, and the theme.
        alive: pixels whose numbers set the limits, where others are out of all proportion; all if None.

    Raises:
        InputError: limits that the column's scale does not allow.
    """
    numbers = medians.kinds == Kind.NUMBER
    if column.scale is Scale.RANK:
        places, bar = _by_rank(medians.values[numbers], column, colouring)
        return _with_kinds(medians, column, colouring.look, places, bar)
    setting = numbers & alive if alive is not None and (numbers & alive).any() else numbers
    norm = _norm(column, medians.values[setting], colouring.limits)
    return _by_value(medians, column, colouring, norm)


def why_missing(column: Column) -> str:
    """What a missing value means, NaN aside, which has a colour and a label of its own."""
    return column.why_missing(but=Reason.ENDED_BY_NAN) or "missing"


def bar_label(column: Column) -> str:
    """What a number is, and its column, which is what a command calls it."""
    return f"{column.label} ({column.name})" if column.label else column.name


def _by_value(medians: Numbers, column: Column, colouring: Colouring, norm: Normalize) -> Painting:
    """Coloured by size; numbers past the bad end of the bar have a colour of their own, on the other end they are as good."""
    colormap = colouring.colormap or (SEQUENTIAL if column.better == "high" else SEQUENTIAL.reversed())
    values = medians.values[medians.kinds == Kind.NUMBER]
    below, above = (values < norm.vmin).any(), (values > norm.vmax).any()
    past, colour = None, beyond(colormap, colouring.look)
    if above and column.better == "low":
        past, colormap = medians.every > norm.vmax, colormap.with_extremes(over=colour)
    elif below and column.better == "high":
        past, colormap = medians.every < norm.vmin, colormap.with_extremes(under=colour)
    ticks = percent_ticks() if column.unit is Unit.SHARE and colouring.limits is None else (None, None)
    bar = Bar(colormap, norm, bar_label(column), column.name, extension(bool(below), bool(above)), *ticks)

    def places(numbers: np.ndarray) -> np.ndarray:
        # Beyond the ends as matplotlib has it: negative and above 1; a log norm masks what it cannot take.
        inside = np.ma.filled(norm(np.clip(numbers, norm.vmin, norm.vmax)), 0.0).astype(float)
        return np.where(numbers > norm.vmax, 2.0, np.where(numbers < norm.vmin, -1.0, np.clip(inside, 0, 1)))

    legend = [] if past is None else [(colour, _past(medians, column, norm, int(past.sum())))]
    return _with_kinds(medians, column, colouring.look, places, bar, legend)


def _past(medians: Numbers, column: Column, norm: Normalize, count: int) -> str:
    high = column.better == "low"
    limit = label_of(float(f"{norm.vmax if high else norm.vmin:.3g}"))
    where = f"{'above' if high else 'below'} {limit}"
    if column.scale is Scale.SHARE and norm.vmin == 0 and not high:
        where += ", worse than a constant answer"
    return _counted(where, count, medians)


def _by_rank(numbers: np.ndarray, column: Column, colouring: Colouring) -> tuple[Places, Bar]:
    """Stretched by rank on each side of 0: the values pile up at both ends, and ranks show the order among them."""
    if colouring.limits is not None:
        mend = f"leave them out: `{column.name}` is coloured by rank on each side of 0"
        raise InputError("ranks have no limits", key="limits", value=colouring.limits, mend=mend)
    below, above = np.sort(numbers[numbers < 0]), np.sort(numbers[numbers >= 0])

    def places(values: np.ndarray) -> np.ndarray:
        # Both signs are palest where the fate was clear at once, near 0, and deepest at the edge between them.
        low = np.searchsorted(-below[::-1], -values) / max(len(below) - 1, 1)
        high = np.searchsorted(above, values) / max(len(above) - 1, 1)
        return np.where(values < 0, 0.5 - _buffered(low), 0.5 + _buffered(high))

    quarters = [np.quantile(side, [0, 0.25, 0.5, 0.75, 1], method="nearest") for side in (below, above) if len(side)]
    spots = {label_of(float(f"{spot:.3g}")): float(spot) for spot in np.concatenate([*quarters, []])}
    ticks = places(np.array(list(spots.values()))).tolist()
    colormap = colouring.colormap or DIVERGING
    return places, Bar(colormap, Normalize(0, 1), column.label, column.name, "neither", ticks, list(spots))


def _buffered(share: np.ndarray) -> np.ndarray:
    return 0.5 * (BUFFER + (1 - BUFFER) * share)


def _with_kinds(
    medians: Numbers,
    column: Column,
    look: Theme,
    places: Places,
    bar: Bar,
    legend: list[tuple[str, str]] | None = None,
) -> Painting:
    image = np.zeros((*medians.kinds.shape, 4), np.uint8)
    numbers = medians.kinds == Kind.NUMBER
    image[numbers] = through(bar.colormap, places(medians.values[numbers]))
    colours = {Kind.INF: look.inf, Kind.NAN: look.nan, Kind.MISSING: look.missing}
    legend = [*(legend or []), *((colours[kind], text) for kind, text in describe_kinds(medians, column).items())]
    for kind, colour in colours.items():
        image[medians.kinds == kind] = to_bytes(colour)
    note = "colour: the median run" + (describe_rank(medians, column) if numbers.any() else "")
    shared = medians.rows.size and medians.rows.max() > 1
    return Painting(image, medians.rows, "", legend, bar if numbers.any() else None, note=note if shared else "")


def describe_kinds(numbers: Numbers, column: Column) -> dict[Kind, str]:
    """What is no number, and in how many trainings; of the kinds that there are."""
    words = {Kind.INF: "infinite", Kind.NAN: "NaN", Kind.MISSING: why_missing(column)}
    return {kind: _counted(word, numbers.tally[kind], numbers) for kind, word in words.items() if numbers.tally[kind]}


def describe_rank(numbers: Numbers, column: Column) -> str:
    """Where among the runs that share a pixel those stand that are no number; "" if there is none."""
    words = {Kind.INF: "infinite", Kind.NAN: "NaN", Kind.MISSING: why_missing(column)}
    best = (Kind.MISSING,) if column.missing is Missing.NEGATIVE else ()
    said = {}
    for place, kinds in (("first", best), ("last", tuple(kind for kind in words if kind not in best))):
        said[place] = ", ".join(f"“{words[kind]}”" for kind in kinds if numbers.tally[kind])
    ranked = " and ".join(f"{order} ranked {place}" for place, order in said.items() if order)
    return f", with {ranked}" if ranked else ""


def _counted(word: str, count: int, numbers: Numbers) -> str:
    total = sum(rows for kind, rows in numbers.tally.items() if kind != Kind.EMPTY)
    return f"{word}: {count:,} training{'s' * (count != 1)} · {percent(count, total)}"


def _norm(column: Column, numbers: np.ndarray, limits: tuple[float, float] | None = None) -> Normalize:
    """From numbers to places on the colour bar; between the limits, or what these numbers make of them."""
    if column.scale is Scale.SHARE:
        return Normalize(*(limits or (0, 1)))
    if column.scale is Scale.STEPS:
        start, end = numbers.min(initial=0 if not len(numbers) else np.inf), max(2, numbers.max(initial=1))
        start, end = limits or (start, end)
        return LogNorm(start, end) if 1 <= start < end else SymLogNorm(1, vmin=start if limits else 0, vmax=end)
    if limits is not None:
        if limits[1] > DRAWABLE[1] or 0 < limits[0] < DRAWABLE[0]:
            raise InputError(
                "cannot be drawn", key="limits", value=limits, allowed="from {:g} to {:g}".format(*DRAWABLE)
            )
        if limits[0] <= 0:
            problem = f"`{column.name}` is coloured by its logarithm, so both must be positive"
            raise InputError(problem, key="limits", value=limits, mend=f"1e-6:{limits[1]:g}" if limits[1] > 0 else None)
        return LogNorm(*limits)
    positive = numbers[numbers > 0]
    if not len(positive):
        return Normalize(0, 1)
    low, high = np.clip(spread(positive) if column.unit is Unit.LOSS else (positive.min(), positive.max()), *DRAWABLE)
    return LogNorm(low, high) if low < high else LogNorm(low / 2, high * 2)


def spread(positive: np.ndarray) -> tuple[float, float]:
    """Between which numbers most are; a single 1e300 must not bleach all others, and nothing is cut off for little."""
    low, high = (np.percentile(positive, share, method=outer) for share, outer in SPREAD)
    least, most = positive.min(), positive.max()
    return float(least if least > low / NEAR else low), float(most if most / NEAR < high else high)
