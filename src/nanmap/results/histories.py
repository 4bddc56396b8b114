"""The columns of a history: single updates of cells, kept beside the rows."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from nanmap.results.columns import CELL
from nanmap.results.schema import Column, Unit, arrow_table

HISTORY_COLUMNS = (
    CELL,
    Column("step", pa.int64(), Unit.STEPS, "The update, from 0."),
    Column("loss", pa.float64(), Unit.LOSS, "Loss of its batch before it.", label="loss of the batch", better="low"),
    Column("gradient_norm", pa.float64(), Unit.BARE, "Norm of the gradient of that loss, before any clipping.", label="norm of the gradient"),
    Column("update_norm", pa.float64(), Unit.BARE, "How far the parameters move in it.", label="norm of the update"),
    Column("parameter_norm", pa.float64(), Unit.BARE, "Norm of the parameters after it.", label="norm of the parameters"),
)  # fmt: skip


def history_hash(rows: str, updates: int, cells: str | float) -> str:
    """What stands for a history in its shards: the rows that it is of, and what of them was asked for."""
    asked = json.dumps([rows, updates, cells, [each.name for each in HISTORY_COLUMNS]])
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


def history_table(parts: Iterable[pa.Table], metadata: Mapping[str, str]) -> pa.Table:
    """The histories of some cells as one table, ordered by cell and step."""
    empty = make_history(np.zeros(0, np.int64), {each.name: np.zeros((0, 0)) for each in HISTORY_COLUMNS[1:]})
    table = pa.concat_tables([empty, *parts]).sort_by([("cell", "ascending"), ("step", "ascending")])
    return table.combine_chunks().replace_schema_metadata(dict(metadata))


def make_history(cells: np.ndarray, found: Mapping[str, Any]) -> pa.Table:
    """One row per update that was looked at.

    Args:
        cells: numbers `[cells]`.
        found: `step` and the other columns, `[cells, updates]`; a step of -1 is none.
    """
    there = found["step"] >= 0
    numbers = np.broadcast_to(cells[:, None], there.shape)
    values = {each.name: np.asarray(found[each.name])[there] for each in HISTORY_COLUMNS[1:]}
    values |= {"step": values["step"].astype(np.int64), CELL.name: numbers[there]}
    return arrow_table(HISTORY_COLUMNS, values, {})
