"""Trainings and sweeps on arrays: the rows that a file would give, kept with their arrays, resumed and trained again elsewhere."""

import gc
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import nanmap
from nanmap.errors import InputError, RunFolderError
from nanmap.plan import Plan, make_sweep
from nanmap.runs import inputs
from nanmap.runs.observer import Observer

rng = np.random.default_rng(0)
X = rng.standard_normal((12, 2))
Y = X @ [1.0, -2.0] + 0.5
TREE = {"training": {"epochs": 3, "batch_size": 4}}
RATES = {"optimizer.learning_rate": [0.01, 0.1, 1e3]}
FRAME = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "town": ["Bern", "Oslo", "Bern", "Oslo"]})
PRICE = pd.Series([1.0, 5.0, 3.0, 7.0], name="price")


class Told(Observer):
    """Counts trainings and remembers what was noticed; stops a run after some rows."""

    def __init__(self, most: float = np.inf) -> None:
        self.count, self.most, self.said = 0, most, []

    def trained(self, count: int) -> None:
        self.count += count
        if self.count > self.most:
            raise KeyboardInterrupt

    def noticed(self, sentence: str) -> None:
        self.said.append(sentence)


def sweep(out: Path | None, engine, x: Any = X, y: Any = Y, **options: Any) -> nanmap.Result:
    return nanmap.sweep(TREE, RATES, x=x, y=y, out=out, engine=engine, **options)


def test_a_training_on_arrays_is_that_on_a_file_of_them(npz, engine) -> None:
    given = nanmap.run(TREE, x=np.asfortranarray(X), y=Y, engine=engine)
    filed = nanmap.run(TREE | {"data": {"kind": "npz", "path": npz(x=X, y=Y)}}, engine=engine)
    assert given.row == filed.row
    settings = {"learning_rate": 1e3, "engine": engine}
    given, filed = nanmap.run(TREE, x=X, y=Y, **settings), nanmap.run(filed.config, **settings)
    gc.collect()
    assert given.remedy == filed.remedy != {}  # which tries other settings, on the same rows
    assert given.evidence == filed.evidence
    assert given.config.data.kind == "arrays"


def test_what_is_done_to_the_arrays_stands_in_the_config(engine) -> None:
    data = {"scale_inputs": "standard", "validation_split": 0.25}
    report = nanmap.run(TREE | {"data": data}, x=X, y=Y, engine=engine)
    assert report.row["val_loss_final"] is not None
    assert "12 rows: 9 train; the last 3 validate" in report.report


def test_predictions_take_the_columns_of_the_frame(engine) -> None:
    tree = {"training": {"epochs": 300}, "optimizer": {"learning_rate": 0.1}}
    report = nanmap.run(tree, x=FRAME, y=PRICE, predict=[[2.0, "Oslo"]], engine=engine)
    assert report.predictions == pytest.approx([5.0], abs=0.05)
    by_name = FRAME[["town", "size"]]
    for asked in (by_name, pl.DataFrame(by_name.to_dict("list")), by_name.to_dict("records")):
        report = nanmap.run(tree, x=FRAME, y=PRICE, predict=asked, engine=engine)
        assert report.predictions == pytest.approx(PRICE.tolist(), abs=0.05)
    for row, told in (
        ({"size": 2.0}, r"has no value for a column \(got \{'size': 2.0\}\)\s+mend: 'town': …"),
        ({"size": 2.0, "twon": "Oslo"}, r"is no input column \(got 'twon'\)[\s\S]*did you mean `town`"),
    ):
        with pytest.raises(InputError, match=told):
            nanmap.run(tree, x=FRAME, y=PRICE, predict=[row], engine=engine)
    with pytest.raises(InputError, match=r"`Rome` is no category of town \(Bern or Oslo\)"):
        nanmap.run(tree, x=FRAME, y=PRICE, predict=[[2.0, "Rome"]], engine=engine)


def test_arrays_take_the_place_of_a_config_file_s_rows(tmp_path: Path, engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text(
        '[data]\nkind = "csv"\npath = "a.csv"\ntarget = "b"\n[training]\nepochs = 3\nbatch_size = 4\n'
    )
    Path("s.toml").write_text(
        'config = "c.toml"\n[[axes]]\nkey = "optimizer.learning_rate"\nvalues = [0.01, 0.1, 1e3]\n'
    )
    Path("bare.toml").write_text("[training]\nepochs = 3\nbatch_size = 4\n")
    Path("rowless.toml").write_text(Path("s.toml").read_text().replace("c.toml", "bare.toml"))
    rows = sweep(None, engine).to_pandas()
    assert nanmap.run("c.toml", x=X, y=Y, engine=engine).row["loss_final"] == rows.loss_final[0]
    assert nanmap.run("bare.toml", x=X, y=Y, engine=engine).row["loss_final"] == rows.loss_final[0]
    for given, axes, path in (
        ("s.toml", None, "results/s"),
        ("rowless.toml", None, "results/rowless"),
        ("c.toml", RATES, "results/c"),
    ):
        result = nanmap.sweep(given, axes, x=X, y=Y, engine=engine)
        assert result.path == Path(path)
        assert result.to_pandas().equals(rows)
    loaded = nanmap.sweep(nanmap.load("s.toml"), x=X, y=Y, out="other", engine=engine)
    assert loaded.to_pandas().equals(rows)


def test_without_out_the_folder_goes_with_the_result(tmp_path: Path, engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = sweep(None, engine)
    path = result.path
    assert len(result.to_pandas()) == 3
    judged = result.judged(ratio=1e-9)
    joined = nanmap.concat([result])
    del result
    gc.collect()
    assert len(judged.to_pandas()) == len(joined.to_pandas()) == 3
    del judged, joined
    gc.collect()
    assert not path.exists()
    assert list(tmp_path.iterdir()) == []
    assert nanmap.sweep(TREE, RATES, x=X, y=Y, name="mine", engine=engine).path == Path("results/mine")


def test_a_sweep_that_fails_leaves_no_folder(engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        sweep(None, engine, observer=Told(most=0))
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_keeps_the_arrays_and_is_continued_with_them_alone(tmp_path: Path, engine) -> None:
    out = tmp_path / "run"
    first = sweep(out, engine)
    data = first.manifest["sweep"]["config"]["data"]
    (kept,) = (out / "inputs").iterdir()
    assert (data["kind"], kept.name) == ("arrays", f"{data['sha256']}.npz")
    with np.load(kept) as file:
        np.testing.assert_array_equal(file["x"], X)
    rows, again = first.to_pandas(), Told()
    assert sweep(out, engine, observer=again).to_pandas().equals(rows)
    assert again.count == 0
    with pytest.raises(
        RunFolderError, match=r"holds rows of other settings: x or y are other arrays[\s\S]*fresh=True"
    ) as error:
        sweep(out, engine, y=Y + 1)
    assert "--" not in str(error.value)
    with pytest.raises(RunFolderError, match=r"training.epochs was 3, now 4\s+mend: [\s\S]*fresh=True"):
        sweep(out, engine, epochs=4)
    assert [each.name for each in (out / "inputs").iterdir()] == [kept.name]
    other = sweep(out, engine, y=Y + 1, fresh=True)
    assert not kept.exists()
    assert len(list((out / "inputs").iterdir())) == 1
    assert not other.to_pandas().equals(rows)


def test_an_interrupted_sweep_goes_on_with_the_same_rows(tmp_path: Path, engine) -> None:
    axes = {"training.seed": range(4), **RATES}
    whole = nanmap.sweep(TREE, axes, x=X, y=Y, out=tmp_path / "whole", shard_cells=3, engine=engine)
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        nanmap.sweep(TREE, axes, x=X, y=Y, out=out, shard_cells=3, engine=engine, observer=Told(most=6))
    rest = Told()
    result = nanmap.sweep(TREE, axes, x=X, y=Y, out=out, shard_cells=3, engine=engine, observer=rest)
    assert 0 < rest.count < 12
    assert result.to_pandas().equals(whole.to_pandas())


def test_a_cell_is_trained_again_after_the_folder_moved(tmp_path: Path, engine, command) -> None:
    sweep(tmp_path / "run", engine)
    shutil.move(tmp_path / "run", tmp_path / "moved")
    done = command("run", "--cell", 1, "--of", "moved", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the stored row came out again, bit for bit" in done.stdout
    changed = command("run", "--cell", 1, "--of", "moved", "--set", "training.epochs=1", cwd=tmp_path)
    assert "after 3 updates" in changed.stdout
    (kept,) = (tmp_path / "moved" / "inputs").iterdir()
    kept.unlink()
    done = command("run", "--cell", 1, "--of", "moved", cwd=tmp_path)
    assert done.returncode == 2
    assert "the arrays that were trained on are not kept here" in done.stderr


def test_columns_and_categories_are_kept_too(tmp_path: Path, engine, command) -> None:
    nanmap.sweep({"training": {"epochs": 2}}, RATES, x=FRAME, y=PRICE, out=tmp_path / "run", engine=engine)
    done = command("run", "--cell", 0, "--of", "run", "--predict", "2,Oslo", cwd=tmp_path)
    assert "bit for bit" in done.stdout
    assert "prediction at 2,Oslo: " in done.stdout


def test_arrays_that_are_too_large_are_told_and_not_kept(
    tmp_path: Path, engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MOST_KEPT", X.nbytes + Y.nbytes)
    sweep(tmp_path / "fits", engine)
    assert (tmp_path / "fits" / "inputs").is_dir()
    monkeypatch.setattr(inputs, "MOST_KEPT", X.nbytes + Y.nbytes - 1)
    told = Told()
    first = sweep(tmp_path / "run", engine, observer=told)
    assert any("more than the 0 that are kept" in sentence for sentence in told.said)
    assert not (tmp_path / "run" / "inputs").exists()
    assert sweep(tmp_path / "run", engine).to_pandas().equals(first.to_pandas())
    with pytest.raises(RunFolderError, match="x or y are other arrays"):
        sweep(tmp_path / "run", engine, y=Y + 1)


def test_edges_are_searched_on_arrays_and_stand_beside_a_sweep_on_others(tmp_path: Path, engine) -> None:
    axes = {"optimizer.learning_rate": nanmap.log(1e-3, 10, 9)}
    tree = {"training": {"epochs": 20, "batch_size": 12, "dtype": "float64"}}
    edges = nanmap.edge(tree, axes, x=X, y=Y, tolerance=1e-3, engine=engine)
    (edge,) = edges.edge().itertuples()
    alone = nanmap.edge(x=X, y=Y, epochs=20, batch_size=12, dtype="float64", tolerance=1e-3, engine=engine)
    assert alone.edge().edge_learning_rate[0] == pytest.approx(edge.edge_learning_rate, rel=2e-3)
    design = np.column_stack([X, np.ones(12)])
    assert edge.edge_learning_rate == pytest.approx(2 / np.linalg.eigvalsh(2 / 12 * design.T @ design).max(), rel=2e-3)
    place = edges.path
    del edges
    gc.collect()
    assert not place.exists()
    out = tmp_path / "run"
    nanmap.edge(tree, axes, x=X, y=Y, tolerance=1e-3, engine=engine, out=out)
    sweep(out, engine, y=Y + 1)
    assert len(list((out / "inputs").iterdir())) == 2
    assert json.loads((out / "edges.json").read_text())["sweep"]["config"]["data"]["kind"] == "arrays"


def test_axes_may_go_over_what_is_done_to_the_arrays(engine) -> None:
    axes = {"data.scale_inputs": ["none", "standard"], "data.validation_split": [0.0, 0.25]}
    rows = nanmap.sweep(TREE, axes, x=X * 50, y=Y, engine=engine).to_pandas()
    assert rows.val_loss_final.isna().tolist()[::2] == [True, True]
    assert (
        rows.groupby("scale_inputs").loss_final.max()["none"]
        > rows.groupby("scale_inputs").loss_final.max()["standard"]
    )


def test_runs_on_other_arrays_differ_in_them(tmp_path: Path, engine) -> None:
    one, other = sweep(tmp_path / "one", engine), sweep(tmp_path / "other", engine, y=Y + 1)
    assert list(nanmap.compare(one, other).differs) == ["data.sha256"]
    assert nanmap.concat([one, other]).to_pandas().sha256.nunique() == 2


def test_a_map_says_that_it_shows_arrays(engine) -> None:
    axes = {"training.batch_size": [4, 12], **RATES}
    figure = nanmap.sweep(TREE, axes, x=X, y=Y, engine=engine).map(x="learning_rate", y="batch_size")
    assert any("arrays (12 rows)" in text.get_text() for text in figure.texts)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: nanmap.run(TREE, x=X), "y: is missing beside x"),
        (lambda: nanmap.sweep(TREE, RATES, y=Y), "x: is missing beside y"),
        (lambda: nanmap.edge(TREE, RATES, x=X, y=Y[1:]), "`x` has 12 rows and `y` 11"),
        (lambda: nanmap.run(), r"config: expects a config[\s\S]*by name: x=…, y=…"),
        (lambda: nanmap.sweep(X, Y), r"config: expects a config[\s\S]*by name: x=…, y=…"),
        (lambda: nanmap.run(X), r"config: expects a config[\s\S]*by name: x=…, y=…"),
        (lambda: nanmap.run(x=X, y=Y), r"training.epochs: give the budget"),
        (
            lambda: nanmap.run(Plan(make_sweep(TREE | {"data": {"kind": "line", "n": 3}}, [])), x=X, y=Y),
            "x: a plan has its rows",
        ),
        (lambda: nanmap.run(TREE | {"data": 3}, x=X, y=Y), "data: expects a table"),
        (lambda: nanmap.sweep(x=X, y=Y), "a config alone is no sweep"),
    ],
)
def test_a_mistake_with_arrays_is_told(call, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()
