"""One compilation per program and none afterwards: what is swept as a number is traced, never baked in."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

import nanmap
from nanmap.engine import LocalEngine
from nanmap.plan import Plan, make_sweep

pytestmark = pytest.mark.filterwarnings("ignore:optax.global_norm is deprecated")
BACKEND_COMPILE = "/jax/core/compile/backend_compile_duration"
TREE: dict[str, Any] = {
    "data": {"kind": "gaussian", "n": 18, "features": 2},
    "model": {"hidden": [3], "activation": "tanh"},
    "optimizer": {
        "kind": "adamw",
        "clip_value": 1.0,
        "clip_norm": 1.0,
        "weight_decay": 0.1,
        "schedule": "inverse_time",
    },
    "training": {"steps": 6, "batch_size": 4},
}
TRACED: dict[str, list] = {
    "optimizer.learning_rate": [-1.0, 0.0, 1e-3, 1e9],
    "optimizer.b1": [0.0, 0.5],
    "optimizer.b2": [0.9, 0.99],
    "optimizer.eps": [1e-9, 1e-8],
    "optimizer.weight_decay": [0.0, 0.5],
    "optimizer.decay": [0.0, 2.0],
    "optimizer.clip_value": [1e-3, 1e3],
    "optimizer.clip_norm": [1e-3, 1e3],
    "model.gain": [1.0, 1.5],
    "model.init": ["zeros", "normal", "orthogonal"],
    "model.init_scale": [1e-3, 10.0],
    "model.init_offset": [0.0, 3.0],
    "training.seed": [0, 1, 2**50],
    "training.steps": [6, 9],
    "data.scale_inputs": ["none", "standard"],
    "data.scale_targets": ["none", "maxabs"],
    "data.seed": [0, 1],
    "data.n": [18, 30],
    "loss.delta": [0.5, 2.0],
    "outcome.ratio": [0.05, 0.5],
}
STATIC: dict[str, list] = {
    "training.batch_size": [4, 5],
    "training.dtype": ["float32", "float64"],
    "training.order": ["sequential", "shuffle", "replacement"],
    "optimizer.kind": ["adamw", "lion"],
    "optimizer.eps": [0.0, 1e-8],
    "model.activation": ["relu", "tanh"],
    "model.hidden": [[3], [4], [3, 3]],
    "model.norm": ["none", "layer", "rms"],
    "loss.kind": ["mse", "mae", "huber"],
}


def programs_of(*axes: tuple[str, list]) -> int:
    plan = Plan(make_sweep(TREE, [{"key": key, "values": values} for key, values in axes]))
    return len({variant.program for variant in plan.variants()})


@pytest.mark.parametrize("key", TRACED)
def test_this_axis_needs_no_further_program(key: str) -> None:
    assert programs_of((key, TRACED[key])) == 1


@pytest.mark.parametrize("key", STATIC)
def test_this_axis_needs_a_program_per_value(key: str) -> None:
    assert programs_of((key, STATIC[key])) == len(STATIC[key])


def test_programs_multiply_over_static_axes_only() -> None:
    axes = [
        ("training.batch_size", [4, 5]),
        ("model.init", TRACED["model.init"]),
        ("data.scale_inputs", ["none", "standard"]),
    ]
    assert programs_of(*axes, ("model.activation", ["relu", "tanh"])) == 4


@pytest.fixture
def compiled() -> Iterator[list[str]]:
    """What the backend really compiles, as JAX reports it."""
    events: list[str] = []

    def listen(name: str, _: float, **__: object) -> None:
        if name == BACKEND_COMPILE:
            events.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.unregister_event_duration_listener(listen)


def sweep_of(batch_sizes: list[int], **values: list):
    axes = [{"key": "training.batch_size", "values": batch_sizes}]
    axes += [{"key": key.replace("_", ".", 1), "values": each} for key, each in values.items()]
    return make_sweep(TREE, axes)


def test_the_backend_compiles_each_program_once_and_nothing_on_later_shards_or_sweeps(
    compiled: list[str], tmp_path
) -> None:
    engine = LocalEngine(jax.devices()[:1])
    first = sweep_of([4, 5], optimizer_learning_rate=np.geomspace(1e-4, 1.0, 40).tolist())
    nanmap.sweep(first, out=tmp_path / "a", engine=engine, shard_cells=9)
    assert engine.compilations == 2
    assert len(compiled) >= 2, "the listener hears nothing"
    assert len(compiled) == 2, "something besides the two programs was compiled"
    second = sweep_of(
        [5, 4], optimizer_b1=[0.1, 0.2, 0.3], model_init=["zeros", "he_normal"], training_seed=[5, 6], data_n=[18, 27]
    )
    nanmap.sweep(second, out=tmp_path / "b", engine=engine, shard_cells=5)
    assert (engine.compilations, len(compiled)) == (2, 2)


def test_a_training_alone_uses_the_program_of_the_sweep(train, engine: LocalEngine, compiled: list[str]) -> None:
    tree = TREE | {"optimizer": {"kind": "adamw", "learning_rate": 0.1}}
    train(tree)
    before = engine.compilations
    compiled.clear()
    train(
        tree | {"optimizer": {"kind": "adamw", "learning_rate": 0.3, "b1": 0.5}}, on_epoch=lambda number, losses: None
    )
    assert (engine.compilations, compiled) == (before, [])
