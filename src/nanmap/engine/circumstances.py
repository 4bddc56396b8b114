"""What the settings and the rows of cells say of them before anything is trained, and which of it is a cause by itself."""

from functools import lru_cache
from typing import Any

import numpy as np

from nanmap.data import Rows
from nanmap.outcomes import Cause
from nanmap.plan import Lanes
from nanmap.plan.precision import resolves


def circumstances(lanes: Lanes, cells: np.ndarray) -> dict[str, Any]:
    """Facts of cells: `data_nan`, `float16`, `learning_rate`, `layers`, `handicap`, `[cells]` each.

    Args:
        lanes: a batch.
        cells: indices into it.
    """
    program, variant = lanes.program, lanes.variant[cells]
    rate = lanes.learning_rates[cells].min(axis=1)
    single = program.model.batch_statistics and program.batch == 1
    coarse = np.array([not _resolved(each.rows, program.dtype) for each in lanes.variants])[variant]
    return {
        "data_nan": np.array([_has_gaps(each.rows) for each in lanes.variants])[variant],
        "float16": np.full(len(cells), program.dtype == "float16"),
        "learning_rate": rate,
        "layers": np.full(len(cells), program.model.layers),
        "handicap": np.select(
            [rate < 0, coarse, np.full(len(cells), single)],
            [Cause.GRADIENT_ASCENT, Cause.PRECISION, Cause.SINGLE_ROWS],
            Cause.NONE,
        ),
    }


@lru_cache(maxsize=4096)
def _has_gaps(rows: Rows) -> bool:
    return bool(np.isnan(rows.inputs).any() or np.isnan(rows.targets).any())


@lru_cache(maxsize=4096)
def _resolved(rows: Rows, dtype: str) -> bool:
    return resolves(rows.targets, dtype)
