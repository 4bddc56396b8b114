"""`square_sgd` without any framework: the loop as it was posted, and NumPy over many rates at a time."""

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.tasks import Task

Weights = Sequence[np.ndarray]


def numbers(task: Task, python: bool) -> Callable[[], Weights]:
    """Sample by sample, one training after the other.

    Args:
        task: cells of `square_sgd`.
        python: compute with Python's floats; otherwise with the elements of the arrays, as posted.
    """
    x, y = (each[:, 0] for each in task.rows)
    xs, ys = (x.tolist(), y.tolist()) if python else (x, y)
    kernel, bias = task.weights()
    epochs = task.steps // task.variant.steps_per_epoch

    def one(cell: int) -> tuple[float, float]:
        a, b, rate = kernel[cell, 0, 0], bias[cell, 0], task.learning_rates[cell, 0]
        if python:
            a, b, rate = float(a), float(b), float(rate)
        for _ in range(epochs):
            for i in range(len(xs)):
                error = a * xs[i] + b - ys[i]
                a -= rate * error * xs[i]
                b -= rate * error
        return a, b

    def run() -> Weights:
        with np.errstate(all="ignore"):
            trained = np.array([one(cell) for cell in range(len(task.cells))])
        return trained[:, 0, None, None], trained[:, 1, None]

    return run


def vectorised(task: Task, lanes: int) -> Callable[[], Weights]:
    """Sample by sample, in NumPy over `lanes` trainings at a time."""
    x, y = (each[:, 0].tolist() for each in task.rows)
    kernel, bias = task.weights()
    epochs = task.steps // task.variant.steps_per_epoch

    def chunk(some: slice) -> np.ndarray:
        a, b, rate = kernel[some, 0, 0].copy(), bias[some, 0].copy(), task.learning_rates[some, 0]
        error = np.empty_like(a)
        for _ in range(epochs):
            for xi, yi in zip(x, y, strict=True):  # in place: no array is allocated
                np.multiply(a, xi, out=error)
                error += b
                error -= yi
                error *= rate
                b -= error
                error *= xi
                a -= error
        return np.stack([a, b])

    def run() -> Weights:
        with np.errstate(all="ignore"):
            trained = np.concatenate(
                [chunk(slice(start, start + lanes)) for start in range(0, len(task.cells), lanes)], axis=1
            )
        return trained[0, :, None, None], trained[1, :, None]

    return run
