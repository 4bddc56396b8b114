"""A sweep that refines itself: its trained rows are those of the full one, the others are marked, and a sample of them is held against training."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.stats import binom

import nanmap
from nanmap.analysis import what_works
from nanmap.errors import InputError
from nanmap.plan import make_sweep, refined
from nanmap.result import Result
from nanmap.results.columns import COLUMNS
from nanmap.runs.refine import at_most
from test_extend import Counts
from test_resume import Stops, content

TREE: dict[str, Any] = {
    "data": {"kind": "line", "start": 1, "n": 20, "slope": 0.5},
    "model": {"init": "ones"},
    "training": {"steps": 60, "batch_size": 32},
}
SCALE = {"key": "model.init_scale", "linear": [-4, 4], "num": 5}
RATE = {"key": "optimizer.learning_rate", "log": [1e-5, 1], "num": 5}
AXES = [SCALE, {"key": "training.seed", "values": [0, 1]}, RATE]
NUM = 33


@pytest.fixture(scope="module")
def run(engine) -> Callable[..., Result]:
    def start(out: Path, axes: list = AXES, tree: dict = TREE, refine: int | None = NUM, **options: Any) -> Result:
        spec, where = options.pop("spec", {"num": NUM, "audit": 20}), options.pop("where", None)
        sweep = make_sweep(tree, axes, refining=spec, where=where)
        return nanmap.sweep(sweep, out=out, engine=engine, refine=refine, **({"shard_cells": 512} | options))

    return start


@pytest.fixture(scope="module")
def both(run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A refined run and the full one."""
    root = tmp_path_factory.mktemp("both")
    return run(root / "refined").path, run(root / "full", refine=0).path


def rows_of(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "cells", dtype_backend="pyarrow").sort_values("cell", ignore_index=True)


def test_trained_rows_are_those_of_the_full_sweep_and_the_others_are_marked(both) -> None:
    mine, full = (pq.read_table(out / "cells").sort_by("cell") for out in both)
    inferred = mine["inferred"].to_numpy()
    assert mine.column_names == [*full.column_names, "inferred"]
    assert len(mine) == len(full) == 2 * NUM * NUM
    assert 0.3 < inferred.mean() < 0.9
    for name in full.column_names:
        one, other = (table[name].combine_chunks() for table in (mine, full))
        some = [each.filter(~mine["inferred"].combine_chunks().to_numpy(zero_copy_only=False)) for each in (one, other)]
        kind = some[1].dictionary_decode() if hasattr(some[1], "dictionary") else some[1]
        same = some[0].dictionary_decode() if hasattr(some[0], "dictionary") else some[0]
        assert same.is_null().equals(kind.is_null())
        if kind.type == "double":
            assert same.fill_null(7).to_numpy().tobytes() == kind.fill_null(7).to_numpy().tobytes()
        else:
            assert same.equals(kind)
    filled = rows_of(both[0])[inferred]
    known = {"cell", "init_scale", "seed", "learning_rate", "outcome", "cause", "inferred"}
    assert set(filled.stopped_by) == set(filled.handicap) == {""}
    assert not filled.drop(columns=[*known, "stopped_by", "handicap"]).notna().any().any()
    assert (filled.outcome == rows_of(both[1])[inferred].outcome).all()


def test_the_manifest_tells_what_was_trained_and_what_the_audit_found(both) -> None:
    told, rows = Result(both[0]).manifest["refined"], rows_of(both[0])
    assert told["cells"] == len(rows)
    assert told["trained"] + told["audit"]["cells"] == (~rows.inferred).sum()
    assert told["audit"] == {
        "cells": 20,
        "wrong": 0,
        "wrong_outcomes": 0,
        "share": 0.0,
        "at_most": at_most(0, 20),
        "sure": 0.95,
    }


@pytest.mark.parametrize(("wrong", "cells"), [(0, 20), (3, 100), (99, 100)])
def test_a_sample_beyond_the_bound_comes_in_one_of_twenty(wrong: int, cells: int) -> None:
    assert binom.cdf(wrong, cells, at_most(wrong, cells)) == pytest.approx(0.05, rel=1e-6)
    assert at_most(cells, cells) == 1.0


def test_an_audit_tells_what_is_wrong(run, both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nanmap.analysis.refinement import _Planes

    monkeypatch.setattr(
        _Planes, "changing", lambda self, mesh: np.zeros((self.shape[0], len(mesh[0]) - 1, len(mesh[1]) - 1), bool)
    )
    told = run(tmp_path, spec={"num": NUM, "audit": 200}).manifest["refined"]
    rows = rows_of(tmp_path)
    assert told["trained"] == 2 * 25
    assert 0 < told["audit"]["wrong_outcomes"] <= told["audit"]["wrong"] < 200
    assert told["audit"]["at_most"] > told["audit"]["share"] == told["audit"]["wrong"] / 200
    trained = (~rows.inferred).to_numpy(bool)
    assert trained.sum() == 250  # the audited are trained rows
    assert (rows.outcome[trained] == rows_of(both[1]).outcome[trained]).all()


def test_an_interrupted_refinement_ends_with_the_bytes_of_a_whole_one(run, both, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("nanmap.runs.refine.SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, observer=Stops(400))
    assert not Result(tmp_path).manifest["complete"]
    had = len(rows_of(tmp_path))
    counts = Counts()
    result = run(tmp_path, observer=counts)
    assert had > 0
    assert counts.rows + had == (~rows_of(tmp_path).inferred).sum()
    assert content(tmp_path) == content(both[0])
    assert result.manifest["refined"] == Result(both[0]).manifest["refined"]


def test_receipts_say_the_machines_that_trained(run, engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nanmap.runs.refine.SECONDS", 0.0)
    first, other = dict(engine.machine), dict(engine.machine) | {"model": "Another"}
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, observer=Stops(400))
    monkeypatch.setattr(engine, "machine", other)
    receipts = Result(run(tmp_path).path).folder.cells.receipts
    told = [receipts.read(name) for name in receipts.names()]
    assert [(each["machine"], each.get("others")) for each in told] == [(other, [first])] * len(told)


def test_a_full_sweep_trains_what_is_missing(run, both, tmp_path: Path) -> None:
    shutil.copytree(both[0], tmp_path / "run")
    inferred = rows_of(both[0]).inferred.sum()
    counts = Counts()
    run(tmp_path / "run", refine=0, observer=counts)
    assert counts.rows == inferred
    assert content(tmp_path / "run") == content(both[1])
    assert "refined" not in Result(tmp_path / "run").manifest


def test_other_settings_of_refine_are_another_run(run, both, tmp_path: Path) -> None:
    shutil.copytree(both[0], tmp_path / "run")
    with pytest.raises(InputError, match=r"refine\.audit was 20, now 21"):
        run(tmp_path / "run", spec={"num": NUM, "audit": 21})
    with pytest.raises(InputError, match="cannot hold another run"):
        run(tmp_path / "run", spec={"num": NUM, "audit": 21}, extend=True)
    assert content(tmp_path / "run") == content(both[0])
    with pytest.raises(
        InputError, match="as many values along init_scale and learning_rate as it has, --extend trains"
    ):
        run(tmp_path / "run", spec=None, refine=None)


def test_who_reads_rows_is_given_the_trained_ones(both, tmp_path: Path, engine) -> None:
    result = Result(both[0])
    trained = (~rows_of(both[0]).inferred).sum()
    assert sum(map(len, result.folder.tables())) == trained
    assert sum(map(len, result.folder.tables(["outcome"]))) == trained
    assert sum(map(len, result.folder.tables(["outcome"], filled=True))) == 2 * NUM * NUM
    assert sum(map(len, result.judged(ratio=0.5).folder.tables(["outcome"]))) == trained
    assert what_works(result.folder)
    assert nanmap.compare(*both).both == trained
    assert nanmap.verify(both[0], engine=engine, sample=8).ok
    assert (result.to_xarray().loss_final.notnull().sum() <= trained).all()


def test_a_cell_that_was_filled_in_can_be_trained(both, command) -> None:
    cell = int(rows_of(both[0]).query("inferred").cell.iloc[0])
    done = command("run", "--cell", cell, "--of", both[0], cwd=both[0].parent)
    assert done.returncode == 0, done.stderr
    assert "filled this cell in" in done.stdout


def test_a_map_says_what_was_filled_in(both, tmp_path: Path) -> None:
    figure = Result(both[0]).map("learning_rate", "init_scale", select={"seed": 0})
    words = " ".join(text.get_text() for text in figure.texts)
    assert "the rest filled in: of 20 drawn at random 0 wrong (at most 14" in words
    assert "paler: filled in, not trained" in words
    figure = Result(both[0]).map("learning_rate", "init_scale", value="loss_final", select={"seed": 0})
    words = " ".join(text.get_text() for text in figure.texts)
    assert "the rest has no numbers, its outcomes are filled in: of 20" in words.replace("\n", " ")
    plain = Result(both[1]).map("learning_rate", "init_scale", select={"seed": 0})
    assert "filled in" not in " ".join(text.get_text() for text in plain.texts)


def test_a_value_is_refined_by_its_tolerance(run, tmp_path: Path) -> None:
    few = run(tmp_path / "few", axes=[SCALE, RATE]).manifest["refined"]["trained"]
    spec = {"num": NUM, "audit": 0, "value": "loss_final", "tolerance": 0.3}
    more = run(tmp_path / "more", axes=[SCALE, RATE], spec=spec).manifest["refined"]
    assert more["trained"] > few
    assert more["audit"] is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"axes": [RATE]}, "needs two log or linear axes, and there are 1"),
        ({"axes": [SCALE, RATE, {"key": "model.init_offset", "linear": [0, 1], "num": 2}]}, "and there are 3"),
        ({"spec": {"num": 33, "axes": ["init_scale", "seed"]}}, "refine.axes: is no log or linear axis"),
        ({"spec": {"num": 33, "axes": ["init_scale", "learning_rat"]}}, "did you mean `learning_rate`"),
        ({"spec": {"num": 33, "axes": ["seed", "seed"]}}, "names two different axes"),
        ({"spec": {"num": 4}, "refine": None}, "is coarser than the first look"),
        ({"spec": {"num": 33, "value": "loss_fina", "tolerance": 1}}, "did you mean `loss_final`"),
        ({"spec": {"num": 33, "value": "loss_final"}}, "given together"),
        ({"spec": {"nums": 33}}, "refine.nums"),
        ({"where": "learning_rate < 0.1"}, "leaves out a part of a refined plane"),
        ({"axes": [SCALE, {"key": "data.n", "linear": [8, 40], "num": 5}]}, "whole numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_refined_is_told(change: dict, told: str, run, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        run(tmp_path, **change)
    assert told in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_condition_on_another_axis_leaves_out_whole_planes(run, tmp_path: Path) -> None:
    run(tmp_path, where="seed == 1")
    rows = rows_of(tmp_path)
    assert set(rows.seed) == {1}
    assert len(rows) == NUM * NUM


def test_the_axes_of_a_refined_sweep_are_those_of_the_target() -> None:
    made = refined(make_sweep(TREE, AXES, refining={"num": NUM}))
    assert made.grid.shape == (NUM, 2, NUM)
    assert made.describe()["refine"] == {"axes": ["init_scale", "learning_rate"], "from": [5, 5], "audit": 1000}
    assert "refine" not in refined(make_sweep(TREE, AXES, refining={"num": NUM}), 0).describe()
    assert len(COLUMNS) > 30


def test_the_command_refines(command, tmp_path: Path) -> None:
    (tmp_path / "line.toml").write_text('[data]\nkind = "line"\nn = 20\n\n[training]\nsteps = 20\n')
    axes = '\n\n[[axes]]\nkey = "model.init_scale"\nlinear = [-1, 1]\nnum = 5\n\n[[axes]]\nkey = "optimizer.learning_rate"\nlog = [1e-4, 10]\nnum = 5\n'
    (tmp_path / "map.toml").write_text(f'config = "line.toml"{axes}')
    done = command("sweep", "map.toml", "--refine", 17, "--set", "refine.audit=5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "results" / "map" / "manifest.json").read_text())["refined"]["audit"]["cells"] == 5
    wrong = command("sweep", "map.toml", "--refine", 3, cwd=tmp_path)
    assert (wrong.returncode, "is coarser than the first look" in wrong.stderr) == (2, True)
