"""A run writes and removes its own files, in its own folder: whatever else stands there, or is named by a sweep or a manifest, stays."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nanmap
from handmade import RATE, write_run
from nanmap.cli.listed_maps import draw_listed
from nanmap.errors import InputError, RunFolderError
from nanmap.plan import load_sweep, make_sweep
from nanmap.result import Result
from nanmap.results.folder import RunFolder
from nanmap.results.places import is_plain

TREE: dict[str, Any] = {"data": {"kind": "line", "n": 5}, "training": {"steps": 3}}
AXES = [{"key": "optimizer.learning_rate", "values": [0.1, 0.2]}]
SEEDS = {"key": "training.seed", "range": [0, 3]}
Start = Callable[..., Result]


@pytest.fixture(params=["cells", "edges"])
def start(request: pytest.FixtureRequest, engine) -> Start:
    """`start(out, fresh=…)`: a sweep, or a search of edges."""
    begin = {"cells": nanmap.sweep, "edges": partial(nanmap.edge, tolerance=0.05)}[request.param]
    return lambda out, **options: begin(make_sweep(TREE, AXES), out=out, engine=engine, **options)


def files(folder: Path) -> dict[str, bytes | None]:
    """All that stands in a folder, and the folders in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


APP = '{"name": "An app", "start_url": "/", "icons": []}'


@pytest.mark.parametrize("content", [APP, "[]", "{", '{"sweep": {}}'])
def test_a_manifest_of_others_is_refused_and_stays(content: str, start: Start, tmp_path: Path) -> None:
    for name in ("manifest.json", "edges.json"):
        (tmp_path / name).write_text(content)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "mine.png").write_bytes(b"mine")
    before = files(tmp_path)
    with pytest.raises(RunFolderError, match="did not write; nothing was removed") as error:
        start(tmp_path, fresh=True)
    assert error.value.mend
    assert files(tmp_path) == before


@pytest.mark.parametrize("fresh", [False, True])
def test_a_file_that_has_a_shard_s_name_but_is_not_ours_is_refused_and_stays(
    fresh: bool, start: Start, tmp_path: Path
) -> None:
    start(tmp_path)
    parts = [tmp_path / part for part in ("cells", "edges") if (tmp_path / part).exists()]
    for part in parts:
        pq.write_table(pa.table({"mine": [1]}), part / "part-000007.parquet")
    before = files(tmp_path)
    with pytest.raises(RunFolderError, match=r"holds a part-000007\.parquet that nanmap did not write"):
        start(tmp_path, fresh=fresh)
    assert files(tmp_path) == before


def test_own_files_beside_maps_and_inputs_stay(start: Start, tmp_path: Path) -> None:
    start(tmp_path)
    mine = {
        "maps/mine.png": b"a picture",
        "inputs/mine.npz": b"arrays",
        "cells/mine.txt": b"notes",
        "edges/x.csv": b"1",
    }
    for name, content in mine.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    start(tmp_path)
    start(tmp_path, fresh=True)
    there = files(tmp_path)
    assert {name: there.get(name) for name in mine} == mine


def test_a_picture_goes_with_its_rows_unless_somebody_changed_it(engine, tmp_path: Path) -> None:
    sweep = make_sweep(TREE, [*AXES, SEEDS])
    result = nanmap.sweep(sweep, out=tmp_path, engine=engine)
    draw_listed(result)
    (drawn,) = (tmp_path / "maps").iterdir()
    nanmap.sweep(sweep, out=tmp_path, engine=engine, fresh=True)
    assert not drawn.parent.exists()
    draw_listed(Result(tmp_path))
    drawn.write_bytes(b"mine")
    nanmap.sweep(sweep, out=tmp_path, engine=engine, fresh=True)
    assert drawn.read_bytes() == b"mine"


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("link", ["cells", "edges", "receipts", ".tmp", "manifest.json", "edges.json"])
def test_nothing_is_written_or_removed_through_a_link(link: str, fresh: bool, start: Start, tmp_path: Path) -> None:
    start(tmp_path / "run")
    place, elsewhere = tmp_path / "run" / link, tmp_path / "elsewhere"
    if not place.exists():  # of the other part
        pytest.skip("the other part has it")
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    before = files(tmp_path)
    with pytest.raises(RunFolderError, match="is a symbolic link") as error:
        start(tmp_path / "run", fresh=fresh)
    assert error.value.file == place
    assert files(tmp_path) == before
    assert place.is_symlink()


@pytest.mark.parametrize("name", ["cells", "cells/part-000000.parquet", "manifest.json"])
def test_nothing_is_read_through_a_link(name: str, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [RATE])
    (tmp_path / "run" / name).rename(tmp_path / "elsewhere")
    (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunFolderError, match="is a symbolic link"):
        folder.dataset()


def test_a_run_folder_itself_may_be_a_link(start: Start, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    start(tmp_path / "run")
    start(tmp_path / "run", fresh=True)
    assert (tmp_path / "run").is_symlink()


NAMES = ["/abs/x.png", "../../x.png", "..\\x.png", "a/b.png", ".x.png", "", "x\n.png", "x\0.png", "é" * 130 + ".png"]
NAMES += ["CON.png", "nul", "com1 .svg", "Lpt9.x.png", "x.png ", "x."]


@pytest.mark.parametrize("name", NAMES)
def test_a_map_s_file_stands_in_the_run_s_folder(name: str, tmp_path: Path) -> None:
    assert not is_plain(name)
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 5\n')
    listed = f'[[maps]]\nfile = {json.dumps(name)}\nx = "learning_rate"\ny = "seed"\n'
    (tmp_path / "grid.toml").write_text(f'config = "line.toml"\n{listed}')
    with pytest.raises(InputError, match=r"no name of a file in RUN/maps|ends in none of"):
        load_sweep(tmp_path / "grid.toml")


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_s_map_stands_in_the_run_s_folder(name: str, tmp_path: Path) -> None:
    listed = {"file": name.replace("/abs", str(tmp_path)), "x": "learning_rate", "y": "seed"}
    folder = write_run(tmp_path / "a" / "run", [RATE, SEEDS], maps=[listed])
    before = files(tmp_path)
    with pytest.raises(InputError, match=r"no name of a file in RUN/maps|ends in none of"):
        draw_listed(Result(folder))
    with pytest.raises(InputError, match="cannot be the name of a picture"):
        folder.picture(listed["file"])
    assert files(tmp_path) == before


@pytest.mark.parametrize("link", ["maps", "maps/outcome_learning_rate_seed.png"])
def test_a_picture_is_not_drawn_through_a_link(link: str, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [RATE, SEEDS])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir() if link == "maps" else elsewhere.write_bytes(b"mine")
    (folder.path / link).parent.mkdir(exist_ok=True)
    (folder.path / link).symlink_to(elsewhere)
    before = files(tmp_path)
    with pytest.raises(RunFolderError, match="is a symbolic link"):
        draw_listed(Result(folder))
    assert files(tmp_path) == before


def test_rows_are_written_beside_nothing_unfinished(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other readers take all that stands in a folder of rows for rows: at the moment of each move, too."""
    seen: list[set[str]] = []
    move = os.replace

    def watched(source: Any, target: Any) -> None:
        seen.append({path.suffix for part in ("cells", "edges") for path in (tmp_path / part).glob("*")})
        move(source, target)

    monkeypatch.setattr(os, "replace", watched)
    start(tmp_path)
    assert len(seen) >= 3
    assert set.union(*seen) <= {".parquet"}
    assert not list((tmp_path / ".tmp").glob("part-*"))


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_manifest({"sweep": {}})
    before = files(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        folder.write_manifest({"sweep": float("nan")})
    assert files(tmp_path) == before
