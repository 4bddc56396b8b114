"""A change of settings that a cause asks for, one rule each; a rule of thumb, not proven to be the smallest. `nanmap run` prints it as a command to try."""

import math
from collections.abc import Callable

import numpy as np

from nanmap.advice import changes
from nanmap.advice.case import Case, edge_of
from nanmap.advice.changes import Settings
from nanmap.config.choices import FLAT_BELOW_ZERO, LAYER_RATES
from nanmap.config.code import is_own
from nanmap.outcomes import Cause

LONGEST = 100  # times the budget
FAR_OFF = 100  # times the constant answer's loss: a start that is no start
UNKNOWN = 8  # times the budget, where the last tenth has no pace


def remedy(case: Case) -> Settings:
    """Settings to change, by key; none where nothing is to be mended, or nothing in reach would.

    Args:
        case: the finished training.
    """
    found = REMEDIES[case.cause](case)
    if is_own(case.config.model.kind) and any(key.startswith("model.") for key in found):
        return {}  # of a network of the user's own nobody knows what to change
    return found if found and case.with_settings(found) is not None else {}


def rounded_down(value: float) -> float:
    """The next number below with one digit: 1, 2 or 5.

    >>> rounded_down(0.0034), rounded_down(0.99), rounded_down(1.0)
    (0.002, 0.5, 1.0)
    """
    if not (value > 0 and math.isfinite(value)):
        return value
    power = 10.0 ** math.floor(math.log10(value))
    digit = next(each for each in (5, 2, 1) if each * power <= value * (1 + 1e-9))
    return float(f"{digit * power:.0e}")


def _smaller_steps(case: Case) -> Settings:
    """A start of the usual size, or scaled data, where they are the reason; else a rate below the edge, or a tenth.

    Scaled data come with the rate that they have, if it would do on them.
    """
    if case.config.model.init_scale > 1 and case.row["loss_initial"] > FAR_OFF * case.row["loss_constant"]:
        return changes.USUAL_SCALE
    scaling = _scaling(case)
    if scaling and case.rate is None:
        return scaling
    if scaling and case.rate:
        lanes = case.with_settings(scaling)
        edge = edge_of(lanes) if lanes is not None else None
        if edge is not None and case.rate <= edge.rate / 2:
            return scaling
        if edge is not None:
            return scaling | {"optimizer.learning_rate": rounded_down(edge.rate / 2)}
        return scaling
    return _rate_by(case, 0.1)


def _revived(case: Case) -> Settings:
    """Outputs that can be right; smaller steps if those that killed it were large, else units that cannot die."""
    if case.out_of_reach:
        return _within_reach(case)
    far_below = case.edge is not None and case.rate is not None and case.rate < case.edge.rate / 4
    return _livelier(case) if far_below else _smaller_steps(case)


def _downhill(case: Case) -> Settings:
    """The rate with its sign turned, and what that rate then asks for."""
    if not case.rate:
        rates = case.config.optimizer.layer_learning_rates or ()
        return {LAYER_RATES: [abs(rate) for rate in rates]}
    turned: Settings = {"optimizer.learning_rate": -case.rate}
    lanes = case.with_settings(turned)
    after = Case(lanes, case.row) if lanes is not None else case
    too_large = after.edge is not None and -case.rate > after.edge.rate / 2
    return turned | (_smaller_steps(after) if too_large else {})


def _calmer(case: Case) -> Settings:
    """A fifth of the rate: the loss that noise leaves is proportional to it. Below the edge that is, too."""
    found = _rate_by(case, 0.2)
    if case.rate is None:
        return found
    return {"optimizer.learning_rate": min(found["optimizer.learning_rate"], rounded_down(case.rate * 0.2))}


def _settled(case: Case) -> Settings:
    """Scaled data, where a rate is too large for one column and too small for another and no norm evens them; else a smaller one."""
    uneven = case.raw_inputs and case.config.model.norm == "none"
    return (_scaling(case) if uneven else {}) or _calmer(case)


def _rate_by(case: Case, factor: float) -> Settings:
    """The rate by a factor; where an edge is known at most half of it."""
    if case.rate is None:
        rates = case.config.optimizer.layer_learning_rates or ()
        return {LAYER_RATES: [float(f"{rate * factor:.3g}") for rate in rates]}
    edge = case.edge
    if edge is not None and case.rate > edge.rate / 2:
        return {"optimizer.learning_rate": rounded_down(edge.rate / 2)}
    return {"optimizer.learning_rate": rounded_down(case.rate * factor)}


def _larger_steps(case: Case) -> Settings:
    """Half of the edge where one is known, else ten times the rate; where the rate is there already scaled data, or longer."""
    if case.rate is None:
        rates = case.config.optimizer.layer_learning_rates or ()
        return _longer(case) if any(rates) else {LAYER_RATES: [0.01 for _ in rates]}
    if (case.edge is None or case.large_steps) and (scaling := _scaling(case)):
        return scaling
    edge = case.edge
    most = rounded_down(edge.rate / 2) if edge is not None else rounded_down(10 * case.rate) or 0.01
    return {"optimizer.learning_rate": most} if most > case.rate else _longer(case)


def _longer(case: Case) -> Settings:
    """The budget that the last tenth's pace asks for, and half as much again."""
    with np.errstate(invalid="ignore", divide="ignore"):
        needed = float(case.trend.needed)
    factor = min(LONGEST, max(2, math.ceil(1.5 * (1 + needed)))) if 0 < needed < LONGEST else UNKNOWN
    return changes.longer(case.config.training, factor)


def _on_its_way(case: Case) -> Settings:
    """Scaled data where the steps are large already, larger steps where the edge leaves much room for them, else longer."""
    if case.large_steps and (scaling := _scaling(case)):
        return scaling
    far_below = case.edge is not None and case.rate and case.rate <= rounded_down(case.edge.rate / 2) / 5
    return _larger_steps(case) if far_below else _longer(case)


def _scaling(case: Case) -> Settings:
    """Standardised data, where they are raw; under SGD the targets of a line only shift its bias and stretch its loss."""
    targets = case.lanes.program.model.hidden_units or case.config.optimizer.kind != "sgd"
    found = changes.SCALED_INPUTS if case.raw_inputs else {}
    if not (case.raw_targets and targets):
        return found
    return found | changes.SCALED_TARGETS | _within_reach(case)


def _within_reach(case: Case) -> Settings:
    """Outputs that may take any value: standardised targets are negative, too, which those of a relu never are."""
    bent = case.config.model.output_activation != "linear" and not case.lanes.program.classifies
    return changes.LINEAR_OUTPUT if bent else {}


def _smaller_start(case: Case) -> Settings:
    """Scaled data, a line's targets too: it is their square that overflows; or initial kernels as large as one is used to."""
    if case.raw_inputs or case.raw_targets:
        return _scaling(case) | (changes.SCALED_TARGETS if case.raw_targets else {})
    return changes.USUAL_SCALE if case.config.model.init_scale > 1 else changes.USUAL_START


def _within_float16(case: Case) -> Settings:
    """Scaled data where the first update already was too large, smaller steps where they are, else a format that holds more."""
    events = [case.row[name] for name in ("first_inf_step", "first_nan_step")]
    if 0 in events and (case.raw_inputs or case.raw_targets):
        return _smaller_start(case)
    return _smaller_steps(case) if case.large_steps else changes.BRAIN


def _steadier_gradient(case: Case) -> Settings:
    """Scaled data, a start that keeps the gradient's size from layer to layer, or a norm that does."""
    model = case.config.model
    if model.init_scale <= 1 and (scaling := _scaling(case)):
        return scaling
    if model.init_scale != 1:
        return changes.USUAL_SCALE
    if model.activation in ("sigmoid", "softplus"):
        return changes.CENTRED_UNITS
    return changes.LAYER_NORM if model.norm == "none" and model.hidden else _larger_steps(case)


def _livelier(case: Case) -> Settings:
    """Scaled data, a start that is not all zeros, or an activation without a flat side."""
    model = case.config.model
    found = _scaling(case) or _within_reach(case)
    if found:
        return found
    if model.init in ("zeros", "ones") and model.hidden:
        return changes.USUAL_START
    if model.activation in (*FLAT_BELOW_ZERO, "sigmoid") and model.hidden:
        return changes.LEAKY_UNITS
    return _steadier_gradient(case)


def _stronger(case: Case) -> Settings:
    """Whatever holds it: outputs, rounding, a schedule, raw data; else Adam, or more units. A line has nothing but its steps."""
    if case.out_of_reach:
        return _within_reach(case)
    model, optimizer = case.config.model, case.config.optimizer
    if case.config.training.dtype in ("bfloat16", "float16") and case.row["loss_at_90"] == case.row["loss_final"]:
        return changes.SINGLE  # steps that are lost in rounding
    if optimizer.schedule != "constant":
        return {"optimizer.schedule": "constant"}
    if scaling := _scaling(case):
        return scaling
    if not model.hidden and case.large_steps:
        return _smaller_steps(case)
    if not model.hidden:
        plain = case.lanes.program.full_batch and optimizer.kind == "sgd"
        return _larger_steps(case) if plain else _calmer(case)
    if optimizer.kind == "sgd" and not optimizer.nesterov and optimizer.momentum is None:
        rate = {"optimizer.learning_rate": 0.01} if case.rate else {}
        return changes.adam(optimizer) | rate
    return {} if model.init == "file" else changes.units(model, 2)


def _unmoved(case: Case) -> Settings:
    """What may have kept the loss where it was: steps at the edge, from one side to the other; no rate, the start, or flat units."""
    if case.large_steps:
        return _smaller_steps(case)
    return _larger_steps(case) if not case.rate else _livelier(case)


def _divisible(case: Case) -> Settings:
    """The usual number for each one that lets a divisor be 0."""
    return changes.divisible(case.config.optimizer, case.config.training.dtype)


def _nothing(case: Case) -> Settings:
    return {}


REMEDIES: dict[Cause, Callable[[Case], Settings]] = {
    Cause.NONE: _nothing,
    Cause.GOOD_START: _nothing,
    Cause.DATA_NAN: lambda case: changes.FILLED,
    Cause.START_NOT_FINITE: _smaller_start,
    Cause.GRADIENT_ASCENT: _downhill,
    Cause.FLOAT16_RANGE: _within_float16,
    Cause.PRECISION: lambda case: changes.SCALED_TARGETS,
    Cause.NO_MOVEMENT: _unmoved,
    Cause.SINGLE_ROWS: lambda case: {"training.batch_size": min(32, case.rows.n)},
    Cause.EXPLODING_GRADIENT: _steadier_gradient,
    Cause.BLOWN_UP_AT_ONCE: _smaller_steps,
    Cause.OVERFLOW: _smaller_steps,
    Cause.NAN_WITHOUT_INF: _divisible,
    Cause.RISING: _calmer,
    Cause.DEAD_AT_INIT: _livelier,
    Cause.BLOWN_UP_THEN_DEAD: _smaller_steps,
    Cause.KILLED: _revived,
    Cause.REBOUNDED: _smaller_steps,
    Cause.STEPS_TOO_LARGE: _smaller_steps,
    Cause.VANISHING_GRADIENT: _steadier_gradient,
    Cause.CONSTANT_ANSWER: _livelier,
    Cause.BOUNCING: _settled,
    Cause.TOO_SLOW: _larger_steps,
    Cause.BUDGET_TOO_SHORT: _on_its_way,
    Cause.PLATEAU: _stronger,
}
