"""`square_sgd` without any framework: the loop as it was posted, and NumPy over many rates at a time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

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


def vectorised(task: Task, lanes: int, threads: int = 1, records: bool = False) -> Callable[[], Weights]:
    """Sample by sample, in NumPy over `lanes` trainings at a time.

    Args:
        task: cells of `square_sgd`.
        lanes: how many.
        threads: chunks at a time; NumPy lets go of the interpreter while it computes.
        records: keep the sum of the losses and the first infinity and NaN (-1: never) as well, as nanmap does.
    """
    x, y = (each[:, 0].tolist() for each in task.rows)
    kernel, bias = task.weights()
    epochs = task.steps // task.variant.steps_per_epoch

    def chunk(some: slice) -> Weights:
        a, b, rate = kernel[some, 0, 0].copy(), bias[some, 0].copy(), task.learning_rates[some, 0]
        error, kept = np.empty_like(a), Kept(len(a), a.dtype) if records else None
        with np.errstate(all="ignore"):  # a setting of the thread
            for epoch in range(epochs):
                for row, (xi, yi) in enumerate(zip(x, y, strict=True)):  # in place: no array is allocated
                    np.multiply(a, xi, out=error)
                    error += b
                    error -= yi
                    if kept:
                        kept.loss(error)
                    error *= rate
                    b -= error
                    error *= xi
                    a -= error
                    if kept:
                        kept.events(epoch * len(x) + row, a, b)
        return a[:, None, None], b[:, None], *(kept.all() if kept else ())

    def run() -> Weights:
        pieces = [slice(start, start + lanes) for start in range(0, len(task.cells), lanes)]
        with ThreadPoolExecutor(threads) as pool:
            return [np.concatenate(each) for each in zip(*pool.map(chunk, pieces), strict=True)]

    return run


class Kept:
    """The sum of the losses, and the steps of the first infinity and of the first NaN (-1 until then), of some cells.

    As sparing as it can be: halves are taken once, and cells are told apart only after one of them has ended.
    """

    def __init__(self, cells: int, dtype: np.dtype) -> None:
        self.squares, self.last, self.work = np.zeros((3, cells), dtype)
        self.first_inf, self.first_nan = np.full((2, cells), -1, np.int32)
        self.alive, self.seen, self.one = np.ones((3, cells), bool)
        self.all_alive = True

    def loss(self, error: np.ndarray) -> None:
        """Of this update, before it is made."""
        np.multiply(error, error, out=self.last)
        if self.all_alive:
            self.squares += self.last
        else:
            np.add(self.squares, self.last, out=self.squares, where=self.alive)

    def events(self, step: int, *numbers: np.ndarray) -> None:
        """What the update made; a cell is only looked at closely where something is no number."""
        np.add(numbers[0], numbers[1], out=self.work)
        self.work += self.last
        np.isfinite(self.work, out=self.seen)
        if self.seen.all():
            return
        for test, first in ((np.isinf, self.first_inf), (np.isnan, self.first_nan)):
            self.seen[:] = False
            for each in (self.last, *numbers):
                self.seen |= test(each, out=self.one)
            self.seen &= self.alive
            self.seen &= first < 0
            first[self.seen] = step
        np.less(self.first_nan, 0, out=self.alive)
        self.all_alive = bool(self.alive.all())

    def all(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The sums, the first infinities, the first NaN."""
        return self.squares / 2, self.first_inf, self.first_nan
