"""What the system says no to is told with the mend, and costs no row: a full disk at every write in turn, names that cannot be."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

import nanmap
from nanmap.cli import examples
from nanmap.errors import RunFolderError
from nanmap.plan import make_sweep
from nanmap.result import Result
from nanmap.results.folder import RunFolder
from nanmap.results.shards import Shards

TREE: dict[str, Any] = {"data": {"kind": "line", "n": 5}, "training": {"steps": 3}}
SWEEP = make_sweep(TREE, [{"key": "optimizer.learning_rate", "log": [1e-3, 1.0], "num": 6}])


def rows_of(folder: Path) -> dict[str, bytes]:
    found = [*folder.glob("cells/*"), *folder.glob("receipts/cells/*")]
    return {path.name: path.read_bytes() for path in sorted(found)}


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_write_that_fails_is_told_and_costs_no_row(
    number: int, call: str, engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write in turn, of shards, receipts and manifests; the run goes on afterwards as if nothing had been."""
    nanmap.sweep(SWEEP, out=tmp_path / "whole", engine=engine, shard_cells=2)
    real, told, made = getattr(os, call), [], 0
    for fails in range(1, 100):
        made, out = 0, tmp_path / str(fails)

        def fail(*given: Any) -> Any:
            nonlocal made
            made += 1
            if made == fails:  # noqa: B023
                raise OSError(number, os.strerror(number))
            return real(*given)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            try:
                nanmap.sweep(SWEEP, out=out, engine=engine, shard_cells=2)
            except RunFolderError as error:
                told.append(error)
        assert not [path for path in out.glob(".tmp/*") if path.suffix != ".lock"]
        for path in out.glob("cells/*"):
            assert path.read_bytes() == (tmp_path / "whole" / "cells" / path.name).read_bytes()
        nanmap.sweep(SWEEP, out=out, engine=engine, shard_cells=2)
        assert rows_of(out) == rows_of(tmp_path / "whole")
        assert Result(out).manifest["complete"]
        if made < fails:
            break
    assert len(told) == fails - 1 >= 8
    for fails, each in enumerate(told, 1):
        assert os.strerror(number) in str(each)
        assert each.mend
        assert str(tmp_path / str(fails)) in str(each.file)


def test_a_write_that_fails_within_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    folder = RunFolder(tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(RunFolderError, match="make room"):
            folder.write_manifest({"sweep": {}, "much": "x" * 100_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.glob(".tmp/*"))
    assert not folder.cells.manifest_file.exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x" * 300, "File name too long\n  mend: take a shorter name"),
        ("bad\udcff", "its name holds bytes that are no UTF-8\n  mend: take another name"),
        ("bad\0", "its name holds a zero byte\n  mend: take another name"),
        ("file", "a file stands where a folder is expected\n  mend: choose another folder"),
        ("circle", "is a symbolic link|Too many levels of symbolic links\n  mend: links lead in a circle"),
    ],
)
def test_a_folder_that_cannot_be_is_told(name: str, said: str, engine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(RunFolderError, match=said):
        nanmap.sweep(SWEEP, out=tmp_path / name, engine=engine)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "f"), 1, "f: No space left on device\n  mend: make room"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "f"), 1, "f: File name too long\n  mend: take a shorter"),
        (PermissionError(errno.EACCES, "Permission denied", "f"), 2, "f: Permission denied\n  mend: write where you"),
        (UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "surrogates"), 2, "'a\\udcff': holds what is no text in UTF-8"),
        (RecursionError("too deep"), 2, "what was given is nested too deeply\n  mend: "),
    ],
)
def test_what_the_system_says_no_to_is_one_sentence_with_the_mend(
    error: Exception, status: int, said: str, tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(examples, "_list_all", fail)
    done = command("examples", cwd=tmp_path)
    assert (done.returncode, done.stderr.startswith(f"nanmap: {said}")) == (status, True), done.stderr


def test_a_traceback_is_a_bug_and_asks_to_be_reported(tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "_list_all", lambda: 1 / 0)
    done = command("examples", cwd=tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert done.stderr.endswith("please report it with the lines above\n")


def test_what_cannot_be_looked_at_is_told_with_its_folder(
    engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(shards: Shards, hash: str) -> set[int]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Shards, "finished", refused)
    with pytest.raises(RunFolderError, match="Permission denied\n  mend: write where you may") as error:
        nanmap.sweep(SWEEP, out=tmp_path, engine=engine)
    assert error.value.file == tmp_path
