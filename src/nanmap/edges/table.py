"""The columns of the table of edges: names, types, units and meanings."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from nanmap.results.columns import TEXT, Column, axis_type, field_of, text_array

RATE = "learning rate"
EDGE_COLUMNS = (
    Column(
        "edge_learning_rate",
        pa.float64(),
        RATE,
        "The critical learning rate: the middle of the bracket, on a logarithmic scale.",
        "none was found: `note` says why",
    ),
    Column("bracket_low", pa.float64(), RATE, "A rate below the edge at which the training was stable.", "no edge"),
    Column("bracket_high", pa.float64(), RATE, "A rate above the edge at which the training was unstable.", "no edge"),
    Column(
        "last_stable_rate",
        pa.float64(),
        RATE,
        "The highest rate at which the training was seen stable; above the edge where stability returns.",
        "no rate was stable",
    ),
    Column("reentrant", pa.bool_(), "1", "Whether the coarse scan found stable rates above an unstable one."),
    Column(
        "decided_by",
        TEXT,
        "name",
        "`tail`: growth of the loss over the last tenth of the horizon (linear models with a squared loss, full-batch descent); `outcome`: nan, inf, diverged, or killed by the steps, at the end of the budget.",
    ),
    Column("horizon", pa.int64(), "steps", "Updates of the trainings that decided."),
    Column(
        "edge_seeds_low",
        pa.float64(),
        RATE,
        "10 % quantile of the edges of all seeds of this row; a seed without an edge counts as none.",
        "no edge, or a single seed",
    ),
    Column("edge_seeds_median", pa.float64(), RATE, "Their median.", "no edge, or a single seed"),
    Column("edge_seeds_high", pa.float64(), RATE, "Their 90 % quantile.", "no edge, or a single seed"),
    Column(
        "sharpness",
        pa.float64(),
        "1",
        "Largest eigenvalue λmax of the Hessian of the training loss (all rows) at initialisation.",
        "not resolved",
    ),
    Column(
        "predicted_gd",
        pa.float64(),
        RATE,
        "Full-batch descent by the row's own rule: 2/λmax, with momentum β 2(1 + β)/λmax, in Nesterov's form (2 + 2β)/((1 + 2β)λmax).",
        "does not hold: `predicted_gd_absent` says why",
    ),
    Column("predicted_gd_absent", TEXT, "name", "Why there is none; empty where there is."),
    Column(
        "predicted_mean_square",
        pa.float64(),
        RATE,
        "Above, the mean over all draws of the batches is unbounded (Mulayoff & Michaeli, COLT 2024).",
        "does not hold: `predicted_mean_square_absent` says why",
    ),
    Column("predicted_mean_square_absent", TEXT, "name", "Why there is none; empty where there is."),
    Column(
        "predicted_typical",
        pa.float64(),
        RATE,
        "Above, a typical run grows: Lyapunov exponent 0 of the updates in their own order, or one pass's spectral radius 1.",
        "does not hold: `predicted_typical_absent` says why",
    ),
    Column("predicted_typical_absent", TEXT, "name", "Why there is none; empty where there is."),
    Column(
        "predicted_catapult",
        pa.float64(),
        RATE,
        "2/λmax of a network at the start, full-batch descent: above, the loss may rise before it falls; no edge.",
        "not such a training",
    ),
    Column("note", TEXT, "name", "What else is to be said of the row; mostly empty."),
)


def edge_table(
    axes: Mapping[str, np.ndarray], facts: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> pa.Table:
    """Rows of edges as an Arrow table: one column per axis, then `EDGE_COLUMNS`; NaN becomes null, as no edge is NaN.

    Args:
        axes: the axes' values `[rows]`.
        facts: one array `[rows]` per name in `EDGE_COLUMNS`.
        metadata: of the file.
    """
    fields = [
        field_of(name, axis_type(values), "axis", f"Value of the axis `{name}`.") for name, values in axes.items()
    ]
    fields += [field_of(each.name, each.type, each.unit, each.meaning, each.absent) for each in EDGE_COLUMNS]
    schema = pa.schema(fields, metadata=dict(metadata))
    columns = {**axes, **{each.name: facts[each.name] for each in EDGE_COLUMNS}}
    arrays = [
        text_array(values) if field.type == TEXT else pa.array(values, field.type, from_pandas=True)
        for field, values in zip(schema, columns.values(), strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
