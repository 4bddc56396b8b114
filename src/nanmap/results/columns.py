"""The columns of a row, one entry each: all that anybody knows of a column stands here. Changing one changes `VERSION`."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from nanmap.outcomes import Cause, Outcome, Stop
from nanmap.results.schema import TEXT, Column, CurveStyle, Missing, Reason, Scale, Unit, arrow_table, axis_column

VERSION = 3
JUDGED_BY_DATA = 3  # the version since which rows hold what their outcome follows from

CELL = Column("cell", pa.int64(), Unit.CELL, "Number of the cell, row-major over the axes, from 0.")
COLUMNS = (
    Column("outcome", TEXT, Unit.NAME, "How the cell ended: " + ", ".join(Outcome) + ".", names=Outcome),
    Column(
        "cause",
        TEXT,
        Unit.NAME,
        "Why it ended so; empty where nothing went wrong: " + ", ".join(filter(None, Cause)) + ".",
        names=Cause,
    ),
    Column(
        "first_inf_step",
        pa.int64(),
        Unit.STEPS,
        "First step (from 0) whose batch loss, or whose parameters or running statistics after it, hold an infinity.",
        Missing.NEGATIVE,
        (Reason.NEVER,),
        label="first step with an infinity",
        better="high",
        scale=Scale.STEPS,
    ),
    Column(
        "first_nan_step",
        pa.int64(),
        Unit.STEPS,
        "First step (from 0) whose batch loss, or whose parameters or running statistics after it, hold a NaN.",
        Missing.NEGATIVE,
        (Reason.NEVER,),
        label="first step with a NaN",
        better="high",
        scale=Scale.STEPS,
    ),
    Column(
        "stopped_step",
        pa.int64(),
        Unit.STEPS,
        "Step before whose update `training.stop_above` or `training.stop_converged` ended the training.",
        Missing.NEGATIVE,
        (Reason.NEVER,),
        label="step at which the training was stopped",
        better="high",
        scale=Scale.STEPS,
    ),
    Column(
        "stopped_by",
        TEXT,
        Unit.NAME,
        "Which of `training.stop_above` and `training.stop_converged` ended the training; empty if it ran to its end.",
        names=Stop,
    ),
    Column(
        "steps_run",
        pa.int64(),
        Unit.STEPS,
        "Updates made: the budget, or first_nan_step + 1, or until stopped_step.",
        label="updates made",
        better="high",
    ),
    Column(
        "loss_initial",
        pa.float64(),
        Unit.LOSS,
        "Loss over all training rows at initialisation.",
        label="loss at the start",
        better="low",
    ),
    *(
        Column(
            f"loss_at_{share}0",
            pa.float64(),
            Unit.LOSS,
            f"Loss over all training rows after ⌊0.{share}·steps⌋ updates; NaN once a NaN appeared, of a stopped training that at its stop.",
            label=f"loss at {share}0 % of the budget",
            better="low",
        )
        for share in (5, 8, 9)
    ),
    Column(
        "loss_final",
        pa.float64(),
        Unit.LOSS,
        "Loss over all training rows after the last update; NaN once a NaN appeared.",
        label="loss at the end",
        better="low",
    ),
    Column(
        "loss_floor",
        pa.float64(),
        Unit.LOSS,
        "The reference that `converged` comes down to: `outcome.floor`.",
        label="loss of the floor",
        better="low",
    ),
    Column(
        "loss_constant",
        pa.float64(),
        Unit.LOSS,
        "Loss of the best constant answer to the training rows; `converged` is measured from it.",
        label="loss of the best constant answer",
        better="low",
    ),
    Column(
        "skill",
        pa.float64(),
        Unit.BARE,
        "1 − loss_final / loss_constant: 0 is what a constant answer reaches, 1 is perfect; R² of a squared loss.",
        Missing.NAN,
        (Reason.NOT_FINITE,),
        label="skill: share of the constant answer's loss that is gone",
        better="high",
        scale=Scale.SHARE,
    ),
    Column(
        "loss_best",
        pa.float64(),
        Unit.LOSS,
        "Least of the losses over all training rows that were taken.",
        label="least loss",
        better="low",
    ),
    Column(
        "val_loss_final",
        pa.float64(),
        Unit.LOSS,
        "Loss over the validation rows after the last update.",
        Missing.MASK,
        (Reason.NO_VALIDATION_ROWS,),
        label="validation loss at the end",
        better="low",
    ),
    Column(
        "r2",
        pa.float64(),
        Unit.BARE,
        "1 − squared error / variance of the targets, on training rows after the last update.",
        Missing.NAN,
        (Reason.ENDED_BY_NAN, Reason.CONSTANT_TARGET, Reason.CLASSES),
        label="R²: share of the variance explained",
        better="high",
        scale=Scale.SHARE,
    ),
    Column(
        "accuracy",
        pa.float64(),
        Unit.SHARE,
        "Share of the training rows that are classified right after the last update.",
        Missing.NAN,
        (Reason.ENDED_BY_NAN, Reason.NO_CLASSES),
        label="rows classified right at the end",
        better="high",
        scale=Scale.SHARE,
    ),
    Column(
        "val_accuracy",
        pa.float64(),
        Unit.SHARE,
        "The same of the validation rows.",
        Missing.NAN,
        (Reason.ENDED_BY_NAN, Reason.NO_CLASSES, Reason.NO_VALIDATION_ROWS),
        label="validation rows classified right at the end",
        better="high",
        scale=Scale.SHARE,
    ),
    Column(
        "measure",
        pa.float64(),
        Unit.BARE,
        "Sohl-Dickstein's measure (arXiv 2402.06184): −Σ v/v₀ if the mean of the last 20 is below 1, else Σ v₀/v.",
        Missing.NAN,
        (Reason.NO_FULL_LOSS, Reason.STOPPED),
        label="measure, coloured by rank (blue converged, red did not)",
        better="low",
        scale=Scale.RANK,
    ),
    Column(
        "sharpness",
        pa.float64(),
        Unit.BARE,
        "Largest eigenvalue λmax of the Hessian of the training loss (all rows) at initialisation.",
        Missing.NAN,
        (Reason.NO_SHARPNESS, Reason.NOT_RESOLVED),
        label="sharpness λmax at the start",
    ),
    Column(
        "sharpness_final",
        pa.float64(),
        Unit.BARE,
        "Largest eigenvalue λmax of the Hessian of the training loss (all rows) after the last update.",
        Missing.NAN,
        (Reason.ENDED_BY_NAN, Reason.NO_SHARPNESS, Reason.ONLY_START, Reason.NOT_RESOLVED),
        label="sharpness λmax at the end",
    ),
    Column(
        "predicted_gd",
        pa.float64(),
        Unit.LEARNING_RATE,
        "Full-batch descent on a linear model with a squared loss is unstable above: 2/λmax, with momentum β 2(1 + β)/λmax, in Nesterov's form (2 + 2β)/((1 + 2β)λmax) for β ≥ 0.",
        Missing.NAN,
        (Reason.NO_LINEAR_DESCENT, Reason.FLAT, Reason.GROWING_MOMENTUM, Reason.MINIBATCHES),
        label="critical rate of full-batch descent",
        better="high",
        curve=CurveStyle("{bound}"),
    ),
    Column(
        "predicted_mean_square",
        pa.float64(),
        Unit.LEARNING_RATE,
        "Minibatch descent on a linear model with a squared loss: above, the mean over all draws of the batches is unbounded (Mulayoff & Michaeli, COLT 2024).",
        Missing.NAN,
        (Reason.NO_LINEAR_DESCENT, Reason.FLAT, Reason.FULL_BATCH, Reason.IN_ORDER, Reason.MOMENTUM, Reason.TOO_LARGE),
        label="critical rate of the mean square",
        better="high",
        curve=CurveStyle("safe: mean square bounded\n(batches drawn {draws})", (4, 1.6)),
    ),
    Column(
        "predicted_typical",
        pa.float64(),
        Unit.LEARNING_RATE,
        "Minibatch descent on a linear model with a squared loss: above, a typical run grows, with its batches shuffled, drawn (Lyapunov exponent 0) or in order (one pass's spectral radius 1).",
        Missing.NAN,
        (
            Reason.NO_LINEAR_DESCENT,
            Reason.FLAT,
            Reason.GROWING_MOMENTUM,
            Reason.FULL_BATCH,
            Reason.TOO_LARGE,
            Reason.NEAR_ONE,
            Reason.ROUNDING,
        ),
        label="critical rate of a typical run",
        better="high",
        curve=CurveStyle("{growth}", (1.2, 1.2)),
    ),
    Column(
        "predicted_catapult",
        pa.float64(),
        Unit.LEARNING_RATE,
        "2/λmax of a network at the start, full-batch descent: above, the loss may rise before it falls; no edge.",
        Missing.NAN,
        (Reason.NO_NETWORK_DESCENT, Reason.NO_SHARPNESS, Reason.NOT_RESOLVED),
        label="2/λ₀: rate above which it may catapult",
        better="high",
        curve=CurveStyle(
            "2/λ$_0$ at the start (full batch,\nmedian): above, may catapult", (5, 1.4, 1.2, 1.4), median=True
        ),
    ),
    Column(
        "overflow_step_predicted",
        pa.float64(),
        Unit.STEPS,
        "Step at which the loss should overflow, from its growth along the eigenvectors; to compare with first_inf_step.",
        Missing.NAN,
        (Reason.NO_FORECAST,),
        label="step of the first overflow, as forecast",
        better="high",
        scale=Scale.STEPS,
    ),
    Column(
        "handicap",
        TEXT,
        Unit.NAME,
        "The cause that the settings alone would be, if nothing nearer is found: gradient_ascent, precision, single_rows, or none.",
        names=Cause,
    ),
    Column(
        "layers",
        pa.int64(),
        Unit.BARE,
        "Layers with parameters, the output's included.",
        label="layers with parameters",
    ),
    Column(
        "output_spread",
        pa.float64(),
        Unit.BARE,
        "Standard deviation of the outputs over the training rows after the last update, over that of the targets; of several classes' logits that of their differences.",
        Missing.NAN,
        (Reason.ENDED_BY_NAN, Reason.NOT_FINITE, Reason.CONSTANT_TARGET),
        label="spread of the outputs over the targets'",
    ),
    Column(
        "gradient_ratio_initial",
        pa.float64(),
        Unit.BARE,
        "Norm of the loss's gradient in the first layer over that in the last one, over all training rows, at initialisation.",
        Missing.NAN,
        (Reason.ONE_LAYER, Reason.NO_GRADIENT),
        label="first layer's gradient over the last one's, at the start",
    ),
    Column(
        "gradient_ratio",
        pa.float64(),
        Unit.BARE,
        "The same after the last update.",
        Missing.NAN,
        (Reason.ENDED_BY_NAN, Reason.ONE_LAYER, Reason.NO_GRADIENT),
        label="first layer's gradient over the last one's, at the end",
    ),
    Column(
        "dead_at_init",
        pa.bool_(),
        Unit.BARE,
        "Whether all units of some layer give zero on every training row at initialisation.",
        label="a layer is dead at the start",
        better="low",
        scale=Scale.SHARE,
    ),
    Column(
        "dead_layer",
        pa.bool_(),
        Unit.BARE,
        "Whether all units of some layer give zero on every training row after the last update.",
        label="a layer is dead at the end",
        better="low",
        scale=Scale.SHARE,
    ),
    Column(
        "ends_infinite",
        pa.bool_(),
        Unit.BARE,
        "Whether the loss or a parameter is infinite after the last update.",
        label="infinite at the end",
        better="low",
        scale=Scale.SHARE,
    ),
    Column(
        "dead_fraction_initial",
        pa.float64(),
        Unit.SHARE,
        "Share of relu units that give zero on every training row, at initialisation.",
        Missing.NAN,
        (Reason.NO_RELU,),
        label="dead units at the start",
        better="low",
        scale=Scale.SHARE,
    ),
    Column(
        "dead_fraction",
        pa.float64(),
        Unit.SHARE,
        "The same after the last update.",
        Missing.NAN,
        (Reason.ENDED_BY_NAN, Reason.NO_RELU),
        label="dead units at the end",
        better="low",
        scale=Scale.SHARE,
    ),
)

# Of a run that refined itself alone, behind the others.
INFERRED = Column(
    "inferred",
    pa.bool_(),
    Unit.BARE,
    "Whether outcome and cause were filled in from around the cell, and nothing trained: all else is missing then.",
    label="filled in",
)


def column_named(name: str) -> Column:
    """The column of a name.

    Raises:
        KeyError: there is none.
    """
    return {each.name: each for each in COLUMNS}[name]


def blank(name: str, rows: int) -> pa.Array:
    """A column without values, as rows of before it have it: null, or the empty text."""
    column = column_named(name)
    return pa.array([""] * rows).cast(TEXT) if column.type == TEXT else pa.nulls(rows, column.type)


def make_table(
    cells: np.ndarray, axes: Mapping[str, np.ndarray], facts: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> pa.Table:
    """Rows of a shard as an Arrow table: `cell`, one column per axis, then `COLUMNS`.

    Args:
        cells: cell numbers `[rows]`.
        axes: the axes' values `[rows]`.
        facts: one array `[rows]` per name in `COLUMNS`; where a value is missing, marked as `Column.missing` says.
            Elsewhere a NaN is a value and stays one.
        metadata: of the file.
    """
    columns = (CELL, *(axis_column(name, values) for name, values in axes.items()), *COLUMNS)
    return arrow_table(columns, {**facts, **axes, CELL.name: cells}, metadata)


def make_refined_table(
    cells: np.ndarray,
    axes: Mapping[str, np.ndarray],
    trained: pa.Table,
    ends: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
) -> pa.Table:
    """Rows of a shard of which some were trained and the others filled in: `make_table`'s columns, then `INFERRED`.

    What nobody knows of the others is missing as in `blank`.

    Args:
        cells: numbers of all cells `[rows]`, ascending.
        axes: the axes' values `[rows]`.
        trained: the rows that `make_table` made of those that were trained, ascending; they stay as they are.
        ends: texts of the columns that are filled in, `outcome` and `cause`, of all cells `[rows]`.
        metadata: of the file.
    """
    there = np.isin(cells, trained[CELL.name].to_numpy())
    place = pa.array(np.cumsum(there) - 1, pa.int64(), mask=~there)
    table = trained.combine_chunks().take(place)
    known = {CELL: cells, **{axis_column(name, values): values for name, values in axes.items()}}
    for column in (each for each in COLUMNS if each.type == TEXT):
        known[column] = np.full(len(cells), "", object)
        known[column][there] = column.values(trained[column.name])
    known |= {column_named(name): texts for name, texts in ends.items()}
    for column, values in known.items():
        table = table.set_column(table.column_names.index(column.name), column.field(), column.array(values))
    table = table.append_column(INFERRED.field(), INFERRED.array(~there))
    return table.replace_schema_metadata(dict(metadata))


def reference_table(columns: Sequence[Column] = COLUMNS) -> str:
    """The Markdown table of columns, for the docs."""
    lines = ["| column | type | unit | meaning | missing means |", "|---|---|---|---|---|"]
    for each in columns:
        kind = "text" if each.type == TEXT else str(each.type)
        lines.append(f"| `{each.name}` | {kind} | {each.unit} | {each.meaning} | {each.absent or '–'} |")
    return "\n".join(lines)
