"""Keras on JAX: `fit`, one training after the other, for `relu_double`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.tasks import Task

Weights = Sequence[np.ndarray]


def fresh(task: Task) -> Callable[[], Weights]:
    """A new model, compiled anew, for every training, with validation and metric: a loop around the posted program."""
    initial = task.weights()
    rows = task.variant.rows
    validation = rows.val_inputs.astype(task.dtype), rows.val_targets.astype(task.dtype)

    def one(cell: int) -> list[np.ndarray]:
        model = _model(task, steps_per_execution=1, metrics=["accuracy"])
        _set(model, initial, task, cell)
        _fit(model, task, validation_data=validation)
        return list(model.get_weights())

    return lambda: [np.stack(each) for each in zip(*map(one, range(len(task.cells))), strict=True)]


def reused(task: Task, steps_per_execution: int) -> Callable[[], Weights]:
    """One compiled model, whose parameters and rate are set back for every training; nothing but the training."""
    initial = task.weights()
    model = _model(task, steps_per_execution)

    def one(cell: int) -> list[np.ndarray]:
        _set(model, initial, task, cell)
        _fit(model, task)
        return list(model.get_weights())

    return lambda: [np.stack(each) for each in zip(*map(one, range(len(task.cells))), strict=True)]


def _model(task: Task, steps_per_execution: int, metrics: Sequence[str] = ()) -> Any:
    import keras

    keras.utils.clear_session(free_memory=False)
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(128, activation="relu"), keras.layers.Dense(1, activation="relu")]
    )
    model.compile(
        optimizer=keras.optimizers.SGD(0.01),
        loss="mean_squared_error",
        metrics=list(metrics),
        steps_per_execution=steps_per_execution,
    )
    return model


def _set(model: Any, initial: Weights, task: Task, cell: int) -> None:
    model.set_weights([each[cell] for each in initial])
    model.optimizer.learning_rate = float(task.learning_rates[cell, 0])


def _fit(model: Any, task: Task, **options: Any) -> None:
    x, y = task.rows
    program = task.program
    epochs = task.steps // task.variant.steps_per_epoch
    shuffle = program.order == "shuffle"
    model.fit(x, y, batch_size=program.batch, epochs=epochs, shuffle=shuffle, verbose=0, **options)
