"""What the records of a line cost: the loop of `square_sgd` written by hand, once with and once without them, on one core."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

LANES, UPDATES = 256, 400_000
KINDS = {
    "the two numbers": 0,
    "and the losses": 1,
    "and the first infinity and NaN": 2,
}


def speeds(dtype: str, repeats: int, updates: int = UPDATES) -> dict[str, list[float]]:
    """Updates per second, over 256 lanes side by side: what is kept besides the two numbers of the line, and all runs."""
    import jax

    from nanmap.engine.devices import use_all_cores

    use_all_cores()
    with jax.enable_x64(dtype == "float64"):
        loops = {name: _loop(dtype, kept, updates) for name, kept in KINDS.items()}
        found: dict[str, list[float]] = {name: [] for name in KINDS}
        for repeat in range(repeats + 1):
            for name, run in loops.items():
                started = time.perf_counter()
                run()
                if repeat:  # the first one warms up
                    found[name].append(LANES * updates / (time.perf_counter() - started))
    return found


def _loop(dtype: str, kept: int, updates: int) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    from nanmap.engine.one_kernel import as_one_kernel
    from nanmap.engine.xla_options import ONE_KERNEL

    xs = jnp.linspace(0, 1, 100, dtype=dtype)
    ys = xs * xs + 2

    def update(step: Any, state: Any) -> Any:
        (a, b), losses, events = state
        x, y = xs[step % 100], ys[step % 100]
        error = a * x + b - y
        a, b, loss = a - 0.01 * error * x, b - 0.01 * error, error * error / 2
        if kept >= 1:
            alive = events[1] < 0
            losses = jnp.where(alive, loss, losses[0]), jnp.where(alive, losses[1] + loss, losses[1])
        if kept >= 2:
            infinite = jnp.isinf(loss) | jnp.isinf(a) | jnp.isinf(b)
            nan = jnp.isnan(loss) | jnp.isnan(a) | jnp.isnan(b)
            first_inf = jnp.where((events[0] < 0) & alive & infinite, step, events[0])
            events = first_inf, jnp.where(alive & nan, step, events[1])
        return (a, b), losses, events

    def train(state: Any) -> Any:
        return as_one_kernel(lambda state: jax.lax.fori_loop(0, updates, update, state), state)

    ones, never = np.ones(LANES, dtype), np.full(LANES, -1, np.int32)
    state = (ones, ones), (ones, ones), (never, never)
    compiled = jax.jit(train).lower(state).compile(compiler_options=ONE_KERNEL)
    return lambda: jax.block_until_ready(compiled(state))
