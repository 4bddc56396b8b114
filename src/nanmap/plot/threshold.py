"""Where theory puts the edge: full-batch gradient descent on a quadratic is stable below the rate 2/λmax.

Drawn only where nothing else can be meant: plain gradient descent on all rows, and one curvature for all runs that
share the line of pixels. Elsewhere there is no line, rather than a wrong one.
"""

from typing import TYPE_CHECKING

import numpy as np

from nanmap.plot.facts import Facts

if TYPE_CHECKING:
    from nanmap.result import Result

RATE = "optimizer.learning_rate"
OFF = (None, False, 0, 0.0)
PLAIN = {
    "optimizer.kind": ("sgd",),
    "optimizer.layer_learning_rates": (None,),
    "optimizer.schedule": ("constant",),
    "training.order": ("sequential", "shuffle"),
    **{f"optimizer.{name}": OFF for name in ("momentum", "warmup_steps", "weight_decay")},
    **{f"optimizer.clip_{name}": (None,) for name in ("value", "norm", "output_gradient")},
}


def stable_rates(result: "Result", facts: Facts) -> np.ndarray | None:
    """2/λmax for each line of pixels along the learning rate.

    Returns:
        `[facets..., pixels of the other axis]`, NaN where it does not apply; None if it applies nowhere.
    """
    view = facts.view
    along = [number for number in (-2, -1) if view.shown[number].axis.key == RATE]
    if not along or not all(_can_be(facts, key) for key in PLAIN):
        return None
    shape = tuple(np.delete(view.shape, along[0]))
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    for table in result.folder.tables(["cell", "sharpness"]):
        cells = table["cell"].to_numpy()
        pixels, _, kept = view.place(cells)
        index = np.delete(np.array(np.unravel_index(pixels, view.shape)), along[0], axis=0)
        lines = np.ravel_multi_index(tuple(index), shape)
        sharpness = table["sharpness"].to_numpy().astype(float)[kept]
        sharpness[~_full_batch_descent(facts, cells[kept])] = np.nan
        with np.errstate(invalid="ignore"):
            np.minimum.at(low.reshape(-1), lines, sharpness)  # one NaN makes the line's NaN
            np.maximum.at(high.reshape(-1), lines, sharpness)
    with np.errstate(invalid="ignore"):
        single = (low > 0) & np.isfinite(high) & (high - low <= 1e-9 * high)
    rates = np.divide(2, low, out=np.full(shape, np.nan), where=single)
    return rates if single.any() else None


def _can_be(facts: Facts, key: str) -> bool:
    return any(value in PLAIN[key] for value in facts.values(key))


def _full_batch_descent(facts: Facts, cells: np.ndarray) -> np.ndarray:
    positions = facts.view.grid.decode(cells)
    plain = [facts.holds(key, allowed, positions) for key, allowed in PLAIN.items()]
    batch = facts.pick(*facts.along("training.batch_size"), positions)
    rows = facts.pick(*facts.rows(), positions)
    return np.logical_and.reduce([*plain, batch >= rows])  # an unknown number of rows compares as False
