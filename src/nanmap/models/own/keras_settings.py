"""What a compiled Keras model says of its training, as nanmap's settings; what these cannot say is refused by name."""

import math
from typing import Any

import numpy as np

from nanmap.errors import InputError
from nanmap.models.own.end import LEAST
from nanmap.models.own.keras_model import held_keras, is_keras, snake
from nanmap.models.own.memory import HeldTables

# By Keras's class: nanmap's name, and Keras's argument of each setting. `learning_rate` and the clips are those of all.
OPTIMIZERS: dict[str, tuple[str, dict[str, str]]] = {
    "SGD": ("sgd", {"momentum": "momentum", "nesterov": "nesterov"}),
    "Adam": ("adam", {"b1": "beta_1", "b2": "beta_2", "eps": "epsilon"}),
    "AdamW": ("adamw", {"b1": "beta_1", "b2": "beta_2", "eps": "epsilon", "weight_decay": "weight_decay"}),
    "Adamax": ("adamax", {"b1": "beta_1", "b2": "beta_2", "eps": "epsilon"}),
    "RMSprop": ("rmsprop", {"rho": "rho", "eps": "epsilon", "momentum": "momentum"}),
    "Adagrad": ("adagrad", {"eps": "epsilon"}),
    "Lion": ("lion", {"b1": "beta_1", "b2": "beta_2", "weight_decay": "weight_decay"}),
}
# Arguments that change the rule, each with the value at which it does nothing. Whatever else stands in a config is read.
IDLE: dict[str, Any] = {
    "amsgrad": False,
    "centered": False,
    "initial_accumulator_value": 0.1,
    "use_ema": False,
    "clipnorm": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}
CLIPS = {"clip_value": "clipvalue", "clip_norm": "global_clipnorm"}
UNSAID = ("name", "learning_rate", "ema_momentum", "ema_overwrite_frequency")
UNDECAYED = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")  # which no config of Keras's says
DECAYING = {"Adam": "AdamW"}  # the same rule, of which nanmap knows the decay under the other name

# By the words of Keras, of a class or of a function.
LOSSES = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "huber": "huber",
    "categorical_crossentropy": "softmax_cross_entropy",
    "sparse_categorical_crossentropy": "softmax_cross_entropy",
    "binary_crossentropy": "sigmoid_cross_entropy",
}
SHORT = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "bce": "binary_crossentropy"}
# Of losses that take probabilities unless they are told otherwise: what makes these.
UNDONE = {
    "categorical_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
    "binary_crossentropy": "sigmoid",
}
LOSS_IDLE: dict[str, Any] = {"label_smoothing": 0.0, "ignore_class": None, "axis": -1}
MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
MEND = "train it with settings of nanmap's: nanmap.run(model=model, optimizer=…, loss=…)"


def from_keras(model: object) -> HeldTables:
    """The training that `model.fit(shuffle=False)` would make of a compiled Keras model, as settings for `run` and `sweep`.

    It starts at the weights that the model has now; with any other `training.seed` than 0 they are drawn anew. The model itself is
    left as it is. The optimizer begins without a past, also where `fit` has run before. Rows come in their order:
    `order="shuffle"` shuffles them, as `fit` does of itself.

    Args:
        model: of Keras 3 with JAX as its backend, compiled, with one input and one output.

    Returns:
        Tables of settings, `model`, `optimizer`, `loss` and `training`. Held for as long as the caller holds them: no folder keeps a model.

    Raises:
        InputError: it is no such model, or has an optimizer, a schedule or a loss that nanmap has no setting for.
    """
    if not is_keras(model):
        mend = "for others model= takes a factory: model='python:file.py:factory'"
        raise InputError("is no Keras model", key="model", value=type(model).__name__, mend=mend)
    made: Any = model
    given = held_keras(made)
    if getattr(made, "optimizer", None) is None or getattr(made, "loss", None) is None:
        mend = "model.compile(optimizer=…, loss=…), or nanmap.run(model=model, optimizer=…, loss=…)"
        raise InputError("is not compiled: it has no optimizer and no loss", key="model", value=given.name, mend=mend)
    tables = {
        "model": {"kind": given.kind} | undo_settings(made.loss),
        "optimizer": optimizer_settings(made.optimizer),
        "loss": loss_settings(made.loss),
        "training": {"order": "sequential"},
    }
    check_step(made)
    return HeldTables(given, tables)


def check_step(model: Any) -> None:
    """Raises InputError for a model that `fit` trains otherwise than by the mean of its loss over a batch."""
    own = next((name for name in ("train_step", "compute_loss") if not _of_keras(getattr(type(model), name))), None)
    if own:
        problem = f"has a `{own}` of its own, which nanmap would not call"
        raise InputError(problem, key="model", value=type(model).__name__, mend=MEND)
    weights = (model.get_compile_config() or {}).get("loss_weights")
    if weights is not None:
        raise InputError("nanmap has no weights of losses", key="loss_weights", value=weights, mend=MEND)


def optimizer_settings(optimizer: Any) -> dict[str, Any]:
    """The table `[optimizer]` of a Keras optimizer.

    Raises:
        InputError: nanmap has no such rule, or no such setting of it.
    """
    given, name = optimizer.get_config(), type(optimizer).__name__
    if given.get("weight_decay") is not None:
        name = DECAYING.get(name, name)
    if name not in OPTIMIZERS or not _of_keras(type(optimizer)):
        raise InputError(
            "is an optimizer that nanmap has no setting for", key="optimizer", value=name, allowed=OPTIMIZERS, mend=MEND
        )
    kind, arguments = OPTIMIZERS[name]
    known = {*arguments.values(), *CLIPS.values(), *UNSAID}
    for argument, value in given.items():
        if argument not in known and value not in (IDLE.get(argument), None):
            problem = f"`{name}` is given {argument}, which nanmap has no setting for"
            raise InputError(problem, key=f"optimizer.{argument}", value=value, mend=MEND)
    if given.get("weight_decay") and any(getattr(optimizer, each, None) for each in UNDECAYED):
        problem = f"`{name}` leaves variables out of its weight decay, nanmap's decays all of them"
        raise InputError(problem, key="optimizer.exclude_from_weight_decay", value=name, mend=MEND)
    found = {setting: given[argument] for setting, argument in (arguments | CLIPS).items()}
    found = {setting: value for setting, value in found.items() if value is not None}
    if not found.get("momentum", True):  # Keras's 0 is none
        found = {setting: value for setting, value in found.items() if setting not in ("momentum", "nesterov")}
    rate = _rate(optimizer)
    if "schedule" in rate and kind == "sgd" and "momentum" in found:
        problem = "Keras's momentum holds steps with the rates of their time, nanmap's holds gradients"
        raise InputError(f"under a schedule {problem}", key="optimizer.schedule", value=rate["schedule"], mend=MEND)
    return {"kind": kind} | rate | found


def _rate(optimizer: Any) -> dict[str, float | str]:
    """The learning rate and its schedule."""
    rate = optimizer._learning_rate
    if hasattr(rate, "value"):  # a variable
        return {"learning_rate": _shortest(rate.value)}
    name = type(rate).__name__
    given = rate.get_config() if hasattr(rate, "get_config") else {}
    if name in SCHEDULES and not given.get("staircase"):
        return {"learning_rate": float(given["initial_learning_rate"])} | SCHEDULES[name](given)
    problem = "in steps (staircase) has no setting in nanmap" if name in SCHEDULES else "has no setting in nanmap"
    raise InputError(
        f"a schedule like this {problem}", key="optimizer.learning_rate", value=name, allowed=SCHEDULES, mend=MEND
    )


SCHEDULES: dict[str, Any] = {
    "ExponentialDecay": lambda given: {
        "schedule": "exponential",
        "decay": -math.log(given["decay_rate"]) / given["decay_steps"],
    },
    "InverseTimeDecay": lambda given: {"schedule": "inverse_time", "decay": given["decay_rate"] / given["decay_steps"]},
}


def _of_keras(made: Any) -> bool:
    """Whether a class or a function is Keras's own, and not one of the user's by the same name."""
    return made.__module__.startswith("keras.")


def _shortest(value: Any) -> float:
    """A float32 as the number that was written for it: 0.01, and not 0.009999999776482582."""
    return float(str(np.float32(value)))


def loss_settings(loss: Any) -> dict[str, Any]:
    """The table `[loss]` of a Keras loss, given by its name, as a function or as an object.

    Raises:
        InputError: nanmap has no such loss, or no such setting of it.
    """
    name, given, is_known = _read(loss)
    if not is_known:
        known = list(LOSSES)
        problem = "is a loss that nanmap has no setting for"
        raise InputError(problem, key="loss", value=name, allowed=known, mend=MEND)
    if given.get("reduction", MEANS[0]) not in MEANS:
        problem = "nanmap takes the mean over the rows"
        raise InputError(problem, key="loss.reduction", value=given["reduction"], allowed=MEANS)
    for argument, idle in LOSS_IDLE.items():
        if given.get(argument, idle) != idle:
            problem = f"`{name}` is given {argument}, which nanmap has no setting for"
            raise InputError(problem, key=f"loss.{argument}", value=given[argument], mend=MEND)
    return {"kind": LOSSES[name]} | ({"delta": given.get("delta", 1.0)} if name == "huber" else {})


def undo_settings(loss: Any) -> dict[str, Any]:
    """The table `[model]` of a loss that takes probabilities: what made them is undone, with Keras's bounds. Of any other loss nothing.

    Raises:
        InputError: Keras was told to keep other bounds.
    """
    import keras

    name, given, _ = _read(loss)
    if name not in UNDONE or given.get("from_logits"):
        return {}
    if keras.config.epsilon() != LEAST:
        problem = f"Keras's epsilon, the least probability under `{name}`, is another one than nanmap's"
        mend = f"keras.config.set_epsilon({LEAST:g}), or leave the {UNDONE[name]} out of the last layer, and from_logits=True"
        raise InputError(problem, key="loss", value=keras.config.epsilon(), allowed=f"{LEAST:g}", mend=mend)
    return {"undo": UNDONE[name]}


def _read(loss: Any) -> tuple[str, dict[str, Any], bool]:
    """What Keras calls a loss, the settings of one that is an object, and whether nanmap has it."""
    import keras

    try:
        made = keras.losses.get(loss)
    except Exception:  # Keras says in many ways that it is none: one of several outputs, a misspelt name
        made = loss
    is_object = isinstance(made, keras.losses.Loss)
    # `Huber` leaves its delta out of its config.
    given = vars(made).get("_fn_kwargs", {}) | made.get_config() if is_object else {}
    written = snake(type(made).__name__) if is_object else getattr(made, "__name__", type(made).__name__)
    name = SHORT.get(written, written)
    return name, given, name in LOSSES and _of_keras(type(made) if is_object else made)
