"""What the rows themselves say: what is no number, what is far off, scales, the inputs' spectrum, and codes; in sentences."""

from collections.abc import Iterator

import numpy as np

from nanmap.config.formats import FORMATS
from nanmap.data import Rows
from nanmap.data.words import listed
from nanmap.diagnosis.answer import Evidence
from nanmap.diagnosis.categories import names_in_numbers
from nanmap.diagnosis.columns import far_from_standard, moments, strays
from nanmap.diagnosis.patient import Patient

NEEDED = 3  # columns that are named one by one
FAR = 100.0  # times the width of nine tenths of a column: so far from its middle no number of it is expected
APART = 3.0  # times the range of all other numbers: so far off one number, many times, is none that was measured
FEW = 0.05  # share of the rows on either side, within which nine tenths of a column are
TARGET = "the target"
MANY = 0.25  # share of the rows up to which one number many times may stand for a missing value


def not_finite(patient: Patient) -> Iterator[Evidence]:
    """Values that are missing, infinite, or beyond the number format, and in which columns."""
    rows = patient.rows
    targets = (patient.config.data.target or "target",) * rows.targets.shape[1]
    for name, columns, names in (("inputs", rows.inputs, rows.features), ("targets", rows.targets, targets)):
        largest = FORMATS[patient.config.training.dtype].largest
        too_large = f"infinite, or beyond {largest:.3g}, the largest number of {patient.config.training.dtype}"
        for what, bad in (("missing", np.isnan(columns)), (too_large, np.abs(columns) > largest)):
            if not bad.any():
                continue
            worst = [f"{names[place]} ({bad[:, place].sum()})" for place in np.flatnonzero(bad.any(axis=0))]
            hit = int(bad.any(axis=1).sum())
            values = "1 value" if bad.sum() == 1 else f"{int(bad.sum())} values"
            yield Evidence(
                f"{values} of the {name} {'is' if bad.sum() == 1 else 'are'} {what}, in {hit} of {rows.n} rows: {listed(worst)}",
                {"values": int(bad.sum()), "rows": hit, "of": rows.n},
            )
    yield from _strays(rows, FORMATS[patient.config.training.dtype].largest)


def _strays(rows: Rows, largest: float) -> Iterator[Evidence]:
    """Single numbers that are too large, in columns whose other rows are not: mostly a slip of whoever wrote them."""
    for name, column in zip(rows.features, rows.inputs.T, strict=False):
        if len(stray := strays(column, largest)):
            value, rest = float(column[stray[0]]), float(np.abs(column[np.abs(column) <= largest]).max(initial=0))
            scaled = "; scaled together with it, all other rows of the column become one number"
            yield Evidence(
                f"{name} is {value:.4g} in row {stray[0] + 1}, and at most {rest:.4g} in size elsewhere: if that is a slip, "
                f"mend it or leave out the row{scaled if np.isfinite(value) else ''}",
                {"column": name, "row": int(stray[0]) + 1, "value": value, "rest": rest},
            )


def far_off(rows: Rows, largest: float = np.inf) -> Iterator[Evidence]:
    """Few numbers that are far from all others of their column: slips, or what stands for a missing value.

    Args:
        rows: whose columns are looked at.
        largest: number of the format of the inputs; of larger ones `not_finite` tells.
    """
    unscaled = rows.input_scaling.undo(rows.inputs), rows.target_scaling.undo(rows.targets)
    names = [*zip(rows.features, unscaled[0].T, strict=False), *((TARGET, each) for each in unscaled[1].T)]
    for name, column in names if not rows.classes else names[:-1]:
        if name != TARGET:
            column = np.where(np.abs(column) <= largest, column, np.nan)
        yield from list(_placeholder(name, column)) or _slips(name, column)


def _placeholder(name: str, column: np.ndarray) -> Iterator[Evidence]:
    """One number many times, at an end of a column, farther from all others than these lie apart: as −999 is."""
    values, counts = np.unique(column[np.isfinite(column)], return_counts=True)
    if len(values) < 4:
        return
    ends = ((0, values[1] - values[0], values[1:]), (-1, values[-1] - values[-2], values[:-1]))
    for place, gap, rest in ends:
        if 1 < counts[place] <= MANY * len(column) and gap > APART * (rest[-1] - rest[0]):
            value, count, low, high = float(values[place]), int(counts[place]), float(rest[0]), float(rest[-1])
            yield Evidence(
                f"{name} is {value:.6g} in {count} rows, and from {low:.4g} to {high:.4g} in all others: if it stands for a missing value, make it one",
                {"column": name, "value": value, "count": count, "low": low, "high": high},
            )


def _slips(name: str, column: np.ndarray) -> Iterator[Evidence]:
    known = np.isfinite(column)
    low, middle, high = np.quantile(column[known], (FEW, 0.5, 1 - FEW)) if known.any() else (0, 0, 0)
    far = np.flatnonzero(known & (np.abs(column - middle) > FAR * (high - low)))
    if not (high > low and 0 < len(far) <= 2 * FEW * len(column)):
        return
    rest, worst = np.delete(column, far), int(far[np.argmax(np.abs(column[far]))])
    value, low, high = float(column[worst]), float(np.nanmin(rest)), float(np.nanmax(rest))
    more = f", and as far off in {len(far) - 1} more" if len(far) > 1 else ""
    yield Evidence(
        f"{name} is {value:.6g} in row {worst + 1}{more}, and from {low:.4g} to {high:.4g} elsewhere: if that is a slip, mend it or leave out the row",
        {"column": name, "row": worst + 1, "value": value, "count": len(far), "low": low, "high": high},
    )


def of_inputs(patient: Patient) -> Iterator[Evidence]:
    """The columns that are worth scaling, the largest first."""
    rows = patient.rows
    means, spreads = moments(rows.inputs)
    for place in _largest(rows.inputs)[:NEEDED]:
        column = rows.inputs[np.isfinite(rows.inputs[:, place]), place]
        low, high, mean, spread = (float(each) for each in (column.min(), column.max(), means[place], spreads[place]))
        name = rows.features[place] if place < len(rows.features) else f"x[{place}]"
        yield Evidence(
            f"input {name} goes from {low:.4g} to {high:.4g}, mean {mean:.4g}, standard deviation {spread:.3g}",
            {"column": name, "low": low, "high": high, "mean": mean, "deviation": spread},
        )


def _largest(columns: np.ndarray) -> list[int]:
    """Columns that are worth scaling, the largest first."""
    mean, spread = moments(columns)
    size = np.nan_to_num(np.maximum(np.abs(mean), spread))
    return [int(place) for place in np.argsort(-size) if far_from_standard(columns)[place]]


def spectrum(patient: Patient) -> Iterator[Evidence]:
    """The spectrum of the inputs' second moments, which that of a line's Hessian is: how steep, how uneven, and by which column."""
    rows = patient.rows
    columns = rows.inputs[np.isfinite(rows.inputs).all(axis=1)]
    if len(columns) < 2:
        return
    with_bias = np.hstack([columns, np.ones((len(columns), 1))])
    with np.errstate(all="ignore"):
        moments = with_bias.T @ with_bias / len(columns)
    if not np.isfinite(moments).all():
        return
    values, vectors = np.linalg.eigh(moments)
    kept = values[values > 1e-12 * values[-1]]
    place = int(np.argmax(np.abs(vectors[:, -1])))
    name = [*rows.features, "the bias"][place] if place <= len(rows.features) else f"x[{place}]"
    share = float(vectors[place, -1] ** 2)
    condition = float(values[-1] / kept[0])
    yield Evidence(
        f"the inputs' second moments have λmax = {values[-1]:.4g} and the condition number {condition:.3g}; {share:.0%} of the steepest direction is {name}",
        {"lambda_max": float(values[-1]), "condition": condition, "column": name, "share": share},
    )


def of_targets(patient: Patient) -> Iterator[Evidence]:
    """The range of the targets."""
    targets = patient.rows.targets
    known, (_, spread) = targets[np.isfinite(targets)], moments(targets)
    figures = {"low": float(known.min()), "high": float(known.max()), "deviation": float(spread.max())}
    yield Evidence(
        f"the targets go from {figures['low']:.4g} to {figures['high']:.4g}, standard deviation {figures['deviation']:.4g}",
        figures,
    )


def codes(patient: Patient) -> Iterator[Evidence]:
    """Categories that are coded as numbers, and numbers that act as names of categories."""
    for source in patient.rows.sources:
        if len(source.categories) > 2 and not source.hot:
            codes = listed(f"{text} = {code}" for code, text in enumerate(source.categories))
            yield Evidence(
                f"column {source.name} holds {len(source.categories)} categories as codes: {codes}",
                {"column": source.name},
            )
    for name, count, share in names_in_numbers(patient.rows):
        yield Evidence(
            f"column {name} holds {count} whole numbers, which act as names: as such they explain {share:.0%} of what the best line leaves over",
            {"column": name, "numbers": count, "share": share},
        )
