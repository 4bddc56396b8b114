"""Modules of Equinox and Flax, held against plain loops that their own documentation would write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

import nanmap
from nanmap.engine import LocalEngine
from own_loops import SMALLER, assert_maps, close, notebook_cell, plain_loop

ROWS, SIDE, CHANNELS, CLASSES = 21, 4, 2, 3

LINEN = """
import jax
from flax import linen as nn


class Net(nn.Module):
    units: int = 4

    @nn.compact
    def __call__(self, x, training: bool):
        x = nn.Conv(self.units, (3, 3))(x)
        x = nn.BatchNorm(use_running_average=not training, momentum=0.9)(x)
        x = jax.nn.relu(x).mean((1, 2))
        x = nn.Dropout(0.25, deterministic=not training)(x)
        return nn.Dense(3)(x)


def build(units=4):
    return Net(units)
"""

NNX = """
import jax
from flax import nnx


class Net(nnx.Module):
    def __init__(self, units, rngs):
        self.conv = nnx.Conv(2, units, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(units, momentum=0.9, rngs=rngs)
        self.dropout = nnx.Dropout(0.25, rngs=rngs)
        self.out = nnx.Linear(units, 3, rngs=rngs)

    def __call__(self, x):
        x = jax.nn.relu(self.norm(self.conv(x))).mean((1, 2))
        return self.out(self.dropout(x))


def build(key, units=4):
    return Net(units, nnx.Rngs(key))


def plain(key, units=4):
    class Plain(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(2, units, (3, 3), rngs=rngs)
            self.norm = nnx.BatchNorm(units, momentum=0.9, rngs=rngs)
            self.out = nnx.Linear(units, 3, rngs=rngs)

        def __call__(self, x):
            return self.out(jax.nn.relu(self.norm(self.conv(x))).mean((1, 2)))

    return Plain(nnx.Rngs(key))
"""

EQUINOX = """
import equinox as eqx
import jax


class Net(eqx.Module):
    conv: eqx.nn.Conv2d
    norm: eqx.nn.BatchNorm
    dropout: eqx.nn.Dropout
    out: eqx.nn.Linear

    def __init__(self, key, units):
        one, two = jax.random.split(key)
        self.conv = eqx.nn.Conv2d(2, units, 3, padding=1, key=one)
        self.norm = eqx.nn.BatchNorm(units, axis_name="batch", mode="batch", momentum=0.9)
        self.dropout = eqx.nn.Dropout(0.25)
        self.out = eqx.nn.Linear(units, 3, key=two)

    def __call__(self, x, state, *, key):
        x, state = self.norm(self.conv(x.transpose(2, 0, 1)), state)
        x = self.dropout(jax.nn.relu(x).mean((1, 2)), key=key)
        return self.out(x), state


def build(key, units=4):
    return eqx.nn.make_with_state(Net)(key, units)


def mlp(key, width=5):
    return eqx.nn.Sequential([eqx.nn.Lambda(lambda x: x.reshape(-1)), eqx.nn.MLP(32, 3, width, 1, key=key)])
"""


def loaded(source: str) -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": "loaded"}
    exec(source, found)
    return found


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frameworks")
    rng = np.random.default_rng(3)
    x, y = rng.random((ROWS, SIDE, SIDE, CHANNELS)), np.arange(ROWS) % CLASSES
    np.savez(folder / "images.npz", x=x, y=y)
    return folder


@pytest.fixture
def run(images: Path, engine: LocalEngine) -> Callable[..., Any]:
    """`run(source, factory)`: trains what the factory makes."""

    def train(source: str, factory: str = "build", **training: Any) -> Any:
        (images / "net.py").write_text(source)
        config = {
            "data": {"kind": "npz", "path": str(images / "images.npz")},
            "model": {"kind": f"python:{images / 'net.py'}:{factory}"},
            "loss": {"kind": "softmax_cross_entropy"},
            "optimizer": {"learning_rate": 0.1},
            "training": {"batch_size": 8, "epochs": 3, **training},
        }
        return nanmap.run(config, engine=engine, allow_python=True)

    return train


def rows(images: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(images / "images.npz") as file:
        return file["x"].astype(np.float32), file["y"]


def entropy(logits: Any, y: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def test_a_linen_module_with_batch_norm_and_dropout(images: Path, run: Callable[..., Any]) -> None:
    pytest.importorskip("flax", reason="pip install 'nanmap[flax]'")
    model, (x, y) = loaded(LINEN)["build"](), rows(images)
    variables = model.init(jax.random.key(0), x[:8], training=False)

    def loss(parameters: Any, state: Any, x: Any, y: Any, key: Any) -> Any:
        given = {"params": parameters, **state}
        logits, state = model.apply(given, x, training=True, mutable=["batch_stats"], rngs={"dropout": key})
        return entropy(logits, y), state

    parameters = variables.pop("params")
    ends, after, losses = plain_loop(parameters, loss, optax.sgd(0.1), x, y, state=variables)
    report = run(LINEN)
    close(report.params["Conv_0.kernel"], ends["Conv_0"]["kernel"])
    close(report.params["Dense_0.kernel"], ends["Dense_0"]["kernel"])
    close(report.params["state/batch_stats.BatchNorm_0.mean"], after["batch_stats"]["BatchNorm_0"]["mean"])
    close([each.last_loss for each in report.epochs], losses[2::3])
    close(report.row["loss_final"], entropy(model.apply({"params": ends, **after}, x, training=False), y))


def test_an_nnx_module_with_batch_norm(images: Path, run: Callable[..., Any]) -> None:
    nnx = pytest.importorskip("flax.nnx", reason="pip install 'nanmap[flax]'")
    model, (x, y) = loaded(NNX)["plain"](jax.random.key(0)), rows(images)
    graph, parameters, state = nnx.split(model, nnx.Param, ...)

    def loss(parameters: Any, state: Any, x: Any, y: Any, key: Any) -> Any:
        made = nnx.merge(graph, parameters, jax.tree.map(lambda leaf: leaf, state))  # variables of this trace
        made.train()
        return entropy(made(x), y), nnx.split(made, nnx.Param, ...)[2]

    ends, after, losses = plain_loop(parameters, loss, optax.sgd(0.1), x, y, state=state)
    report = run(NNX, "plain")
    made = nnx.merge(graph, ends, after)
    made.eval()
    close(report.params["conv.kernel"], made.conv.kernel[...])
    close(report.params["out.bias"], made.out.bias[...])
    close(report.params["state/norm.mean"], made.norm.mean[...])
    close([each.last_loss for each in report.epochs], losses[2::3])
    close(report.row["loss_final"], entropy(made(x), y))


def test_an_nnx_module_drops_other_units_in_each_update_and_with_each_seed(run: Callable[..., Any]) -> None:
    pytest.importorskip("flax.nnx", reason="pip install 'nanmap[flax]'")
    one, again, other = run(NNX), run(NNX), run(NNX, seed=1)
    assert [each.last_loss for each in one.epochs] == [each.last_loss for each in again.epochs]
    assert one.row["loss_initial"] != other.row["loss_initial"]
    assert not any("rngs" in name for name in one.params)
    still = run(NNX, batch_size=32, epochs=4)  # full batch at a rate that hardly moves: what differs is dropout's
    assert len({each.last_loss for each in still.epochs}) == 4


def test_an_equinox_module_with_state_and_keys(images: Path, run: Callable[..., Any]) -> None:
    eqx = pytest.importorskip("equinox", reason="pip install 'nanmap[equinox]'")
    (model, state), (x, y) = loaded(EQUINOX)["build"](jax.random.key(0)), rows(images)
    parameters, static = eqx.partition(model, eqx.is_inexact_array)

    def loss(parameters: Any, state: Any, x: Any, y: Any, key: Any) -> Any:
        made, keys = eqx.combine(parameters, static), jax.random.split(key, len(x))
        call = jax.vmap(lambda x, state, key: made(x, state, key=key), (0, None, 0), (0, None), axis_name="batch")
        logits, state = call(x, state, keys)
        return entropy(logits, y), state

    ends, after, losses = plain_loop(parameters, loss, optax.sgd(0.1), x, y, state=state)
    report = run(EQUINOX)
    close(report.params["conv.weight"], ends.conv.weight)
    close(report.params["out.weight"], ends.out.weight)
    close([each.last_loss for each in report.epochs], losses[2::3])
    made = eqx.nn.inference_mode(eqx.combine(ends, static))
    call = jax.vmap(lambda x: made(x, after, key=None)[0], axis_name="batch")
    close(report.row["loss_final"], entropy(call(x), y))


def test_an_equinox_module_without_state(images: Path, run: Callable[..., Any]) -> None:
    eqx = pytest.importorskip("equinox", reason="pip install 'nanmap[equinox]'")
    model, (x, y) = loaded(EQUINOX)["mlp"](jax.random.key(2)), rows(images)
    parameters, static = eqx.partition(model, eqx.is_inexact_array)
    loss = lambda p, state, x, y, key: (entropy(jax.vmap(eqx.combine(p, static))(x), y), state)  # noqa: E731
    ends, _, losses = plain_loop(parameters, loss, optax.sgd(0.1), x, y, seed=2)
    report = run(EQUINOX, "mlp", seed=2)
    close(report.params["layers.1.layers.0.weight"], ends.layers[1].layers[0].weight)
    close([each.last_loss for each in report.epochs], losses[2::3])


@pytest.mark.parametrize(("word", "package"), [("linen", "flax"), ("eqx", "equinox")])
def test_the_programs_of_the_document_show_their_maps(word: str, package: str) -> None:
    pytest.importorskip(package, reason=f"pip install 'nanmap[{package}]'")
    rng = np.random.default_rng(0)
    images = {"x": rng.random((40, 8, 8, 1)), "y": np.arange(40) % 10}
    tokens = {"x": rng.integers(0, 20, (40, 8)), "y": rng.integers(0, 4, (40, 8))}
    cell = notebook_cell("own_models.md", word, SMALLER, **(images if word == "linen" else tokens))
    assert_maps(cell, 2, 2)


SOWING = """
import jax
import jax.numpy as jnp
from flax import linen, nnx

DEAD = lambda key, shape, dtype=float, *rest, **options: jnp.asarray([9.0, -99.0, -99.0, 9.0], dtype)


class Linen(linen.Module):
    sown: bool

    @linen.compact
    def __call__(self, x):
        h = jax.nn.relu(linen.Dense(4, bias_init=DEAD)(x.mean((1, 2))))
        if self.sown:
            self.sow("intermediates", "relu", h)
            self.sow("intermediates", "scores", h[:, 0])
            self.sow("intermediates", "scores", h[:, 1])
        return linen.Dense(3)(h)


class Nnx(nnx.Module):
    def __init__(self, sown, rngs):
        self.one = nnx.Linear(2, 4, bias_init=DEAD, rngs=rngs)
        self.out = nnx.Linear(4, 3, rngs=rngs)
        self.sown = sown

    def __call__(self, x):
        h = jax.nn.relu(self.one(x.mean((1, 2))))
        if self.sown:
            self.sow(nnx.Intermediate, "relu", h)
        return self.out(h)


def linen_module(sown=True):
    return Linen(sown)


def nnx_module(key, sown=True):
    return Nnx(sown, nnx.Rngs(key))


def linen_silent():
    return linen_module(False)


def nnx_silent(key):
    return nnx_module(key, False)
"""


@pytest.mark.parametrize("kind", ["linen", "nnx"])
def test_units_that_flax_sows_are_counted_and_change_no_bit(kind: str, run: Callable[..., Any]) -> None:
    pytest.importorskip("flax.nnx", reason="pip install 'nanmap[flax]'")
    sown, silent = run(SOWING, f"{kind}_module"), run(SOWING, f"{kind}_silent")
    assert (sown.row["dead_fraction_initial"], silent.row["dead_fraction_initial"]) == (0.5, None)
    assert set(sown.params) == set(silent.params)
    for name, values in silent.params.items():
        np.testing.assert_array_equal(sown.params[name], values)
    assert [each.last_loss for each in sown.epochs] == [each.last_loss for each in silent.epochs]


def test_what_flax_sows_goes_by_the_name_of_its_module(images: Path, run: Callable[..., Any]) -> None:
    pytest.importorskip("flax.nnx", reason="pip install 'nanmap[flax]'")
    model = run(SOWING, "linen_module").case.lanes.program.model
    assert model.sown == ("relu", "scores.0", "scores.1")
