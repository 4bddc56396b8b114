"""Predictions to hold the measured maps against. Each states what it assumes; NaN where it does not apply."""

import numpy as np

from nanmap.config import Config
from nanmap.data import Rows

CURVATURE = {"mse": 2.0, "half_mse": 1.0}  # second derivative of the loss of one output


def linear_sharpness(config: Config, rows: Rows) -> float:
    """Largest eigenvalue of the Hessian of the training loss of a linear model, in float64.

    Exact for a linear model with a squared loss, whose Hessian is `c / (n · outputs) · Σ x̃ x̃ᵀ` with x̃ the inputs
    and a 1 for the bias, the same for each output and at every parameter. NaN for other models and losses.

    >>> from nanmap.config import build_config
    >>> from nanmap.data import load_rows
    >>> tree = {"data": {"kind": "line", "start": 1, "n": 20}, "training": {"epochs": 1}}
    >>> config = build_config(tree)
    >>> round(2 / linear_sharpness(config, load_rows(config)), 6)  # the critical learning rate of gradient descent
    0.006931
    """
    curvature = CURVATURE.get(config.loss.kind)
    straight = not config.model.hidden and config.model.output_activation == "linear"
    if curvature is None or not straight or not np.isfinite(rows.inputs).all():
        return float("nan")
    fan_in = rows.inputs.shape[1]
    factor = {"standard": 1.0, "mean_field": 1 / fan_in, "ntk": 1 / np.sqrt(fan_in)}[config.model.parametrization]
    columns = rows.inputs * factor
    if config.model.bias:
        columns = np.hstack([columns, np.ones((rows.n, 1))])
    gram = columns.T @ columns / rows.n
    return float(np.linalg.eigvalsh(gram)[-1] * curvature / rows.targets.shape[1])
