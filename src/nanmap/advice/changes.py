"""What each change that is worth a try does to settings, in one table for both that advise: `remedies` here, and `diagnosis.remedies`.

Rules of thumb after one training and the search by many trainings differ in when they name a change, and in nothing else.
"""

from typing import Any

from nanmap.config.choices import FLAT_BELOW_ZERO
from nanmap.config.optimizers import optimizer_entry
from nanmap.config.settings import ModelSettings, OptimizerSettings, TrainingSettings
from nanmap.training.program import zero_divisors

Settings = dict[str, Any]  # key → value

FILLED: Settings = {"data.missing": "mean"}
SCALED_INPUTS: Settings = {"data.scale_inputs": "standard"}
SCALED_TARGETS: Settings = {"data.scale_targets": "standard"}
TARGETS_WITHIN: Settings = {"data.scale_targets": "minmax"}  # for outputs that give no negative numbers
LINEAR_OUTPUT: Settings = {"model.output_activation": "linear"}
USUAL_SCALE: Settings = {"model.init_scale": 1.0}
USUAL_START: Settings = {"model.init": "glorot_uniform"}
LEAKY_UNITS: Settings = {"model.activation": "leaky_relu"}
RELU_UNITS: Settings = {"model.activation": "relu"}
CENTRED_UNITS: Settings = {"model.activation": "tanh"}
LAYER_NORM: Settings = {"model.norm": "layer"}
HIDDEN_LAYER: Settings = {"model.hidden": [16]}
SINGLE: Settings = {"training.dtype": "float32"}
DOUBLE: Settings = {"training.dtype": "float64"}
BRAIN: Settings = {"training.dtype": "bfloat16"}

LARGE_EPS = 1e-4  # smaller ones of the usual kind are 0 in float16


def adam(optimizer: OptimizerSettings) -> Settings:
    """In place of gradient descent, whose momentum it has none of."""
    plain: Settings = {"optimizer.momentum": None} if optimizer.momentum is not None else {}
    return {"optimizer.kind": "adam"} | plain | ({"optimizer.nesterov": False} if optimizer.nesterov else {})


def divisible(optimizer: OptimizerSettings, dtype: str) -> Settings:
    """The usual number for each one that lets a divisor be 0."""
    usual, moments = OptimizerSettings(), {"b2": optimizer_entry(optimizer.kind).b2}
    zero = zero_divisors(optimizer, dtype)
    found = {f"optimizer.{name}": moments.get(name, getattr(usual, name)) for name in zero}
    if dtype == "float16" and "optimizer.eps" in found:
        found["optimizer.eps"] = LARGE_EPS
    return found


def longer(training: TrainingSettings, factor: int) -> Settings:
    """The budget times a factor."""
    if training.epochs is not None:
        return {"training.epochs": training.epochs * factor}
    return {"training.steps": (training.steps or 1) * factor}


def units(model: ModelSettings, factor: float) -> Settings:
    """As many units times a factor in each hidden layer, one at least."""
    return {"model.hidden": [max(1, round(factor * each)) for each in model.hidden]}


def fitting_start(model: ModelSettings) -> Settings:
    """The initialisation that fits the activation, at its usual size, as far as the settings have another."""
    bent = (*FLAT_BELOW_ZERO, "leaky_relu", "elu", "gelu", "silu")
    fitting = "he_normal" if model.activation in bent else "glorot_uniform"
    found: Settings = {"model.init": fitting} if model.init != fitting else {}
    found |= USUAL_SCALE if model.init_scale != 1 else {}
    found |= {"model.init_offset": 0.0} if model.init_offset else {}
    return found | ({"model.init_file": None} if model.init_file else {})
