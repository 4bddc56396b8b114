"""Values → colours: one colour per pixel, and the key to read them by. Nothing is laid out here."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import Colormap, LogNorm, Normalize, SymLogNorm

from nanmap.analysis import SEVERITY, Kind, Medians, View, count_names, count_outcomes, most_common, take_medians
from nanmap.config.losses import LOSSES
from nanmap.errors import InputError, did_you_mean
from nanmap.outcomes import Outcome
from nanmap.plot.facts import Facts
from nanmap.plot.text import label_of
from nanmap.plot.theme import CAUSE_COLOURS, DIVERGING, MISSING, OUTCOME_COLOURS, SEQUENTIAL, through, to_bytes
from nanmap.plot.words import percent
from nanmap.results.columns import COLUMNS, STEP_COLUMNS, TEXT

if TYPE_CHECKING:
    from nanmap.result import Result

NUMERIC = {each.name: each for each in COLUMNS if each.type != TEXT}
VALUES = ("outcome", "cause", *Outcome, *NUMERIC)
LATER = (*STEP_COLUMNS, "overflow_step_predicted")  # no value says something too: it never happened
ACCURACIES = ("accuracy", "val_accuracy")
SHADES: dict[str, Mapping[Any, str]] = {
    "outcome": {each: OUTCOME_COLOURS[each] for each in SEVERITY},
    "cause": CAUSE_COLOURS,
}
MORE_IS_DARK = (
    "r2",
    *ACCURACIES,
    "steps_run",
    *LATER,
    "predicted_gd",
    "predicted_mean_square",
    "predicted_typical",
)  # dark is good throughout: low losses, late accidents
KIND_COLOURS = {Kind.INF: OUTCOME_COLOURS[Outcome.INF], Kind.NAN: OUTCOME_COLOURS[Outcome.NAN], Kind.MISSING: MISSING}
LABELS = {
    "first_inf_step": "first step with an infinity",
    "first_nan_step": "first step with a NaN",
    "steps_run": "updates made",
    "loss_initial": "loss at the start",
    "loss_final": "loss at the end",
    "loss_floor": "loss of the floor",
    "loss_best": "least loss",
    "val_loss_final": "validation loss at the end",
    "r2": "R²: share of the variance explained",
    "accuracy": "rows classified right at the end",
    "val_accuracy": "validation rows classified right at the end",
    "sharpness": "sharpness λmax at the start",
    "sharpness_final": "sharpness λmax at the end",
    "predicted_gd": "critical rate of full-batch descent",
    "predicted_mean_square": "critical rate of the mean square",
    "predicted_typical": "critical rate of a typical run",
    "predicted_catapult": "2/λ₀: rate above which it may catapult",
    "overflow_step_predicted": "step of the first overflow, as forecast",
    "dead_fraction": "dead units at the end",
    "dead_fraction_initial": "dead units at the start",
}
SPREAD = (2, 98)  # percentiles between which losses are coloured; a single 1e300 must not bleach all others
SETTINGS = {
    "sharpness": "[record] sharpness = true",
    "sharpness_final": "[record] sharpness = true",
    "predicted_catapult": "[record] sharpness = true",
    "val_loss_final": "data.validation_split",
    "val_accuracy": "data.validation_split",
    "measure": "[record] full_loss = true",
}  # what makes a training record the column
DRAWABLE = (1e-280, 1e300)  # matplotlib takes less for 0, and half and twice must be floats too
BUFFER = 0.2  # the palest of both signs stay apart


@dataclass(frozen=True)
class Bar:
    """A colour bar."""

    colormap: Colormap
    norm: Normalize
    label: str
    extend: str = "neither"
    ticks: list[float] | None = None
    tick_labels: list[str] | None = None


@dataclass(frozen=True)
class Painting:
    """A painted map.

    Attributes:
        image: colours `[*view.shape, 4]`; transparent where there is no row.
        rows: rows per pixel.
        legend: colour and label of each colour that is not on the bar.
        core, core_share: the runner-up's colour, and the share of the runs that it has.
        note: how the runs of a pixel were made into one colour; "" if there was one each.
    """

    image: np.ndarray
    rows: np.ndarray
    heading: str = ""
    legend: list[tuple[str, str]] = field(default_factory=list)
    bar: Bar | None = None
    core: np.ndarray | None = None
    core_share: np.ndarray | None = None
    note: str = ""


def paint(result: "Result", view: View, value: str) -> Painting:
    """Paints one column of a run.

    Args:
        result: the run.
        view: what the map shows.
        value: `outcome`, `cause`, an outcome's name for the share of the runs that ended so, or a numeric column.

    Raises:
        InputError: `value` is none of these, is missing in every row, or is an accuracy and no classes were predicted.
    """
    if value not in VALUES:
        raise InputError("cannot be drawn", key="value", value=value, allowed=VALUES, mend=did_you_mean(value, VALUES))
    losses = Facts(result.manifest, view).values("loss.kind")
    if value in ACCURACIES and not any(LOSSES[kind].of_classes for kind in losses):
        raise InputError(
            "says nothing where numbers are predicted: it would count exact equalities",
            key="value",
            value=value,
            mend="r2 tells how much of the target is explained; loss_final compares runs",
        )
    if value not in NUMERIC:
        if value not in SHADES:
            return _paint_share(count_outcomes(result, view), Outcome(value))
        return _paint_names(count_names(result, view, value, tuple(SHADES[value])), value, SHADES[value])
    medians = take_medians(result, view, value)
    _check_present(medians, value)
    return _paint_measure(medians) if value == "measure" else _paint_numbers(medians, value)


def _check_present(medians: Medians, name: str) -> None:
    """A column without a value in any row would be one grey field."""
    tally = medians.tally
    if name in LATER or not tally[Kind.MISSING] or tally[Kind.NUMBER] or tally[Kind.INF]:
        return
    mend = f"{SETTINGS[name]} records it, in a new run" if name in SETTINGS else "draw another column"
    raise InputError(f"no run on this map has it: {_reason(name)}", key="value", value=name, mend=mend)


def _reason(name: str) -> str:
    """What a missing value means, NaN aside, which has a colour and a label of its own."""
    said = NUMERIC[name].absent.replace("as for `sharpness`", NUMERIC["sharpness"].absent)
    return re.sub(r"(, or |; )?a NaN appeared(, or |, )?", "", said) or "missing"


def expand(painting: Painting, panel: tuple[int, ...], factor: int) -> np.ndarray:
    """A panel's image with `factor`² points per pixel, the runner-up's colour as a core of the area of its share.

    With a factor of 1 there is no room for a core, and the two colours are mixed by their shares.
    """
    image = painting.image[panel]
    if painting.core is None or painting.core_share is None:
        return image
    core, share = painting.core[panel], painting.core_share[panel]
    if factor == 1:
        return np.where(share[..., None] > 0, image + (core.astype(float) - image) * share[..., None], image).astype(
            np.uint8
        )
    rows, columns = share.shape
    offset = np.abs((np.arange(factor) + 0.5) / factor - 0.5)
    reach = np.maximum(np.tile(offset, rows)[:, None], np.tile(offset, columns)[None, :])
    grown = lambda array: array.repeat(factor, axis=0).repeat(factor, axis=1)  # noqa: E731
    return np.where((reach < grown(np.sqrt(share) / 2))[..., None], grown(core), grown(image))


def _paint_names(counts: np.ndarray, what: str, shades: Mapping[Any, str]) -> Painting:
    """The most common name of each pixel; `shades` go from good to bad."""
    colours = np.array([*map(to_bytes, shades.values()), [0, 0, 0, 0]], np.uint8)
    winner, _ = most_common(counts)
    others = counts.astype(np.int32)
    np.put_along_axis(others, np.maximum(winner, 0)[None], 0, axis=0)
    second, _ = most_common(others)
    rows = counts.sum(axis=0, dtype=np.int64)
    share = np.divide(others.max(axis=0), rows, out=np.zeros(rows.shape), where=rows > 0)
    totals = counts.reshape(len(shades), -1).sum(axis=1, dtype=np.int64)
    legend = [
        (shade, f"{each or 'none'}  {total:,} · {percent(int(total), int(totals.sum()))}")
        for (each, shade), total in zip(shades.items(), totals, strict=True)
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
    share = np.divide(counts[SEVERITY.index(outcome)], rows, out=np.zeros(rows.shape), where=rows > 0)
    image = through(SEQUENTIAL, share)
    image[rows == 0] = 0
    verb = {Outcome.CONVERGED: "converged", Outcome.DIVERGED: "diverged", Outcome.STALLED: "stalled"}.get(outcome)
    label = f"share of runs that {verb or f'ended as {outcome}'}"
    bar = Bar(SEQUENTIAL, Normalize(0, 1), label, "neither", *_percent_ticks())
    return Painting(image, rows, bar=bar)


def _paint_numbers(medians: Medians, name: str) -> Painting:
    numbers = medians.values[medians.kinds == Kind.NUMBER]
    colormap = SEQUENTIAL if name in MORE_IS_DARK else SEQUENTIAL.reversed()
    norm, extend = _norm(name, numbers)
    share = NUMERIC[name].unit == "share"
    bar = Bar(
        colormap, norm, LABELS.get(name, name.replace("_", " ")), extend, *(_percent_ticks() if share else (None, None))
    )
    places = lambda values: np.ma.filled(norm(np.maximum(values, norm.vmin or 0)), 0)  # noqa: E731
    return _with_kinds(medians, name, colormap, places, bar if len(numbers) else None)


def _paint_measure(medians: Medians) -> Painting:
    """Stretched by rank on each side of 0: the values pile up at both ends, and ranks show the order among them."""
    numbers = medians.values[medians.kinds == Kind.NUMBER]
    below, above = np.sort(numbers[numbers < 0]), np.sort(numbers[numbers >= 0])

    def places(values: np.ndarray) -> np.ndarray:
        # Both signs are palest where the fate was clear at once, near 0, and deepest at the edge between them.
        low = np.searchsorted(-below[::-1], -values) / max(len(below) - 1, 1)
        high = np.searchsorted(above, values) / max(len(above) - 1, 1)
        return np.where(values < 0, 0.5 - _buffered(low), 0.5 + _buffered(high))

    quarters = [np.quantile(side, [0, 0.25, 0.5, 0.75, 1], method="nearest") for side in (below, above) if len(side)]
    spots = {label_of(float(f"{spot:.3g}")): float(spot) for spot in np.concatenate([*quarters, []])}
    bar = Bar(
        DIVERGING,
        Normalize(0, 1),
        "measure, coloured by rank (blue converged, red did not)",
        "neither",
        places(np.array(list(spots.values()))).tolist(),
        list(spots),
    )
    return _with_kinds(medians, "measure", DIVERGING, places, bar if len(numbers) else None)


def _buffered(share: np.ndarray) -> np.ndarray:
    return 0.5 * (BUFFER + (1 - BUFFER) * share)


def _with_kinds(
    medians: Medians, name: str, colormap: Colormap, places: Callable[[np.ndarray], np.ndarray], bar: Bar | None
) -> Painting:
    image = np.zeros((*medians.kinds.shape, 4), np.uint8)
    numbers = medians.kinds == Kind.NUMBER
    image[numbers] = through(colormap, places(medians.values[numbers]))
    total = sum(count for kind, count in medians.tally.items() if kind != Kind.EMPTY)
    words = {Kind.INF: "infinite", Kind.NAN: "NaN", Kind.MISSING: _reason(name)}
    legend = []
    for kind, colour in KIND_COLOURS.items():
        image[medians.kinds == kind] = to_bytes(colour)
        if count := medians.tally[kind]:
            legend.append((colour, f"{words[kind]}: {count:,} training{'s' * (count != 1)} · {percent(count, total)}"))
    shared = medians.rows.size and medians.rows.max() > 1
    order = ", ".join(f"“{words[kind]}”" for kind in KIND_COLOURS if medians.tally[kind])
    note = "colour: the median run" + (f", with {order} ranked last" if order and bar else "")
    return Painting(image, medians.rows, "", legend, bar, note=note if shared else "")


def _norm(name: str, numbers: np.ndarray) -> tuple[Normalize, str]:
    if name == "r2":
        return Normalize(0, 1), "min" if (numbers < 0).any() else "neither"
    if NUMERIC[name].unit == "share":
        return Normalize(0, 1), "neither"
    if name in LATER:
        start, end = numbers.min(initial=0 if not len(numbers) else np.inf), max(2, numbers.max(initial=1))
        return (LogNorm(start, end) if 1 <= start < end else SymLogNorm(1, vmin=0, vmax=end)), "neither"
    positive = numbers[numbers > 0]
    if not len(positive):
        return Normalize(0, 1), "neither"
    low, high = np.percentile(positive, SPREAD) if NUMERIC[name].unit == "loss" else (positive.min(), positive.max())
    low, high = np.clip([low, high], *DRAWABLE)
    if low == high:
        low, high = low / 2, high * 2
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}
    return LogNorm(low, high), extend.get((bool((numbers < low).any()), bool((numbers > high).any())), "neither")


def _percent_ticks() -> tuple[list[float], list[str]]:
    shares = [0, 0.25, 0.5, 0.75, 1]
    return shares, [f"{100 * share:.0f} %" for share in shares]
