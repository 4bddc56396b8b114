"""An interrupted run, taken up again, has the rows of an uninterrupted one; a run of other settings is never mixed in."""

import hashlib
import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nanmap
from nanmap.cli.edge import edge as edge_command
from nanmap.config import build_config
from nanmap.engine import LocalEngine, tune
from nanmap.errors import InputError, RunFolderError
from nanmap.plan import Lanes, Plan, make_sweep
from nanmap.result import Result
from nanmap.results.folder import RunFolder
from nanmap.results.manifest import fingerprint
from nanmap.results.shards import Shards, shard_metadata
from nanmap.runs.observer import Observer
from nanmap.runs.resume import Resumed
from nanmap.runs.single import plan_one

TREE: dict[str, Any] = {"data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5}, "training": {"steps": 30}}
AXES = [
    {"key": "optimizer.learning_rate", "log": [1e-4, 10.0], "num": 8},
    {"key": "training.batch_size", "values": [32, 7]},
]
SHARD = 4  # sixteen cells: four shards of two programs each


class Stops(Observer):
    """An observer that interrupts the run once `cells` cells are done, as Ctrl-C would."""

    def __init__(self, cells: int) -> None:
        self.left, self.finished = cells, 0

    def started(self, total: int, finished: int) -> None:
        self.finished = finished

    def advanced(self, rows: int, outcomes: np.ndarray | None = None) -> None:
        assert np.shape(outcomes) == (rows,)
        self.left -= rows
        if self.left <= 0:
            raise KeyboardInterrupt


@pytest.fixture
def run(engine):
    def start(out: Path, tree: dict = TREE, axes: list = AXES, **options: Any) -> Result:
        sweep = make_sweep(tree, axes, where=options.pop("where", None))
        return nanmap.sweep(sweep, out=out, shard_cells=SHARD, **({"engine": engine} | options))

    return start


def content(out: Path, part: str = "cells") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / part).glob("*"))}


@pytest.mark.parametrize("cells", [1, 5, 9, 13])
def test_an_interrupted_run_ends_with_the_bytes_of_a_whole_one(cells: int, run, tmp_path: Path) -> None:
    run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", observer=Stops(cells))
    done = content(tmp_path / "cut")
    assert len(done) < 4
    assert Result(tmp_path / "cut").manifest["complete"] is False
    again = Stops(10**6)
    run(tmp_path / "cut", observer=again)
    assert again.finished == SHARD * len(done)
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
    assert Result(tmp_path / "cut").manifest["complete"] is True


def test_a_finished_run_trains_nothing_again(run, tmp_path: Path) -> None:
    run(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()}
    again = Stops(1)
    run(tmp_path, observer=again)  # a single trained cell would raise
    assert again.finished == 16
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()} == before


def test_a_sweep_that_was_renamed_is_continued(run, engine, tmp_path: Path) -> None:
    run(tmp_path)
    renamed, again = make_sweep(TREE, AXES, name="other", title="Another title"), Stops(1)
    nanmap.sweep(renamed, out=tmp_path, shard_cells=SHARD, engine=engine, observer=again)
    assert again.finished == 16


@pytest.mark.parametrize("last", [2, 3])
def test_a_shard_that_cannot_be_written_is_told_however_late(
    last: int, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Shards.write

    def full(shards: Shards, number: int, table: pa.Table, told: object = None) -> None:
        if number == last:
            raise OSError("no space left on device")
        write(shards, number, table)

    monkeypatch.setattr(Shards, "write", full)
    with pytest.raises(OSError, match="no space left"):
        run(tmp_path)
    assert Result(tmp_path).manifest["complete"] is False


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"PAR1 and then nothing",
        "half",
        "removed",
        "foreign",
        "one too many",
        "renamed",
    ],
)
def test_damaged_shards_are_written_again(damage: bytes | str, run, tmp_path: Path) -> None:
    run(tmp_path)
    whole = content(tmp_path)
    path = tmp_path / "cells" / "part-000002.parquet"
    if damage == "removed":
        path.unlink()
    elif damage == "renamed":
        path.rename(path.with_name("part-000009.parquet"))
    elif damage == "one too many":
        other = pq.read_table(path).replace_schema_metadata({"nanmap.hash": "of another run", "nanmap.shard": "9"})
        pq.write_table(other, path.with_name("part-000009.parquet"))
    elif damage == "foreign":
        pq.write_table(
            pq.read_table(path).replace_schema_metadata({"nanmap.hash": "of another run", "nanmap.shard": "2"}), path
        )
    else:
        path.write_bytes(path.read_bytes()[:200] if damage == "half" else damage)
    run(tmp_path)
    assert content(tmp_path) == whole


@pytest.mark.parametrize(
    ("tree", "axes", "named"),
    [
        (TREE | {"optimizer": {"momentum": 0.9}}, AXES, ["optimizer", "0.9"]),
        (TREE | {"training": {"steps": 31}}, AXES, ["training.steps", "30", "31"]),
        (TREE, [AXES[0] | {"num": 9}, AXES[1]], ["axes.0.num", "8", "9"]),
        (TREE, AXES[:1], ["axes"]),
    ],
)
def test_other_settings_are_refused_by_name(tree: dict, axes: list, named: list[str], run, tmp_path: Path) -> None:
    run(tmp_path)
    before = content(tmp_path)
    with pytest.raises(InputError) as error:
        run(tmp_path, tree, axes)
    message = str(error.value)
    assert all(word in message for word in (*named, str(tmp_path), "--fresh")), message
    assert content(tmp_path) == before
    run(tmp_path, tree, axes, fresh=True)
    assert Result(tmp_path).manifest["complete"]
    assert content(tmp_path) != before


def test_changed_data_is_other_settings(run, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("a,y\n1,2\n2,3\n3,5\n")
    tree = {"data": {"kind": "csv", "path": str(table), "target": "y"}, "training": {"steps": 3}}
    run(tmp_path / "run", tree, [])
    table.write_text("a,y\n1,2\n2,3\n3,6\n")
    with pytest.raises(InputError, match=r"the content of rows\.csv changed"):
        run(tmp_path / "run", tree, [])


def two_files(folder: Path, files: tuple[str, str], contents: tuple[int, int] = (5, 6)) -> list[Path]:
    paths = [folder / file for file in files]
    for path, last in zip(paths, contents, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"a,y\n1,2\n2,3\n3,{last}\n")
    return paths


def over_files(kind: str, paths: list[Path]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    tree = {"data": {"kind": "csv", "path": str(paths[0]), "target": "y"}, "training": {"steps": 3}}
    one, two = map(str, paths)
    return tree, {
        "axis": [{"key": "data.path", "values": [one, two]}],
        "bundle": [{"name": "rows", "choices": {"first": {"data.path": one}, "second": {"data.path": two}}}],
    }[kind]


@pytest.mark.parametrize("files", [("a.csv", "b.csv"), ("one/rows.csv", "two/rows.csv")])
@pytest.mark.parametrize("kind", ["axis", "bundle"])
def test_files_that_exchanged_their_contents_are_other_settings(
    kind: str, files: tuple[str, str], run, tmp_path: Path
) -> None:
    before = run(tmp_path / "run", *over_files(kind, two_files(tmp_path, files))).to_pandas().loss_initial
    exchanged = over_files(kind, two_files(tmp_path, files, (6, 5)))
    with pytest.raises(RunFolderError, match=rf"the content of {files[0]} changed; the content of {files[1]} changed"):
        run(tmp_path / "run", *exchanged)
    after = run(tmp_path / "run", *exchanged, fresh=True).to_pandas().loss_initial
    assert after.tolist() == before.tolist()[::-1] != before.tolist()


def test_labels_that_exchanged_their_files_are_other_settings(run, tmp_path: Path) -> None:
    paths = two_files(tmp_path, ("one/rows.csv", "two/rows.csv"))
    run(tmp_path / "run", *over_files("bundle", paths))
    with pytest.raises(RunFolderError, match="holds rows of other settings"):
        run(tmp_path / "run", *over_files("bundle", paths[::-1]))


def test_files_that_moved_together_are_the_same_settings(run, tmp_path: Path) -> None:
    for files in (("a.csv", "b.csv"), ("one/rows.csv", "two/rows.csv")):
        again = Stops(1)
        run(tmp_path / files[0] / "run", *over_files("bundle", two_files(tmp_path / "here", files)))
        run(tmp_path / files[0] / "run", *over_files("bundle", two_files(tmp_path / "there", files)), observer=again)
        assert again.finished == 2


def test_the_fingerprint_names_files_as_folders_of_earlier_versions_do(tmp_path: Path) -> None:
    """Name and SHA-256, sorted: so far as the names tell the files apart."""
    paths = two_files(tmp_path, ("two/b.csv", "one/a.csv"))
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    for count, expected in ((1, [f"b.csv {hashes[0]}"]), (2, [f"a.csv {hashes[1]}", f"b.csv {hashes[0]}"])):
        configs = [build_config(over_files("bundle", [path, path])[0]) for path in paths[:count]]
        assert fingerprint(configs) == expected


def test_a_changed_file_of_initial_parameters_is_other_settings(run, npz, tmp_path: Path) -> None:
    start = {"layers.0.kernel": np.ones((1, 1)), "layers.0.bias": np.ones(1)}
    path = npz(**start)
    tree = TREE | {"model": {"init": "file", "init_file": path}}
    run(tmp_path / "run", tree, [])
    np.savez(path, **start | {"layers.0.bias": np.zeros(1)})
    with pytest.raises(InputError, match=f"the content of {Path(path).name} changed"):
        run(tmp_path / "run", tree, [])


def test_changed_data_is_read_again(run, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    tree = {"data": {"kind": "csv", "path": str(table), "target": "y"}, "training": {"steps": 3}}
    losses = []
    for last in (5, 500):
        table.write_text(f"a,y\n1,2\n2,3\n3,{last}\n")
        losses.append(run(tmp_path / "run", tree, [], fresh=True).to_pandas().loss_initial[0])
    assert losses[0] != losses[1]


class Counts(Observer):
    """An observer that adds up what it hears."""

    def __init__(self) -> None:
        self.total = self.finished = self.trainings = self.rows = 0

    def started(self, total: int, finished: int) -> None:
        self.total, self.finished = total, finished

    def trained(self, count: int) -> None:
        self.trainings += count

    def advanced(self, rows: int, outcomes: np.ndarray | None = None) -> None:
        self.rows += rows


def test_excluded_cells_keep_their_numbers_and_have_no_row(run, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole").folder.dataset().to_table().to_pylist()
    heard, where = Counts(), "batch_size == 7 and learning_rate < 0.1 or batch_size == 32 and learning_rate > 1"
    part = run(tmp_path / "part", where=where, observer=heard)
    rows = part.folder.dataset().to_table().to_pylist()
    kept = [
        row
        for row in whole
        if (row["batch_size"] == 7 and row["learning_rate"] < 0.1)
        or (row["batch_size"] == 32 and row["learning_rate"] > 1)
    ]
    assert 0 < len(kept) < 16
    assert list(map(repr, rows)) == list(map(repr, kept))
    assert (heard.total, heard.finished, heard.trainings, heard.rows) == (len(kept), 0, len(kept), len(kept))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", where="learning_rate > 1e-3", observer=Stops(3))
    run(tmp_path / "cut", where="learning_rate > 1e-3")
    assert [row["cell"] for row in Result(tmp_path / "cut").folder.dataset().to_table().to_pylist()] == [
        row["cell"] for row in whole if row["learning_rate"] > 1e-3
    ]


def test_fresh_removes_the_run_s_files_and_nothing_else(run, tmp_path: Path) -> None:
    run(tmp_path)
    notes = [tmp_path / "notes.txt", tmp_path / "cells" / "notes.txt"]
    for each in notes:
        each.write_text("mine")
    run(tmp_path, fresh=True)
    assert [each.read_text() for each in notes] == ["mine", "mine"]


def test_a_folder_that_is_no_run_loses_nothing(run, tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "mine.txt").write_text("mine")
    run(tmp_path)
    assert (tmp_path / "maps" / "mine.txt").read_text() == "mine"


def test_a_sweep_that_excludes_everything_or_contradicts_itself_writes_nothing(run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="excludes every cell"):
        run(tmp_path / "none", where="learning_rate > 100")
    norms = [{"key": "model.norm", "values": ["none", "layer"]}]
    with pytest.raises(InputError, match=r"model\.norm"):
        run(tmp_path / "none", TREE, norms)
    assert not (tmp_path / "none").exists()


def test_the_manifest_tells_what_was_run(run, engine, tmp_path: Path) -> None:
    manifest = run(tmp_path).manifest
    assert (manifest["backend"], manifest["device"]) == (engine.backend, engine.device)
    assert manifest["device"] != "cpu"
    assert manifest["sweep"]["config"] == TREE
    assert manifest["sweep"]["axes"][0]["num"] == 8
    assert manifest["shards"] == [f"part-{number:06d}.parquet" for number in range(4)]
    assert len(manifest["programs"]) == 2
    assert manifest["widths"].keys() == manifest["programs"].keys()
    assert manifest["versions"]["jax"]
    shard = pq.read_schema(tmp_path / "cells" / "part-000003.parquet").metadata
    assert shard[b"nanmap.hash"].decode() == manifest["hash"]
    assert shard[b"nanmap.shard"] == b"3"


def test_measured_widths_are_pinned_and_kept(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def narrow_is_fast(lanes: Lanes, make: tune.Make, devices: int, widths: list[int]) -> dict[int, float]:
        assert all(rate > 0 for rate in measure(lanes, make, devices, widths).values())
        return {width: 1 / width for width in widths}

    measure = tune.updates_per_second
    monkeypatch.setattr(tune, "updates_per_second", narrow_is_fast)
    monkeypatch.setattr(tune, "FACTORS", (0.5, 1))
    monkeypatch.setattr(tune, "WORK", 1e6)
    device = jax.devices()[:1]
    engine = LocalEngine(device)
    usual = {variant.program.key: engine.width(variant.program) for variant in Plan(make_sweep(TREE, AXES)).variants()}
    first = run(tmp_path, tune=True, engine=engine).manifest
    assert first["widths"] == {key: width // 2 for key, width in usual.items()}
    (tmp_path / "cells" / "part-000001.parquet").unlink()
    again = run(tmp_path, engine=LocalEngine(device)).manifest
    assert again["widths"] == first["widths"]
    assert again["hash"] == first["hash"]


def test_a_width_that_was_chosen_is_part_of_the_identity(run, tmp_path: Path) -> None:
    programs = [variant.program for variant in Plan(make_sweep(TREE, AXES)).variants()]
    manifest = run(tmp_path, engine=LocalEngine(widths=dict.fromkeys(programs, 2))).manifest
    assert set(manifest["widths"].values()) == {2}
    with pytest.raises(InputError, match="other settings: cells side by side in a program were 2, now 4\n"):
        run(tmp_path, engine=LocalEngine(widths=dict.fromkeys(programs, 4)))


def edges_of(out: Path, engine: LocalEngine, **options: Any) -> Result:
    sweep = make_sweep(TREE, [*AXES, {"key": "training.seed", "range": [0, 3]}])
    return nanmap.edge(sweep, out=out, engine=engine, **({"tolerance": 0.05, "block": 3} | options))


# What a folder of the sweep above and of its edges says that no row follows from, as version 2 of the schema has it.
LAYOUT = {
    "cells": ("manifest.json", {"timings": {"wall_seconds": 100.0}, "compilations": 7, "narrowed": {"a": [4, 2]}}),
    "edges": ("edges.json", {"wall_seconds": 100.0, "columns_of_a_map": 99.0, "narrowed": {"a": [4, 2]}}),
}


@pytest.mark.parametrize("part", LAYOUT)
def test_a_half_finished_part_is_taken_up_with_what_it_cost(part: str, run, engine, tmp_path: Path) -> None:
    begin = {"cells": lambda: run(tmp_path), "edges": lambda: edges_of(tmp_path, engine)}[part]
    begin()
    file, spent = LAYOUT[part]
    whole, manifest = content(tmp_path, part), json.loads((tmp_path / file).read_text())
    assert len(whole) >= 2
    assert set(spent) <= set(manifest)
    for name in list(whole)[1:]:
        (tmp_path / part / name).unlink()
    getattr(RunFolder(tmp_path), part).write_manifest(manifest | spent | {"complete": False})
    kept = (tmp_path / part / next(iter(whole))).stat().st_mtime_ns
    begin()
    assert content(tmp_path, part) == whole
    assert (tmp_path / part / next(iter(whole))).stat().st_mtime_ns == kept
    told = json.loads((tmp_path / file).read_text())
    assert (told["hash"], told["complete"], told["narrowed"]) == (manifest["hash"], True, {"a": [4, 2]})
    assert told.get("timings", told)["wall_seconds"] > 100
    assert told.get("compilations", 7) == 7
    assert told.get("columns_of_a_map", 99.0) == 99.0


def test_a_search_that_is_interrupted_says_what_it_spent(engine, tmp_path: Path) -> None:
    class Interrupts(Observer):
        def trained(self, count: int) -> None:
            raise KeyboardInterrupt

    for _ in range(2):
        before = json.loads((tmp_path / "edges.json").read_text())["wall_seconds"] if list(tmp_path.glob("*")) else 0
        with pytest.raises(KeyboardInterrupt):
            edges_of(tmp_path, engine, observer=Interrupts())
        told = json.loads((tmp_path / "edges.json").read_text())
        assert told["wall_seconds"] > before
        assert not told["complete"]


def test_the_observer_of_a_search_hears_of_every_row_and_training(engine, tmp_path: Path) -> None:
    heard: dict[str, list[Any]] = {"started": [], "trained": [], "advanced": []}

    class Hears(Observer):
        def started(self, total: int, finished: int) -> None:
            heard["started"].append((total, finished))

        def trained(self, count: int) -> None:
            heard["trained"].append(count)

        def advanced(self, rows: int, outcomes: np.ndarray | None = None) -> None:
            heard["advanced"].append((rows, outcomes))

    edges_of(tmp_path, engine, observer=Hears())
    assert heard["started"] == [(6, 0)]
    assert heard["advanced"] == [(3, None), (3, None)]
    assert sum(heard["trained"]) > 6 * 6


LAYERED = """
[data]
kind = "line"
n = 20
[model]
hidden = [2]
[training]
steps = 30
"""
LAYER_RATES = """
config = "layered.toml"
[[axes]]
key = "optimizer.layer_learning_rates.0"
values = [0.1, 1.0, 10.0]
[[axes]]
key = "optimizer.layer_learning_rates.1"
values = [0.1, 1.0, 10.0]
"""
SEARCH: dict[str, Any] = {"along": "learning_rate_0", "tolerance": 0.05}


@pytest.mark.parametrize("by", ["library", "command"])
@pytest.mark.parametrize(
    ("begun", "asked", "named"),
    [
        ({}, {"tolerance": 0.01}, "search.tolerance was 0.05, now 0.01"),
        ({}, {"along": "learning_rate_1"}, 'search.along was "learning_rate_0", now "learning_rate_1"'),
        ({"block": 2}, {}, "search.block was 2, now 2048"),
    ],
)
def test_edges_of_another_search_are_refused(
    begun: dict[str, Any], asked: dict[str, Any], named: str, by: str, engine, tmp_path: Path, monkeypatch
) -> None:
    """Of a search that is half finished, too: the first of its blocks is whole."""
    monkeypatch.setattr("nanmap.engine.devices.set_up", lambda device: None)  # the devices are those of the session
    file, out = tmp_path / "rates.toml", tmp_path / "run"
    (tmp_path / "layered.toml").write_text(LAYERED)
    file.write_text(LAYER_RATES)
    search = {"library": partial(nanmap.edge, file, engine=engine), "command": partial(edge_command, file)}

    with pytest.raises(KeyboardInterrupt):
        nanmap.edge(file, out=out, engine=engine, observer=Leaves(), **SEARCH, **begun)
    hash = json.loads((out / "edges.json").read_text())["hash"]
    RunFolder(out).edges.write(0, pa.table({"edge": [0.5]}).replace_schema_metadata(shard_metadata(hash, 0)))
    before = content(out, "edges")
    assert len(before) == 1
    with pytest.raises(RunFolderError, match=named):
        search[by](out=out, **SEARCH | asked)
    assert content(out, "edges") == before


@pytest.mark.parametrize("part", LAYOUT)
def test_shards_without_their_manifest_are_not_touched(part: str, run, engine, tmp_path: Path) -> None:
    begin = {"cells": lambda: run(tmp_path, fresh=True), "edges": lambda: edges_of(tmp_path, engine, fresh=True)}[part]
    begin()
    (tmp_path / LAYOUT[part][0]).unlink()
    before = content(tmp_path, part)
    begin = {
        "cells": partial(run, tmp_path, TREE | {"training": {"steps": 31}}),
        "edges": partial(edges_of, tmp_path, engine, tolerance=0.06),
    }[part]
    with pytest.raises(InputError, match=r"no manifest[\s\S]*--fresh"):
        begin()
    assert content(tmp_path, part) == before
    begin(fresh=True)
    assert json.loads((tmp_path / LAYOUT[part][0]).read_text())["complete"]


def test_lost_edges_are_taken_up_where_their_receipts_say_how_they_were_searched(engine, tmp_path: Path) -> None:
    """Another tolerance has the same hash, and other edges."""
    edges_of(tmp_path, engine)
    before, told = content(tmp_path, "edges"), json.loads((tmp_path / "edges.json").read_text())
    for damage in (None, b"{"):
        (tmp_path / "edges.json").unlink() if damage is None else (tmp_path / "edges.json").write_bytes(damage)
        with pytest.raises(RunFolderError, match=r"edges\.json (is lost|cannot be read)\n  mend: nanmap edge SWEEP"):
            RunFolder(tmp_path).read_edges_manifest()
        kept = Kept()
        edges_of(tmp_path, engine, observer=kept)
        assert kept.noted == ["edges.json is lost or damaged, and is written anew: the rows say whose they are"]
        assert kept.searched == 0
        again = json.loads((tmp_path / "edges.json").read_text())
        assert [again[key] for key in ("hash", "search", "complete")] == [
            told[key] for key in ("hash", "search", "complete")
        ]
    assert content(tmp_path, "edges") == before


class Kept(Observer):
    """What is noticed, and how many rows are searched."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.searched = 0

    def noticed(self, sentence: str) -> None:
        self.noted.append(sentence)

    def advanced(self, rows: int, outcomes: np.ndarray | None = None) -> None:
        self.searched += rows


@pytest.mark.parametrize("part", LAYOUT)
def test_a_manifest_that_was_edited_is_not_believed_what_was_spent(part: str, run, engine, tmp_path: Path) -> None:
    begin = {"cells": partial(run, tmp_path), "edges": partial(edges_of, tmp_path, engine)}[part]
    begin()
    file, spent = LAYOUT[part]
    manifest = json.loads((tmp_path / file).read_text())
    (tmp_path / file).write_text(json.dumps(manifest | spent))
    kept = Kept()
    begin(observer=kept)
    assert (kept.noted, kept.searched) == ([f"{file} was damaged or edited, and is written anew"], 0)
    told = json.loads((tmp_path / file).read_text())
    assert told.get("timings", told)["wall_seconds"] < 100.0


@pytest.mark.parametrize("part", LAYOUT)
def test_a_damaged_manifest_is_told_and_fresh_mends_it(part: str, run, engine, tmp_path: Path) -> None:
    begin = {"cells": partial(run, tmp_path), "edges": partial(edges_of, tmp_path, engine)}[part]
    begin()
    (tmp_path / LAYOUT[part][0]).write_bytes(b"\xff{")
    begin = {
        "cells": partial(run, tmp_path, TREE | {"training": {"steps": 31}}),
        "edges": partial(edges_of, tmp_path, engine, tolerance=0.06),
    }[part]
    with pytest.raises(InputError, match=r"cannot be read[\s\S]*--fresh"):
        begin()
    begin(fresh=True)
    assert json.loads((tmp_path / LAYOUT[part][0]).read_text())["complete"]


def test_fresh_cells_leave_the_edges_and_fresh_edges_the_cells(run, engine, tmp_path: Path) -> None:
    run(tmp_path)
    edges_of(tmp_path, engine)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "drawn.png").write_bytes(b"")
    RunFolder(tmp_path).keep_picture(tmp_path / "maps" / "drawn.png")
    cells, edges = content(tmp_path, "cells"), content(tmp_path, "edges")
    edges_of(tmp_path, engine, fresh=True)
    assert (tmp_path / "maps" / "drawn.png").exists()
    run(tmp_path, fresh=True)
    assert (content(tmp_path, "cells"), content(tmp_path, "edges")) == (cells, edges)
    assert not (tmp_path / "maps").exists()


class Leaves(Observer):
    """Interrupts a run before it trains anything; its manifest is there by then."""

    def started(self, total: int, finished: int) -> None:
        raise KeyboardInterrupt


def begin(part: str, out: Path, engine: LocalEngine, tree: dict[str, Any] = TREE, **options: Any) -> dict[str, Any]:
    """A part of a folder that was left before any training, and what its manifest says."""
    sweep = make_sweep(tree, [{"key": "training.batch_size", "values": [32, 7]}, AXES[0]])
    start = {"cells": partial(nanmap.sweep, shard_cells=SHARD), "edges": partial(nanmap.edge, tolerance=0.05)}[part]
    with pytest.raises(KeyboardInterrupt):
        start(sweep, out=out, engine=engine, observer=Leaves(), **options)
    return json.loads((out / LAYOUT[part][0]).read_text())


@pytest.mark.parametrize("part", LAYOUT)
@pytest.mark.parametrize("change", ["backend", "version", "schema", "data"])
def test_a_part_that_was_begun_with_anything_else_is_refused(
    change: str, part: str, engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("a,y\n1,2\n2,3\n3,5\n")
    tree = {"data": {"kind": "csv", "path": str(table), "target": "y"}, "training": {"steps": 3}}
    told = begin(part, tmp_path / "run", engine, tree)
    assert told["backend"] == engine.backend
    assert begin(part, tmp_path / "run", engine, tree)["hash"] == told["hash"]
    if change == "backend":
        monkeypatch.setattr(engine, "backend", "gpu")
    elif change == "version":
        monkeypatch.setattr("nanmap.results.manifest.version", lambda package: "99")
    elif change == "schema":
        monkeypatch.setattr("nanmap.results.manifest.VERSION", 99)
    else:
        table.write_text("a,y\n1,2\n2,3\n3,6\n")
    said = {"version": "versions.nanmap", "data": "the content of rows.csv"}.get(change, change)
    with pytest.raises(RunFolderError, match=rf"holds (rows|edges) of other settings: {said}"):
        begin(part, tmp_path / "run", engine, tree)


@pytest.mark.parametrize("part", LAYOUT)
def test_the_widths_of_a_part_stay_until_it_is_begun_afresh(part: str, engine, tmp_path: Path) -> None:
    programs = [variant.program for variant in Plan(make_sweep(TREE, AXES)).variants()]
    usual = {each.key: engine.width(each) for each in programs}
    narrow = begin(part, tmp_path, LocalEngine(widths=dict.fromkeys(programs, 2)))
    assert narrow["widths"] == dict.fromkeys(usual, 2)
    again = begin(part, tmp_path, engine)
    assert {key for key in narrow if again[key] != narrow[key]} <= {"timings", "wall_seconds", "made", "seal"}
    assert begin(part, tmp_path, engine, fresh=True)["widths"] == usual


def test_what_a_run_spends_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the block on, and on top of what earlier runs spent."""
    clock = [10.0]
    monkeypatch.setattr("nanmap.runs.resume.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    engine = SimpleNamespace(compilations=5, narrowed={})
    program = next(plan_one(build_config(TREE)).variants()).program
    manifest: dict[str, Any] = {
        "hash": "h",
        "timings": {"wall_seconds": 2.0},
        "compilations": 1,
        "narrowed": {"a": [4, 2]},
    }
    folder = RunFolder(tmp_path)
    resumed = Resumed(folder.cells, manifest, engine)
    clock[0], engine.compilations = 50.0, 6
    told = []
    with resumed:
        for seconds, compiled in ((60.0, 8), (61.5, 9)):
            clock[0], engine.compilations = seconds, compiled
            engine.narrowed[program] = (8, 4)
            resumed.account()
            told.append(json.loads(folder.cells.manifest_file.read_text()))
    assert [(each["timings"]["wall_seconds"], each["compilations"]) for each in told] == [(12.0, 3), (13.5, 4)]
    assert told[0]["narrowed"] == {"a": [4, 2], program.key: [8, 4]}
    assert json.loads(folder.cells.manifest_file.read_text())["complete"] is True


def test_of_rows_of_one_count_the_manifest_says_how_many(engine, tmp_path: Path) -> None:
    several = [{"key": "data.n", "values": [7, 9]}]
    for axes, rows in (([], 20), (several, None)):
        with pytest.raises(KeyboardInterrupt):
            nanmap.sweep(make_sweep(TREE, axes), out=tmp_path / str(rows), engine=engine, observer=Leaves())
        assert json.loads((tmp_path / str(rows) / "manifest.json").read_text())["rows"] == rows


@pytest.mark.parametrize(
    ("tune", "told"),
    [(True, ["the widths of this folder stay as they are; --fresh --tune measures them anew"]), (False, [])],
)
def test_widths_that_are_kept_are_told_where_measured_ones_were_asked_for(
    tune: bool, told: list[str], engine, tmp_path: Path
) -> None:
    begin("cells", tmp_path, engine)
    heard: list[str] = []
    observer = Leaves()
    observer.noticed = heard.append
    sweep = make_sweep(TREE, [{"key": "training.batch_size", "values": [32, 7]}, AXES[0]])
    with pytest.raises(KeyboardInterrupt):
        nanmap.sweep(sweep, out=tmp_path, engine=engine, shard_cells=SHARD, tune=tune, observer=observer)
    assert heard == told


# What the first version that pinned widths called these programs: a folder is continued under the same names.
KEYS = {
    "fractal_tanh": "eb37ad03438a",
    "keras_line": "a1013549a445",
    "relu_double": "ea974e7450b4",
    "square_sgd": "0e7fa8590484",
    "tabular_mlp": "9f10f92fe5aa",
}


@pytest.mark.parametrize("name", KEYS)
def test_programs_are_called_as_in_folders_of_earlier_versions(name: str) -> None:
    (variant,) = plan_one(nanmap.load(Path(__file__).parents[1] / "configs" / f"{name}.toml")).variants()
    assert variant.program.key == KEYS[name]
