"""A run that grows: its rows stay, the new ones are those of the same sweep run afresh, and the folder changes at once."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nanmap
from nanmap.errors import InputError, RunFolderError
from nanmap.plan import make_sweep
from nanmap.result import Result
from nanmap.results import switch as switching
from nanmap.results.columns import COLUMNS
from nanmap.results.folder import RunFolder
from nanmap.results.sealed import sealed
from nanmap.results.switch import NEXT, settle, switch
from nanmap.runs.kept import KeptRows
from nanmap.runs.observer import Observer
from test_resume import Stops, content

TREE: dict[str, Any] = {
    "data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5, "validation_split": 0.2},
    "training": {"steps": 30},
}
RATE = {"key": "optimizer.learning_rate", "log": [1e-4, 10.0], "num": 5}
BATCH = {"key": "training.batch_size", "values": [32, 7]}
AXES = [RATE, BATCH]
FINER = RATE | {"num": 9}
GROWN: dict[str, dict[str, Any]] = {
    "values": {"axes": [RATE, {"key": "training.batch_size", "values": [3, 7, 32]}]},
    "finer": {"axes": [FINER, BATCH]},
    "seeds": {"axes": [RATE, BATCH, {"key": "training.seed", "range": [0, 3]}]},
    "new and slowest": {"axes": [{"key": "model.init_scale", "values": [0.5, 1.0]}, *AXES]},
    "in another order": {"axes": [BATCH, FINER]},
    "other forms": {"axes": [{"key": "optimizer.learning_rate", "values": [0.5, *10.0 ** np.linspace(-4, 1, 5)]}, BATCH]},
    "choices": {"axes": [RATE, BATCH, {"name": "net", "choices": {"line": {}, "relu": {"model.hidden": [4]}}}]},
    "zipped": {"axes": [*AXES, {"key": "training.seed", "values": [0, 1]}, {"key": "data.seed", "values": [0, 5]}], "zip": [["training_seed", "data_seed"]]},
    "a condition": {"axes": [FINER, BATCH, {"key": "training.seed", "values": [0, 1]}], "where": "seed == 0 or batch_size == 7"},
}  # fmt: skip
GROWN["other forms"]["axes"][0]["values"][1:] = [1e-4, *(10.0 ** np.linspace(-4, 1, 5)[1:-1]).tolist(), 10.0]


class Counts(Observer):
    """How many rows were there before, and how many were trained."""

    def __init__(self) -> None:
        self.total = self.finished = self.rows = 0
        self.told: list[str] = []

    def started(self, total: int, finished: int) -> None:
        self.total, self.finished = total, finished

    def advanced(self, rows: int, outcomes: np.ndarray | None = None) -> None:
        self.rows += rows

    def noticed(self, sentence: str) -> None:
        self.told.append(sentence)


@pytest.fixture(scope="module")
def run(engine) -> Callable[..., Result]:
    def start(
        out: Path, axes: list = AXES, tree: dict = TREE, where: str | None = None, zip: Any = (), **options: Any
    ) -> Result:
        sweep = make_sweep(tree, axes, where=where, zip=zip)
        return nanmap.sweep(sweep, out=out, engine=engine, **({"shard_cells": 4} | options))

    return start


@pytest.fixture(scope="module")
def small(run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of ten cells."""
    return run(tmp_path_factory.mktemp("small")).path


@pytest.fixture
def old(small: Path, tmp_path: Path) -> Path:
    shutil.copytree(small, tmp_path / "run")
    return tmp_path / "run"


def state(root: Path) -> dict[str, bytes]:
    """Every file of a run, but locks and what a manifest says of time."""
    files = [
        path for path in root.rglob("*") if path.is_file() and not {".tmp", NEXT} & set(path.relative_to(root).parts)
    ]
    told = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(files)}
    manifest = json.loads(told.pop("manifest.json"))
    kept = {
        key: value
        for key, value in manifest.items()
        if key not in ("timings", "compilations", "narrowed", "made", "seal")
    }
    return told | {"manifest": json.dumps(kept).encode()}


@pytest.mark.parametrize("name", GROWN)
def test_an_extended_run_has_the_bytes_of_a_fresh_one(name: str, run, old: Path, tmp_path: Path) -> None:
    counts = Counts()
    run(old, **GROWN[name], extend=True, observer=counts)
    run(tmp_path / "fresh", **GROWN[name])
    assert content(old) == content(tmp_path / "fresh")
    assert state(old) == state(tmp_path / "fresh")
    assert counts.finished == 10
    assert counts.rows == counts.total - 10
    assert not (old / NEXT).exists()


def test_cells_that_were_left_out_are_trained(run, tmp_path: Path) -> None:
    counts = Counts()
    run(tmp_path / "run", where="batch_size == 7")
    run(tmp_path / "run", extend=True, observer=counts)
    run(tmp_path / "fresh")
    assert (counts.finished, counts.rows) == (5, 5)
    assert content(tmp_path / "run") == content(tmp_path / "fresh")


def test_axes_that_were_walked_together_may_come_apart(run, tmp_path: Path) -> None:
    counts, axes = Counts(), [RATE, {"key": "training.seed", "values": [0, 1, 2, 3, 4]}]
    run(tmp_path / "run", axes, zip=[["learning_rate", "seed"]])
    run(tmp_path / "run", axes, extend=True, observer=counts)
    run(tmp_path / "fresh", axes)
    assert (counts.finished, counts.rows) == (5, 20)
    assert content(tmp_path / "run") == content(tmp_path / "fresh")


def test_what_an_extended_run_cost_is_the_sum(run, old: Path) -> None:
    before = Result(old).manifest["timings"]["wall_seconds"]
    run(old, **GROWN["values"], extend=True)
    assert Result(old).manifest["timings"]["wall_seconds"] >= before > 0


def test_an_unfinished_run_grows_by_what_it_has(run, old: Path, tmp_path: Path) -> None:
    for path in (old / "cells" / "part-000001.parquet", old / "receipts" / "cells" / "part-000001.parquet.json"):
        path.unlink()
    counts = Counts()
    run(old, **GROWN["finer"], extend=True, observer=counts)
    run(tmp_path / "fresh", **GROWN["finer"])
    assert counts.finished == 6
    assert content(old) == content(tmp_path / "fresh")


def test_a_damaged_shard_is_trained_again(run, old: Path, tmp_path: Path) -> None:
    (old / "cells" / "part-000001.parquet").write_bytes(b"PAR1 and then nothing")
    counts = Counts()
    run(old, **GROWN["finer"], extend=True, observer=counts)
    run(tmp_path / "fresh", **GROWN["finer"])
    assert content(old) == content(tmp_path / "fresh")
    assert counts.finished == 6
    assert any("part-000001.parquet is damaged" in each for each in counts.told)


def test_rows_of_another_machine_are_told_by_the_receipt_of_their_new_shard(
    run, engine, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = dict(engine.machine)
    monkeypatch.setattr(engine, "machine", first | {"model": "Another"})
    run(old, **GROWN["values"], extend=True)
    receipts = RunFolder(old).cells.receipts
    told = [receipts.read(name) for name in receipts.names()]
    assert {each["machine"]["model"] for each in told} == {"Another"}
    assert [first] in [each.get("others") for each in told]


def test_a_shard_that_is_damaged_meanwhile_is_not_taken_over(old: Path) -> None:
    """Looked at when it is read, too, and not only when the run was opened."""
    cells, manifest = RunFolder(old).cells, RunFolder(old).read_manifest()
    kept = KeptRows(cells, manifest)
    table = pq.read_table(cells.file(1))
    pq.write_table(table, cells.file(1), compression=None)
    assert len(kept.columns(np.arange(4))["outcome"]) == 4
    with pytest.raises(RunFolderError, match="is not as it was written") as error:
        kept.columns(np.arange(4, 8))
    assert error.value.file == cells.file(1)


def test_an_extension_that_is_interrupted_leaves_the_run_and_is_taken_up_again(run, old: Path, tmp_path: Path) -> None:
    before = state(old)
    with pytest.raises(KeyboardInterrupt):
        run(old, **GROWN["seeds"], extend=True, observer=Stops(15))
    assert state(old) == before
    assert Result(old).to_pandas().cell.tolist() == list(range(10))
    counts = Counts()
    run(old, **GROWN["seeds"], extend=True, observer=counts)
    run(tmp_path / "fresh", **GROWN["seeds"])
    assert counts.finished > 10  # not the old rows alone
    assert content(old) == content(tmp_path / "fresh")


def test_another_extension_begins_anew(run, old: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(old, **GROWN["seeds"], extend=True, observer=Stops(9))
    run(old, **GROWN["finer"], extend=True)
    run(tmp_path / "fresh", **GROWN["finer"])
    assert state(old) == state(tmp_path / "fresh")


def test_a_run_that_has_all_of_it_is_only_continued(run, old: Path) -> None:
    counts = Counts()
    run(old, extend=True, observer=counts)
    assert (counts.finished, counts.rows) == (10, 0)
    run(old.parent / "new", extend=True, observer=counts)
    assert counts.rows == 10


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"tree": TREE | {"training": {"steps": 31}}, "axes": [FINER, BATCH]}, ["training.steps", "was 30, now 31", "--out"]),
        ({"tree": TREE | {"training": {"steps": 30, "dtype": "float64"}}}, ["training.dtype", "was 'float32', now 'float64'"]),
        ({"axes": [RATE, {"key": "training.batch_size", "values": [7, 8]}]}, ["`batch_size` lacks 32"]),
        ({"axes": [RATE]}, ["`batch_size` lacks 7"]),
        ({"axes": [RATE | {"num": 8}, BATCH]}, ["`learning_rate` lacks", "2 · num − 1"]),
        ({"axes": [RATE | {"log": [1e-4, 100.0]}, BATCH]}, ["`learning_rate` lacks"]),
        ({"axes": [FINER, BATCH], "where": "batch_size == 7"}, ["leaves out cells", "learning_rate = 0.0001, batch_size = 32"]),
        ({"axes": [*AXES, {"key": "training.seed", "values": [1, 2]}]}, ["`seed` lacks 0"]),
        ({"axes": [*AXES, {"key": "data.n", "values": [20, 30]}, {"key": "training.steps", "values": [30.5]}]}, ["training.steps"]),
    ],
)  # fmt: skip
def test_what_does_not_hold_the_run_is_refused(change: dict, told: list[str], run, old: Path) -> None:
    before = state(old)
    with pytest.raises(InputError) as error:
        run(old, **change, extend=True)
    for each in told:
        assert each in str(error.value)
    assert state(old) == before
    assert not (old / NEXT).exists()


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("versions", {"jax": "0.0.1"}, "versions.jax was \"0.0.1\""),
        ("backend", "gpu", 'backend was "gpu", now "cpu"'),
        ("widths", 3, "side by side"),
    ],
)  # fmt: skip
def test_rows_of_other_bits_are_refused(key: str, value: Any, told: str, run, old: Path, monkeypatch) -> None:
    read = RunFolder.read_manifest

    def other(folder: RunFolder) -> dict[str, Any]:
        found = read(folder)
        changed = dict.fromkeys(found["widths"], value) if key == "widths" else value
        return found | {key: found[key] | changed if isinstance(changed, dict) else changed}

    monkeypatch.setattr(RunFolder, "read_manifest", other)
    with pytest.raises(InputError, match="not train to the same bits") as error:
        run(old, **GROWN["finer"], extend=True)
    assert told in str(error.value)


def test_another_file_of_the_same_name_is_refused(run, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("x,y\n1,2\n2,3\n3,5\n")
    tree = {"data": {"kind": "csv", "path": str(rows), "target": "y"}, "training": {"steps": 5}}
    run(tmp_path / "run", [RATE], tree)
    rows.write_text("x,y\n1,2\n2,3\n3,6\n")
    with pytest.raises(InputError, match=r"data\.path: its content is another one"):
        run(tmp_path / "run", [FINER], tree, extend=True)


STEPS = 9  # two moves of three parts, the pictures, the journal, and what was replaced


class Killed(BaseException):
    """The end of the process, as far as a test in it can have one."""


@pytest.fixture(scope="module")
def assembled(run, small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A run whose new state is whole but not in its place, and what it is to be."""
    root = tmp_path_factory.mktemp("assembled") / "run"
    shutil.copytree(small, root)
    Result(root).map("learning_rate", "batch_size", out=RunFolder(root).picture("outcome.png"))
    RunFolder(root).keep_picture(root / "maps" / "outcome.png")
    (root / "maps" / "mine.txt").write_text("not nanmap's")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nanmap.runs.extend.switch", lambda root: None)
        run(root, **GROWN["values"], extend=True)
    fresh = run(root.parent / "fresh", **GROWN["values"]).path
    return root, state(fresh) | {"maps/mine.txt": b"not nanmap's"}


def _stepwise(root: Path, steps: int) -> Iterator[None]:
    for number, move in enumerate(switching._moves(root)):
        if number == steps:
            raise Killed
        move()
        yield


@pytest.mark.parametrize("steps", range(STEPS + 1))
def test_a_switch_that_is_killed_at_any_step_is_ended_by_whoever_looks_next(
    steps: int, assembled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, new = assembled
    root = tmp_path / "run"
    shutil.copytree(source, root)
    monkeypatch.setattr(switching, "_finish", lambda root: [None for _ in _stepwise(root, steps)])
    if steps == STEPS:
        switch(root)
    else:
        with pytest.raises(Killed):
            switch(root)
    monkeypatch.undo()
    assert len(Result(root).to_pandas()) == 15
    assert state(root) == new
    assert not (root / NEXT).exists()


@pytest.mark.parametrize("when", ["before the journal", "while it is written"])
def test_before_the_journal_stands_the_folder_is_the_run_that_it_was(
    when: str, assembled, small: Path, tmp_path: Path, monkeypatch
) -> None:
    source, _ = assembled
    root = tmp_path / "run"
    shutil.copytree(source, root)
    if when == "while it is written":

        def killed(*_: Any) -> None:
            raise Killed

        monkeypatch.setattr(os, "replace", killed)
        with pytest.raises(Killed):
            switch(root)
        monkeypatch.undo()
    settle(root)
    assert len(Result(root).to_pandas()) == 10
    assert content(root) == content(small)


def test_a_killed_process_leaves_no_state_between(assembled, tmp_path: Path) -> None:
    """The same with a process that is gone for good, at the step at which neither the old rows nor the new are in their place."""
    import subprocess
    import sys

    source, new = assembled
    root = tmp_path / "run"
    shutil.copytree(source, root)
    code = (
        "import os, sys; from pathlib import Path; from nanmap.results import switch as s; rename = os.rename\n"
        "def killed(a, b):\n    rename(a, b)\n    os.kill(os.getpid(), 9)\n"
        "os.rename = killed; s.switch(Path(sys.argv[1]))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True)
    assert ended.returncode == -9, ended.stderr
    assert not (root / "cells").exists()
    assert state(RunFolder(root).path) == new


def test_no_loss_of_power_brings_the_journal_back(
    assembled: tuple[Path, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is flushed between the journal's end and that of the state that it replaced."""
    shutil.copytree(assembled[0], tmp_path / "run")
    place, seen = tmp_path / "run" / NEXT, []
    monkeypatch.setattr(
        switching, "flush_folder", lambda folder: seen.append((folder, (place / switching.JOURNAL).exists()))
    )
    monkeypatch.setattr(shutil, "rmtree", lambda folder: seen.append((folder, None)))
    switch(tmp_path / "run")
    assert seen[-3:-1] == [(place, False), (place / switching.REPLACED, None)]


def test_what_others_put_among_the_rows_stays_there(run, old: Path) -> None:
    mine = ["cells/mine.csv", "receipts/cells/mine.json", ".next/mine.js", "history/notes.txt"]
    for name in mine:
        (old / name).parent.mkdir(exist_ok=True)
        (old / name).write_text(name)
    run(old, **GROWN["values"], extend=True)
    assert [name for name in mine if (old / name).exists() and (old / name).read_text() == name] == mine
    assert not (old / NEXT / switching.REPLACED).exists()


@pytest.mark.parametrize("part", ["cells", "history"])
def test_what_has_a_shard_s_name_but_is_another_program_s_is_not_replaced(part: str, run, old: Path) -> None:
    (old / part).mkdir(exist_ok=True)
    (old / part / "part-000007.parquet").write_bytes(b"mine")
    with pytest.raises(RunFolderError, match=r"holds a part-000007\.parquet that nanmap did not write"):
        run(old, **GROWN["values"], extend=True)
    assert (old / part / "part-000007.parquet").read_bytes() == b"mine"
    assert not (old / NEXT).exists()


@pytest.mark.parametrize(
    "journal",
    [
        b"",
        b"[]",
        b'{"../../outside": false}',
        b'{"cells": 1}',
        b"\xff",
        b'{"cells": false, "../outside": false}',
        b"[" * 100_000,
        json.dumps(dict.fromkeys(switching.PARTS, False)).encode(),
        json.dumps({part: part != "manifest.json" for part in switching.PARTS}).encode(),
        sealed(dict.fromkeys(switching.PARTS, True)).replace(b"history", b"histrry"),
        sealed(dict.fromkeys(switching.PARTS, True)).replace(b'history": true', b'history": false'),
    ],
)
def test_a_journal_of_a_stranger_moves_nothing(journal: bytes, old: Path) -> None:
    (old / NEXT).mkdir()
    (old / NEXT / switching.JOURNAL).write_bytes(journal)
    (old.parent / "outside").write_text("not the run's")
    before = content(old)
    with pytest.raises(InputError, match="is no journal of a switch"):
        RunFolder(old)
    assert content(old) == before
    assert (old.parent / "outside").exists()


def test_fresh_forgets_an_extension_that_was_given_up(run, old: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(old, **GROWN["seeds"], extend=True, observer=Stops(9))
    run(old, fresh=True)
    assert not list((old / NEXT).rglob("*.parquet"))


def test_extend_and_fresh_are_one_too_many(run, old: Path) -> None:
    with pytest.raises(InputError, match="extend: keeps the rows that fresh removes"):
        run(old, extend=True, fresh=True)


def test_each_column_is_read_as_it_was_made() -> None:
    """Missing values, NaN with a sign, infinities and texts come back as the facts that made them."""
    made = {
        "bool": np.array([True, False, True]),
        "int64": np.array([-1, 0, 2**60]),
        "double": np.array([np.nan, -np.inf, -0.0]),
    }
    for column in COLUMNS:
        kind = str(column.type)
        facts = made.get(kind, np.array(["nan", "", "λ"], object))
        if column.missing.name == "MASK":
            facts = np.ma.array([-np.nan, 1.0, 2.0], mask=[False, True, False])
        again = column.values(pa.chunked_array([column.array(facts)]))
        assert column.array(again).equals(column.array(facts)) or kind == "double"
        assert np.ma.getmaskarray(again).tolist() == np.ma.getmaskarray(facts).tolist()
        if kind == "double" and column.missing.name != "MASK":
            assert np.asarray(again).tobytes() == np.asarray(facts, float).tobytes()


def test_the_command_extends_and_says_what_it_is_asked(command, tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 5\n\n[training]\nsteps = 20\n')
    (tmp_path / "rates.toml").write_text(
        'config = "line.toml"\n\n[[axes]]\nkey = "optimizer.learning_rate"\nlog = [1e-3, 1]\nnum = 3\n'
    )
    assert command("sweep", "rates.toml", "--extend", cwd=tmp_path).returncode == 0
    asked = command("sweep", "rates.toml", "--set", "axes.learning_rate.num=5", "--extend", "--dry-run", cwd=tmp_path)
    assert "rows that are there already: 3 of 5 cells" in asked.stdout
    refused = command("sweep", "rates.toml", "--set", "axes.learning_rate.num=5", cwd=tmp_path)
    assert "--extend keeps them" in refused.stderr
    finer = command("sweep", "rates.toml", "--set", "axes.learning_rate.num=5", "--extend", cwd=tmp_path)
    assert finer.returncode == 0, finer.stderr
    assert "3 of 5 cells are done already" in finer.stdout
    coarser = command("sweep", "rates.toml", "--set", "axes.learning_rate.num=4", "--extend", cwd=tmp_path)
    assert coarser.returncode == 2
    assert "--extend" in coarser.stderr
    assert "`learning_rate` lacks" in coarser.stderr
