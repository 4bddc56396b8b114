"""Where a run folder has a file stands a pipe, a socket, a device or a folder: told by its path, never waited for, never removed."""

import os
import shutil
import signal
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import nanmap
from nanmap.engine import LocalEngine
from nanmap.errors import RunFolderError
from nanmap.plan import make_sweep
from nanmap.result import Result
from nanmap.results.checks import Fault
from nanmap.results.places import content_of, opened, within
from nanmap.runs.verify import Verification, verify

TREE: dict[str, Any] = {"data": {"kind": "line", "n": 5}, "training": {"steps": 3}, "record": {"history": 2}}
SMALL, LARGE = [{"key": "optimizer.learning_rate", "values": rates} for rates in ([0.1, 0.2], [0.1, 0.2, 0.3])]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="no pipes here")


@pytest.fixture(scope="module")
def run(engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that a run folder may hold."""
    out = tmp_path_factory.mktemp("run")
    result = nanmap.sweep(make_sweep(TREE, [SMALL]), out=out, engine=engine)
    result.map(x="learning_rate", kind="lines", value="loss_final")
    nanmap.edge(make_sweep(TREE, [SMALL]), out=out, engine=engine, tolerance=0.05)
    return out


@pytest.fixture
def ways(engine: LocalEngine) -> dict[str, Callable[[Path], Any]]:
    """All that looks into a run folder, and what writes there."""

    def begun(begin: Any, axis: Any = SMALL, **options: Any) -> Callable[[Path], Any]:
        return lambda path: begin(make_sweep(TREE, [axis]), out=path, engine=engine, **options)

    search = partial(nanmap.edge, tolerance=0.05)
    return {
        "verify": partial(verify, sample=0),
        "rows": lambda path: Result(path).to_pandas(),
        "edges": lambda path: Result(path).edge(),
        "map": lambda path: Result(path).map(x="learning_rate", kind="lines", value="loss_final"),
        "sweep": begun(nanmap.sweep),
        "edge": begun(search),
        "extend": begun(nanmap.sweep, LARGE, extend=True),
        "fresh": begun(nanmap.sweep, fresh=True),
        "fresh edges": begun(search, fresh=True),
    }


PART = "part-000000.parquet"
FILES = {  # of each place who must say so; all others either do or need nothing of it
    "manifest.json": {"verify", "rows", "map", "sweep", "extend", "fresh"},
    "edges.json": {"verify", "edge", "fresh edges"},
    f"cells/{PART}": {"verify", "rows", "map", "sweep", "fresh"},
    f"edges/{PART}": {"verify", "edges", "edge", "fresh edges"},
    f"history/{PART}": {"verify", "sweep", "fresh"},
    f"receipts/cells/{PART}.json": {"verify", "rows", "map", "sweep"},
    ".tmp/cells.lock": {"sweep", "extend", "fresh"},
    ".tmp/edges.lock": {"edge", "fresh edges"},
    ".next/switch.json": {"verify", "rows", "map", "sweep", "edge", "extend", "fresh"},
    ".next/manifest.json": {"extend", "fresh"},
}
FOLDERS = {  # the same where a folder has its place
    "cells": {"verify", "rows", "map", "sweep", "extend", "fresh"},
    "receipts": {"verify", "rows", "map", "sweep", "fresh"},
    ".tmp": {"sweep", "edge", "extend", "fresh"},
    ".next": {"verify", "rows", "map", "sweep", "edge", "extend", "fresh"},
    ".next/replaced": {"verify", "rows", "sweep"},
    "inputs": {"verify", "sweep"},
}


def make_socket(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o600)  # of which, unlike of a pipe, nothing that opens it hears no more


def files(folder: Path) -> dict[str, bytes]:
    """All but the locks."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def told_by(look: Callable[[Path], Any], folder: Path) -> Fault | RunFolderError | None:
    """The error, or the first fault that is found."""
    try:
        found = look(folder)
    except RunFolderError as error:
        return error
    return found.faults[0] if isinstance(found, Verification) and found.faults else None


@pytest.mark.parametrize("make", [make_socket, Path.mkdir])
@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_what_is_no_file_is_told_and_stays(
    name: str, make: Callable[[Path], None], run: Path, ways: dict[str, Callable[[Path], Any]], tmp_path: Path
) -> None:
    if make == Path.mkdir and name in FOLDERS:
        pytest.skip("it is one")
    expected = FILES.get(name) or FOLDERS[name]
    told = set()
    for number, (way, look) in enumerate(ways.items()):
        folder = tmp_path / str(number)
        shutil.copytree(run, folder)
        place = folder / name
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        place.parent.mkdir(exist_ok=True)
        make(place)
        before = files(folder)
        if error := told_by(look, folder):
            assert (error.file, bool(error.mend)) == (place, True), way
            assert files(folder) == before, way
            told.add(way)
        assert place.exists(), way
        assert not place.is_file(), way
    assert expected <= told


@pytest.mark.parametrize("mode", ["rb", "ab"])
def test_a_pipe_is_not_waited_for(mode: Any, tmp_path: Path) -> None:
    def heard(*_: object) -> None:
        pytest.fail("it waits")

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    before = signal.signal(signal.SIGALRM, heard)
    signal.alarm(20)
    try:
        with pytest.raises((RunFolderError, OSError)):
            opened(pipe, mode)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(RunFolderError, match="is a pipe, a socket or a device"):
        within(tmp_path, pipe)


def test_a_link_that_came_meanwhile_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        content_of(tmp_path / "link")
