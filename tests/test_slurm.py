"""Slurm's way without a Slurm: submitit starts its jobs as processes of this machine. `make test-ray` installs it."""

import hashlib
from pathlib import Path

import pytest

from nanmap.engine import LocalEngine
from nanmap.engine.compilation_cache import cache_folder
from nanmap.errors import InputError
from nanmap.plan import Plan, make_sweep
from nanmap.runs.on_slurm import SlurmWorkers
from nanmap.runs.sweep import train_sweep

submitit = pytest.importorskip("submitit", reason="make test-ray installs it")
pytestmark = [pytest.mark.filterwarnings("ignore:os.fork"), pytest.mark.filterwarnings("ignore::ResourceWarning")]

TREE = {"data": {"kind": "line", "n": 12}, "training": {"batch_size": 4, "epochs": 40}}
AXES = [{"key": "optimizer.learning_rate", "log": [1e-4, 10.0], "num": 24}]


def bytes_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "cells").iterdir()}


def test_jobs_write_the_same_bytes_and_no_pickle_into_the_folder(engine: LocalEngine, tmp_path: Path) -> None:
    plan = Plan(make_sweep(TREE, AXES))
    train_sweep(plan, tmp_path / "here", engine=engine, shard_cells=8)
    with SlurmWorkers(jobs=1, cluster="local") as workers:
        train_sweep(plan, tmp_path / "there", workers=workers, shard_cells=8)
    assert bytes_of(tmp_path / "there") == bytes_of(tmp_path / "here")
    suffixes = {path.suffix for path in (tmp_path / "there").rglob("*") if path.is_file()}
    assert suffixes <= {".parquet", ".json", ".lock"}
    assert (cache_folder().parent / "slurm").stat().st_mode & 0o077 == 0


def test_no_slurm_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="there is no Slurm here") as error, SlurmWorkers():
        pass
    assert "--engine ray" in (error.value.mend or "")
