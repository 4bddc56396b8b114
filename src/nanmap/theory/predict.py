"""Which prediction a training may be held to. One that does not hold is NaN, and says why."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nanmap.config import Config
from nanmap.config.losses import loss_entry
from nanmap.config.optimizers import optimizer_entry
from nanmap.data import Rows
from nanmap.theory import closed_form
from nanmap.theory.linear import LinearProblem, is_linear, linear_problem
from nanmap.theory.minibatches import (
    MOST_BATCHES,
    MOST_PARAMETERS,
    NEAREST_ONE,
    in_order_edge,
    mean_square_edge,
    typical_edge,
)

PREDICTIONS = ("gd", "mean_square", "typical")

NONLINEAR = "the model is not linear"
LOSS = "the loss is not squared"
COARSE = "half precision: rounding moves the edge"
DATA = "the rows hold NaN or infinities"
RULE = "an adaptive rule: its preconditioner moves with the gradients"
LAYERS = "layers have rates of their own"
SCHEDULE = "the rate changes with the step"
CLIPPING = "gradients are clipped"
DECAY = "weights decay"
MINIBATCH = "an update sees only some rows"
FULL_BATCH = "an update sees all rows: nothing is drawn"
IN_ORDER = "batches come in a fixed order: nothing is drawn"
MOMENTUM = "the formula is for descent without momentum"
TOO_LARGE = "too many parameters or batches to compute it"
FLAT = "the loss is flat, or steeper than floats hold"
GROWING_MOMENTUM = "momentum grows by itself: no small rate is stable"
NEAR_ONE = "momentum too near to 1 to simulate what it lets swing"
ILL_CONDITIONED = "ill-conditioned: rounding decides, or no rate was found"


class Prediction(NamedTuple):
    """A critical learning rate, or NaN and the reason why none is predicted."""

    rate: float
    absent: str = ""


class _Descent(NamedTuple):
    """What the predictions for descent on a linear model depend on, beside its rows."""

    full_batch: bool
    batch: int
    order: str
    momentum: float
    nesterov: bool
    dtype: str


def predict(config: Config, rows: Rows, momentum: float | None = None) -> dict[str, Prediction]:
    """Critical learning rates of a training, one per name in `PREDICTIONS`.

    `gd`: full-batch descent by the training's own rule, from λmax. `mean_square`: below it the mean over all draws of
    the batches stays bounded. `typical`: above it a single run grows, with the batches in the training's own order.

    Args:
        config: the training's settings; its learning rate does not matter.
        rows: its rows.
        momentum: in place of the config's, where an axis sets it.

    >>> from nanmap.config import build_config
    >>> from nanmap.data import load_rows
    >>> tree = {"data": {"kind": "line", "start": 1, "n": 20}, "training": {"epochs": 1}}
    >>> config = build_config(tree)
    >>> found = predict(config, load_rows(config))
    >>> round(found["gd"].rate, 6), found["typical"].absent
    (0.006931, 'an update sees all rows: nothing is drawn')
    """
    momentum = config.optimizer.momentum if momentum is None else momentum
    absent = why_not_linear_descent(config, rows)
    if absent:
        return dict.fromkeys(PREDICTIONS, Prediction(np.nan, absent))
    training = config.training
    full = training.batch_size >= rows.n
    setting = _Descent(
        full,
        rows.n if full else training.batch_size,
        training.order,
        float(momentum or 0.0),
        config.optimizer.nesterov,
        training.dtype,
    )
    problem = linear_problem(config, rows)
    assert problem is not None  # else there was a reason
    return _predict(problem, setting)


def why_not_linear_descent(config: Config, rows: Rows) -> str:
    """Why the theory of linear descent says nothing about a training; "" where it is exact."""
    return _why_not_linear(config, rows) or why_not_descent(config)


def why_not_descent(config: Config) -> str:
    """Why the update is not the plain rule (with or without momentum) at a constant rate; "" where it is."""
    rule = config.optimizer
    checks = {
        RULE: not optimizer_entry(rule.kind).bounded,
        LAYERS: rule.layer_learning_rates is not None or bool(rule.group_rates),
        SCHEDULE: rule.schedule != "constant" or rule.warmup_steps > 0,
        CLIPPING: any(bound is not None for bound in (rule.clip_value, rule.clip_norm, rule.clip_output_gradient)),
        DECAY: bool(rule.weight_decay),
    }
    return next((reason for reason, holds in checks.items() if holds), "")


def _why_not_linear(config: Config, rows: Rows) -> str:
    if linear_problem(config, rows) is not None:
        return "" if config.training.dtype in ("float32", "float64") else COARSE
    if not is_linear(config, rows):
        return NONLINEAR
    return LOSS if loss_entry(config.loss.kind).curvature is None else DATA


@lru_cache(maxsize=4096)
def _predict(problem: LinearProblem, setting: _Descent) -> dict[str, Prediction]:
    absent = _why_no_edge(problem, setting)
    if absent:
        return dict.fromkeys(PREDICTIONS, Prediction(np.nan, absent))
    gd = Prediction(closed_form.descent(problem.sharpness, setting.momentum, setting.nesterov))
    return {
        "gd": gd if setting.full_batch else Prediction(np.nan, MINIBATCH),
        "mean_square": _mean_square(problem, setting),
        "typical": _typical(problem, setting),
    }


def _why_no_edge(problem: LinearProblem, setting: _Descent) -> str:
    """Why no rate parts stable ones from others, whatever the batches; "" where one does."""
    if not np.finfo(float).tiny <= problem.sharpness < np.inf:
        return FLAT
    return GROWING_MOMENTUM if np.isnan(closed_form.descent(1.0, setting.momentum, setting.nesterov)) else ""


def _mean_square(problem: LinearProblem, setting: _Descent) -> Prediction:
    checks = {
        FULL_BATCH: setting.full_batch,
        IN_ORDER: setting.order == "sequential",
        MOMENTUM: setting.momentum != 0,
        TOO_LARGE: problem.columns.shape[1] > MOST_PARAMETERS,
    }
    absent = next((reason for reason, holds in checks.items() if holds), "")
    if absent:
        return Prediction(np.nan, absent)
    return Prediction(mean_square_edge(problem, setting.batch, setting.order == "replacement"))


def _typical(problem: LinearProblem, setting: _Descent) -> Prediction:
    if setting.full_batch:
        return Prediction(np.nan, FULL_BATCH)
    in_order = setting.order == "sequential"
    batches = -(-problem.n // setting.batch) if in_order else 0
    if problem.columns.shape[1] > MOST_PARAMETERS or batches > MOST_BATCHES:
        return Prediction(np.nan, TOO_LARGE)
    if not in_order and abs(setting.momentum) > NEAREST_ONE:
        return Prediction(np.nan, NEAR_ONE)
    rule = setting.momentum, setting.nesterov
    if in_order:
        rate = in_order_edge(problem, setting.batch, *rule, setting.dtype)
    else:
        rate = typical_edge(problem, setting.batch, setting.order == "replacement", *rule)
    return Prediction(rate, "" if np.isfinite(rate) else ILL_CONDITIONED)
