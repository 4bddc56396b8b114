"""Rows from what the engine knows of cells: the same for a single training and for a sweep."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from nanmap.outcomes import classify
from nanmap.plan import Lanes
from nanmap.results.columns import COLUMNS
from nanmap.theory.facts import Forecaster

ENDS = ("parameters", "model_state")  # pytrees of the cells after their last update


def complete_rows(
    lanes: Lanes, cells: np.ndarray, facts: Mapping[str, Any], forecaster: Forecaster
) -> dict[str, np.ndarray]:
    """The engine's facts with what follows from them: all `COLUMNS` of a row, `[cells]` each, as `make_table` takes them.

    Args:
        lanes: a batch.
        cells: indices into it.
        facts: what the engine found of these cells; the `ENDS` among them where the program hands them out.
        forecaster: predicts what theory has to say of them.
    """
    outcome, cause = classify(facts)
    ends = tuple(facts[name] for name in ENDS) if lanes.program.final_layers else None
    found = {**facts, "outcome": outcome, "cause": cause, **forecaster.columns(lanes, cells, ends)}
    without = np.full(len(cells), lanes.program.val_rows == 0)
    found["val_loss_final"] = np.ma.array(facts["val_loss_final"], mask=without)
    return {each.name: found[each.name] for each in COLUMNS}
