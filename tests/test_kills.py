"""A sweep that is killed at any change it makes to its folder loses nothing: what is whole stays, nothing else is seen, and it goes on."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import nanmap
from nanmap.plot.files import ShownFigure, write
from nanmap.result import Result
from nanmap.results.checks import faults_of
from nanmap.results.folder import RunFolder
from watch import WATCH, Killed, killed_at, sweep_of

CELLS = 8  # four shards


def content(out: Path) -> dict[str, bytes]:
    """Shards and their receipts."""
    files = [*out.glob("cells/*"), *out.glob("receipts/cells/*")]
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(files)}


def check_left(out: Path, whole: dict[str, bytes]) -> None:
    """What a killed process leaves: shards that are those of an uninterrupted run, and no fault in them."""
    for path in out.glob("cells/*"):
        assert path.read_bytes() == whole[str(path.relative_to(out))]
    assert [each for each in faults_of(RunFolder(out)) if "manifest" not in each.file.name] == []
    if (out / "manifest.json").exists() and any(out.glob("cells/*")):
        assert set(Result(out).to_pandas().cell) <= set(range(CELLS))


@pytest.fixture(scope="module")
def whole(engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("whole")
    nanmap.sweep(sweep_of(CELLS), out=out, engine=engine, shard_cells=2)
    return content(out)


def child(out: Path, nth: int) -> subprocess.CompletedProcess[str]:
    """A process that sweeps, draws a picture, and is killed at the change of this number; 0 for none."""
    words = [sys.executable, str(Path(__file__).with_name("watch.py")), str(out), str(CELLS), str(nth)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)


def test_a_killed_process_loses_nothing(engine, whole: dict[str, bytes], tmp_path: Path, tries) -> None:
    """By SIGKILL; some are killed again as they go on."""
    count, changes = tries(1, 25), 45
    for number, nth in enumerate(np.linspace(2, changes, count + 2).astype(int)[1:-1]):
        out = tmp_path / str(number)
        for again in range(1 + number % 2):
            done = child(out, int(nth) // (1 + again))
            assert done.returncode == -signal.SIGKILL, done
            check_left(out, whole)
        nanmap.sweep(sweep_of(CELLS), out=out, engine=engine, shard_cells=2)
        assert content(out) == whole
        assert Result(out).manifest["complete"]
        assert list(faults_of(RunFolder(out))) == []
        assert not [path for path in out.glob(".tmp/*") if path.suffix != ".lock"]


def test_a_sweep_that_ends_at_any_change_goes_on(engine, whole: dict[str, bytes], tmp_path: Path, tries) -> None:
    """At each change in turn, in this process: whatever it would have tidied up stays as it was."""
    with WATCH.over(tmp_path / "count") as watch:
        nanmap.sweep(sweep_of(CELLS), out=tmp_path / "count", engine=engine, shard_cells=2)
        changes = watch.count
    assert changes > 25
    step = -(-changes // tries(12, changes))
    for nth in range(1, changes + 1, step):
        out = tmp_path / str(nth)
        with WATCH.over(out, killed_at(nth)), pytest.raises(Killed):
            nanmap.sweep(sweep_of(CELLS), out=out, engine=engine, shard_cells=2)
        check_left(out, whole)
        nanmap.sweep(sweep_of(CELLS), out=out, engine=engine, shard_cells=2)
        assert content(out) == whole
        assert list(faults_of(RunFolder(out))) == []


def test_starting_over_that_ends_at_any_change_goes_on(engine, whole: dict[str, bytes], tmp_path: Path, tries) -> None:
    """While the rows of before go, and while they come again."""
    done = tmp_path / "done"
    again = partial(nanmap.sweep, sweep_of(CELLS), engine=engine, shard_cells=2)
    again(out=done)
    shutil.copytree(done, tmp_path / "count")
    with WATCH.over(tmp_path / "count") as watch:
        again(out=tmp_path / "count", fresh=True)
        changes = watch.count
    step = -(-changes // tries(12, changes))
    for nth in range(1, changes + 1, step):
        out = Path(shutil.copytree(done, tmp_path / str(nth)))
        with WATCH.over(out, killed_at(nth)), pytest.raises(Killed):
            again(out=out, fresh=True)
        check_left(out, whole)
        again(out=out)
        assert content(out) == whole
        assert list(faults_of(RunFolder(out))) == []


def test_a_picture_is_whole_or_not_there(tmp_path: Path, tries) -> None:
    """In the run folder or elsewhere, in the place of another or not."""
    draw = partial(write, ShownFigure(), run=tmp_path / "run")
    draw(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    for out in (tmp_path / "run" / "maps" / "a.png", tmp_path / "elsewhere" / "a.png"):
        with WATCH.over(tmp_path) as watch:
            draw(out)
            changes = watch.count
        assert changes >= 3
        tries(4 * changes, 4 * changes)  # in two places, over another and not
        for before in (None, b"the picture of before"):
            for nth in range(1, changes + 1):
                shutil.rmtree(out.parent, ignore_errors=True)
                if before:
                    out.parent.mkdir()
                    out.write_bytes(before)
                with WATCH.over(tmp_path, killed_at(nth)), suppress(Killed):
                    draw(out)
                assert (out.read_bytes() if out.exists() else None) in (before, whole)


@pytest.mark.skipif(sys.platform != "linux", reason="what a descriptor stands for is asked of /proc")
def test_entries_of_folders_are_flushed(engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a loss of power takes back no file that was moved to its place, no new folder and no removal."""
    done: list[tuple[str, str]] = []
    flush, move, remove = os.fsync, os.replace, Path.unlink
    monkeypatch.setattr(
        os, "fsync", lambda file: done.append(("flush", os.readlink(f"/proc/self/fd/{file}"))) or flush(file)
    )
    monkeypatch.setattr(os, "replace", lambda a, b: done.append(("move", str(b))) or move(a, b))
    monkeypatch.setattr(
        Path, "unlink", lambda path, **options: done.append(("remove", str(path))) or remove(path, **options)
    )
    out = tmp_path / "new" / "run"
    nanmap.sweep(sweep_of(CELLS), out=out, engine=engine, shard_cells=2)
    flushed = {path for what, path in done if what == "flush"}
    assert {str(each) for each in (tmp_path, tmp_path / "new", out, out / "cells", out / "receipts")} <= flushed
    moves = [number for number, (what, _) in enumerate(done) if what == "move"]
    assert len(moves) >= 10
    for number in moves:
        assert done[number + 1] == ("flush", str(Path(done[number][1]).parent))
        assert any(what == "flush" and ".tmp" in path for what, path in done[:number])
    done.clear()
    nanmap.sweep(sweep_of(CELLS), out=out, engine=engine, shard_cells=2, fresh=True)
    gone = max(
        number for number, step in enumerate(done) if step == ("remove", str(out / "cells" / "part-000003.parquet"))
    )
    assert ("flush", str(out / "cells")) in done[
        gone : done.index(("move", str(out / "cells" / "part-000000.parquet")))
    ]
