"""One compilation per program and none afterwards: what is swept as a number is traced, never baked in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache.compilation_cache import reset_cache

import nanmap
from nanmap.engine import LocalEngine
from nanmap.engine.vmapped import group_shapes
from nanmap.plan import Plan, make_sweep
from nanmap.training.program import Program

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


@pytest.fixture
def uncached() -> Iterator[None]:
    """Nothing is read from disk."""
    jax.config.update("jax_enable_compilation_cache", False)
    reset_cache()
    yield
    jax.config.update("jax_enable_compilation_cache", True)
    reset_cache()


@pytest.fixture
def cached(tmp_path: Path) -> Iterator[Path]:
    """A folder of its own that JAX keeps compiled programs in."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    reset_cache()
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", before)
    reset_cache()


def ends_on(engine: LocalEngine, program: Program) -> list[Any]:
    """What the executables of two devices make of the same groups, and where."""
    devices = [engine.compiled(program, place) for place in (0, 1)]
    with jax.enable_x64(program.dtype == "float64"):
        groups, _ = jax.tree.map(
            lambda leaf: np.zeros(leaf.shape, leaf.dtype),
            group_shapes(program, devices[0].width, devices[0].capacity, devices[0].sharding, devices[0].together),
        )
        ends = [each.call(*jax.device_put((np.int32(1), groups), each.sharding), each.blank) for each in devices]
    for place, end in enumerate(ends):
        assert all(leaf.devices() == {engine.devices[place]} for leaf in jax.tree.leaves(end))
    return ends


@pytest.mark.parametrize(
    ("dtype", "kept"), [("float32", False), ("float64", False), ("float32", True), ("float64", True)]
)
def test_a_program_is_compiled_for_one_device_and_copied_to_the_others(
    dtype: str, kept: bool, compiled: list[str], request: pytest.FixtureRequest
) -> None:
    """Another JAX may have another way: then this fails, and every device compiles for itself."""
    folder = request.getfixturevalue("cached" if kept else "uncached")
    tree = TREE | {"training": {"steps": 6, "batch_size": 4, "dtype": dtype}}
    program = Plan(make_sweep(tree, [])).variant(0).program
    engine = LocalEngine(jax.devices()[:2])
    for first, second in zip(*map(jax.tree.leaves, ends_on(engine, program)), strict=True):
        assert np.asarray(first).tobytes() == np.asarray(second).tobytes()
        assert first.dtype == second.dtype
    files = 1 if kept else 0
    assert (engine.compilations, len(list(folder.iterdir()) if folder else [])) == (1 + files, files)
    if kept:  # another process finds it, whichever of its devices is the first to ask
        again = LocalEngine(jax.devices()[:2])
        again.compiled(program, 1)
        ends_on(again, program)
        assert len(list(folder.iterdir())) == 1


def test_what_cannot_be_copied_is_compiled_once_more(monkeypatch: pytest.MonkeyPatch, uncached: None) -> None:
    monkeypatch.setattr(serialize_executable, "serialize", lambda compiled: 1 / 0)
    engine = LocalEngine(jax.devices()[:2])
    ends_on(engine, Plan(make_sweep(TREE, [])).variant(0).program)
    assert engine.compilations == 2


def test_a_program_of_another_width_is_no_original(uncached: None) -> None:
    engine = LocalEngine(jax.devices()[:2])
    program = Plan(make_sweep(TREE, [])).variant(0).program
    engine.compiled(program, 0)
    engine.widths[program] = 3
    assert engine.compiled(program, 1).width == 3
    assert engine.compilations == 2
