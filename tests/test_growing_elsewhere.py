"""Histories, and runs that grow, made by workers elsewhere: the files that this process makes, whoever dies on the way."""

from pathlib import Path
from typing import Any

import pytest

from nanmap.engine import LocalEngine
from nanmap.errors import InputError, RunFolderError
from nanmap.plan import Plan, make_sweep
from nanmap.results.folder import RunFolder
from nanmap.runs import worker
from nanmap.runs.handing_out import ShardError
from nanmap.runs.sweep import train_sweep
from shards_in_process import InProcess, KilledError
from test_handing_out import RATES, SHARD, SIZES, TREE, Notes, _threads_of_xla, job, train

__all__ = ["_threads_of_xla", "job"]  # fixtures
MORE = {"key": "training.batch_size", "values": [4, 6, 12]}


def plan_of(sizes: dict[str, Any] = SIZES, cells: str | float | None = None) -> Plan:
    record = {"record": {"history": 6, "history_cells": cells}} if cells else {}
    return Plan(make_sweep(TREE | record, [sizes, RATES]))


def files(folder: Path) -> dict[str, bytes]:
    """Rows, histories, and their receipts."""
    found = (path for part in ("cells", "history", "receipts") for path in sorted((folder / part).rglob("*")))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.is_file()}


@pytest.mark.parametrize("cells", ["all", "boundary", 0.4])
def test_histories_are_those_of_this_process(cells: str | float, engine: LocalEngine, tmp_path: Path) -> None:
    train_sweep(plan_of(cells=cells), tmp_path / "here", engine=engine, shard_cells=SHARD)
    workers, notes = InProcess(), Notes()
    train(tmp_path / "there", workers, plan_of(cells=cells), observer=notes)
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert RunFolder(tmp_path / "there").history.count_rows() > 48
    assert (notes.rows, notes.said) == (48, [])
    assert max(workers.attempts.values()) == (1 if cells == "all" else 2)  # beside the rows, or once they are there


def test_histories_that_are_asked_for_later_are_made_elsewhere(engine: LocalEngine, tmp_path: Path) -> None:
    def die(number: int, attempt: int) -> None:
        if number == 1 and attempt < 3:
            raise KilledError

    def written(number: int, attempt: int) -> None:
        if number == 2 and attempt == 1:
            raise KilledError("it stands in the folder")

    train_sweep(plan_of(cells="all"), tmp_path / "here", engine=engine, shard_cells=SHARD)
    train(tmp_path / "there", InProcess(), plan_of())
    workers = InProcess(die, written)
    train(tmp_path / "there", workers, plan_of(cells="all"))
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert workers.attempts == {0: 1, 1: 3, 2: 2, 3: 1, 4: 1, 5: 1}
    again = InProcess()
    train(tmp_path / "there", again, plan_of(cells="all"))
    assert again.attempts == {}


@pytest.mark.parametrize("cells", [None, "all"])
def test_a_run_grows_elsewhere(cells: str | None, engine: LocalEngine, tmp_path: Path) -> None:
    broken = True

    def die(number: int, attempt: int) -> None:
        if broken and number == 4:
            raise KilledError("its node was removed")

    train_sweep(plan_of(MORE, cells), tmp_path / "here", engine=engine, shard_cells=SHARD)
    out = tmp_path / "there"
    train(out, InProcess(), plan_of(cells=cells))
    before = files(out)
    with pytest.raises(ShardError, match="cells 32 to 39"):
        train(out, InProcess(die), plan_of(MORE, cells), extend=True)
    assert files(out) == before  # nothing of it is seen until all is there
    broken, workers, notes = False, InProcess(), Notes()
    train(out, workers, plan_of(MORE, cells), extend=True, observer=notes)
    assert files(out) == files(tmp_path / "here")
    assert set(workers.attempts) == {4}
    assert (notes.total, notes.finished, notes.rows) == (72, 64, 8)
    assert not (out / ".next").exists()
    assert RunFolder(out).read_manifest()["complete"]


def test_histories_that_there_are_go_with_a_run_that_grows_without(engine: LocalEngine, tmp_path: Path) -> None:
    for out, workers in ((tmp_path / "here", None), (tmp_path / "there", InProcess())):
        train_sweep(plan_of(cells="all"), out, engine=engine, shard_cells=SHARD)
        if workers:
            train(out, workers, plan_of(MORE), extend=True)
        else:
            train_sweep(plan_of(MORE), out, engine=engine, shard_cells=SHARD, extend=True)
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert any(name.startswith("history/") for name in files(tmp_path / "there"))


def test_histories_that_there_are_are_not_made_again(engine: LocalEngine, tmp_path: Path) -> None:
    train_sweep(plan_of(MORE, "all"), tmp_path / "here", engine=engine, shard_cells=SHARD)
    train(tmp_path / "there", InProcess(), plan_of(cells=0.4))
    had = len(set(RunFolder(tmp_path / "there").history.read(0, ["cell"])["cell"].to_pylist()))
    workers = InProcess()
    train(tmp_path / "there", workers, plan_of(MORE, "all"), extend=True)
    assert files(tmp_path / "there") == files(tmp_path / "here")
    first = [receipt["rows"] for receipt in workers.receipts if receipt["shard"] == 0]
    assert first == [0, SHARD - had]  # its rows were there, and some of its histories
    assert 0 < had < SHARD


def test_a_shard_of_rows_that_there_were_tells_the_widths_of_the_run(tmp_path: Path) -> None:
    for plan, extend in ((plan_of(), False), (plan_of(MORE), True)):
        widths = dict.fromkeys((each.program for each in plan.variants()), 4)
        train(tmp_path, InProcess(), plan, extend=extend, engine=LocalEngine(widths=widths))
    folder = RunFolder(tmp_path)
    told = [folder.cells.receipts.read(name)["widths"] for name in folder.cells.names()]
    assert {width for each in told for width in each.values()} == {4}


def test_a_run_does_not_grow_by_rows_of_another_machine(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engine, "machine", engine.machine | {"model": "a processor of another kind"})
        train_sweep(plan_of(), tmp_path, engine=engine, shard_cells=SHARD)
    with pytest.raises(RunFolderError, match="rows of another machine than the workers'"):
        train(tmp_path, InProcess(), plan_of(MORE), extend=True)
    assert not (tmp_path / ".next").exists()


def test_a_late_worker_writes_nothing_beside_a_run_that_has_grown(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was given up by the scheduler may still be at work when another one has made its shard."""
    jobs: list[str] = []

    class Listening(InProcess):
        def hand_out(self, job: str, number: int, without: Any) -> Any:
            jobs.append(job)
            return super().hand_out(job, number, without)

    train(tmp_path, InProcess(), plan_of())
    train(tmp_path, Listening(), plan_of(MORE), extend=True)
    assert "does not see the run" in worker.make_shard(jobs[0], 4)["refused"]
    assert not (tmp_path / ".next").exists()


def test_a_run_in_a_store_does_not_grow() -> None:
    with pytest.raises(InputError, match="cannot grow") as error:
        train(Path("s3://bucket/run"), InProcess(), plan_of(MORE), extend=True)
    assert error.value.key == "extend"
