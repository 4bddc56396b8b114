"""Numeric columns → colours: the median run of each pixel, with colours of their own for what is no number."""

from collections.abc import Callable

import numpy as np
from matplotlib.colors import Colormap, LogNorm, Normalize, SymLogNorm

from nanmap.analysis import Kind, Medians
from nanmap.outcomes import Outcome
from nanmap.plot.labels import label_of
from nanmap.plot.painted import Bar, Painting, percent_ticks
from nanmap.plot.theme import DIVERGING, MISSING, SEQUENTIAL, through, to_bytes
from nanmap.plot.words import percent
from nanmap.results.schema import Column, Reason, Scale, Unit

KIND_COLOURS = {Kind.INF: Outcome.INF.colour, Kind.NAN: Outcome.NAN.colour, Kind.MISSING: MISSING}
SPREAD = (2, 98)  # percentiles between which losses are coloured; a single 1e300 must not bleach all others
DRAWABLE = (1e-280, 1e300)  # matplotlib takes less for 0, and half and twice must be floats too
BUFFER = 0.2  # the palest of both signs stay apart

Places = Callable[[np.ndarray], np.ndarray]


def paint_numbers(medians: Medians, column: Column) -> Painting:
    """Paints a numeric column. Dark is good throughout: low losses, late accidents.

    Args:
        medians: the median run of each pixel.
        column: the column that they are of.
    """
    numbers = medians.values[medians.kinds == Kind.NUMBER]
    places, bar = _by_rank(numbers, column) if column.scale is Scale.RANK else _by_value(numbers, column)
    return _with_kinds(medians, column, bar.colormap, places, bar if len(numbers) else None)


def why_missing(column: Column) -> str:
    """What a missing value means, NaN aside, which has a colour and a label of its own."""
    return column.why_missing(but=Reason.ENDED_BY_NAN) or "missing"


def _by_value(numbers: np.ndarray, column: Column) -> tuple[Places, Bar]:
    colormap = SEQUENTIAL if column.better == "high" else SEQUENTIAL.reversed()
    norm, extend = _norm(column, numbers)
    ticks = percent_ticks() if column.unit is Unit.SHARE else (None, None)
    places = lambda values: np.ma.filled(norm(np.maximum(values, norm.vmin or 0)), 0)  # noqa: E731
    return places, Bar(colormap, norm, column.label or column.name.replace("_", " "), extend, *ticks)


def _by_rank(numbers: np.ndarray, column: Column) -> tuple[Places, Bar]:
    """Stretched by rank on each side of 0: the values pile up at both ends, and ranks show the order among them."""
    below, above = np.sort(numbers[numbers < 0]), np.sort(numbers[numbers >= 0])

    def places(values: np.ndarray) -> np.ndarray:
        # Both signs are palest where the fate was clear at once, near 0, and deepest at the edge between them.
        low = np.searchsorted(-below[::-1], -values) / max(len(below) - 1, 1)
        high = np.searchsorted(above, values) / max(len(above) - 1, 1)
        return np.where(values < 0, 0.5 - _buffered(low), 0.5 + _buffered(high))

    quarters = [np.quantile(side, [0, 0.25, 0.5, 0.75, 1], method="nearest") for side in (below, above) if len(side)]
    spots = {label_of(float(f"{spot:.3g}")): float(spot) for spot in np.concatenate([*quarters, []])}
    ticks = places(np.array(list(spots.values()))).tolist()
    return places, Bar(DIVERGING, Normalize(0, 1), column.label, "neither", ticks, list(spots))


def _buffered(share: np.ndarray) -> np.ndarray:
    return 0.5 * (BUFFER + (1 - BUFFER) * share)


def _with_kinds(medians: Medians, column: Column, colormap: Colormap, places: Places, bar: Bar | None) -> Painting:
    image = np.zeros((*medians.kinds.shape, 4), np.uint8)
    numbers = medians.kinds == Kind.NUMBER
    image[numbers] = through(colormap, places(medians.values[numbers]))
    total = sum(count for kind, count in medians.tally.items() if kind != Kind.EMPTY)
    words = {Kind.INF: "infinite", Kind.NAN: "NaN", Kind.MISSING: why_missing(column)}
    legend = []
    for kind, colour in KIND_COLOURS.items():
        image[medians.kinds == kind] = to_bytes(colour)
        if count := medians.tally[kind]:
            legend.append((colour, f"{words[kind]}: {count:,} training{'s' * (count != 1)} · {percent(count, total)}"))
    shared = medians.rows.size and medians.rows.max() > 1
    order = ", ".join(f"“{words[kind]}”" for kind in KIND_COLOURS if medians.tally[kind])
    note = "colour: the median run" + (f", with {order} ranked last" if order and bar else "")
    return Painting(image, medians.rows, "", legend, bar, note=note if shared else "")


def _norm(column: Column, numbers: np.ndarray) -> tuple[Normalize, str]:
    """From numbers to places on the colour bar, and the ends beyond which there are more."""
    if column.scale is Scale.SHARE:
        return Normalize(0, 1), "min" if (numbers < 0).any() else "neither"
    if column.scale is Scale.STEPS:
        start, end = numbers.min(initial=0 if not len(numbers) else np.inf), max(2, numbers.max(initial=1))
        return (LogNorm(start, end) if 1 <= start < end else SymLogNorm(1, vmin=0, vmax=end)), "neither"
    positive = numbers[numbers > 0]
    if not len(positive):
        return Normalize(0, 1), "neither"
    low, high = np.percentile(positive, SPREAD) if column.unit is Unit.LOSS else (positive.min(), positive.max())
    low, high = np.clip([low, high], *DRAWABLE)
    if low == high:
        low, high = low / 2, high * 2
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}
    return LogNorm(low, high), extend.get((bool((numbers < low).any()), bool((numbers > high).any())), "neither")
