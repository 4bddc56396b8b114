"""Sweeps, kills, damage, resuming, extending, starting over and verifying in any order: a run folder never lies and never loses a row that it has.

What each step may do is said once, in `Run`; Hypothesis looks for an order in which it does something else.
"""

import io
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import hypothesis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

import nanmap
from nanmap.engine import LocalEngine
from nanmap.errors import RunFolderError
from nanmap.result import Result
from nanmap.results.checks import faults_of
from nanmap.results.folder import RunFolder
from test_kills import content
from watch import WATCH, Killed, killed_at, sweep_of

DAMAGE = ("flipped", "half", "empty", "other", "gone")
OF_THE_MACHINE = {"machine", "others", "widths"}  # of a receipt: what nobody knows any more once it is lost


def damaged(data: bytes, kind: str, place: float) -> bytes | None:
    """What becomes of a file; None if it goes."""
    if kind == "gone":
        return None
    if kind == "flipped" and data:
        at = int(place * (len(data) - 1))
        return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
    return {"half": data[: len(data) // 2], "empty": b"", "flipped": b"x", "other": b"PAR1 of somebody else"}[kind]


def seen(rows: pa.Table) -> set[int]:
    return set(rows["cell"].to_pylist())


def what_is_known(name: str, data: bytes) -> object:
    """Of a receipt, all but where its rows were made; of any other file, its bytes."""
    if not name.startswith("receipts/"):
        return data
    return {key: value for key, value in json.loads(data).items() if key not in OF_THE_MACHINE}


class Run(RuleBasedStateMachine):
    """A run folder and what is known of it: what an uninterrupted sweep of so many cells writes is made when it is asked for."""

    engine: LocalEngine

    def __init__(self) -> None:
        super().__init__()
        self.cells = 6
        self.out = Path(tempfile.mkdtemp(prefix="nanmap-states-")) / "run"
        self.known: dict[str, bytes] = {}  # files as nanmap left them
        self.receipt_lost = False

    def teardown(self) -> None:
        shutil.rmtree(self.out.parent)

    @classmethod
    @cache
    def whole(cls, cells: int) -> dict[str, bytes]:
        """Shards and receipts of an uninterrupted sweep."""
        with tempfile.TemporaryDirectory() as folder:
            cls.train(Path(folder), cells)
            return content(Path(folder))

    @classmethod
    def train(cls, out: Path, cells: int, **options: bool) -> None:
        nanmap.sweep(sweep_of(cells), out=out, engine=cls.engine, shard_cells=2, **options)

    def files(self) -> dict[str, bytes]:
        manifest = self.out / "manifest.json"
        return content(self.out) | ({"manifest.json": manifest.read_bytes()} if manifest.exists() else {})

    def harmed(self) -> set[str]:
        """Files that are not as nanmap left them."""
        now = self.files()
        return {name for name in self.known.keys() | now.keys() if self.known.get(name) != now.get(name)}

    def may_refuse(self) -> bool:
        """Only where nothing says any more what the folder holds."""
        return "manifest.json" in self.harmed()

    def started(self, cells: int, **options: bool) -> None:
        before = self.files()
        try:
            self.train(self.out, cells, **options)
        except RunFolderError:
            assert self.may_refuse()
            assert self.files() == before  # and then nothing is touched
        else:
            self.cells = cells
            self.receipt_lost &= "fresh" not in options
            now, whole = content(self.out), self.whole(cells)
            assert now.keys() == whole.keys()
            assert [name for name in now if not self.is_as(name, now[name], whole[name])] == []
            assert Result(self.out).manifest["complete"]
            self.known = self.files()

    def is_as(self, name: str, now: bytes, whole: bytes) -> bool:
        """Byte for byte; a receipt that was written anew for a lost one, but for what nobody knows."""
        return now == whole or (self.receipt_lost and what_is_known(name, now) == what_is_known(name, whole))

    @rule()
    def sweep(self) -> None:
        """Begins, or goes on."""
        self.started(self.cells)

    @rule()
    def fresh(self) -> None:
        self.started(self.cells, fresh=True)

    @precondition(lambda self: self.cells < 10)
    @rule()
    def extend(self) -> None:
        """More values on the axis."""
        self.started(self.cells + 2, extend=True)

    @rule(nth=st.integers(1, 40), fresh=st.booleans())
    def kill(self, nth: int, fresh: bool) -> None:
        """A sweep ends at a change of the folder, however far it came."""
        harmed, before = self.harmed(), self.files()
        try:
            with WATCH.over(self.out, killed_at(nth)):
                self.train(self.out, self.cells, fresh=fresh)
        except RunFolderError:
            assert "manifest.json" in harmed
            assert self.files() == before
        except Killed:
            now = self.files()  # harm that it did not come to mend is there still
            self.known = {
                name: each
                for name, each in (now | {name: self.known.get(name) for name in harmed}).items()
                if each is not None and (name not in harmed or now.get(name) == before.get(name))
            } | {name: now[name] for name in now if name in harmed and now[name] != before.get(name)}
        else:
            self.known = self.files()

    @precondition(lambda self: self.known)
    @rule(which=st.floats(0, 1), kind=st.sampled_from(DAMAGE), place=st.floats(0, 1))
    def damage(self, which: float, kind: str, place: float) -> None:
        """A file of the folder is not what it was."""
        now = self.files()
        if now:
            name = sorted(now)[int(which * (len(now) - 1))]
            after = damaged(now[name], kind, place)
            self.receipt_lost |= name.startswith("receipts/")
            (self.out / name).unlink() if after is None else (self.out / name).write_bytes(after)

    @rule()
    def verify(self) -> None:
        """Tells of damage where there is some, and of nothing else."""
        if not self.out.exists():
            return
        harmed, now = self.harmed(), self.files()
        told = {str(each.file.relative_to(self.out)): each.problem for each in faults_of(RunFolder(self.out))}
        if not harmed:
            assert told == {} or not now
        for name in harmed & now.keys():
            receipt = f"receipts/{name}.json"
            assert {name, receipt, name.removeprefix("receipts/").removesuffix(".json")} & told.keys(), (name, told)

    @invariant()
    def shows_no_other_rows(self) -> None:
        """Whoever reads by nanmap is given rows of an uninterrupted run, or refused; and no reader chokes."""
        assert all(path.suffix == ".parquet" for path in self.out.glob("cells/*"))
        if not self.out.exists():
            return
        try:
            rows = RunFolder(self.out).dataset().to_table()
        except RunFolderError:
            return
        shards = [data for name, data in self.whole(self.cells).items() if name.startswith("cells/")]
        expected = [row for data in shards for row in pq.read_table(io.BytesIO(data)).to_pylist()]
        assert repr(rows.to_pylist()) == repr([row for row in expected if row["cell"] in seen(rows)])


def test_a_run_folder_never_lies_and_never_loses_rows(engine, tries) -> None:
    Run.engine = engine
    settings = hypothesis.settings(
        max_examples=tries(8, 300),
        stateful_step_count=12,
        phases=(hypothesis.Phase.generate,),  # a dozen steps are read as they are
        print_blob=False,
    )
    run_state_machine_as_test(Run, settings=settings)


@pytest.mark.parametrize("kind", DAMAGE)
def test_each_damage_is_one(kind: str) -> None:
    data = b"PAR1" + bytes(range(100))
    assert damaged(data, kind, 0.5) != data
