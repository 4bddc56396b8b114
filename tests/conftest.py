"""Two CPU devices, one engine for the whole session (each program compiles once), and short ways to train."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import jax
import numpy as np
import pyarrow as pa
import pytest

from nanmap.config import build_config
from nanmap.engine import LocalEngine
from nanmap.plan import Plan, make_sweep
from nanmap.runs.single import TrainingReport, train_one
from nanmap.runs.sweep import train_sweep

jax.config.update("jax_num_cpu_devices", 2)  # before the first array: afterwards JAX refuses

# derandomize: the same examples in every run; no deadline, because a first example may compile.
hypothesis.settings.register_profile(
    "nanmap",
    derandomize=True,
    deadline=None,
    max_examples=25,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("nanmap")

Tree = dict[str, Any]
Train = Callable[..., TrainingReport]
Grid = Callable[..., pa.Table]


@pytest.fixture(scope="session")
def engine() -> LocalEngine:
    """Both devices."""
    return LocalEngine()


@pytest.fixture(scope="session")
def lone_engine() -> LocalEngine:
    """One device."""
    return LocalEngine(devices=jax.devices()[:1])


@pytest.fixture(scope="session")
def train(engine: LocalEngine) -> Train:
    """`train(tree, **options)`: one training, alone."""
    return lambda tree, **options: train_one(build_config(tree), engine=engine, **options)


@pytest.fixture(scope="session")
def grid(engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory) -> Grid:
    """`grid(tree, axes)`: the rows of a sweep as one Arrow table, read back from its run folder."""

    def run(
        tree: Tree, axes: list[Tree], *, engine: LocalEngine = engine, shard_cells: int | None = None, **options: Any
    ) -> pa.Table:
        plan = Plan(make_sweep(tree, axes, **options))
        out = tmp_path_factory.mktemp("run")
        return train_sweep(plan, out, engine=engine, shard_cells=shard_cells).dataset().to_table()

    return run


@pytest.fixture(scope="session")
def columns(engine: LocalEngine) -> Callable[..., dict[str, np.ndarray]]:
    """`columns(tree, axes)`: what the engine itself hands out, `[cells]` per name, before rows are made of it."""

    def run(tree: Tree, axes: list[Tree]) -> dict[str, np.ndarray]:
        plan = Plan(make_sweep(tree, axes))
        found: dict[str, np.ndarray] = {}
        batches = plan.lanes(plan.grid.cells(np.arange(plan.grid.size)))
        for batch, index, facts in engine.train(batches):
            for name, values in facts.items():
                found.setdefault(name, np.zeros(plan.grid.size, values.dtype))[batches[batch].position[index]] = values
        return found

    return run


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., str]:
    """`npz(x=…, y=…)`: writes the arrays and returns the file's name."""

    def write(**arrays: np.ndarray) -> str:
        path = tmp_path / f"arrays{len(list(tmp_path.glob('*.npz')))}.npz"
        np.savez(path, **arrays)
        return str(path)

    return write
