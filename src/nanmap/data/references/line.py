"""The best straight line through the training rows, and what it leaves over."""

from collections.abc import Callable

import numpy as np

from nanmap.config.losses import LOSSES
from nanmap.data.references.values import VALUES
from nanmap.data.rows import Rows


def line_loss(rows: Rows, loss: str, delta: float = 1.0) -> float:
    """Loss of the best affine fit to the training rows, of a loss of numbers, in float64.

    Squared losses are fitted in closed form, those of `WEIGHTS` by iteratively reweighted least squares; of others it is 0.
    NaN when the rows hold NaN or infinities.
    """
    if not (np.isfinite(rows.inputs).all() and np.isfinite(rows.targets).all()):
        return float("nan")
    if LOSSES[loss].curvature is None and loss not in WEIGHTS:
        return 0.0
    columns = np.hstack([_even(rows.inputs), np.ones((rows.n, 1))])
    with np.errstate(over="ignore"):
        return float(np.mean([_least(columns, target, loss, delta) for target in rows.targets.T]))


def _even(inputs: np.ndarray) -> np.ndarray:
    """Columns that span, with a constant, what the inputs do: centred, at most 1.

    Far from 0 a column lies almost along the constant. So the first row is taken off before anything is rounded: of 1e15, 1e15 + 1, …
    the differences are exact. Powers of two before that, which round nothing, keep 1e308 − (−1e308) finite.
    """
    small = np.ldexp(inputs, -np.frexp(np.abs(inputs).max(axis=0))[1] - 1)
    apart = small - small[0]
    centred = apart - apart.mean(axis=0)
    return np.asarray(centred / np.maximum(np.abs(centred).max(axis=0), 1e-300))


def _least(columns: np.ndarray, target: np.ndarray, loss: str, delta: float) -> float:
    value = VALUES[loss]
    if LOSSES[loss].curvature is not None:
        return float(np.mean(value(_residual(columns, target), np.zeros(()), delta)))
    weight, weights, least = WEIGHTS[loss], np.ones(len(target)), np.inf
    for _ in range(2000):
        size = np.abs(_residual(columns, target, np.sqrt(weights)))
        least = min(least, float(np.mean(value(size, np.zeros(()), delta))))
        size = np.maximum(size, 1e-12 * (float(np.abs(target).max()) or 1.0))
        before, weights = weights, weight(size, delta)
        if np.allclose(weights, before, rtol=1e-12, atol=0):
            break
    return least


def _residual(columns: np.ndarray, target: np.ndarray, root: np.ndarray | float = 1.0) -> np.ndarray:
    """Target minus the best fit, each row weighted with the square of `root`."""
    root = np.broadcast_to(root, len(target))
    fit = np.linalg.lstsq(columns * root[:, None], target * root, rcond=None)[0]
    return target - columns @ fit


# Of losses that are not squared: the weight of a row in the next fit, by the size of its residual.
WEIGHTS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "mae": lambda size, delta: 1 / size,
    "huber": lambda size, delta: np.minimum(1, delta / size),
}
