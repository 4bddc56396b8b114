"""The library's front door: `load`, `run` and `sweep` from files, tables and objects, and what is said before a run."""

import ast
import doctest
import inspect
import subprocess
import sys
import typing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import nanmap
from nanmap.api import sweeping
from nanmap.config import Config, build_config
from nanmap.errors import InputError
from nanmap.grid.keywords import Keywords
from nanmap.grid.shorthand import axis_tables
from nanmap.plan import Plan, Sweep, make_sweep, notices
from nanmap.runs.observer import Observer
from plain_engine import PlainEngine

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
    (files / "one.toml").write_text('config = "c.toml"\n')
    assert nanmap.load(files / "one.toml").grid.size == 1  # without axes it is a sweep all the same


def test_run_takes_a_file_a_table_or_a_config(files: Path, engine) -> None:
    reports = [nanmap.run(given, engine=engine) for given in (files / "c.toml", TREE, build_config(TREE))]
    assert len({report.row["loss_final"] for report in reports}) == 1
    assert [len(report.epochs) for report in reports] == [3, 3, 3]


def test_sweep_writes_where_it_is_told_or_below_results(files: Path, engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    told = nanmap.sweep(files / "s.toml", out=files / "here", engine=engine)
    default = nanmap.sweep(nanmap.load(files / "s.toml"), engine=engine)
    assert (files / "results" / "s" / "manifest.json").exists()
    assert default.to_pandas().equals(told.to_pandas())
    assert told.to_pandas(columns=["learning_rate"]).to_dict("list") == {"learning_rate": [0.01, 0.1]}
    assert "here" in repr(told)


RATES = {"optimizer.learning_rate": [0.01, 0.1]}


def test_a_config_and_axes_are_the_sweep_that_a_file_would_be(files: Path, engine) -> None:
    filed = nanmap.sweep(files / "s.toml", out=files / "filed", engine=engine).to_pandas()
    tables = [{"key": "optimizer.learning_rate", "values": [0.01, 0.1]}]
    for number, given in enumerate((files / "c.toml", TREE, build_config(TREE))):
        for axes in (RATES, tables):
            result = nanmap.sweep(given, axes, out=files / f"made {number}", engine=engine)
            assert result.to_pandas().equals(filed)
    assert result.manifest["shards"]


def test_a_config_with_axes_has_a_name_and_a_condition(files: Path, engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    for given in (files / "c.toml", "c.toml"):
        assert nanmap.sweep(given, RATES, engine=engine).path == Path("results/c")
    assert nanmap.sweep(TREE, RATES, engine=engine).path == Path("results/sweep")
    kept = nanmap.sweep(TREE, RATES, name="one", where="learning_rate > 0.05", engine=engine)
    assert (kept.path, kept.to_pandas().learning_rate.tolist()) == (Path("results/one"), [0.1])


def test_a_sweep_keeps_its_tables_when_the_callers_change(files: Path, engine) -> None:
    tree = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 3}}
    result = nanmap.sweep(tree, RATES, out=files / "out", engine=engine)
    tree["data"]["n"] = 9
    assert result.manifest["sweep"]["config"]["data"]["n"] == 5


def test_edge_takes_the_same_as_sweep_and_writes_beside_it(files: Path, engine) -> None:
    axes = {"data.n": [4, 6], "optimizer.learning_rate": nanmap.log(1e-3, 1, 4)}
    edges = nanmap.edge(TREE, axes, out=files / "out", tolerance=1e-3, engine=engine).edge()
    assert edges.n.tolist() == [4, 6]
    assert (edges.edge_learning_rate / edges.predicted_gd).tolist() == pytest.approx([1, 1], rel=2e-3)


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> dict[str, typing.Any]:
    """What `sweep` and `edge` pass on, which trains nothing."""
    found: dict[str, typing.Any] = {}

    def record(plan: Plan, out: Path, **options: typing.Any) -> SimpleNamespace:
        found.clear()
        found.update(options, plan=plan, out=out)
        return SimpleNamespace(path=out)

    monkeypatch.setattr(sweeping, "train_sweep", record)
    monkeypatch.setattr(sweeping, "find_edges", record)
    return found


def test_what_a_sweep_is_asked_for_is_passed_on(passed: dict) -> None:
    plain = {"engine": None, "fresh": False, "shard_cells": None, "tune": False, "observer": None}
    assert nanmap.sweep(TREE, RATES).path == Path("results/sweep")
    assert {key: passed[key] for key in plain} == plain
    asked = {"engine": PlainEngine(), "fresh": True, "shard_cells": 7, "tune": True, "observer": Observer()}
    nanmap.sweep(TREE, RATES, out="here", **asked)
    assert {key: passed[key] for key in asked} == asked
    assert passed["out"] == Path("here")


def test_what_a_search_is_asked_for_is_passed_on(passed: dict) -> None:
    plain = {"engine": None, "fresh": False, "along": None, "tolerance": 1e-4, "observer": None}
    nanmap.edge(TREE, RATES)
    assert {key: passed[key] for key in plain} == plain
    asked = {
        "engine": PlainEngine(),
        "fresh": True,
        "along": "a",
        "tolerance": 0.01,
        "observer": Observer(),
        "block": 3,
    }
    nanmap.edge(TREE, RATES, out="here", **asked)
    assert {key: passed[key] for key in asked} == asked


def test_a_sweep_of_a_config_says_of_it_only_what_was_set(passed: dict) -> None:
    for given in (TREE, build_config(TREE)):
        nanmap.sweep(given, RATES)
        assert passed["plan"].sweep.tree == TREE
    nanmap.sweep(passed["plan"])
    assert passed["plan"].grid.size == 2
    tree = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 3}}
    nanmap.sweep(tree, RATES)
    tree["data"]["n"] = 9
    assert passed["plan"].sweep.tree == TREE


def test_what_a_map_is_asked_for_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple] = []
    plot = SimpleNamespace(draw=lambda *names, **options: heard.append((names, options)))
    monkeypatch.setitem(sys.modules, "nanmap.plot", plot)
    result = nanmap.Result(tmp_path)
    names = ("lines", "value", "out", "title", "select", "zoom", "width", "height", "font_size", "cmap", "limits")
    plain = dict.fromkeys(names) | {"facet": (), "theme": "light"}
    asked = {
        "facet": ["n"],
        "lines": "b",
        "value": "r2",
        "out": "a.svg",
        "title": "T",
        "theme": "dark",
        "select": {"n": [3]},
    }
    asked |= {"zoom": {"n": (1, 2)}, "width": "3in", "height": 2, "font_size": 8, "cmap": "cividis", "limits": (0, 1)}
    result.map("learning_rate", "seed")
    result.map(x="learning_rate", y="seed", kind="lines", **asked)
    axes = {"x": "learning_rate", "y": "seed"}
    assert heard == [((result.folder, "map"), axes | plain), ((result.folder, "lines"), axes | asked)]
    assert repr(result) == f"Result({str(tmp_path)!r})"


def test_overrides_reach_a_config_and_a_sweep(files: Path) -> None:
    (files / "one.toml").write_text('config = "c.toml"\n')
    assert nanmap.load(files / "s.toml", ["axes.learning_rate.values=[1, 2, 3]"]).grid.size == 3
    assert nanmap.load(files / "one.toml", ["data.n=7"]).tree["data"]["n"] == 7


@pytest.mark.parametrize(
    ("values", "table"),
    [
        (nanmap.log(1, 4, 3), {"log": [1, 4], "num": 3}),
        (nanmap.linear(1, 4, 3), {"linear": [1, 4], "num": 3}),
        (range(2, 9, 3), {"range": [2, 9, 3]}),
        (range(8, 2, -3), {"range": [8, 2, -3]}),
        (range(2, 5), {"range": [2, 5]}),
        (np.array([1.5, 2.5]), {"values": [1.5, 2.5]}),
        ((np.int64(3), 4), {"values": [3, 4]}),
    ],
)
def test_values_of_an_axis_as_python_has_them(values: object, table: dict) -> None:
    assert axis_tables({"training.seed": values}) == [{"key": "training.seed", **table}]
    sweep = make_sweep(TREE, axis_tables({"optimizer.learning_rate": values}))
    assert [type(value) for value in sweep.axes[0].get("values", [])] == [type(v) for v in table.get("values", [])]


def test_rows_of_an_array_are_lists_and_tuples_are_labelled_as_lists_are() -> None:
    assert axis_tables({"model.hidden": np.array([[2, 3], [4, 5]])})[0]["values"] == [[2, 3], [4, 5]]
    for values in ([(2,), (3, 4), ()], [[2], [3, 4], []]):
        (axis,) = make_sweep(TREE, axis_tables({"model.hidden": values})).grid.axes
        assert axis.labels.tolist() == ["2", "3-4", "none"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: nanmap.sweep(TREE), r"alone is no sweep[\s\S]*nanmap\.run"),
        (lambda: nanmap.sweep(TREE, Path("results/x")), r"are no axes[\s\S]*out="),
        (
            lambda: nanmap.sweep(TREE, {"optimizer.learning_rate": "abc"}),
            "axes.optimizer.learning_rate: expects a list",
        ),
        (lambda: nanmap.sweep(TREE, {"budget": {"short": 3}}), "axes.budget: expects a bundle"),
        (lambda: nanmap.sweep(TREE, {"training.batchsize": [1]}), "training.batch_size"),
        (lambda: nanmap.sweep(make_sweep(TREE, []), RATES), "axes of its own"),
        (lambda: nanmap.sweep(make_sweep(TREE, []), name="other"), "name: is for a config with axes"),
        (lambda: nanmap.sweep(make_sweep(TREE, []), where="n > 1"), "where: is for a config with axes"),
        (lambda: nanmap.sweep(Plan(make_sweep(TREE, [])), RATES), "axes of its own"),
        (lambda: nanmap.sweep(TREE, {"training.seed": {1, 2}}), "axes.training.seed: expects a list"),
        (lambda: nanmap.sweep(TREE, "abc"), "axes: are no axes"),
        (lambda: nanmap.sweep(TREE, [3]), "axes: are no axes"),
        (lambda: nanmap.edge(TREE), "alone is no sweep"),
        (lambda: nanmap.run(make_sweep(TREE, [])), r"sweep, not a config[\s\S]*nanmap\.sweep"),
        (lambda: nanmap.run("nowhere.toml"), "no such file"),
    ],
)
def test_a_mistake_at_the_front_door_is_told(call, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nanmap.NanmapError, match=said):
        call()
    assert list(tmp_path.iterdir()) == []


PUBLIC = {name: getattr(nanmap, name) for name in nanmap.__all__}
OF_FRAMEWORKS = {
    "from_keras",
    "from_torch",
}  # which may not be installed; docs/keras.md and docs/torch.md have examples


@pytest.mark.parametrize("name", sorted(PUBLIC.keys() - OF_FRAMEWORKS))
def test_every_public_name_has_an_example_that_runs(name: str) -> None:
    """It is run where it stands: pytest collects the examples of every module in `src`."""
    home = sys.modules[PUBLIC[name].__module__]
    found = doctest.DocTestFinder().find(home)  # as pytest looks for them
    examples = [each.examples for each in found if each.name == f"{home.__name__}.{PUBLIC[name].__name__}"]
    assert examples
    assert examples[0]
    assert not any(example.options for example in examples[0])  # none is skipped


@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if inspect.isfunction(value)])
def test_every_parameter_of_a_public_function_is_named_and_typed(name: str) -> None:
    hints = typing.get_type_hints(PUBLIC[name])
    parameters = inspect.signature(PUBLIC[name]).parameters.values()
    assert "return" in hints
    assert all(each.kind != each.VAR_POSITIONAL for each in parameters)
    assert all(hints[each.name] == typing.Unpack[Keywords] for each in parameters if each.kind == each.VAR_KEYWORD)
    assert all(hints[each.name] is not typing.Any for each in parameters)


def test_what_a_type_checker_sees_is_what_there_is() -> None:
    tree = ast.parse(Path(nanmap.__file__).read_text(encoding="utf-8"))
    (checked,) = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and not node.orelse and "TYPE" in ast.dump(node) and isinstance(node.test, ast.Name)
    ]
    told = {alias.asname: node.module for node in checked.body for alias in node.names}
    assert told == nanmap._HOMES
    assert not hasattr(nanmap, "learning_rat")


SCRIPT = """
import nanmap

report = nanmap.run(nanmap.load("c.toml"), predict=[[1.0]])
reveal_type(report)
axes = {"optimizer.learning_rate": nanmap.log(1e-4, 1, 9), "training.batch_size": [1, 32]}
result = nanmap.sweep("c.toml", axes, out="results/c")
reveal_type(result)
reveal_type(nanmap.edge("s.toml", tolerance=1e-3))
try:
    nanmap.run({"data": {"kind": "line"}})
except nanmap.InputError as error:
    reveal_type(error.mend)
nanmap.sweep("s.toml", otu="results")
nanmap.swep("s.toml")
"""


@pytest.mark.long
def test_a_type_checker_sees_the_types_and_the_misspellings(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = [line.partition("script.py:")[2] for line in done.stdout.splitlines() if line.startswith("script.py:")]
    expected = [
        (5, '"nanmap.runs.single.TrainingReport"'),
        (8, '"nanmap.result.Result"'),
        (9, '"nanmap.result.Result"'),
        (13, '"str | None"'),
        (14, 'Unexpected keyword argument "otu"'),
        (15, 'Module has no attribute "swep"'),
    ]
    found = {int(line.partition(":")[0]): line for line in lines if "note: Revealed" in line or "error:" in line}
    assert sorted(found) == [number for number, _ in expected], done.stdout
    assert all(part in found[number] for number, part in expected), done.stdout


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: nanmap.run(None), r"config: expects a config, its file, or nested tables \(got 'NoneType'\)"),
        (lambda: nanmap.run(TREE, predict="1"), "predict: expects a list per input"),
        (lambda: nanmap.sweep(TREE, {"training.seed": [1]}, out="x", shard_cells=0), "shard_cells: must be a whole"),
        (lambda: nanmap.run(TREE, predict=[1.0]), "predict: expects a list per input"),
        (lambda: nanmap.run(TREE, predict=np.array([1, 2])), "predict: expects a list per input"),
        (lambda: nanmap.load("c.toml", "training.epochs=3"), "overrides: expects a list"),
        (lambda: nanmap.sweep(TREE, {"training.seed": [1]}, out="x", shard_cells=-1), "shard_cells: must be a whole"),
        (lambda: nanmap.sweep(TREE, {"training.seed": [1]}, out="x", shard_cells=1.5), "shard_cells: must be a whole"),
        (lambda: nanmap.edge(TREE, {"training.seed": [1]}, out="x", block=0), "block: must be a whole"),
    ],
)
def test_arguments_of_the_wrong_kind_are_told(call, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()


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
