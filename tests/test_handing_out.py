"""Shards made elsewhere: the bytes that this process makes, whoever dies on the way; and what a worker refuses."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import nanmap
from nanmap import stopping
from nanmap.data.given import give, with_arrays
from nanmap.engine import LocalEngine, local
from nanmap.errors import InputError, RunFolderError
from nanmap.plan import Plan, make_sweep, refined
from nanmap.results.folder import RunFolder
from nanmap.runs import worker
from nanmap.runs.handing_out import ShardError
from nanmap.runs.job import Job
from nanmap.runs.observer import Observer
from nanmap.runs.sweep import train_sweep
from shards_in_process import InProcess, KilledError

TREE = {"data": {"kind": "line", "n": 12}, "training": {"batch_size": 4, "epochs": 40}}
RATES = {"key": "optimizer.learning_rate", "log": [1e-4, 10.0], "num": 24}  # from converged to NaN
SIZES = {"key": "training.batch_size", "values": [4, 12]}
SHARD, SHARDS = 8, 6


class Notes(Observer):
    """Keeps what is said, and counts rows."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.total = self.finished = self.rows = 0
        self.outcomes: list[str] = []

    def started(self, total: int, finished: int) -> None:
        self.total, self.finished = total, finished

    def advanced(self, rows: int, outcomes: np.ndarray | None = None) -> None:
        self.rows += rows
        self.outcomes += list(map(str, outcomes))

    def noticed(self, sentence: str) -> None:
        self.said.append(sentence)


@pytest.fixture(autouse=True)
def _threads_of_xla(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workers say how many threads XLA may have, for their whole process."""
    monkeypatch.setenv("NPROC", str(os.cpu_count()))
    yield
    worker._station.cache_clear()


def plan_of(tree: dict[str, Any] = TREE, axes: list[dict[str, Any]] | None = None, **options: Any) -> Plan:
    allow = options.pop("allow_python", False)
    return Plan(make_sweep(tree, axes or [SIZES, RATES], **options), allow)


def train(out: Path, workers: InProcess, plan: Plan | None = None, **options: Any) -> RunFolder:
    with workers:
        return train_sweep(plan or plan_of(), out, workers=workers, shard_cells=SHARD, **options)


def bytes_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "cells").iterdir()}


@pytest.fixture(scope="module")
def here(engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same sweep by the engine of this process."""
    out = tmp_path_factory.mktemp("here")
    train_sweep(plan_of(), out, engine=engine, shard_cells=SHARD)
    return out


def test_shards_made_elsewhere_have_the_same_bytes(here: Path, tmp_path: Path) -> None:
    workers, notes = InProcess(), Notes()
    folder = train(tmp_path, workers, observer=notes)
    assert bytes_of(tmp_path) == bytes_of(here)
    assert len(bytes_of(here)) == SHARDS
    mine, theirs = folder.read_manifest(), RunFolder(here).read_manifest()
    assert mine["hash"] == theirs["hash"]
    assert mine["complete"]
    assert mine["shards"] == theirs["shards"]
    assert (notes.total, notes.rows, notes.said) == (48, 48, [])
    outcomes = folder.dataset().to_table(["outcome"])["outcome"].to_pylist()
    assert sorted(notes.outcomes) == sorted(outcomes)
    assert {"nan", "converged"} <= set(outcomes)
    assert workers.most == 2 * 2  # handed out at a time, of six


def test_a_receipt_says_the_machine_and_the_widths(here: Path, tmp_path: Path) -> None:
    folder = train(tmp_path, InProcess())
    receipt = folder.cells.receipts.read("part-000000.parquet")
    assert receipt["machine"] == LocalEngine().machine
    assert receipt["machine"]["platform"] == "cpu"
    assert set(receipt["widths"].items()) <= set(folder.read_manifest()["widths"].items())
    assert RunFolder(here).cells.receipts.read("part-000000.parquet") == receipt


def test_a_worker_that_dies_costs_nothing(here: Path, tmp_path: Path) -> None:
    def before(number: int, attempt: int) -> None:
        if number in (0, 3) and attempt < 3:
            raise KilledError("out of memory, by the system")

    def after(number: int, attempt: int) -> None:
        if number == 2 and attempt == 1:
            written.append(third.stat().st_ino)
            raise KilledError("its node was removed")

    written, third = [], tmp_path / "cells" / "part-000002.parquet"
    workers, notes = InProcess(before, after), Notes()
    train(tmp_path, workers, observer=notes)
    assert bytes_of(tmp_path) == bytes_of(here)
    assert workers.attempts == {0: 3, 1: 1, 2: 2, 3: 3, 4: 1, 5: 1}
    assert notes.said == []
    assert notes.rows == 48
    assert written == [third.stat().st_ino]  # it stood in the folder already, and was not made again


def test_a_shard_that_fails_three_times_is_told_and_the_rest_goes_on(here: Path, tmp_path: Path) -> None:
    broken = True

    def before(number: int, attempt: int) -> None:
        if broken and number in (1, 4):
            raise KilledError("the disk of this node is full\nand more")

    workers, notes = InProcess(before), Notes()
    with pytest.raises(ShardError, match="2 shards could not be made: cells 8 to 15; cells 32 to 39") as failed:
        train(tmp_path, workers, observer=notes)
    assert not isinstance(failed.value, InputError)
    assert workers.attempts[1] == workers.attempts[4] == 3
    assert (
        "cells 8 to 15 failed 3 times and are left out; the rest goes on: KilledError: the disk of this node is full"
        in [*notes.said]
    )
    assert len(notes.said) == 2
    made = {name: value for name, value in bytes_of(here).items() if name[5:11] not in ("000001", "000004")}
    assert bytes_of(tmp_path) == made
    assert not RunFolder(tmp_path).read_manifest()["complete"]
    broken = False
    again = InProcess()
    train(tmp_path, again)
    assert set(again.attempts) == {1, 4}
    assert bytes_of(tmp_path) == bytes_of(here)


def test_a_folder_goes_on_here_and_elsewhere(here: Path, tmp_path: Path, engine: LocalEngine) -> None:
    def die(number: int, attempt: int) -> None:
        if number > 2:
            raise KilledError

    with pytest.raises(ShardError):
        train(tmp_path, InProcess(die))
    train_sweep(plan_of(), tmp_path, engine=engine, shard_cells=SHARD)
    assert bytes_of(tmp_path) == bytes_of(here)


def test_a_host_that_refuses_is_left_out_once(here: Path, tmp_path: Path) -> None:
    workers, notes = InProcess(wrong={"one": "has other versions: jax is 0.9, not 0.10"}), Notes()
    train(tmp_path, workers, observer=notes)
    assert bytes_of(tmp_path) == bytes_of(here)
    assert notes.said == ["the worker one is left out: it has other versions: jax is 0.9, not 0.10"]


def test_where_all_refuse_it_is_told_why(tmp_path: Path) -> None:
    workers = InProcess(wrong=dict.fromkeys(("one", "other"), "would round otherwise: lacks fma"))
    with pytest.raises(InputError, match="no worker may do this: one would round otherwise: lacks fma; other would"):
        train(tmp_path, workers)
    assert not list(tmp_path.glob("cells/*"))


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`job(plan)`: what workers are told of a sweep, and its folder, before any shard is made."""

    def told(plan: Plan | None = None, **changes: Any) -> str:
        texts: list[str] = []

        class Listening(InProcess):
            def hand_out(self, job: str, number: int, without: Any) -> Any:
                texts.append(job)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run", Listening(), plan)
        return texts[0]

    return told


def changed(text: str, **manifest: Any) -> str:
    told = json.loads(text)
    told["manifest"] |= manifest
    return json.dumps(told)


def refusal(text: str) -> str:
    return worker.make_shard(text, 1)["refused"]


def test_a_worker_refuses_what_is_not_as_the_driver_has_it(job: Any) -> None:
    text = job()
    manifest = Job.of(text).manifest
    assert "rows" in worker.make_shard(text, 0)
    other = {**manifest["machine"], "features": manifest["machine"]["features"] + " avx1024"}
    assert refusal(changed(text, machine=other)) == "would round otherwise: lacks avx1024"
    assert refusal(changed(text, machine=manifest["machine"] | {"jaxlib": "0.0"})).endswith("not 0.0")
    versions = manifest["versions"] | {"optax": "0.0.1"}
    assert "optax is" in refusal(changed(text, versions=versions))
    assert "the folder must be one that all machines share" in refusal(changed(text, hash="0" * 32))
    assert refusal(changed(text, widths={"another": 8})) == "has other code that the network is made of"


def test_a_worker_refuses_another_file_of_rows(job: Any, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("x,y\n1,2\n2,4\n3,7\n")
    tree = TREE | {"data": {"kind": "csv", "path": str(table), "target": "y"}}
    text = job(plan_of(tree, [RATES]))
    table.write_text("x,y\n1,2\n2,4\n3,8\n")
    assert refusal(text) == "has another rows.csv than the driver"
    table.unlink()
    assert refusal(text).startswith("cannot plan it: ")


CODE = """
from pathlib import Path
Path({mark!r}).touch()
import jax.numpy as jnp
def build():
    return lambda key, x: {{"w": jnp.ones(())}}, lambda parameters, x: parameters["w"] * x{more}
"""


def test_code_is_refused_before_it_is_imported(job: Any, tmp_path: Path) -> None:
    mark, file = tmp_path / "imported", tmp_path / "net.py"
    file.write_text(CODE.format(mark=str(mark), more=""))
    plan = plan_of(TREE | {"model": {"kind": f"python:{file}:build"}}, [RATES], allow_python=True)
    text = job(plan)
    assert Job.of(text).code == {f"python:{file}:build": hashlib.sha256(file.read_bytes()).hexdigest()}
    mark.unlink()
    file.write_text(CODE.format(mark=str(mark), more=" + 1"))
    assert refusal(text) == f"has other code in python:{file}:build than was allowed"
    assert not mark.exists()


def test_without_the_permission_a_worker_imports_nothing(job: Any, tmp_path: Path) -> None:
    mark, file = tmp_path / "imported", tmp_path / "net.py"
    file.write_text(CODE.format(mark=str(mark), more=""))
    text = job(plan_of(TREE | {"model": {"kind": f"python:{file}:build"}}, [RATES], allow_python=True))
    mark.unlink()
    told = json.loads(text)
    told["code"] = None
    with pytest.raises(InputError, match="names Python code"):
        worker.make_shard(json.dumps(told), 0)
    assert not mark.exists()


def test_what_a_program_holds_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is held by this program alone") as error, InProcess() as workers:
        nanmap.sweep(
            model=lambda: (lambda key, x: {"w": jnp.ones(())}, lambda parameters, x: parameters["w"] * x),
            axes={"learning_rate": [0.1]},
            x=[[1.0], [2.0]],
            y=[1.0, 2.0],
            epochs=1,
            out=tmp_path,
            workers=workers,
        )
    assert error.value.key == "model.kind"


def test_arrays_are_found_in_the_folder(engine: LocalEngine, tmp_path: Path) -> None:
    given = give(np.arange(12.0), np.arange(12.0) ** 2)
    plan = plan_of(with_arrays(TREE, given), [RATES])
    train_sweep(plan, tmp_path / "here", engine=engine, shard_cells=SHARD)
    train(tmp_path / "there", InProcess(), plan)
    assert bytes_of(tmp_path / "there") == bytes_of(tmp_path / "here")


def test_a_worker_fails_rather_than_take_a_narrower_group(
    job: Any, engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = job()

    def no_room(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(local, "train_job", no_room)
    with pytest.raises(MemoryError, match="fewer would change last digits"):
        worker.make_shard(text, 0)
    assert not list((Path(Job.of(text).folder) / "cells").glob("*"))


def test_rows_of_another_machine_are_not_mixed(
    tmp_path: Path, engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engine, "machine", engine.machine | {"model": "a processor of another kind"})
        train_sweep(plan_of(), tmp_path, engine=engine, shard_cells=SHARD)
    with pytest.raises(RunFolderError, match="rows of another machine than the workers': model is") as error:
        train(tmp_path, InProcess())
    assert "--fresh" in (error.value.mend or "")
    (tmp_path / "cells" / "part-000000.parquet").unlink()
    notes = Notes()
    train_sweep(plan_of(), tmp_path, engine=engine, shard_cells=SHARD, observer=notes)
    assert "made on another machine, which may round otherwise" in notes.said[-1]


def test_what_this_machine_does_alone_is_not_handed_out(tmp_path: Path) -> None:
    scales = {"key": "model.init_scale", "linear": [-4, 4], "num": 5}
    refining = Plan(refined(make_sweep(TREE, [scales, RATES | {"num": 5}], refining={"num": 9})))
    with pytest.raises(InputError, match="is done on this machine alone") as error:
        train(tmp_path, InProcess(), refining)
    assert error.value.key == "refine"
    assert not list(tmp_path.iterdir())


def test_a_word_to_stop_lets_the_workers_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def after(number: int, attempt: int) -> None:
        monkeypatch.setattr(stopping, "_came", 2)

    workers = InProcess(after=after)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, workers)
    monkeypatch.setattr(stopping, "_came", None)
    assert len(bytes_of(tmp_path)) == 1
    assert len(workers.cancelled) == 4
    assert not RunFolder(tmp_path).read_manifest()["complete"]
