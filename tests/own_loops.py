"""The oracle of networks of the user's own: a training as anybody would write it with JAX and optax, who has not heard of nanmap."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nanmap
from nanmap.training.order import epoch_order, order_key


def plain_loop(
    parameters: Any,
    loss: Callable[..., Any],
    rule: optax.GradientTransformation,
    x: np.ndarray,
    y: np.ndarray,
    *,
    state: Any = None,
    seed: int = 0,
    batch: int = 8,
    epochs: int = 3,
) -> tuple[Any, Any, list[float]]:
    """Parameters and state at the end of a training, and its batches' losses, as anybody would write it.

    `loss(parameters, state, x, y, key)` gives the loss and the state after it. Parameters that are no floats stay.
    """
    floats = jax.tree.map(lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating), parameters)
    rule = optax.masked(rule, floats)

    @jax.jit
    def step(parameters: Any, state: Any, memory: Any, x: Any, y: Any, key: Any) -> Any:
        taken = jax.value_and_grad(loss, has_aux=True, allow_int=True)
        (value, state), gradient = taken(parameters, state, x, y, key)
        gradient = jax.tree.map(lambda g, p, own: g if own else jnp.zeros_like(p), gradient, parameters, floats)
        updates, memory = rule.update(gradient, memory, parameters)
        return optax.apply_updates(parameters, updates), state, memory, value

    memory, losses, made = rule.init(parameters), [], 0
    for epoch in range(epochs):
        order = np.asarray(epoch_order(order_key(seed), epoch, len(x), len(x)))
        for first in range(0, len(x), batch):
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 0xFFFFFFFF), made)
            rows = order[first : first + batch]
            parameters, state, memory, value = step(parameters, state, memory, x[rows], y[rows], key)
            losses.append(float(value))
            made += 1
    return parameters, state, losses


def close(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def assert_example_trains(name: str, folder: Path, command: Callable[..., Any]) -> None:
    """A shipped sweep over a network of a framework, copied out and trained at a small size."""
    copied = command("examples", f"own/{name}", "--out", ".", cwd=folder)
    assert copied.stdout.splitlines()[-1] == f"next: nanmap sweep sweeps/own/{name}.toml --allow-python"
    small = [
        "axes.batch_size.values=[64]",
        "axes.learning_rate.values=[0.1]",
        "axes.seed.range=[0,1]",
        "training.steps=150",
    ]
    settings = [word for each in small for word in ("--set", each)]
    done = command("sweep", f"sweeps/own/{name}.toml", "--allow-python", "--no-maps", *settings, cwd=folder)
    assert done.returncode == 0, done.stderr
    (row,) = nanmap.Result(folder / "results" / name).to_pandas().itertuples()
    assert row.val_accuracy > 0.8
