"""The columns of a row: names, types, units and meanings, in one place. Changing one changes `VERSION`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from nanmap.outcomes import Cause, Outcome

VERSION = 2

TEXT = pa.dictionary(pa.int16(), pa.string())


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        type: its Arrow type.
        unit: `steps`, `loss` (the scaled target's loss unit), `share`, `1` for bare numbers.
        meaning: one sentence.
        absent: what a missing value means; "" where none is ever missing.
    """

    name: str
    type: pa.DataType
    unit: str
    meaning: str
    absent: str = ""


COLUMNS = (
    Column("outcome", TEXT, "name", "How the cell ended: " + ", ".join(Outcome) + "."),
    Column(
        "cause",
        TEXT,
        "name",
        "Why it ended so; empty where nothing went wrong: " + ", ".join(filter(None, Cause)) + ".",
    ),
    Column(
        "first_inf_step",
        pa.int64(),
        "steps",
        "First step (from 0) whose batch loss, or whose parameters or running statistics after it, hold an infinity.",
        "never",
    ),
    Column(
        "first_nan_step",
        pa.int64(),
        "steps",
        "First step (from 0) whose batch loss, or whose parameters or running statistics after it, hold a NaN.",
        "never",
    ),
    Column(
        "stopped_step",
        pa.int64(),
        "steps",
        "Step before whose update `training.stop_above` or `training.stop_converged` ended the training.",
        "not ended so",
    ),
    Column("steps_run", pa.int64(), "steps", "Updates made: the budget, or first_nan_step + 1, or until stopped_step."),
    Column("loss_initial", pa.float64(), "loss", "Loss over all training rows at initialisation."),
    Column(
        "loss_final",
        pa.float64(),
        "loss",
        "Loss over all training rows after the last update; NaN once a NaN appeared.",
    ),
    Column("loss_floor", pa.float64(), "loss", "Loss that `converged` is measured from: `outcome.floor`."),
    Column("loss_best", pa.float64(), "loss", "Least of the losses over all training rows that were taken."),
    Column(
        "val_loss_final",
        pa.float64(),
        "loss",
        "Loss over the validation rows after the last update.",
        "no validation rows",
    ),
    Column(
        "r2",
        pa.float64(),
        "1",
        "1 − squared error / variance of the targets, on training rows after the last update.",
        "a NaN appeared, the target is constant, or the targets are classes",
    ),
    Column(
        "accuracy",
        pa.float64(),
        "share",
        "Share of the training rows that are classified right after the last update.",
        "a NaN appeared, or the loss is no cross-entropy",
    ),
    Column(
        "val_accuracy",
        pa.float64(),
        "share",
        "The same of the validation rows.",
        "a NaN appeared, the loss is no cross-entropy, or there are no validation rows",
    ),
    Column(
        "measure",
        pa.float64(),
        "1",
        "Sohl-Dickstein's measure (arXiv 2402.06184): −Σ v/v₀ if the mean of the last 20 is below 1, else Σ v₀/v.",
        "full-batch losses were not recorded, or not to the end",
    ),
    Column(
        "sharpness",
        pa.float64(),
        "1",
        "Largest eigenvalue λmax of the Hessian of the training loss (all rows) at initialisation.",
        "a network, or another loss, without `[record] sharpness`; or not resolved",
    ),
    Column(
        "sharpness_final",
        pa.float64(),
        "1",
        "Largest eigenvalue λmax of the Hessian of the training loss (all rows) after the last update.",
        "as for `sharpness`; with `start` no network has it; a NaN appeared",
    ),
    Column(
        "predicted_gd",
        pa.float64(),
        "learning rate",
        "Full-batch descent on a linear model with a squared loss is unstable above: 2/λmax, with momentum β 2(1 + β)/λmax, in Nesterov's form (2 + 2β)/((1 + 2β)λmax).",
        "does not hold: a network, another loss or rule, minibatches",
    ),
    Column(
        "predicted_mean_square",
        pa.float64(),
        "learning rate",
        "Minibatch descent on a linear model with a squared loss: above, the mean over all draws of the batches is unbounded.",
        "does not hold: as above, momentum, batches in a fixed order, full batch",
    ),
    Column(
        "predicted_typical",
        pa.float64(),
        "learning rate",
        "The same: above, a typical run grows (Lyapunov exponent), with shuffled, drawn or ordered batches as trained.",
        "does not hold, or rounding decides",
    ),
    Column(
        "predicted_catapult",
        pa.float64(),
        "learning rate",
        "2/λmax of a network at the start, full-batch descent: above, the loss may rise before it falls; no edge.",
        "not such a training, or no `sharpness`",
    ),
    Column(
        "overflow_step_predicted",
        pa.float64(),
        "steps",
        "Step at which the loss should overflow, from its growth along the top eigenvector; to compare with first_inf_step.",
        "none is forecast",
    ),
    Column(
        "dead_fraction_initial",
        pa.float64(),
        "share",
        "Share of relu units that give zero on every training row, at initialisation.",
        "no layer can die",
    ),
    Column(
        "dead_fraction", pa.float64(), "share", "The same after the last update.", "no layer can die, or a NaN appeared"
    ),
)
STEP_COLUMNS = ("first_inf_step", "first_nan_step", "stopped_step")
THEORY_COLUMNS = (
    "sharpness",
    "sharpness_final",
    "predicted_gd",
    "predicted_mean_square",
    "predicted_typical",
    "predicted_catapult",
    "overflow_step_predicted",
)
NULL_FOR_NAN = ("r2", "accuracy", "val_accuracy", "measure", *THEORY_COLUMNS, "dead_fraction_initial", "dead_fraction")


def axis_type(labels: np.ndarray) -> pa.DataType:
    """Arrow type of an axis's column."""
    kinds = {"b": pa.bool_(), "i": pa.int64(), "f": pa.float64()}
    return kinds.get(labels.dtype.kind, TEXT)


def arrow_schema(axes: Mapping[str, pa.DataType], metadata: Mapping[str, str]) -> pa.Schema:
    """The schema of a shard: `cell`, one column per axis, then `COLUMNS`; units and meanings in the fields' metadata."""
    fields = [field_of("cell", pa.int64(), "number", "Number of the cell, row-major over the axes, from 0.")]
    fields += [field_of(name, kind, "axis", f"Value of the axis `{name}`.") for name, kind in axes.items()]
    fields += [field_of(each.name, each.type, each.unit, each.meaning, each.absent) for each in COLUMNS]
    return pa.schema(fields, metadata=dict(metadata))


def make_table(
    cells: np.ndarray, axes: Mapping[str, np.ndarray], facts: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> pa.Table:
    """Rows of a shard as an Arrow table.

    Args:
        cells: cell numbers `[rows]`.
        axes: the axes' values `[rows]`.
        facts: one array `[rows]` per name in `COLUMNS`; -1 for a step that never came, and for columns that may be
            absent a NaN or a masked entry. Elsewhere a NaN is a value and stays one.
    """
    schema = arrow_schema({name: axis_type(values) for name, values in axes.items()}, metadata)
    arrays = [pa.array(cells, pa.int64())]
    arrays += [_array(values, schema.field(name).type) for name, values in axes.items()]
    arrays += [_fact(each, facts[each.name]) for each in COLUMNS]
    return pa.Table.from_arrays(arrays, schema=schema)


def reference_table(columns: tuple[Column, ...] = COLUMNS) -> str:
    """The Markdown table of columns, for the docs."""
    lines = ["| column | type | unit | meaning | missing means |", "|---|---|---|---|---|"]
    for each in columns:
        kind = "text" if each.type == TEXT else str(each.type)
        lines.append(f"| `{each.name}` | {kind} | {each.unit} | {each.meaning} | {each.absent or '–'} |")
    return "\n".join(lines)


def field_of(name: str, kind: pa.DataType, unit: str, meaning: str, absent: str = "") -> pa.Field:
    """An Arrow field that says its unit and its meaning."""
    said = {"unit": unit, "meaning": meaning} | ({"missing_means": absent} if absent else {})
    return pa.field(name, kind, metadata=said)


def _fact(column: Column, values: Any) -> pa.Array:
    missing = np.ma.getmaskarray(values)
    plain = np.ma.getdata(values)
    if column.name in STEP_COLUMNS:
        missing = missing | (plain < 0)
    if column.name in NULL_FOR_NAN:
        missing = missing | np.isnan(plain)
    if column.type == TEXT:
        return _array(plain, TEXT)
    return pa.array(plain, column.type, mask=missing, from_pandas=False)


def _array(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    return text_array(values) if kind == TEXT else pa.array(values, kind, from_pandas=False)


def text_array(values: np.ndarray) -> pa.Array:
    """Texts, each stored once."""
    names, codes = np.unique(values.astype(str), return_inverse=True)
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int16()), pa.array(names, pa.string()))
