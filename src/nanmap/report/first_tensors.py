"""First tensors beside a run, where its sweep recorded them: `first_tensors/part-*.parquet`, if the page has room for them."""

from typing import Any

import numpy as np
import pyarrow as pa

from nanmap.report.histories import tables_beside
from nanmap.report.packing import Packed, pack_counts, pack_names, pack_words
from nanmap.results.arrays import names_of, numbers_of
from nanmap.results.folder import RunFolder

SHARE = 0.25  # of the page's bytes, at most
NAMES = ("first_tensor", "value", "largest_in")


def read_first_tensors(folder: RunFolder, budget: int) -> dict[str, Any] | None:
    """The first tensors of a run's cells, packed, for JSON; None where none were recorded, or they take too much of the budget.

    Raises:
        RunFolderError: a file cannot be read.
    """
    tables = list(tables_beside(folder, "first_tensors"))
    if not tables:
        return None
    table = pa.concat_tables(tables, promote_options="default").unify_dictionaries().sort_by("cell")
    columns = {name: _packed(table, name) for name in table.column_names}
    if sum(each.size for each in columns.values()) > SHARE * budget:
        return None
    return {"columns": {name: each.as_dict() for name, each in columns.items()}, "rows": table.num_rows}


def _packed(table: pa.Table, name: str) -> Packed:
    if name in NAMES:
        return pack_names(*names_of(table[name]))
    numbers, missing = numbers_of(table[name])
    if name == "largest_before":
        return pack_words(np.where(missing, np.nan, numbers), missing)
    return pack_counts(numbers, missing)
