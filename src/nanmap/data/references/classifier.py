"""The best linear classifier: where a cross-entropy ends that a straight border between classes can reach."""

from collections.abc import Callable

import numpy as np
import scipy  # its parts are loaded where they are first used

from nanmap.data.references.values import mean_loss
from nanmap.data.rows import Rows

ITERATIONS = 500


def classifier_loss(rows: Rows, loss: str) -> float:
    """Cross-entropy of the best linear classifier of the training rows; 0, its infimum, where a border parts the classes.

    It is convex: L-BFGS on whitened columns (on columns that are merely standardised it crawls). NaN when rows hold NaN.
    """
    if not (np.isfinite(rows.inputs).all() and np.isfinite(rows.targets).all()):
        return float("nan")
    columns = np.hstack([_whitened(rows.inputs), np.ones((rows.n, 1))])
    if loss == "softmax_cross_entropy":
        return _fitted(columns, rows.targets, loss)
    return float(np.mean([_fitted(columns, target[:, None], loss) for target in rows.targets.T]))


def _whitened(inputs: np.ndarray) -> np.ndarray:
    """Uncorrelated columns of variance 1 that span what the inputs span."""
    centred = inputs - inputs.mean(axis=0)
    scaled = centred / np.maximum(np.abs(centred).max(axis=0), 1e-300)
    left, sizes, _ = np.linalg.svd(scaled, full_matrices=False)
    return left[:, sizes > 1e-10 * sizes[:1].sum()] * np.sqrt(len(inputs))


def _fitted(columns: np.ndarray, target: np.ndarray, loss: str) -> float:
    shape, of_logits = (columns.shape[1], target.shape[1]), GRADIENTS[loss]

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        logits = columns @ flat.reshape(shape)
        return mean_loss(loss, logits, target, 1.0), (columns.T @ of_logits(logits, target) / len(columns)).ravel()

    found = scipy.optimize.minimize(
        value,
        np.zeros(shape).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": ITERATIONS, "ftol": 1e-15, "gtol": 1e-9},
    )
    return 0.0 if _parted(columns @ found.x.reshape(shape), target) else float(found.fun)


def _parted(logits: np.ndarray, target: np.ndarray) -> bool:
    """Whether every row is on the right side: then larger weights make the loss as small as one likes."""
    if not np.isin(target, (0, 1)).all():
        return False
    if target.shape[1] == 1:
        return bool(((logits > 0) == (target > 0))[logits != 0].all() and (logits != 0).all())
    right = np.where(target == 1, logits, -np.inf).max(axis=1)
    wrong = np.where(target == 1, -np.inf, logits).max(axis=1)
    return bool((target.sum(axis=1) == 1).all() and (right > wrong).all())


GRADIENTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "softmax_cross_entropy": lambda logits, target: (
        scipy.special.softmax(logits, axis=1) * target.sum(axis=1, keepdims=True) - target
    ),
    "sigmoid_cross_entropy": lambda logits, target: scipy.special.expit(logits) - target,
}
