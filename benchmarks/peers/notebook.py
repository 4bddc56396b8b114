"""The way of notebooks: `jit(vmap(step))` over many lanes and a Python loop over steps, in JAX."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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


def scan(task: Task, lanes: int, every_core: bool = False) -> Callable[[], Weights]:
    """The loop over steps inside the compiled function (`lax.scan`), `lanes` cells at a time.

    Args:
        task: cells of any network.
        lanes: how many at a time, on each device.
        every_core: a device per core, each with chunks and a thread of its own. JAX's own device uses one core here.
    """
    import jax

    if every_core:
        from nanmap.engine.devices import use_all_cores

        use_all_cores()
    step = _step(task)

    def train(weights: Any, rates: Any, x: Any, y: Any) -> Any:
        return jax.lax.scan(lambda weights, _: step(weights, rates, x, y), weights, length=task.steps)[0]

    return _in_chunks(task, lanes, jax.jit(jax.vmap(train, in_axes=(0, 0, None, None))), every_core)


def _in_chunks(task: Task, lanes: int, train: Callable, every_core: bool = False) -> Callable[[], Weights]:
    """Trains chunk after chunk, on one device or on all of them; the rows are there before."""
    import jax

    # Lanes that are left over would compile a program of their own.
    lanes = min(lanes, len(task.cells))
    assert len(task.cells) % lanes == 0, f"{len(task.cells)} cells in chunks of {lanes}"
    initial, rates = task.weights(), task.learning_rates
    devices = jax.devices() if every_core else jax.devices()[:1]
    with jax.enable_x64(task.dtype == "float64"):
        rows = {device: jax.device_put(task.rows, device) for device in devices}
    chunks = [slice(start, start + lanes) for start in range(0, len(task.cells), lanes)]

    def on(device: Any) -> list[Weights]:
        """The chunks of a device."""
        trained: list[Weights] = []
        with jax.enable_x64(task.dtype == "float64"), jax.default_matmul_precision("highest"):
            for some in chunks[devices.index(device) :: len(devices)]:
                weights, rate = jax.device_put(([each[some] for each in initial], rates[some]), device)
                trained.append([np.asarray(each) for each in train(weights, rate, *rows[device])])
        return trained

    def run() -> Weights:
        with ThreadPoolExecutor(len(devices)) as pool:
            by_device = list(pool.map(on, devices))
        in_order = [by_device[number % len(devices)][number // len(devices)] for number in range(len(chunks))]
        return [np.concatenate(each) for each in zip(*in_order, strict=True)]

    return run
