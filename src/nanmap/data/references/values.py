"""The losses in NumPy: what an answer costs, in float64. Rows lie on the first axis."""

from collections.abc import Callable

import numpy as np
import scipy  # its parts are loaded where they are first used

Value = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def _huber(output: np.ndarray, target: np.ndarray, delta: float) -> np.ndarray:
    size = np.abs(output - target)
    return np.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta))


VALUES: dict[str, Value] = {
    "mse": lambda output, target, delta: (output - target) ** 2,
    "half_mse": lambda output, target, delta: (output - target) ** 2 / 2,
    "mae": lambda output, target, delta: np.abs(output - target),
    "huber": _huber,
    "softmax_cross_entropy": lambda output, target, delta: (
        -(target * scipy.special.log_softmax(output, axis=1)).sum(axis=1)
    ),
    "sigmoid_cross_entropy": lambda output, target, delta: np.logaddexp(0, output) - target * output,
}


def mean_loss(loss: str, output: np.ndarray, target: np.ndarray, delta: float) -> float:
    """Mean over rows and outputs, as trainings take it.

    Args:
        loss: its name.
        output, target: `[rows, outputs]`; logits and classes where classes are predicted.
        delta: Huber's threshold.
    """
    with np.errstate(over="ignore"):
        return float(np.mean(VALUES[loss](output, target, delta)))
