"""The columns of first tensors: of cells in which an infinity or a NaN came, kept beside the rows."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from nanmap.results.columns import CELL
from nanmap.results.schema import TEXT, Column, Missing, Reason, Unit, arrow_table

FIRST_TENSOR_COLUMNS = (
    CELL,
    Column("first_tensor", TEXT, Unit.NAME, "The first tensor that is not finite, docs/outcomes.md; empty where rounding hid it."),
    Column("step", pa.int64(), Unit.STEPS, "The update in which it came, from 0."),
    Column("value", TEXT, Unit.NAME, "What it holds: `inf` or `nan`."),
    Column("largest_before", pa.float64(), Unit.BARE, "The largest number by size in all tensors before it.", Missing.NAN, (Reason.NOTHING_BEFORE,)),
    Column("largest_in", TEXT, Unit.NAME, "The tensor that holds that; empty where there is none."),
)  # fmt: skip
KINDS = {"double": np.float64, "int64": np.int64}
NONE = {each.name: np.zeros(0, KINDS.get(str(each.type), object)) for each in FIRST_TENSOR_COLUMNS}  # of no cell


def first_tensors_hash(rows: str) -> str:
    """What stands for first tensors in their shards: the rows that they are of."""
    asked = json.dumps([rows, [each.name for each in FIRST_TENSOR_COLUMNS]])
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


def first_tensors_table(parts: Iterable[pa.Table], metadata: Mapping[str, str]) -> pa.Table:
    """The first tensors of some cells as one table, ordered by cell."""
    table = pa.concat_tables([make_first_tensors(NONE), *parts]).unify_dictionaries().sort_by("cell")
    return table.combine_chunks().replace_schema_metadata(dict(metadata))


def make_first_tensors(found: Mapping[str, Any]) -> pa.Table:
    """One row per cell.

    Args:
        found: the columns by name, `[cells]`.
    """
    return arrow_table(FIRST_TENSOR_COLUMNS, found, {})
