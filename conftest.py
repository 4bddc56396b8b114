"""For all tests and the examples in docstrings: how they compile, where executables are kept, an empty folder to run in."""

import gc
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

# Before JAX starts, here and in the processes that tests start: a program then takes 0.9 s to compile instead of 3.3 s.
LEVEL = "--xla_backend_optimization_level"
if LEVEL not in os.environ.get("XLA_FLAGS", ""):
    QUICK = f"{LEVEL}=0 --xla_cpu_parallel_codegen_split_count=1"
    if version("jaxlib").startswith("0.10."):  # later ones have no other way, and abort at a name they do not know
        QUICK += " --xla_cpu_use_fusion_emitters=false"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK}".strip()

from nanmap.engine.compilation_cache import cache_folder, keep_compiled  # noqa: E402

pytest_plugins = ["tests.fault_counts"]


def pytest_configure(config: pytest.Config) -> None:
    """Keeps executables between tests, workers, processes and runs: four fifths of the time is compiling.

    Code that is wrong is found all the same: an executable is kept under the program that it was made from.
    """
    os.environ["NANMAP_CACHE"] = str(config.rootpath / ".pytest_cache" / "compiled")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(cache_folder())  # for processes that are not the command's
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    keep_compiled()


def pytest_sessionfinish() -> None:
    """What was frozen is given back: DuckDB tells of it as leaked else."""
    gc.unfreeze()


@pytest.fixture(scope="module", autouse=True)
def _what_stays_is_not_looked_through() -> Iterator[None]:
    """Programs and their traces stay until the end: looking through them for garbage was 8 % of the time, and more with each module."""
    yield
    gc.collect()  # before: what is frozen is never given back
    gc.freeze()


@pytest.fixture(autouse=True)
def _examples_in_an_empty_folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(request.node, pytest.DoctestItem):  # some write files
        folder: Path = request.getfixturevalue("tmp_path")
        monkeypatch.chdir(folder)
