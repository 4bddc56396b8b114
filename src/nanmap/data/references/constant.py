"""The best constant answer: what a model that looks at no input can reach. `skill` is measured from it."""

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import scipy  # its parts are loaded where they are first used

from nanmap.config.losses import LOSSES
from nanmap.data.references.values import mean_loss
from nanmap.data.rows import Rows


@lru_cache(maxsize=4096)
def loss_constant(rows: Rows, loss: str, delta: float = 1.0) -> float:
    """Loss of the best constant answer to the training rows.

    Where all targets are equal a constant is perfect, and says nothing: there it is the loss of answering 0, and where all
    are 0 that of answering 1. NaN when the targets are not finite.

    >>> from nanmap.config import build_config
    >>> from nanmap.data.rows import load_rows
    >>> tree = {"data": {"kind": "line", "n": 3, "slope": 3}, "training": {"epochs": 1}}
    >>> loss_constant(load_rows(build_config(tree)), "mse")  # 0, 3 and 6: their variance
    6.0
    """
    target = rows.targets
    if not np.isfinite(target).all():
        return float("nan")
    if all_equal(rows):
        return mean_loss(loss, np.full_like(target, 0.0 if target.any() else 1.0), target, delta)
    if not LOSSES[loss].of_classes:
        centre = CENTRES.get(loss, partial(_centre, loss))
        answer = np.array([centre(column, delta) for column in target.T])
        return mean_loss(loss, np.broadcast_to(answer, target.shape), target, delta)
    share = target.mean(axis=0)
    if loss == "softmax_cross_entropy":
        return float(-scipy.special.xlogy(share, share / share.sum()).sum())
    return float(-(scipy.special.xlogy(share, share) + scipy.special.xlogy(1 - share, 1 - share)).mean())


def all_equal(rows: Rows) -> bool:
    """Whether every row has the same target: looked at, since a variance rounds."""
    return bool((rows.targets == rows.targets[:1]).all())


def _huber_centre(column: np.ndarray, delta: float) -> float:
    """Where Huber's derivative, which only rises, is 0."""

    def slope(centre: float) -> float:
        return float(np.clip(centre - column, -delta, delta).sum())

    low, high = float(column.min()), float(column.max())
    return low if low == high else float(scipy.optimize.brentq(slope, low, high, xtol=1e-300, rtol=1e-15))


def _centre(loss: str, column: np.ndarray, delta: float) -> float:
    """Where a loss without a closed form is least, between the ends of the targets."""
    within = (float(column.min()), float(column.max()))
    return float(
        scipy.optimize.minimize_scalar(lambda x: mean_loss(loss, np.full_like(column, x), column, delta), within).x
    )


CENTRES: dict[str, Callable[[np.ndarray, float], float]] = {
    "mse": lambda column, delta: float(column.mean()),
    "half_mse": lambda column, delta: float(column.mean()),
    "mae": lambda column, delta: float(np.median(column)),
    "huber": _huber_centre,
}
