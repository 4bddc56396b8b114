"""The loss a straight line would reach: the floor that `converged` is measured against."""

import numpy as np

from nanmap.config.choices import CROSS_ENTROPIES
from nanmap.data.rows import Rows


def affine_floor(rows: Rows, loss: str, delta: float = 1.0) -> float:
    """Loss of the best affine fit to the training rows, in float64; 0 for cross-entropies.

    Squared losses are fitted in closed form, absolute and Huber losses by iteratively reweighted least squares.
    NaN when the rows hold NaN.

    >>> from nanmap.config import build_config
    >>> from nanmap.data.rows import load_rows
    >>> tree = {"data": {"kind": "line", "n": 9}, "training": {"epochs": 1}}
    >>> affine_floor(load_rows(build_config(tree)), "mse") < 1e-20
    True
    """
    if loss in CROSS_ENTROPIES:
        return 0.0
    if not (np.isfinite(rows.inputs).all() and np.isfinite(rows.targets).all()):
        return float("nan")
    columns = np.hstack([rows.inputs / np.maximum(np.abs(rows.inputs).max(axis=0), 1e-300), np.ones((rows.n, 1))])
    with np.errstate(over="ignore"):
        return float(np.mean([_best(columns, target, loss, delta) for target in rows.targets.T]))


def _best(columns: np.ndarray, target: np.ndarray, loss: str, delta: float) -> float:
    weights = np.ones(len(target))
    least = np.inf
    for _ in range(1 if loss in ("mse", "half_mse") else 2000):
        root = np.sqrt(weights)
        fit = np.linalg.lstsq(columns * root[:, None], target * root, rcond=None)[0]
        residual = target - columns @ fit
        least = min(least, float(np.mean(_pointwise(residual, loss, delta))))
        size = np.maximum(np.abs(residual), 1e-12 * max(1.0, float(np.abs(target).max())))
        before, weights = weights, 1 / size if loss == "mae" else np.minimum(1, delta / size)
        if np.allclose(weights, before, rtol=1e-12, atol=0):
            break
    return least


def _pointwise(residual: np.ndarray, loss: str, delta: float) -> np.ndarray:
    size = np.abs(residual)
    if loss == "mae":
        return size
    if loss == "huber":
        return np.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta))
    return residual**2 * (0.5 if loss == "half_mse" else 1.0)
