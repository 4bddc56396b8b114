"""The loss a straight line would reach: the floor that `converged` is measured against."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from nanmap.config.losses import LOSSES
from nanmap.data.rows import Rows


@lru_cache(maxsize=4096)
def affine_floor(rows: Rows, loss: str, delta: float = 1.0) -> float:
    """Loss of the best affine fit to the training rows, in float64; 0 for cross-entropies, and where no fit is known.

    Squared losses are fitted in closed form, absolute and Huber losses by iteratively reweighted least squares.
    NaN when the rows hold NaN.

    >>> from nanmap.config import build_config
    >>> from nanmap.data.rows import load_rows
    >>> tree = {"data": {"kind": "line", "n": 9}, "training": {"epochs": 1}}
    >>> affine_floor(load_rows(build_config(tree)), "mse") < 1e-20
    True
    """
    if LOSSES[loss].of_classes or (LOSSES[loss].curvature is None and loss not in ROBUST):
        return 0.0
    if not (np.isfinite(rows.inputs).all() and np.isfinite(rows.targets).all()):
        return float("nan")
    columns = np.hstack([rows.inputs / np.maximum(np.abs(rows.inputs).max(axis=0), 1e-300), np.ones((rows.n, 1))])
    with np.errstate(over="ignore"):
        return float(np.mean([_best(columns, target, loss, delta) for target in rows.targets.T]))


def _best(columns: np.ndarray, target: np.ndarray, loss: str, delta: float) -> float:
    curvature = LOSSES[loss].curvature
    if curvature is not None:
        return float(np.mean(_residual(columns, target) ** 2 * (curvature / 2)))
    value, weight = ROBUST[loss]
    weights = np.ones(len(target))
    least = np.inf
    for _ in range(2000):
        size = np.abs(_residual(columns, target, np.sqrt(weights)))
        least = min(least, float(np.mean(value(size, delta))))
        size = np.maximum(size, 1e-12 * max(1.0, float(np.abs(target).max())))
        before, weights = weights, weight(size, delta)
        if np.allclose(weights, before, rtol=1e-12, atol=0):
            break
    return least


def _residual(columns: np.ndarray, target: np.ndarray, root: np.ndarray | float = 1.0) -> np.ndarray:
    """Target minus the best fit, each row weighted with the square of `root`."""
    root = np.broadcast_to(root, len(target))
    fit = np.linalg.lstsq(columns * root[:, None], target * root, rcond=None)[0]
    return target - columns @ fit


def _huber(size: np.ndarray, delta: float) -> np.ndarray:
    return np.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta))


Pointwise = Callable[[np.ndarray, float], np.ndarray]
# Of losses that are not squared: the value at a residual of this size, and the weight of its row in the next fit.
ROBUST: dict[str, tuple[Pointwise, Pointwise]] = {
    "mae": (lambda size, delta: size, lambda size, delta: 1 / size),
    "huber": (_huber, lambda size, delta: np.minimum(1, delta / size)),
}
