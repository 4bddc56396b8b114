"""A compiled Keras model that is Dense layers one after the other, as the settings of nanmap's own network.

Of these a diagnosis knows the layers: which are dead, what is behind the output, and how it is written in other frameworks.
"""

from typing import Any, get_args

import numpy as np

from nanmap.config.choices import ActivationKind
from nanmap.config.initialisers import INITIALISERS
from nanmap.errors import InputError
from nanmap.models.own.keras_model import FLOATS, snake
from nanmap.models.own.keras_settings import check_step, loss_settings, optimizer_settings, undo_settings

UNUSUAL = (
    "kernel_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "kernel_constraint",
    "bias_constraint",
    "lora_rank",
)


def dense_settings(model: Any, targets: Any) -> dict[str, Any] | None:
    """Tables of settings that train the same as a compiled model, but for its start, which is drawn.

    None of a model that has other parts, or whose outputs are not those that the targets ask for.
    """
    import keras

    if type(model) is not keras.Sequential or not all(type(each) is keras.layers.Dense for each in model.layers):
        return None
    layers = [each.get_config() for each in model.layers]
    if not layers or any(getattr(each, name, None) is not None for each in model.layers for name in UNUSUAL):
        return None
    *hidden, output = [keras.activations.serialize(each.activation) for each in model.layers]
    starts = {_start(each) for each in layers}
    sparse = "sparse" in snake(getattr(model.loss, "name", str(model.loss)))
    if not _fits(layers[-1]["units"], sparse, targets):
        return None
    _check_softmax(model, layers[-1]["units"], output)
    read = _loss(model.loss, output)
    if read is None:
        return None
    loss, output = read
    known = get_args(ActivationKind)
    alike = len(set(hidden)) <= 1 and len(starts) == 1 and len({each["use_bias"] for each in layers}) == 1
    plain = all(each in known for each in (*hidden, output)) and None not in starts
    if not alike or not plain or any(each.dtype_policy.name != FLOATS for each in model.layers):
        return None
    check_step(model)
    return {
        "model": {
            "hidden": [each["units"] for each in layers[:-1]],
            "activation": hidden[0] if hidden else "relu",
            "output_activation": output,
            "bias": layers[0]["use_bias"],
            "init": starts.pop(),
        },
        "optimizer": optimizer_settings(model.optimizer),
        "loss": loss,
        "training": {"order": "sequential"},
        **({"data": {"target_kind": "class"}} if sparse else {}),
    }


def _check_softmax(model: Any, units: int, output: str) -> None:
    """Raises InputError for a softmax of one unit under a cross-entropy: whatever it is trained to, it answers 1."""
    loss = snake(getattr(model.loss, "name", str(model.loss)))
    if units == 1 and output == "softmax" and loss == "binary_crossentropy":
        mend = 'Dense(1, activation="sigmoid"), and the same loss'
        problem = "a softmax of one unit answers 1 to every row, whatever its weights: nothing can be learned"
        raise InputError(problem, key="model", value=model.layers[-1].name, mend=mend)


def _fits(units: int, sparse: bool, targets: Any) -> bool:
    """Whether a network for these targets has so many outputs: one per column, or of labels one per class."""
    values = np.asarray(targets)
    if values.ndim == 0 or values.dtype.kind not in "iufb":
        return False
    if sparse:
        return values.ndim == 1 and np.array_equal(np.unique(values), np.arange(units))
    return int(np.prod(values.shape[1:])) == units


def _start(layer: dict[str, Any]) -> str | None:
    """The initialiser of a layer's kernel; None where nanmap has none, or one of its bias."""
    kernel, bias = layer["kernel_initializer"], layer["bias_initializer"]
    name = snake(kernel["class_name"])
    usual = name in INITIALISERS and not {"mean", "stddev", "minval", "maxval", "gain"} & set(kernel["config"])
    return name if usual and bias["class_name"] == "Zeros" else None


def _loss(loss: Any, output: str) -> tuple[dict[str, Any], str] | None:
    """The loss, and the activation behind the output; of probabilities those of the logits before them, which train the same.

    None where something else stands there than the loss takes.

    Raises:
        InputError: nanmap has no such loss.
    """
    made_by = undo_settings(loss).get("undo", "")
    if made_by and made_by != output:
        return None
    return loss_settings(loss), "linear" if made_by else output
