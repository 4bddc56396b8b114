"""The command as a user meets it: exit codes, messages, JSON, nothing written on a mistake."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rich
import typer
from rich.console import Console
from typer.testing import CliRunner

from nanmap import api
from nanmap.cli.app import load_commands
from nanmap.cli.map import _selected
from nanmap.cli.progress import Progress

ROOT = Path(__file__).parents[1]
LINE = """
[data]
kind = "line"
start = 1
n = 20
slope = 0.5
[model]
init = "ones"
init_scale = -1.27277
[training]
epochs = 150
"""
SWEEP = """
config = "line.toml"
[[axes]]
key = "optimizer.learning_rate"
log = [1e-4, 1e-1]
num = 4
[[axes]]
key = "training.batch_size"
values = [4, 32]
[[maps]]
file = "outcome.png"
x = "learning_rate"
y = "batch_size"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "a folder with 'quotes'"
    place.mkdir()
    (place / "line.toml").write_text(LINE)
    (place / "grid.toml").write_text(SWEEP)
    return place


def in_its_own_process(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


COMMANDS = typer.main.get_command(load_commands()).commands


def test_a_command_is_the_file_of_its_name() -> None:
    assert {"run", "sweep", "map", "edge", "info", "examples"} <= set(COMMANDS)
    for name, command in COMMANDS.items():
        assert command.callback.__module__ == f"nanmap.cli.{name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_in_its_help_and_a_place_in_the_reference(name: str) -> None:
    shown = CliRunner(env={"COLUMNS": "500", "TERM": "dumb"}).invoke(load_commands(), [name, "--help"])
    assert shown.exit_code == 0
    assert re.search(f"Examples?:  nanmap {name}", shown.output)
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    section = reference.partition(f"### `nanmap {name}`\n")[2].partition("\n### ")[0]
    assert f"Usage: nanmap {name} " in section
    for parameter in COMMANDS[name].params:
        assert max(parameter.opts, key=len) in section


def test_the_command_is_a_process(folder: Path) -> None:
    done = in_its_own_process("-m", "nanmap", "map", "line.toml", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "line.toml: is no run folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_diverging_training_is_a_result_not_an_error(folder: Path, command) -> None:
    done = command("run", "line.toml", "--json", "--predict", "25", cwd=folder)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (told["outcome"], told["cause"]) == ("nan", "overflow")
    assert told["loss_final"] == "nan"
    assert (told["first_inf_step"], told["first_nan_step"]) == (63, 132)
    assert (told["first_tensor"]["name"], told["first_tensor"]["step"], told["first_tensor"]["value"]) == (
        "loss",
        63,
        "inf",
    )
    assert told["epochs"][63]["mean_loss"] == "inf"
    assert told["epochs"][0]["mean_loss"] == pytest.approx(450.9794, rel=1e-5)
    assert told["epochs"][132]["mean_loss"] == "inf"  # the loss before the update that makes the parameters NaN
    assert told["predictions"] == ["nan"]
    assert set(told["params"]) == {"layers.0.kernel", "layers.0.bias"}
    assert "full batch, as in Keras" in done.stderr


def test_a_training_in_words_ends_with_outcome_and_why(folder: Path, command) -> None:
    done = command("run", "line.toml", "--set", "optimizer.learning_rate=0.0001", "--predict", "25", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "epoch 1/150" in done.stdout
    assert "outcome: converged" in done.stdout
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    line = float(told["layers.0.kernel"]) * 25 + float(told["layers.0.bias"])
    assert float(told["prediction at 25"]) == pytest.approx(line, rel=1e-4)


def test_the_epochs_of_the_first_infinity_and_the_first_nan_are_always_shown(folder: Path, command) -> None:
    done = command("run", "line.toml", "--set", "training.epochs=1000", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "first inf: step 63 (counted from 0), in epoch 64\n" in done.stdout
    assert "first nan: step 132 (counted from 0), in epoch 133\n" in done.stdout
    told = [line for line in done.stdout.splitlines() if line.startswith("epoch ")]
    assert any(line.startswith("epoch 64/1000  mean loss inf") for line in told)
    assert not any(line.startswith("epoch 63/1000") for line in told)  # 1000 epochs are thinned


def test_a_sweep_writes_rows_and_maps_and_continues(folder: Path, command) -> None:
    done = command("sweep", "grid.toml", "--out", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "8 trainings in" in done.stdout
    assert len(pd.read_parquet(folder / "out" / "cells")) == 8
    assert (folder / "out" / "maps" / "outcome.png").stat().st_size > 1000
    again = command("sweep", "grid.toml", "--out", "out", cwd=folder)
    assert again.returncode == 0
    assert "all 8 cells were done already" in again.stdout
    other = command("sweep", "grid.toml", "--out", "out", "--set", "training.epochs=3", cwd=folder)
    assert other.returncode == 2
    assert "training.epochs was 150, now 3" in other.stderr
    assert "--fresh" in other.stderr


def test_dry_run_tells_and_writes_nothing(folder: Path, command) -> None:
    done = command("sweep", "grid.toml", "--dry-run", "--set", "axes.learning_rate.num=1000", cwd=folder)
    assert done.returncode == 0, done.stderr
    for word in ("2,000 trainings", "2 programs", "memory", "disk", "about"):
        assert word in done.stdout
    assert not (folder / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "lin.toml"], ["lin.toml", "no such file", "line.toml"]),
        (["run", "threads/keras_line/posted"], ["nanmap examples threads/keras_line/posted --out DIR"]),
        (["sweep", "sweeps/square_sgd.toml"], ["no such file", "nanmap examples square_sgd --out DIR"]),
        (["edge", "square_sgd"], ["no such file", "nanmap examples square_sgd --out DIR"]),
        (["run", "grid.toml"], ["sweep, not a config"]),
        (["sweep", "line.toml"], ["config, not a sweep"]),
        (
            ["run", "line.toml", "--set", "training.batchsize=3"],
            ["training.batchsize", "no such setting", "training.batch_size"],
        ),
        (["run", "line.toml", "--set", "training.batch_size=0"], ["line.toml", "training.batch_size", "got 0"]),
        (
            ["run", "line.toml", "--set", "model.init=glorot_unifrom"],
            ["line.toml", "model.init", "glorot_uniform", "allowed"],
        ),
        (["run", "line.toml", "--set", "training.epochs=many"], ["training.epochs", "whole number", "'many'"]),
        (["run", "line.toml", "--set", "novalue"], ["key=value"]),
        (["run", "line.toml", "--predict", "1,2"], ["--predict", "1 number"]),
        (["run", "line.toml", "--device", "tpu"], ["--device", "tpu", "cpu"]),
        (["sweep", "grid.toml", "--set", "axes.learnin_rate.num=3"], ["axes.learnin_rate", "learning_rate"]),
        (["sweep", "grid.toml", "--set", "axes.batch_size.values=[]"], ["axes.batch_size", "no values"]),
        (["sweep", "grid.toml", "--set", "axes.batch_size.values=[0]"], ["training.batch_size", "got 0"]),
        (["map", "nowhere", "--x", "a", "--y", "b"], ["nowhere", "no such folder"]),
        (["map", "line.toml"], ["line.toml", "is no run folder"]),
        (["run", "line.toml", "--lr", "3"], ["--lr", "--set optimizer.learning_rate=0.1"]),
        (["run", "line.toml", "--predict", '"1'], ["--predict", "quotation mark"]),
        (["sweep", "grid.toml", "--out", "line.toml"], ["--out", "line.toml"]),
        (["examples", "square_sgd", "--out", "line.toml/mine"], ["line.toml/mine", "Not a directory"]),
        (["examples", "keras_lin"], ["keras_lin", "keras_line"]),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(
    arguments: list[str], expected: list[str], folder: Path, command
) -> None:
    before = sorted(folder.rglob("*"))
    done = command(*arguments, cwd=folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for part in expected:
        assert part in done.stderr
    assert sorted(folder.rglob("*")) == before


# What is typed, and how the first line of the message goes on after `nanmap: `. Items of a list are counted from 1.
TYPED = [
    ("run line.toml --set data.n=nan", "line.toml: --set data.n: expects a whole number (got nan)"),
    ("run line.toml --set model.hidden=[8,0]", "line.toml: --set model.hidden, item 2: must be greater than or equal to 1"),
    ("run line.toml --set data.seed=1e30", "line.toml: --set data.seed: must be less than 9,223,372,036,854,775,808"),
    ("run line.toml --set training=3", "line.toml: --set training: is a table of settings"),
    ("run line.toml --set novalue", "--set: not of the form key=value (got 'novalue')"),
    ("run line.toml --set data.kind=csv", "line.toml: data.path: `csv` data needs a file"),  # what was not typed
    ("run grid.toml/x", "grid.toml/x: cannot be read: Not a directory"),
    ("run --cell 0 --of line.toml", "line.toml: is no run folder, but a file"),
    ("sweep grid.toml --set training.epochs=x", "grid.toml: --set training.epochs: expects a whole number"),
    ("sweep grid.toml --set axes.batch_size.values=3", "grid.toml: --set axes.batch_size.values: expects a list"),
    ("sweep grid.toml --set axes.batch_size.values=[0]", "grid.toml: --set axes.batch_size: training.batch_size: must be"),
    ("sweep grid.toml --set axes.learning_rate.log=[1]", "grid.toml: --set axes.learning_rate.log: expects its two ends"),
    ("sweep grid.toml --set axes.learning_rate.log=[1,nan]", "grid.toml: --set axes.learning_rate.log, item 2: expects a"),
    ("sweep grid.toml --set axes.batch_size.key=optimizer.learning_rate", "grid.toml: axes: optimizer.learning_rate: is set by"),
    ("sweep grid.toml --set zip=['a']", "grid.toml: --set zip, item 1: expects a list"),
    ("sweep grid.toml --set zip=[['batch_size','batch_size']]", "grid.toml: --set zip: is named twice"),
    ("sweep grid.toml --set where=batch_size<", "grid.toml: --set where: breaks off"),
    ("sweep grid.toml --set config=grid.toml", "grid.toml: --set config: names a sweep, not a config"),
    ("sweep grid.toml --set training.batch_size=3", "grid.toml: --set training.batch_size: the axis `batch_size` goes"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "said"), TYPED)
def test_a_message_names_what_was_typed(typed: str, said: str, folder: Path, command) -> None:
    done = command(*typed.split(), cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith(f"nanmap: {said}"), done.stderr


@pytest.mark.parametrize(
    ("typed", "mend"),
    [
        ("run line.toml --lr 3", "--set optimizer.learning_rate=0.1"),
        ("map . --lr 3", "--set outcome.ratio=0.1"),
        ("line.toml", "nanmap run line.toml, or nanmap sweep line.toml"),
        ("--version", None),
    ],
)
def test_a_mistaken_word_has_the_mend_of_its_command(typed: str, mend: str | None, tmp_path: Path, command) -> None:
    told = command(*typed.split(), cwd=tmp_path).stderr
    assert f"mend: {mend}" in told.replace("settings are changed by --set, as in ", "") if mend else "mend" not in told


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("sweep grid.toml --width x", "'--width': expects a whole number"),
        ("edge grid.toml --tolerance x", "'--tolerance': expects a number"),
        ("sweep grid.toml --width 0", "'--width': must be greater than"),
        ("sweep grid.toml --out line.toml", "'line.toml' is a file; a folder is expected"),
    ],
)
def test_a_wrong_option_is_told_in_plain_words(typed: str, said: str, folder: Path, command) -> None:
    told = command(*typed.split(), cwd=folder).stderr
    assert said in told
    assert "Input should" not in told


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = {"data": {"kind": "line", "n": 5}, "training": {"epochs": 3}}
    axes = {"optimizer.learning_rate": [0.01, 0.1], "training.batch_size": [1, 2, 5], "optimizer.kind": ["sgd"]}
    return api.sweep(tree, axes, out=tmp_path_factory.mktemp("run")).path


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--x learning_rate", ["--y: ", "learning_rate, batch_size, optimizer"]),
        ("--y batch_size", ["--x: ", "learning_rate, batch_size, optimizer"]),
        ("--value a", ["nanmap: --value: cannot be drawn"]),
        ("--value R2", ["mend: did you mean `r2`?"]),
        ("--limits 0", ["--limits: not of the form LOW:HIGH (got '0')", "0:1"]),
        ("--width 3.4", ["--width: has no unit"]),
        ("--kind line", ["--kind: no such kind", "did you mean `lines`?"]),
        ("--facet optimizer,batch_size", ["--facet: one axis an option", "mend: --facet optimizer --facet batch_size"]),
        ("--zoom optimizer=sgd:adam", ["--zoom optimizer: not of the form", "--select optimizer=[…]"]),
        ("--x learning_rate --y batch_size --select batch_size", ["--select", "AXIS=VALUE", "'batch_size'"]),
        ("--x learning_rate --y batch_size --select =1", ["--select", "AXIS=VALUE", "'=1'"]),
        ("--x learning_rate --y batchsize", ["batchsize", "did you mean `batch_size`"]),
        ("--x a --y batch_size", ["nanmap: --x: no such axis (got 'a')"]),
        ("--x learning_rate --y batch_size --facet a", ["nanmap: --facet: no such axis"]),
        ("--x learning_rate --y batch_size --value a", ["nanmap: --value: cannot be drawn"]),
        ("--x learning_rate --y batch_size --select batch_size=9", ["nanmap: --select batch_size: is not on the axis"]),
        ("--x learning_rate --y batch_size --out a.gif", ["nanmap: --out: cannot write"]),
        ("--x learning_rate --y batch_size --theme a", ["nanmap: --theme: no such theme"]),
        (
            "--x learning_rate --y batch_size --set outcome.floor=nan",
            ["nanmap: --set outcome.floor: expects a number, "],
        ),
        (
            "--x learning_rate --y batch_size --set ratio=1",
            ["nanmap: --set ratio: no such threshold", "did you mean `outcome.ratio`?"],
        ),
    ],
)
def test_a_map_that_cannot_be_drawn_is_told(options: str, expected: list[str], run_folder: Path, command) -> None:
    done = command("map", run_folder, *options.split(), cwd=run_folder)
    assert done.returncode == 2
    assert all(part in done.stderr for part in expected), done.stderr
    assert not (run_folder / "maps").exists()


@pytest.mark.parametrize(
    ("options", "file"),
    [
        ("--value skill", "skill_learning_rate_batch_size.png"),
        ("--set outcome.ratio=0.1", "outcome_learning_rate_batch_size_ratio=0.1.png"),
        ("--kind lines", "lines_loss_final_learning_rate.png"),
    ],
)
def test_what_is_asked_of_a_map_without_axes_is_drawn_over_the_obvious_pair(
    options: str, file: str, tmp_path: Path, run_folder: Path, command
) -> None:
    folder = shutil.copytree(run_folder, tmp_path / "run")
    assert command("map", folder, *options.split(), cwd=tmp_path).stdout == f"{folder / 'maps' / file}\n"


@pytest.mark.parametrize("manifest", [b"{}", b"[3]", b'{"sweep": 3}', b"\xff\xfe", b"{", None])
def test_a_folder_that_is_no_run_is_told(manifest: bytes | None, tmp_path: Path, command) -> None:
    file = tmp_path / "manifest.json"
    file.write_bytes(manifest) if manifest is not None else file.mkdir()
    done = command("map", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert (f"{tmp_path}: is no run folder" if manifest is not None else f"{file}: is a folder") in done.stderr


def test_every_value_that_is_selected_is_kept() -> None:
    assert _selected(["batch_size=1", "batch_size=5", "init=zeros"]) == [{"batch_size": [1, 5], "init": ["zeros"]}]
    assert _selected(["my fix=a", "n in [1, 2] and seed == 1"]) == [{"my fix": ["a"]}, "n in [1, 2] and seed == 1"]
    assert _selected(["n >= 4", "seed=1", "init == 'a=b'"]) == [{"seed": [1]}, "n >= 4", "init == 'a=b'"]


def test_examples_are_copied_whole_and_run(tmp_path: Path, command) -> None:
    listed = command("examples", cwd=tmp_path)
    assert all(
        name in listed.stdout for name in ("square_sgd", "keras_line", "tabular_mlp", "relu_double", "fractal_tanh")
    )
    copied = command("examples", "tabular_mlp", "--out", "mine", cwd=tmp_path)
    assert copied.returncode == 0, copied.stderr
    planned = command("sweep", "mine/sweeps/tabular_mlp.toml", "--dry-run", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    again = command("examples", "tabular_mlp", "--out", "mine", cwd=tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_examples_of_the_threads_are_copied_with_their_data(tmp_path: Path, command) -> None:
    from nanmap.plan import load_sweep

    listed = command("examples", cwd=tmp_path).stdout
    assert (
        listed.index("\nconfigs:") < listed.index("threads/keras_line_advice") < listed.index("threads/keras_line/adam")
    )
    copied = command("examples", "threads/keras_line_advice", "--out", "mine", cwd=tmp_path)
    assert copied.returncode == 0, copied.stderr
    names = {path.relative_to(tmp_path / "mine").as_posix() for path in (tmp_path / "mine").rglob("*.*")}
    config = "configs/threads/keras_line/"
    assert names == {"sweeps/threads/keras_line_advice.toml", f"{config}kernels.toml", f"{config}line_and_25.csv"}
    assert load_sweep(tmp_path / "mine/sweeps/threads/keras_line_advice.toml").grid.size == 9000


def test_the_sweeps_are_many_cells_and_few_programs() -> None:
    from nanmap.plan import Plan, load_sweep

    plans = {file.stem: Plan(load_sweep(file)) for file in (ROOT / "sweeps").glob("*.toml")}
    assert sorted(plans) == ["fractal_tanh", "keras_line", "refine_line", "relu_double", "square_sgd", "tabular_mlp"]
    cells = sum(len(plan.grid.kept(0, plan.grid.size)) for plan in plans.values())
    programs = {variant.program for plan in plans.values() for variant in plan.variants()}
    assert cells >= 100_000
    assert len(programs) <= 60


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that progress sees, `[seconds]`, to be set."""
    now = [100.0]
    monkeypatch.setattr("nanmap.runs.progress.time.monotonic", lambda: now[0])
    return now


def test_progress_of_a_sweep_in_plain_lines(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("grid", "cells", bar=False) as progress:
        progress.started(100, 20)
        clock[0] += 1
        progress.advanced(20, np.array(["nan"] * 15 + ["converged"] * 5))
        assert capsys.readouterr().out == "grid: 20 of 100 cells are done already\n"  # no line before its time
        clock[0] += 9
        progress.advanced(20, np.array(["nan"] * 20))
        line = "grid: 60 of 100 cells · 4 trainings/s · 10 s left · 35 nan, 5 converged\n"
        assert capsys.readouterr().out == line
    assert progress.summary() == "grid: 40 trainings in 10.0 s (4 per second): 35 nan, 5 converged"


def test_progress_of_a_search_counts_trainings_apart_from_rows(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("grid", "edges", bar=False) as progress:
        progress.started(8, 0)
        progress.expected(50.0)
        clock[0] += 10
        progress.trained(200)
        line = "grid: 0 of 8 edges · 200 trainings · 20 trainings/s · up to 10 s left\n"
        assert capsys.readouterr().out == line
        progress.advanced(8, None)
    assert progress.summary() == "grid: 8 edges by 200 trainings in 10.0 s (20 per second)"


def test_progress_with_nothing_left_says_so() -> None:
    with Progress("grid", "edges", bar=False) as progress:
        progress.started(8, 8)
    assert progress.summary() == "grid: all 8 edges were done already"


def test_progress_on_a_terminal_shows_the_same_in_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("[grid]", "cells", bar=True) as progress:
        progress.started(2_000, 0)
        progress.noticed("narrowed [to] 8")
        progress.advanced(2_000, np.array(["inf"] * 2_000))
    told = capsys.readouterr().out
    for part in ("[grid]", "2,000 of 2,000 cells", "note: narrowed [to] 8"):  # brackets are text, not markup
        assert part in told


@pytest.mark.parametrize("columns", [60, 80])
def test_a_bar_fits_its_terminal_and_breaks_between_words(
    columns: int, clock: list[float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rich, "_console", Console(width=100))  # as somebody may have made it
    monkeypatch.setenv("COLUMNS", str(columns))
    with Progress("tabular_mlp_rates", "cells", bar=True) as progress:
        progress.started(1_000_000, 0)
        clock[0] += 600
        outcomes = ["nan", "inf", "converged", "dead", "diverged", "progressing", "stalled"]
        progress.advanced(70_000, np.repeat(outcomes, 10_000))
        progress.bar.refresh()  # as it does by itself, at any time
        state = progress.state()
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", capsys.readouterr().out).splitlines()
    assert all(len(line) <= columns for line in lines)
    words = " ".join(lines).split()
    assert "133 min left" in state
    assert " ".join(words[-len(state.split()) :]) == " ".join(state.split())  # whole, and last
    assert "70,000 of 1,000,000 cells" in " ".join(words)


def test_a_budget_in_updates_is_told_in_epochs(folder: Path, command) -> None:
    """Twenty rows, eight a batch: three updates an epoch, and two epochs and a third of the next."""
    (folder / "line.toml").write_text(LINE.replace("epochs = 150", "steps = 7\nbatch_size = 8"))
    told = command("run", "line.toml", cwd=folder).stdout
    assert [line.split()[1] for line in told.splitlines() if line.startswith("epoch")] == ["1/3", "2/3", "3/3"]


def test_each_command_is_told_in_a_line_of_80_columns() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "nanmap", "--help"], env={**os.environ, "COLUMNS": "80"}, capture_output=True, text=True
    ).stdout
    listed = told.partition("Commands:")[2]
    assert "compare" in listed
    assert "..." not in listed
