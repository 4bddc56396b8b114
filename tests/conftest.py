"""Two CPU devices, one engine for all modules (each program compiles once), and short ways to train."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import jax
import numpy as np
import pyarrow as pa
import pytest

from nanmap.cli import main
from nanmap.config import build_config
from nanmap.engine import LocalEngine, local
from nanmap.engine.compilation_cache import share_between_devices
from nanmap.plan import Plan, make_sweep
from nanmap.runs.single import TrainingReport, train_one
from nanmap.runs.sweep import train_sweep
from plain_engine import PlainEngine

jax.config.update("jax_num_cpu_devices", 2)  # before the first array: afterwards JAX refuses
share_between_devices()

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


OPTIMISED = {"xla_backend_optimization_level": 3}  # as users have it
if "fusion_emitters" in os.environ["XLA_FLAGS"]:
    OPTIMISED["xla_cpu_use_fusion_emitters"] = True
ENGINES: dict[tuple[bool, int], LocalEngine] = {}  # by whether they optimise, and how many devices they have


@pytest.fixture(scope="module", autouse=True)
def optimised(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether this module's programs are compiled as users have them, which takes long: where it says `OPTIMISED`."""
    wanted, with_options = getattr(request.module, "OPTIMISED", False), local.xla_options
    with pytest.MonkeyPatch.context() as patch:
        if wanted:
            patch.setattr(local, "xla_options", lambda program, backend: OPTIMISED | with_options(program, backend))
        yield wanted


@pytest.fixture(scope="module")
def engine(optimised: bool) -> LocalEngine:
    """Both devices."""
    return ENGINES.setdefault((optimised, 2), LocalEngine())


@pytest.fixture(scope="module")
def lone_engine(optimised: bool) -> LocalEngine:
    """One device."""
    return ENGINES.setdefault((optimised, 1), LocalEngine(devices=jax.devices()[:1]))


@pytest.fixture(scope="module")
def plainly() -> Train:
    """`plainly(tree)`: one training, alone, by an engine without lanes."""
    return lambda tree, **options: train_one(build_config(tree), engine=PlainEngine(), **options)


@pytest.fixture(scope="module")
def train(engine: LocalEngine) -> Train:
    """`train(tree, **options)`: one training, alone."""
    return lambda tree, **options: train_one(build_config(tree), engine=engine, **options)


@pytest.fixture(scope="module")
def grid(engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory) -> Grid:
    """`grid(tree, axes)`: the rows of a sweep as one Arrow table, read back from its run folder."""

    def run(
        tree: Tree, axes: list[Tree], *, engine: LocalEngine = engine, shard_cells: int | None = None, **options: Any
    ) -> pa.Table:
        plan = Plan(make_sweep(tree, axes, **options))
        out = tmp_path_factory.mktemp("run")
        return train_sweep(plan, out, engine=engine, shard_cells=shard_cells).dataset().to_table()

    return run


@pytest.fixture(scope="module")
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


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """`command("run", "line.toml", cwd=folder)`: the command, run in this process."""

    def run(*arguments: object, cwd: Path) -> Done:
        monkeypatch.chdir(cwd)
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return Done(left.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., str]:
    """`npz(x=…, y=…)`: writes the arrays and returns the file's name."""

    def write(**arrays: np.ndarray) -> str:
        path = tmp_path / f"arrays{len(list(tmp_path.glob('*.npz')))}.npz"
        np.savez(path, **arrays)
        return str(path)

    return write


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser for all pages of a module."""
    from pages import a_browser

    with a_browser() as found:
        yield found


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`opened(run, hash="#x=…", **context)`: the page of a run in the browser."""
    from pages import opening

    with opening(browser, tmp_path) as open_:
        yield open_
