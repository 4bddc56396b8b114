"""The way of notebooks: `jit(vmap(step))` over many lanes and a Python loop over steps, in JAX."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.tasks import Task, forward

Weights = Sequence[np.ndarray]


def _step(task: Task) -> Callable:
    """One update of one network: `(weights, rates, x, y) -> weights, loss`."""
    import jax
    import jax.numpy as jnp

    activation = jnp.tanh if task.workload == "fractal_tanh" else jax.nn.relu

    def loss(weights: Any, x: Any, y: Any) -> Any:
        return jnp.mean((forward(activation, task.workload, weights, x) - y) ** 2)

    def step(weights: Any, rates: Any, x: Any, y: Any) -> Any:
        value, gradient = jax.value_and_grad(loss)(weights, x, y)
        return [w - rates[i] * g for i, (w, g) in enumerate(zip(weights, gradient, strict=True))], value

    return step


def loop(task: Task, lanes: int) -> Callable[[], Weights]:
    """The loop over steps in Python, `lanes` cells at a time."""
    import jax

    step = jax.vmap(_step(task), in_axes=(0, 0, None, None))
    step = jax.jit(step, donate_argnums=0)

    def train(weights: Any, rates: Any, x: Any, y: Any) -> Any:
        for _ in range(task.steps):
            weights, _ = step(weights, rates, x, y)
        return weights

    return _in_chunks(task, lanes, train)


def scan(task: Task, lanes: int) -> Callable[[], Weights]:
    """The loop over steps inside the compiled function (`lax.scan`), `lanes` cells at a time."""
    import jax

    step = _step(task)

    def train(weights: Any, rates: Any, x: Any, y: Any) -> Any:
        return jax.lax.scan(lambda weights, _: step(weights, rates, x, y), weights, length=task.steps)[0]

    return _in_chunks(task, lanes, jax.jit(jax.vmap(train, in_axes=(0, 0, None, None))))


def _in_chunks(task: Task, lanes: int, train: Callable) -> Callable[[], Weights]:
    """Trains chunk after chunk; the data are on the device before."""
    import jax
    import jax.numpy as jnp

    # Lanes that are left over would compile a program of their own.
    lanes = min(lanes, len(task.cells))
    assert len(task.cells) % lanes == 0, f"{len(task.cells)} cells in chunks of {lanes}"
    with jax.enable_x64(task.dtype == "float64"), jax.default_matmul_precision("highest"):
        x, y = map(jnp.asarray, task.rows)

    def run() -> Weights:
        trained = []
        with jax.enable_x64(task.dtype == "float64"), jax.default_matmul_precision("highest"):
            for start in range(0, len(task.cells), lanes):
                some = slice(start, start + lanes)
                weights = [jnp.asarray(each[some]) for each in initial]
                trained.append(
                    [np.asarray(each) for each in train(weights, jnp.asarray(task.learning_rates[some]), x, y)]
                )
        return [np.concatenate(each) for each in zip(*trained, strict=True)]

    initial = task.weights()
    return run
