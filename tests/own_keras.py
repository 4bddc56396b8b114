"""What Keras's own `fit` prints, and what nanmap makes of the same model: `python own_keras.py FOLDER`, in a process of its own.

Keras sets JAX up in its own way, and warns in its own way; neither may reach the tests.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"], os.environ["JAX_PLATFORMS"] = "jax", "cpu"

import keras  # noqa: E402
import numpy as np  # noqa: E402

import nanmap  # noqa: E402

SOURCE = """
import keras


def build(dropout=0.0):
    return keras.Sequential([
        keras.Input(shape=(6, 6, 1)),
        keras.layers.Conv2D(4, 3, activation="relu", use_bias=False),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.Flatten(),
        keras.layers.Dense(5, activation="tanh"),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(1),
    ])
"""
OPTIMIZERS = {
    "sgd": (lambda: keras.optimizers.SGD(0.05, momentum=0.9), {"momentum": 0.9, "learning_rate": 0.05}),
    # Keras adds epsilon before the second moment is corrected, optax after it: one that nothing can feel.
    "adam": (lambda: keras.optimizers.Adam(0.01, epsilon=1e-12), {"learning_rate": 0.01, "eps": 1e-12}),
}


def main(folder: Path) -> None:
    """Writes what both printed into the folder."""
    (folder / "net.py").write_text(SOURCE)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((21, 6, 6, 1)).astype("float32"), rng.standard_normal((21, 1)).astype("float32")
    found: dict[str, Any] = {}
    space: dict[str, Any] = {}
    exec(SOURCE, space)
    asked: dict[str, Any] = {
        "model": f"python:{folder / 'net.py'}:build", "x": x, "y": y, "batch_size": 8, "epochs": 5, "order": "sequential",
        "allow_python": True,
    }  # fmt: skip
    for kind, (rule, settings) in OPTIMIZERS.items():
        keras.utils.set_random_seed(3)
        model = space["build"]()
        model.compile(rule(), "mse")
        history = model.fit(x, y, batch_size=8, epochs=5, shuffle=False, verbose=0).history["loss"]
        report = nanmap.run(optimizer=kind, training_seed=3, **settings, **asked)
        evaluated = float(model.evaluate(x, y, batch_size=21, verbose=0))
        ours = [each.mean_loss for each in report.epochs]
        found[kind] = {"fit": [*history, evaluated], "nanmap": [*ours, report.row["loss_final"]]}
        found["names"] = sorted(report.params or {})
    model = space["build"]()
    weights = model.get_weights()
    reports = [nanmap.run(**(asked | {"model": model}), training_seed=seed) for seed in (0, 1)]
    found["given"] = [each.row["loss_initial"] for each in reports]
    model.set_weights(weights)
    model.compile("sgd", "mse")
    found["present"] = float(model.evaluate(x, y, batch_size=21, verbose=0))
    dropped = [
        nanmap.run(**asked, training_seed=seed, **{"model.arguments.dropout": 0.5}).row["loss_final"]
        for seed in (0, 0, 1)
    ]
    found["dropout"] = dropped
    given = space["build"](0.5)
    found["given dropout"] = [
        nanmap.run(**(asked | {"model": given}), training_seed=seed).row["loss_final"] for seed in (0, 0, 1)
    ]
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
