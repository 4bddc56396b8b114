"""What the settings and the rows of cells say of them before anything is trained, and which of it is a cause by itself."""

from functools import lru_cache
from typing import Any

import numpy as np

from nanmap.config.optimizers import OPTIMIZERS
from nanmap.data import Rows
from nanmap.outcomes import Cause
from nanmap.plan import Lanes
from nanmap.plan.precision import acts_as_zero, resolves


def circumstances(lanes: Lanes, cells: np.ndarray) -> dict[str, Any]:
    """Facts of cells: `data_nan`, `float16`, `learning_rate`, `layers`, `may_divide_by_zero`, `handicap`, `[cells]` each.

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
        "may_divide_by_zero": _may_divide_by_zero(lanes, cells),
        "handicap": np.select(
            [rate < 0, coarse, np.full(len(cells), single)],
            [Cause.GRADIENT_ASCENT, Cause.PRECISION, Cause.SINGLE_ROWS],
            Cause.NONE,
        ),
    }


def _may_divide_by_zero(lanes: Lanes, cells: np.ndarray) -> np.ndarray:
    """Whether the optimizer divides by a root that nothing keeps from 0, bool `[cells]`."""
    if "eps" not in OPTIMIZERS[lanes.program.optimizer].reads:
        return np.zeros(len(cells), bool)
    values, which = np.unique(lanes.numbers["eps"][cells], return_inverse=True)
    return np.array([value == 0 or acts_as_zero(value, lanes.program.dtype) for value in values])[which]


@lru_cache(maxsize=4096)
def _has_gaps(rows: Rows) -> bool:
    return bool(np.isnan(rows.inputs).any() or np.isnan(rows.targets).any())


@lru_cache(maxsize=4096)
def _resolved(rows: Rows, dtype: str) -> bool:
    return resolves(rows.targets, dtype)
