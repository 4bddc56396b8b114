"""Networks of the user's own, held against plain `jax.jit` loops that know nothing of nanmap."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nanmap
from nanmap.engine import LocalEngine
from nanmap.errors import InputError
from nanmap.training.order import epoch_order, order_key

N, FEATURES = 22, 3
SOURCE = """
import jax
import jax.numpy as jnp


def mlp(units=5, act="tanh"):
    def init(key, x):
        one, two = jax.random.split(key)
        return {
            "hidden": {"w": jax.random.normal(one, (x.shape[1], units)) / 2, "b": jnp.zeros(units)},
            "out": {"w": jax.random.normal(two, (units, 1)) / 2, "b": jnp.zeros(1)},
        }

    def apply(parameters, x):
        hidden, out = parameters["hidden"], parameters["out"]
        h = getattr(jnp, act)(x @ hidden["w"] + hidden["b"])
        return h @ out["w"] + out["b"]

    return init, apply
"""


def loaded(source: str) -> dict[str, Any]:
    """The names of a source, imported by nobody."""
    found: dict[str, Any] = {}
    exec(source, found)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, FEATURES))
    np.savez(made / "rows.npz", x=x, y=np.sin(x[:, :1]) + x[:, 1:2] ** 2)
    (made / "net.py").write_text(SOURCE)
    return made


def tree(folder: Path, **tables: Any) -> dict[str, Any]:
    """A config of the network in `net.py` on the rows beside it."""
    made: dict[str, Any] = {
        "data": {"kind": "npz", "path": str(folder / "rows.npz")},
        "model": {"kind": f"python:{folder / 'net.py'}:mlp"},
        "optimizer": {"learning_rate": 0.1},
        "training": {"batch_size": 8, "epochs": 3},
    }
    for name, table in tables.items():
        made[name] = made.get(name, {}) | table
    return made


def rows_of(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(folder / "rows.npz") as file:
        return file["x"].astype(np.float32), file["y"].astype(np.float32)


def plain_loop(
    parameters: Any,
    loss: Callable[..., Any],
    rule: optax.GradientTransformation,
    x: np.ndarray,
    y: np.ndarray,
    *,
    seed: int = 0,
    batch: int = 8,
    epochs: int = 3,
) -> tuple[Any, list[float]]:
    """The parameters and the losses of the batches of a training, as anybody would write it."""

    @jax.jit
    def step(parameters: Any, state: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
        value, gradient = jax.value_and_grad(loss)(parameters, x, y)
        updates, state = rule.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state, value

    state, losses = rule.init(parameters), []
    for epoch in range(epochs):
        order = np.asarray(epoch_order(order_key(seed), epoch, len(x), len(x)))
        for first in range(0, len(x), batch):
            rows = order[first : first + batch]
            parameters, state, value = step(parameters, state, x[rows], y[rows])
            losses.append(float(value))
    return parameters, losses


def close(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("seed", [0, 3])
def test_a_pair_trains_as_a_plain_loop_does(folder: Path, engine: LocalEngine, seed: int) -> None:
    init, apply = loaded(SOURCE)["mlp"]()
    x, y = rows_of(folder)
    start = init(jax.random.key(seed), x[:8])
    mean = lambda parameters, x, y: jnp.mean((apply(parameters, x) - y) ** 2)  # noqa: E731
    ends, losses = plain_loop(start, mean, optax.sgd(0.1), x, y, seed=seed)
    report = nanmap.run(tree(folder, training={"seed": seed}), engine=engine, allow_python=True)
    assert report.params is not None
    assert sorted(report.params) == ["hidden.b", "hidden.w", "out.b", "out.w"]
    for name, values in report.params.items():
        layer, array = name.split(".")
        close(values, ends[layer][array])
    close(report.row["loss_initial"], mean(start, x, y))
    close(report.row["loss_final"], mean(ends, x, y))
    weights = [8, 8, 6]  # the last batch counts as many rows as it has
    for number, told in enumerate(report.epochs):
        close(told.mean_loss, np.average(losses[3 * number : 3 * number + 3], weights=weights))
        close(told.last_loss, losses[3 * number + 2])
