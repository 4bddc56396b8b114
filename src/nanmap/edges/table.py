"""The columns of the table of edges: names, types, units and meanings. What a cell's row has too is taken from there."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from nanmap.results.columns import column_named
from nanmap.results.schema import TEXT, Column, Missing, Reason, Unit, arrow_table, axis_column


def _rate(name: str, meaning: str, *reasons: Reason) -> Column:
    return Column(name, pa.float64(), Unit.LEARNING_RATE, meaning, Missing.NAN, reasons)


def _explained(name: str) -> tuple[Column, Column]:
    """A predicted rate, and beside it why there is none."""
    meaning = f"Why there is no `{name}`; empty where there is."
    return column_named(name), Column(f"{name}_absent", TEXT, Unit.NAME, meaning)


EDGE_COLUMNS = (
    _rate(
        "edge_learning_rate",
        "The critical learning rate: the middle of the bracket, on a logarithmic scale.",
        Reason.NO_EDGE,
    ),
    _rate("bracket_low", "A rate below the edge at which the training was stable.", Reason.NO_EDGE),
    _rate("bracket_high", "A rate above the edge at which the training was unstable.", Reason.NO_EDGE),
    _rate(
        "last_stable_rate",
        "The highest rate at which the training was seen stable; above the edge where stability returns.",
        Reason.NO_STABLE_RATE,
    ),
    Column("reentrant", pa.bool_(), Unit.BARE, "Whether the coarse scan found stable rates above an unstable one."),
    Column(
        "decided_by",
        TEXT,
        Unit.NAME,
        "`tail`: growth of the loss over the last tenth of the horizon (linear models with a squared loss, full-batch descent); `outcome`: nan, inf, diverged, or killed by the steps, at the end of the budget.",
    ),
    Column("horizon", pa.int64(), Unit.STEPS, "Updates of the trainings that decided."),
    _rate(
        "edge_seeds_low",
        "10 % quantile of the edges of all seeds of this row; a seed without an edge counts as none.",
        Reason.NO_EDGE,
        Reason.SINGLE_SEED,
    ),
    _rate("edge_seeds_median", "Their median.", Reason.NO_EDGE, Reason.SINGLE_SEED),
    _rate("edge_seeds_high", "Their 90 % quantile.", Reason.NO_EDGE, Reason.SINGLE_SEED),
    replace(column_named("sharpness"), reasons=(Reason.NOT_RESOLVED,)),  # of networks too, asked for or not
    *_explained("predicted_gd"),
    *_explained("predicted_mean_square"),
    *_explained("predicted_typical"),
    replace(column_named("predicted_catapult"), reasons=(Reason.NO_NETWORK_DESCENT, Reason.NOT_RESOLVED)),
    Column("note", TEXT, Unit.NAME, "What else is to be said of the row; mostly empty."),
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
    columns = (*(axis_column(name, values) for name, values in axes.items()), *EDGE_COLUMNS)
    return arrow_table(columns, {**facts, **axes}, metadata)
