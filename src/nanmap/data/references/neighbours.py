"""The answer of the five nearest other rows: what is to be learned without a straight line."""

import numpy as np
import scipy  # its parts are loaded where they are first used

from nanmap.config.losses import LOSSES
from nanmap.data.references.values import mean_loss
from nanmap.data.rows import Rows

NEAREST, MOST = 5, 2000  # neighbours of a row, and rows that are looked at


def neighbours_loss(rows: Rows, loss: str, delta: float = 1.0) -> float:
    """Loss where each training row is answered by its five nearest other rows, their inputs standardised.

    They answer their mean, their median for `mae` and `huber`; for classes the shares of their counts with one more row
    that holds the shares of all. Neighbours at one distance go by row number; of more than 2,000 rows 2,000 are drawn,
    with their neighbours among them. NaN when rows hold NaN.
    """
    inputs, targets = rows.inputs, rows.targets
    if not (np.isfinite(inputs).all() and np.isfinite(targets).all()):
        return float("nan")
    if rows.n > MOST:
        drawn = np.sort(np.random.default_rng(0).choice(rows.n, MOST, replace=False))
        inputs, targets = inputs[drawn], targets[drawn]
    # Subtracted before they are divided, and scaled by powers of two: what is equally far stays so.
    columns = np.ldexp(inputs, -np.frexp(np.abs(inputs).max(axis=0))[1])
    variance = columns.var(axis=0)
    apart = scipy.spatial.distance.cdist(columns, columns, "seuclidean", V=np.where(variance > 0, variance, 1))
    np.fill_diagonal(apart, np.inf)
    near = targets[np.argsort(apart, axis=1, kind="stable")[:, :NEAREST]]
    if LOSSES[loss].of_classes:
        return mean_loss(loss, _logits(loss, (near.sum(axis=1) + targets.mean(axis=0)) / (NEAREST + 1)), targets, delta)
    answer = near.mean(axis=1) if LOSSES[loss].curvature else np.median(near, axis=1)
    return mean_loss(loss, answer, targets, delta)


def _logits(loss: str, shares: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        if loss == "softmax_cross_entropy":
            return np.log(np.maximum(shares, 1e-300))
        return np.log(np.maximum(shares, 1e-300)) - np.log(np.maximum(1 - shares, 1e-300))
