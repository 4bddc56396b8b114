"""A real Ray cluster of two nodes on this machine, one of which goes without a word. `make test-ray` installs Ray; elsewhere skipped."""

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nanmap.engine import LocalEngine
from nanmap.errors import InputError
from nanmap.plan import Plan, make_sweep
from nanmap.results.folder import RunFolder
from nanmap.runs import on_ray
from nanmap.runs.handing_out import ShardError
from nanmap.runs.observer import Observer
from nanmap.runs.on_ray import RayWorkers
from nanmap.runs.sweep import train_sweep

ray = pytest.importorskip("ray", reason="make test-ray installs it")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

TREE = {"data": {"kind": "line", "n": 12}, "training": {"batch_size": 4, "epochs": 40}}
AXES = [{"key": "optimizer.learning_rate", "log": [1e-4, 10.0], "num": 96}]
SHARD, SHARDS = 8, 12


def bytes_of(folder: Path, part: str = "cells") -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / part).iterdir()}


def plan() -> Plan:
    return Plan(make_sweep(TREE, AXES))


@pytest.fixture(scope="module")
def here(engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The bytes of the same sweep by the engine of this process."""
    out = tmp_path_factory.mktemp("here")
    train_sweep(plan(), out, engine=engine, shard_cells=SHARD)
    return bytes_of(out)


class Nodes(NamedTuple):
    """A cluster, and its second node."""

    address: str
    other: str
    process: "subprocess.Popen[str]"

    def remove_other(self) -> None:
        """Without grace: its processes are killed."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("remove\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "removed\n"


@pytest.fixture
def cluster() -> Iterator[Nodes]:
    """Two nodes of a core each; nothing of them is left behind."""
    command = [sys.executable, str(Path(__file__).with_name("ray_cluster.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield Nodes(*process.stdout.readline().split(), process)
        assert not ray.is_initialized()


class Watching(RayWorkers):
    """Tells of each receipt where it was made, as soon as it is there."""

    heard: Any = staticmethod(lambda host: None)
    hosts: list[str]

    def take(self, done: Any) -> dict[str, Any]:
        receipt = super().take(done)
        if "host" in receipt:
            self.hosts.append(receipt["host"])
            self.heard(receipt["host"])
        return receipt


def test_a_sweep_goes_on_when_a_node_is_removed(cluster: Nodes, here: dict[str, str], tmp_path: Path) -> None:
    gone: list[str] = []

    def remove(host: str) -> None:
        if host == cluster.other and not gone:
            gone.append(host)
            cluster.remove_other()

    with Watching(cluster.address) as workers:
        workers.hosts, workers.heard = [], remove
        assert workers.places(()) == 2
        folder = train_sweep(plan(), tmp_path, workers=workers, shard_cells=SHARD)
        while workers.places(()) > 1:  # until Ray has noticed, which the sweep need not wait for
            time.sleep(0.1)
    assert gone
    assert len(set(workers.hosts)) == 2
    assert bytes_of(tmp_path) == here
    assert len(here) == SHARDS
    assert folder.read_manifest()["complete"]


def test_a_run_grows_and_has_its_histories_on_a_cluster(cluster: Nodes, engine: LocalEngine, tmp_path: Path) -> None:
    tree = TREE | {"record": {"history": 4, "history_cells": 0.3}}
    small, large = (Plan(make_sweep(tree, [AXES[0], {"key": "training.seed", "range": [0, n]}])) for n in (1, 2))
    train_sweep(large, tmp_path / "here", engine=engine, shard_cells=16)
    out = tmp_path / "there"
    with RayWorkers(cluster.address) as workers:
        for plan in (small, large):
            train_sweep(plan, out, workers=workers, shard_cells=16, extend=plan is large)
    for part in ("cells", "history"):
        assert bytes_of(out, part) == bytes_of(tmp_path / "here", part)
    assert not (out / ".next").exists()


class Notes(Observer):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def noticed(self, sentence: str) -> None:
        self.said.append(sentence)


def test_a_node_that_refuses_is_left_out(cluster: Nodes, here: dict[str, str], tmp_path: Path) -> None:
    other, notes = cluster.other, Notes()

    def make(job: str, number: int) -> dict[str, Any]:
        import ray

        from nanmap.runs.worker import make_shard

        host = ray.get_runtime_context().get_node_id()
        if host == other:
            return {"shard": number, "host": host, "refused": "has other versions"}
        return make_shard(job, number) | {"host": host}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_ray, "_make", make)
        with RayWorkers(cluster.address) as workers:
            train_sweep(plan(), tmp_path, workers=workers, shard_cells=SHARD, observer=notes)
    assert notes.said == [f"the worker {other} is left out: it has other versions"]
    assert bytes_of(tmp_path) == here


def test_a_shard_that_fails_three_times_is_told_and_the_rest_goes_on(
    cluster: Nodes, here: dict[str, str], tmp_path: Path
) -> None:
    tried, notes = str(tmp_path / "tried"), Notes()

    def make(job: str, number: int) -> dict[str, Any]:
        from nanmap.runs.worker import make_shard

        if number == 3:
            with open(tried, "a") as file:
                file.write("x")
            raise OSError(28, "No space left on device")
        return make_shard(job, number) | {"host": "any"}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_ray, "_make", make)
        with RayWorkers(cluster.address) as workers, pytest.raises(ShardError, match="cells 24 to 31"):
            train_sweep(plan(), tmp_path / "run", workers=workers, shard_cells=SHARD, observer=notes)
    assert Path(tried).read_text() == "xxx"
    assert "cells 24 to 31 failed 3 times" in notes.said[0]
    assert "No space left on device" in notes.said[0]
    assert bytes_of(tmp_path / "run") == {name: each for name, each in here.items() if "000003" not in name}


def test_no_cluster_is_told() -> None:
    with pytest.raises(InputError, match="no Ray cluster answers") as error, RayWorkers("127.0.0.1:1"):
        pass
    assert error.value.key == "--address"
    assert "ray start --head" in (error.value.mend or "")


def test_a_cluster_without_a_gpu_is_told(cluster: Nodes) -> None:
    with pytest.raises(InputError, match="has no GPU") as error, RayWorkers(cluster.address, "gpu"):
        pass
    assert error.value.key == "--device"
    assert not ray.is_initialized()


SWEEP = 'config = "line.toml"\n[[axes]]\nkey = "optimizer.learning_rate"\nlog = [1e-4, 10.0]\nnum = 96\n'
CONFIG = '[data]\nkind = "line"\nn = 12\n[training]\nbatch_size = 4\nepochs = 40\n'


def test_the_command_on_a_cluster_of_its_own_stops_at_a_word_and_continues(
    here: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "line.toml").write_text(CONFIG)
    (tmp_path / "line_rates.toml").write_text(SWEEP)
    command = [sys.executable, "-m", "nanmap", "sweep", "line_rates.toml", "--engine", "ray", "--out", "run"]
    command += ["--shard-cells", str(SHARD)]
    started = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not list(tmp_path.glob("run/cells/*.parquet")):
        assert started.poll() is None, started.stdout.read() if started.stdout else ""
        time.sleep(0.05)
    started.send_signal(signal.SIGTERM)
    said, _ = started.communicate()
    assert "interrupted; a sweep run again continues" in said
    assert started.returncode == 143
    assert not RunFolder(tmp_path / "run").read_manifest()["complete"]
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "converged" in again.stdout
    assert bytes_of(tmp_path / "run") == here
