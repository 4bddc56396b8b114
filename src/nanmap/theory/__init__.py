"""Predictions to hold the measured maps against. Each states what it assumes; where it does not hold, it says why.

`closed_form` holds one mode at a time, `linear` what is exact on linear models, `minibatches` descent on batches, `overflow` the forecast of
the first infinity, `sharpness` the curvature of networks, and `predict` decides which of them a training may be held to.
"""

from nanmap.theory.linear import LinearProblem, linear_problem
from nanmap.theory.predict import PREDICTIONS, Prediction, predict

__all__ = [
    "PREDICTIONS",
    "LinearProblem",
    "Prediction",
    "linear_problem",
    "predict",
]
