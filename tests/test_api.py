"""The library's front door: `load`, `run` and `sweep` from files, tables and objects, and what is said before a run."""

from pathlib import Path

import pytest

import nanmap
from nanmap.config import Config, build_config
from nanmap.errors import InputError
from nanmap.plan import Plan, Sweep, make_sweep, notices

TREE = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 3}}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "c.toml").write_text('[data]\nkind = "line"\nn = 5\n[training]\nepochs = 3\n')
    axes = '[[axes]]\nkey = "optimizer.learning_rate"\nvalues = [0.01, 0.1]\n'
    (tmp_path / "s.toml").write_text('config = "c.toml"\n' + axes)
    return tmp_path


def test_load_tells_configs_from_sweeps(files: Path) -> None:
    assert isinstance(nanmap.load(files / "c.toml"), Config)
    assert isinstance(nanmap.load(str(files / "s.toml")), Sweep)
    assert nanmap.load(files / "c.toml", ["data.n=7"]).data.n == 7


def test_run_takes_a_file_a_table_or_a_config(files: Path, engine) -> None:
    reports = [nanmap.run(given, engine=engine) for given in (files / "c.toml", TREE, build_config(TREE))]
    assert len({report.row["loss_final"] for report in reports}) == 1
    assert [len(report.epochs) for report in reports] == [3, 3, 3]


def test_sweep_writes_where_it_is_told_or_below_results(files: Path, engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    told = nanmap.sweep(files / "s.toml", files / "here", engine=engine)
    default = nanmap.sweep(nanmap.load(files / "s.toml"), engine=engine)
    assert (files / "results" / "s" / "manifest.json").exists()
    assert default.to_pandas().equals(told.to_pandas())
    assert told.to_pandas(columns=["learning_rate"])["learning_rate"].tolist() == [0.01, 0.1]
    assert "here" in repr(told)


def test_a_wrong_number_of_inputs_to_predict_is_refused(engine) -> None:
    with pytest.raises(InputError, match=r"--predict[\s\S]*1 number, "):
        nanmap.run(TREE, predict=[[1.0, 2.0]], engine=engine)


def test_epochs_are_told_as_they_end(engine) -> None:
    heard: list[tuple[int, float]] = []
    report = nanmap.run(TREE, engine=engine, on_epoch=lambda number, losses: heard.append((number, losses.mean_loss)))
    assert heard == [(number, losses.mean_loss) for number, losses in enumerate(report.epochs, 1)]
    assert heard[0][1] == pytest.approx(report.row["loss_initial"], rel=1e-6)  # a full batch: the same rows


def said(tree: dict, axes: list | None = None) -> str:
    return "\n".join(notices(Plan(make_sweep(tree, axes or []))))


def test_what_may_surprise_is_told_before_a_run() -> None:
    quiet = TREE | {"training": {"epochs": 3, "batch_size": 5}}
    assert said(quiet) == ""
    assert "ascent" in said(quiet, [{"key": "optimizer.learning_rate", "values": [0.1, -0.1]}])
    assert "ascent" in said(quiet | {"optimizer": {"learning_rate": -1.0}})
    assert "batch size 6 is larger than the 5 training rows" in said(
        TREE | {"training": {"epochs": 3, "batch_size": 6}}
    )
