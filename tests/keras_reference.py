"""Keras's own answers, computed in a process of its own: `python keras_reference.py CASES.json ANSWERS.json`.

Keras sets JAX up in its own way and warns in its own way; neither may reach the tests. Nothing here imports nanmap.
"""

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

NORMS = {
    "layer": lambda: keras.layers.LayerNormalization(),
    "batch": lambda: keras.layers.BatchNormalization(),
}
OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
}
LOSSES = {
    "mse": lambda: ("mse", []),
    "softmax_cross_entropy": lambda: (keras.losses.CategoricalCrossentropy(from_logits=True), ["accuracy"]),
    # On logits the boundary of "accuracy" would be 0.5 in place of 0.
    "sigmoid_cross_entropy": lambda: (
        keras.losses.BinaryCrossentropy(from_logits=True),
        [keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)],
    ),
    "mse with accuracy": lambda: ("mse", ["accuracy"]),
}


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """Losses of every epoch, the losses of the trained model, and its weights."""
    keras.config.set_floatx(case["dtype"])
    keras.config.set_dtype_policy(case["dtype"])
    start = [[np.array(values, case["dtype"]) for values in layer] for layer in case["start"]]
    model = keras.Sequential([keras.Input((len(start[0][0]),))])
    for index, (kernel, *bias) in enumerate(start):
        model.add(keras.layers.Dense(kernel.shape[1], use_bias=bool(bias)))
        if index < len(start) - 1:
            if case["norm"] != "none":
                model.add(NORMS[case["norm"]]())
            model.add(keras.layers.Activation(case["activation"]))
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for layer, values in zip(dense, start, strict=True):
        layer.set_weights(values)
    loss, metrics = LOSSES[case["loss"]]()
    optimizer = OPTIMIZERS[case["optimizer"]["kind"]]
    settings = {name: value for name, value in case["optimizer"].items() if name != "kind"}
    model.compile(optimizer(**settings), loss, metrics=metrics)
    x, y = (np.array(case[name], case["dtype"]) for name in "xy")
    fit = {"batch_size": case["batch_size"], "shuffle": False, "verbose": 0, "validation_split": case["split"]}
    history = model.fit(x, y, epochs=case["epochs"], **fit).history
    kept = int(len(x) * (1 - case["split"]))
    said = model.evaluate(x[:kept], y[:kept], batch_size=kept, verbose=0, return_dict=True)
    weights = [np.asarray(weight, np.float64).tolist() for layer in model.layers for weight in layer.get_weights()]
    told = {"history": history, "evaluated": said, "weights": weights}
    if "accuracy" in case["loss"]:
        told["predicted"] = np.asarray(model.predict(x, verbose=0), np.float64).tolist()
    return told


if __name__ == "__main__":
    cases = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps({name: answer(case) for name, case in cases.items()}))
