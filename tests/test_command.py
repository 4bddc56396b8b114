"""The parts of the command, each by itself: what it passes on, what it prints line by line, how it ends."""

import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer

from handmade import BATCH, RATE, SEED, write_run
from nanmap import api
from nanmap.cli import examples, main
from nanmap.cli.app import as_option
from nanmap.cli.edge import describe
from nanmap.cli.json_text import json_text, plain
from nanmap.cli.lines import say
from nanmap.cli.listed_maps import draw_listed, obvious_map
from nanmap.cli.map import _selected, _thresholds
from nanmap.cli.picture_name import file_name
from nanmap.cli.progress import Progress
from nanmap.cli.run import _as_json, _as_toml, _epoch_line, _print_end, _show, _Source, _teller, _values
from nanmap.cli.sweep import _show_maps, _tell_what_works
from nanmap.cli.windows import parse_pair, parse_windows
from nanmap.config import build_config
from nanmap.errors import InputError, NanmapError
from nanmap.outcomes import Cause, Outcome
from nanmap.result import Result
from nanmap.results.folder import RunFolder
from nanmap.runs.again import Held
from nanmap.runs.first_tensor import FirstTensor
from nanmap.runs.progress import _left
from nanmap.runs.single import EpochLoss

NAN, INF = float("nan"), float("inf")
LINE = '[data]\nkind = "line"\nn = 20\n[training]\nepochs = 3\n'
SWEEP = (
    'config = "line.toml"\n[[axes]]\nkey = "optimizer.learning_rate"\nlog = [1e-4, 1e-1]\nnum = 4\n'
    '[[axes]]\nkey = "training.batch_size"\nvalues = [4, 32]\n'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "line.toml").write_text(LINE)
    (tmp_path / "grid.toml").write_text(SWEEP)
    return tmp_path


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a command passes to the library, which does nothing with it."""
    found: dict[str, Any] = {}

    def record(plan: Any, **options: Any) -> None:
        found.update(options, plan=plan)
        raise InputError("enough")

    for name in ("sweep", "edge", "run"):
        monkeypatch.setattr(api, name, record)
    return found


def picked(found: dict[str, Any], *names: str) -> list[Any]:
    return [found[name] for name in names]


def test_a_search_is_passed_on_as_it_is_asked_for(folder: Path, passed: dict, command) -> None:
    names = ("out", "along", "tolerance", "fresh")
    command("edge", "grid.toml", cwd=folder)
    assert picked(passed, *names) == [None, None, 1e-4, False]
    command(
        *("edge", "grid.toml", "--out", "o", "--along", "learning_rate", "--tolerance", "0.003", "--fresh"), cwd=folder
    )
    assert picked(passed, *names) == [Path("o"), "learning_rate", 0.003, True]
    assert passed["observer"].unit == "edges"


def test_a_sweep_is_passed_on_as_it_is_asked_for(folder: Path, passed: dict, command) -> None:
    done = command("sweep", "grid.toml", cwd=folder)
    assert picked(passed, "out", "fresh", "tune") == [None, False, False]
    assert "note: batch size 32 is larger than the 20 training rows" in done.stdout
    assert passed["observer"].unit == "cells"
    changed = ("--set", "data.n=9", "--set", "axes.learning_rate.num=3")
    command("sweep", "grid.toml", "--out", "o", "--fresh", "--tune", *changed, cwd=folder)
    assert picked(passed, "out", "fresh", "tune") == [Path("o"), True, True]
    assert (passed["plan"].grid.size, passed["plan"].variant(0).rows.n) == (6, 9)
    command("sweep", "grid.toml", "--width", "16", cwd=folder)
    assert [passed["engine"].widths[each.program] for each in passed["plan"].variants()] == [16, 16]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("sweep grid.toml --tune --width 4", "--tune: measures the widths that --width sets"),
        ("sweep grid.toml --width 0", "--width"),
        ("sweep grid.toml --device tpu", "--device"),
        (
            "run line.toml --set training.batch_size=4 --set training.stop_above=2",
            "line.toml: --set training.stop_above",
        ),
        ("examples square_sqd.toml", "NAME: no such example (got 'square_sqd.toml')"),
        ("run", "CONFIG: is missing"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_runs(
    arguments: str, said: str, folder: Path, passed: dict, command
) -> None:
    done = command(*arguments.split(), cwd=folder)
    assert done.returncode == 2
    assert said in done.stderr
    assert "--set optimizer.learning_rate" not in done.stderr  # said of unknown options alone
    assert "plan" not in passed


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (NanmapError("is broken"), 1, "nanmap: is broken\n"),
        (InputError("is wrong"), 2, "nanmap: is wrong\n"),
        (PermissionError(13, "Permission denied", "f.txt"), 2, "nanmap: f.txt: Permission denied\n"),
        (NotADirectoryError(20, "Not a directory", "f.txt"), 2, "nanmap: f.txt: Not a directory\n"),
        (IsADirectoryError(21, "Is a directory", "d"), 2, "nanmap: d: Is a directory\n"),
        (FileExistsError(17, "File exists", "f.txt"), 2, "nanmap: f.txt: is a file; a folder is expected\n"),
        (OSError(28, "No space left on device", "f.txt"), 1, "nanmap: f.txt: No space left on device\n"),
        (OSError("odd"), 1, "nanmap: odd\n"),
        (
            MemoryError("9 GiB"),
            1,
            "nanmap: out of memory: 9 GiB\n  mend: fewer rows, a smaller network or a coarser axis; --dry-run",
        ),
    ],
)
def test_a_command_ends_with_the_code_of_what_went_wrong(
    error: Exception, status: int, said: str, tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(examples, "_list_all", fail)
    done = command("examples", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(said)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()])
def test_an_interrupted_command_leaves_at_once_with_130(
    error: BaseException, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    def leave(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(examples, "_list_all", fail)
    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(SystemExit) as left:
        main(["examples"])
    assert left.value.code == 130
    assert tuple(capfd.readouterr()) == ("", "nanmap: interrupted; a sweep run again continues where it was\n")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("font_size", "--font-size: is wrong"),
        ("zoom.n", "--zoom n: is wrong"),
        ("x", "x: is wrong"),
        (None, "is wrong"),
    ],
)
def test_an_argument_is_told_as_the_option_that_was_typed(key: str | None, told: str) -> None:
    assert str(as_option(InputError("is wrong", key=key), {"font_size", "zoom"})) == told


def test_a_file_that_is_typed_as_a_command_is_quoted_in_the_mend(tmp_path: Path, command) -> None:
    told = command("my file.toml", cwd=tmp_path).stderr
    assert "mend: nanmap run 'my file.toml', or nanmap sweep 'my file.toml' if it has axes" in told


def test_the_command_alone_says_where_to_start(tmp_path: Path, command) -> None:
    done = command(cwd=tmp_path)
    assert "Start with:  nanmap examples" in done.stdout + done.stderr


def test_a_reader_of_a_pipe_may_leave(tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise BrokenPipeError

    monkeypatch.setattr(examples, "_list_all", fail)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert command("examples", cwd=tmp_path).returncode == 0


def shown(total: int, losses: list[EpochLoss], capsys: pytest.CaptureFixture[str]) -> list[int]:
    tell = _teller(total)
    for number, loss in enumerate(losses, 1):
        tell(number, loss)
    return [int(line.split()[1].partition("/")[0]) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(("total", "every"), [(1, 1), (39, 1), (100, 2), (121, 3)])
def test_long_trainings_show_their_first_epochs_then_every_so_many_and_the_last(
    total: int, every: int, capsys: pytest.CaptureFixture[str]
) -> None:
    told = shown(total, [EpochLoss(1.0, 1.0)] * total, capsys)
    assert told == [number for number in range(1, total + 1) if number <= 20 or number % every == 0 or number == total]


def test_the_first_infinity_and_the_first_nan_are_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    losses = [EpochLoss(1.0, 1.0)] * 1000
    losses[30:33] = [EpochLoss(1.0, 1.0, INF), EpochLoss(INF, INF), EpochLoss(1.0, NAN)]
    losses[40] = EpochLoss(NAN, NAN, NAN)
    assert [number for number in shown(1000, losses, capsys) if number > 20 and number % 25] == [31, 33]


def test_an_epoch_shows_whatever_is_known_of_it_with_nine_digits() -> None:
    losses = EpochLoss(float(np.float32(0.1)), 2.5)
    assert _epoch_line(3, 7, losses) == "epoch 3/7  mean loss 0.100000001  last batch 2.5"
    nothing = "epoch 1/1  mean loss 0  last batch 0  val_loss 0  accuracy 0  val_accuracy 0"
    assert _epoch_line(1, 1, EpochLoss(0.0, 0.0, 0.0, 0.0, 0.0)) == nothing
    whole = EpochLoss(1.0, 2.0, 3.0, 0.25, 0.5)
    line = "epoch 3/9  mean loss 1  last batch 2  val_loss 3  accuracy 0.25  val_accuracy 0.5"
    assert _epoch_line(3, 9, whole) == line


def test_inputs_to_predict_are_numbers_and_names() -> None:
    assert _values('1, Oslo , "a, b", -2e3') == [1.0, "Oslo", "a, b", -2000.0]
    with pytest.raises(InputError, match="--predict"):
        _values('"a')


FIRST = FirstTensor("data", 3, "nan", None, None)


def report(params: dict | None = None, evidence: Sequence[str] = (), **row: Any) -> Any:
    names = ("accuracy", "val_accuracy", "stopped_step", "first_inf_step", "first_nan_step")
    known = {"loss_initial": 8.0, "loss_final": 0.5, "loss_floor": 0.25, "steps_run": 1200} | dict.fromkeys(names)
    told = {"outcome": Outcome.STALLED, "cause": Cause(""), "epochs": [EpochLoss(1.0, 2.0)], "predictions": [NAN]}
    return SimpleNamespace(
        **told, params=params, row=known | row, evidence=[*evidence], remedy={"data.n": 3}, first_tensor=FIRST
    )


def test_a_training_ends_in_words_with_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    _print_end(report(), 4)
    outcome, loss, _ = capsys.readouterr().out.splitlines()[1:]
    assert outcome == f"outcome: stalled — {Outcome.STALLED.sentence}"
    assert loss == "loss: 8 at the start, 0.5 at the end after 1,200 updates"
    _print_end(report(steps_run=1), 4)
    assert capsys.readouterr().out.splitlines()[2].endswith("at the end after 1 update")
    _print_end(report(steps_run=0), 4)
    assert capsys.readouterr().out.splitlines()[2].endswith("at the end after 0 updates")
    params = {"eight": np.arange(8.0), "nine": np.arange(9.0)}
    _print_end(report(params, ("as told",), stopped_step=0, first_inf_step=0, first_nan_step=7), 4)
    assert capsys.readouterr().out.splitlines()[3:] == [
        "  as told",
        "  the first tensor that is not finite is data (the rows of the update): nan in step 3; nothing was computed before it",
        "stopped before step 0, as training.stop_above or training.stop_converged asks",
        "first inf: step 0 (counted from 0), in epoch 1",
        "first nan: step 7 (counted from 0), in epoch 2",
        "eight: 0, 1, 2, 3, 4, 5, 6, 7",
    ]


def test_predictions_are_shown_with_six_digits_and_classes_with_their_probability() -> None:
    assert _show(1 / 3) == "0.333333"
    assert _show({"class": "Oslo", "probability": 2 / 3}) == "Oslo, with probability 0.667"


def test_json_has_texts_for_what_is_not_finite_and_null_for_what_never_came() -> None:
    told = plain(_as_json(report(first_inf_step=3, loss_final=-INF, val_accuracy=0.5)))
    assert told == {
        "outcome": "stalled", "cause": None, "loss_initial": 8.0, "loss_final": "-inf", "first_inf_step": 3,
        "first_nan_step": None, "stopped_step": None, "accuracy": None, "val_accuracy": 0.5, "predictions": ["nan"],
        "loss_floor": 0.25, "steps_run": 1200, "evidence": [], "first_tensor": FIRST.as_object(), "remedy": [{"key": "data.n", "value": 3}],
        "epochs": [{"mean_loss": 1.0, "last_loss": 2.0, "val_loss": None, "mean_accuracy": None, "val_accuracy": None}],
    }  # fmt: skip
    assert _as_json(report({"w": np.array([[1.5, INF]])}))["params"] == {"w": [[1.5, INF]]}
    assert plain([INF, -INF, NAN, 1.5]) == ["inf", "-inf", "nan", 1.5]


def test_what_was_done_to_the_data_and_notes_stand_apart_from_the_json(folder: Path, passed: dict, command) -> None:
    done = command("run", "line.toml", "--explain-data", "--json", cwd=folder)
    assert done.stdout == ""
    assert "note: batch size 32 is larger than the 20 training rows" in done.stderr
    assert "20 rows: 20 train" in done.stderr
    assert passed["on_epoch"] is None
    assert "20 rows" not in command("run", "line.toml", cwd=folder).stderr
    assert passed["on_epoch"] is not None


def test_a_training_again_says_whether_its_row_came_out_and_what_to_try(
    folder: Path, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "run", lambda plan, **options: report())
    differing: dict[str, tuple[Any, Any]] = {}
    monkeypatch.setattr(_Source, "held_against", lambda source, row, engine: Held(differing, None))
    asked = ("run", "line.toml", "--predict", "7")
    *_, row, advice, proof, predicted = command(*asked, cwd=folder).stdout.splitlines()
    assert row == "the stored row came out again, bit for bit"
    assert advice == "try: nanmap run line.toml --set data.n=3"
    assert proof == "prove: nanmap diagnose line.toml"
    assert predicted == "prediction at 7: nan"
    assert json.loads(command(*asked, "--json", cwd=folder).stdout)["same_row"] is True
    differing |= {f"c{number}": (1.0, 2.0) for number in range(4)}
    told = "the stored row is another one: " + "; ".join(f"c{number} was 1, is 2" for number in range(4))
    assert command(*asked, cwd=folder).stdout.splitlines()[-4] == told
    differing["c4"] = (1.0, 2.0)
    assert command(*asked, cwd=folder).stdout.splitlines()[-4] == f"{told} and 1 more"
    assert json.loads(command(*asked, "--json", cwd=folder).stdout)["same_row"] is False
    changed = ("--set", "data.n = 9", "--set", "training.epochs=4")
    told = command(*asked, *changed, cwd=folder).stdout
    assert "the stored row" not in told  # with other settings it is another training
    assert "try: nanmap run line.toml --set training.epochs=4 --set data.n=3\n" in told
    assert "prove: nanmap diagnose line.toml --set 'data.n = 9' --set training.epochs=4\n" in told
    assert "same_row" not in json.loads(command(*asked, *changed, "--json", cwd=folder).stdout)


def test_a_training_is_a_config_or_a_cell_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config, run = Path("c.toml"), Path("results/my run")
    assert (_Source.of(config, None, None).file, _Source.of(config, None, None).words) == (config, ["c.toml"])
    cell = _Source.of(None, 0, run)
    assert (cell.file, cell.cell, cell.words) == (run, 0, ["--cell", "0", "--of", str(run)])
    for given, said in (
        ((None, 3, None), "--of: --cell needs it"),
        ((None, None, run), "--cell: --of needs it"),
        ((None, None, None), "CONFIG: is missing"),
        ((config, 3, run), "CONFIG: is given beside --cell"),
    ):
        with pytest.raises(InputError) as caught:
            _Source.of(*given)
        assert str(caught.value).startswith(said)


def test_a_cell_trained_with_other_settings_has_no_more_settings_than_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = {"data": {"kind": "line", "n": 20}, "training": {"epochs": 3}}
    monkeypatch.setattr("nanmap.analysis.config_of_cell", lambda folder, cell: build_config(tree))
    source = _Source.of(None, 5, tmp_path)
    assert source.config([]) == build_config(tree)
    changed = source.config(["data.n=9", "optimizer.kind=adam"]).model_dump(exclude_unset=True)
    assert changed == {"data": {"kind": "line", "n": 9}, "training": {"epochs": 3}, "optimizer": {"kind": "adam"}}


def test_what_to_try_is_written_as_set_reads_it() -> None:
    values = [[8, 4], [0.5], 0.123456, 1e-7, 3, "adam"]
    assert [_as_toml(value) for value in values] == ["[8, 4]", "[0.5]", "0.123456", "1e-07", "3", "adam"]


def test_edges_are_described_in_a_few_lines() -> None:
    edges = pd.DataFrame(
        {
            "edge_learning_rate": [0.2, 0.1, NAN, 0.4],
            "predicted_gd": [0.1, 0.1, 0.1, 0.1],
            "predicted_typical": [0.2, NAN, 0.1, NAN],
            "note": ["", "", "never unstable", ""],
            "reentrant": [False, True, False, False],
        }
    )
    assert describe(edges) == [
        "edges: 3 of 4 rows, from 0.1 to 0.4",
        "  1 rows: never unstable",
        "  1 rows are reentrant: stable again above the edge",
        "measured / the full-batch bound: 2 in the median of 3 rows, 1 to 4",
        "measured / the edge of a typical run: 1",
    ]
    none = edges.iloc[[2]]
    assert describe(none) == ["edges: 0 of 1 rows", "  1 rows: never unstable"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [(4, "(4 per second), at the cost of 12.3 columns of a map"), (0, "grid: all 4 edges were done already")],
)
def test_a_search_ends_with_its_cost_and_its_rows(
    rows: int, said: str, folder: Path, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("nanmap.runs.progress.time.monotonic", lambda: now[0])
    columns = ("edge_learning_rate", "predicted_gd", "predicted_typical")
    edges = pd.DataFrame({name: [0.5] for name in columns} | {"note": [""], "reentrant": [False]})
    told = {"columns_of_a_map": 12.34}
    kept = SimpleNamespace(read_edges_manifest=lambda: told, edges=SimpleNamespace(path=Path("o/edges")))

    def search(plan: Any, observer: Progress, **options: Any) -> SimpleNamespace:
        observer.started(4, 4 - rows)
        now[0] += 1
        observer.advanced(rows)
        return SimpleNamespace(folder=kept, edge=lambda: edges)

    monkeypatch.setattr(api, "edge", search)
    lines = command("edge", "grid.toml", cwd=folder).stdout.splitlines()
    (summary,) = [line for line in lines if line.startswith("grid: ") and "are done already" not in line]
    assert summary.endswith(said)
    assert lines[-2:] == ["measured / the edge of a typical run: 1", f"rows: {Path('o/edges')}"]


INTO = SimpleNamespace(picture=lambda name: Path("maps") / name, keep_picture=lambda picture: None)  # a run folder


class Drawn(SimpleNamespace):
    """A result that only says what it is asked to draw."""

    def map(self, x: str, y: str, **options: Any) -> None:
        self.asked.append((x, y, options))


def test_a_map_is_drawn_as_it_is_asked_for(tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(asked=[])
    monkeypatch.setattr(Result, "map", lambda self, x, y, **options: drawn.map(x, y, **options))
    monkeypatch.setattr(RunFolder, "keep_picture", lambda self, picture: None)
    assert command("map", ".", "--x", "a", "--y", "b", cwd=tmp_path).stdout == f"{Path('maps/outcome_a_b.png')}\n"
    options = ("--facet", "c", "--facet", "d", "--value", "converged", "--select", "e=[1, 2]", "--theme", "dark")
    command("map", ".", "--x", "a", "--y", "b", *options, cwd=tmp_path)
    command("map", ".", "--x", "a", "--y", "b", "--out", "m.svg", cwd=tmp_path)
    plain = {"theme": "light"}
    asked = {"facet": ("c", "d"), "value": "converged", "select": [{"e": [1, 2]}], "theme": "dark"}
    assert drawn.asked == [
        ("a", "b", plain | {"out": Path("maps/outcome_a_b.png")}),
        ("a", "b", asked | {"out": Path("maps/converged_a_b_c_d_e=1+2.png")}),
        ("a", "b", plain | {"out": Path("m.svg")}),
    ]


def test_every_option_of_a_picture_is_passed_on(tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(asked=[])
    monkeypatch.setattr(Result, "map", lambda self, x, y, **options: drawn.map(x, y, **options))
    look = (
        "--title",
        "",
        "--width",
        "3in",
        "--height",
        "86mm",
        "--font-size",
        "8",
        "--cmap",
        "Blues",
        "--limits",
        "0:1",
    )
    command("map", ".", "--x", "a", "--y", "b", *look, "--zoom", "a=1:2", "--out", "m.png", cwd=tmp_path)
    command("map", ".", "--x", "a", "--kind", "lines", "--lines", "c", "--out", "m.png", cwd=tmp_path)
    plain = {"theme": "light", "out": Path("m.png")}
    asked = {"title": "", "width": "3in", "height": "86mm", "font_size": 8.0, "cmap": "Blues", "limits": (0, 1)}
    assert drawn.asked == [
        ("a", "b", plain | asked | {"zoom": {"a": (1, 2)}}),
        ("a", None, plain | {"kind": "lines", "lines": "c"}),
    ]
    assert "--limits: not of the form" in command("map", ".", "--limits", "", cwd=tmp_path).stderr
    several = command("map", ".", "--facet", "a, b", cwd=tmp_path).stderr
    assert several.endswith("mend: --facet a --facet b\n")


def test_listed_maps_are_drawn_where_nothing_else_is_asked(
    tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nanmap.cli.map.draw_listed", lambda result, page: print("listed", *page.values()))
    monkeypatch.setattr("nanmap.cli.map.axes_of", lambda result: ["a", "b"])
    assert command("map", ".", cwd=tmp_path).stdout == "listed light\n"
    assert command("map", ".", "--theme", "dark", cwd=tmp_path).stdout == "listed dark\n"
    for options, missing in (("--x a", "--y"), ("--y a", "--x")):
        told = command("map", ".", *options.split(), cwd=tmp_path).stderr
        assert told == f"nanmap: {missing}: a map as asked needs both --x and --y\n  allowed: a, b\n"


def test_the_first_listed_map_has_the_axes_of_what_is_asked_without_any(
    tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = Drawn(asked=[])
    maps = [{"kind": "lines", "x": "c", "file": "c.png"}, {"x": "a", "y": "b", "value": "cause", "file": "a.png"}]
    maps += [{"x": "b", "y": "c", "file": "b.png"}]
    monkeypatch.setattr(Result, "map", lambda self, x, y, **options: drawn.map(x, y, **options))
    monkeypatch.setattr(RunFolder, "keep_picture", lambda self, picture: None)
    monkeypatch.setattr(Result, "manifest", {"maps": maps}, raising=False)
    command("map", ".", "--value", "skill", cwd=tmp_path)
    command("map", ".", "--out", "m.svg", cwd=tmp_path)
    assert drawn.asked == [
        ("a", "b", {"theme": "light", "value": "skill", "out": Path("maps/skill_a_b.png")}),
        ("a", "b", {"theme": "light", "out": Path("m.svg")}),
    ]


def test_every_map_that_a_sweep_lists_is_drawn_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    maps = [
        {"file": "one.png", "x": "a", "y": "b"},
        {"file": "two.svg", "x": "b", "y": "a", "facet": ["c"], "value": "cause", "select": {"d": 1}},
    ]
    drawn: Any = Drawn(asked=[], manifest={"maps": maps}, folder=INTO)
    draw_listed(drawn, {"theme": "dark"})
    assert drawn.asked == [
        ("a", "b", {"facet": (), "theme": "dark", "out": Path("maps/one.png")}),
        (
            "b",
            "a",
            {"facet": ("c",), "theme": "dark", "out": Path("maps/two.svg"), "value": "cause", "select": {"d": 1}},
        ),
    ]
    assert capsys.readouterr().out.splitlines() == [str(Path("maps/one.png")), str(Path("maps/two.svg"))]
    assert maps[0]["file"] == "one.png"


def test_what_is_asked_of_the_page_goes_before_what_a_listed_map_says() -> None:
    maps = [{"file": "one.png", "x": "a", "y": "b", "width": 4, "height": 3}]
    drawn: Any = Drawn(asked=[], manifest={"maps": maps}, folder=INTO)
    draw_listed(drawn, {"width": "5in"})
    assert drawn.asked == [("a", "b", {"facet": (), "width": "5in", "height": 3, "out": Path("maps/one.png")})]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("select.n", "run: the map one.png, select.n: is wrong"),
        ("width", "run: width: is wrong"),  # asked for, and not in the file
        (None, "run: is wrong"),
    ],
)
def test_what_is_wrong_with_a_listed_map_is_told_with_its_file(key: str | None, said: str) -> None:
    def fail(*given: Any, **options: Any) -> None:
        raise InputError("is wrong", key=key)

    maps = [{"file": "one.png", "x": "a", "y": "b"}]
    run: Any = SimpleNamespace(manifest={"maps": maps}, folder=INTO, path="run", map=fail)
    with pytest.raises(InputError) as caught:
        draw_listed(run, {"width": "5in"})
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("axes", "zip", "pair"),
    [
        ([SEED, BATCH, RATE], [], ("learning_rate", "seed")),
        ([RATE, BATCH, SEED], [], ("learning_rate", "batch_size")),
        ([BATCH, RATE, SEED], [], ("learning_rate", "batch_size")),
        ([SEED, BATCH], [], ("batch_size", "seed")),
        ([{**SEED, "range": [0, 5]}, RATE, BATCH], [["seed", "learning_rate"]], ("seed", "batch_size")),
        ([RATE], [], None),
    ],
)
def test_the_obvious_pair_has_the_learning_rates_along_the_bottom(
    axes: list, zip: list, pair: tuple[str, str] | None, tmp_path: Path
) -> None:
    folder = write_run(tmp_path, axes, zip=zip)
    result: Any = SimpleNamespace(manifest=folder.read_manifest(), path=tmp_path)
    if pair is None:
        with pytest.raises(InputError, match="has no plane to draw"):
            obvious_map(result)
    else:
        x, y = pair
        assert obvious_map(result) == {"x": x, "y": y, "file": f"outcome_{x}_{y}.png"}


def test_values_and_conditions_are_told_apart_as_they_are_typed() -> None:
    assert _selected([" n = [1, 2]", "n=3", "seed != 1", "init in ['a']"]) == [
        {"n": [1, 2, 3]},
        "seed != 1",
        "init in ['a']",
    ]
    assert _selected(["n > 1"]) == ["n > 1"]
    for text in ("main", "n", "n ! 3"):
        with pytest.raises(InputError, match="neither AXIS=VALUE nor a condition"):
            _selected([text])


def test_a_map_judges_by_thresholds_alone() -> None:
    assert _thresholds(["outcome.ratio=0.1", "outcome.floor=affine"]) == {"ratio": 0.1, "floor": "affine"}
    for text, problem, mend in (
        ("training.epochs=3", "changes what was trained", "`nanmap sweep --set` trains with other settings"),
        ("ratio=3", "no such threshold", "did you mean `outcome.ratio`?"),
        ("zzz=3", "no such threshold", "`nanmap sweep --set` trains with other settings"),
    ):
        with pytest.raises(InputError) as caught:
            _thresholds([text])
        assert (caught.value.problem, caught.value.option) == (problem, "--set")
        assert str(caught.value.mend).startswith(mend)


@pytest.mark.parametrize(
    ("maps", "axes", "wanted", "said"),
    [
        ((), "ab", True, "next:  nanmap map 'my run'\n"),
        ((), "ab", False, "next:  nanmap map 'my run'\n"),
        ((), "a", True, ""),
        ((1,), "ab", True, "drawn\n"),
        ((1,), "ab", False, ""),
    ],
)
def test_a_sweep_draws_its_maps_or_says_how(
    maps: tuple, axes: str, wanted: bool, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nanmap.cli.listed_maps.draw_listed", lambda result: print("drawn"))
    sweep: Any = SimpleNamespace(maps=maps, grid=SimpleNamespace(dimensions=[*axes]))
    _show_maps(sweep, SimpleNamespace(path=Path("my run")), wanted)  # type: ignore[arg-type]
    assert capsys.readouterr().out == said


def test_listed_maps_that_nobody_wants_are_not_looked_at(folder: Path, passed: dict, command) -> None:
    listed = '[[maps]]\nfile = "a.png"\nx = "learning_rate"\ny = "batch_size"\nselect = { batch_size = 7 }\n'
    (folder / "grid.toml").write_text(SWEEP + listed)
    assert "maps, item 1, select.batch_size: is not on the axis" in command("sweep", "grid.toml", cwd=folder).stderr
    assert "plan" not in passed
    assert command("sweep", "grid.toml", "--no-maps", cwd=folder).stderr == "nanmap: enough\n"


@pytest.mark.parametrize("count", [2, 6, 8])
def test_what_works_and_what_never_does_is_told_with_the_best(
    count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    working = [
        SimpleNamespace(sentence=lambda: "some rates", cell=3),
        SimpleNamespace(sentence=lambda: "others", cell=9),
    ]
    never = [f"n = {number}" for number in range(count)]
    monkeypatch.setattr("nanmap.analysis.what_works", lambda folder: (working, never))
    _tell_what_works(SimpleNamespace(folder=None, path=Path("my run")))  # type: ignore[arg-type]
    assert capsys.readouterr().out.splitlines() == [
        *("works: some rates", "works: others"),
        *(f"never: {value}" for value in never[:6]),
        *(["  and 2 more"] if count == 8 else []),
        "best:  nanmap run --cell 3 --of 'my run'",
    ]


@pytest.mark.parametrize(
    ("best", "lines"),
    [
        (None, ["nothing converged", "why:  nanmap run --cell 0 --of 'my run'"]),
        (
            0,
            ["nothing converged; the best there is, why, and what to try:", "best:  nanmap run --cell 0 --of 'my run'"],
        ),
        (
            7,
            ["nothing converged; the best there is, why, and what to try:", "best:  nanmap run --cell 7 --of 'my run'"],
        ),
    ],
)
def test_where_nothing_converged_the_best_is_told(
    best: int | None, lines: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nanmap.analysis.what_works", lambda folder: ([], ["n = 1"]))
    monkeypatch.setattr("nanmap.analysis.best_cell", lambda folder: best)
    _tell_what_works(SimpleNamespace(folder=None, path=Path("my run")))  # type: ignore[arg-type]
    proof = f"prove:  nanmap diagnose --cell {best or 0} --of 'my run'"
    assert capsys.readouterr().out.splitlines() == [*lines, proof]


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("0:1", (0, 1)),
        (" 1e-3 : 2", (1e-3, 2)),
        ("-2:-1", (-2, -1)),
        ("1:2:3", None),
        ("1", None),
        (":1", None),
        ("1:", None),
    ],
)
def test_a_pair_is_two_numbers_whole_where_they_are_written_so(text: str, pair: tuple[float, float] | None) -> None:
    if pair is None:
        with pytest.raises(InputError, match=r"--limits: not of the form LOW:HIGH[\s\S]*for example 0:1"):
            parse_pair(text, "--limits")
    else:
        assert parse_pair(text, "--limits") == pair
        assert [type(end) for end in parse_pair(text, "--limits")] == [type(end) for end in pair]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["1:2"], "--zoom: not of the form AXIS=LOW:HIGH (got '1:2')"),
        (["=1:2"], "--zoom: not of the form AXIS=LOW:HIGH (got '=1:2')"),
        (["a=1:2", "a=3:4"], "--zoom a: two windows on one axis (got '3:4')\n  mend: give one of them"),
        (
            ["a=b:c"],
            "--zoom a: not of the form LOW:HIGH (got 'b:c')\n  mend: for example --zoom a=1e-3:1e-2; of an axis",
        ),
    ],
)
def test_windows_are_told_as_they_are_typed(texts: list[str], said: str) -> None:
    assert parse_windows([" a = 1:2 ", "b=0.5:1"]) == {"a": (1, 2), "b": (0.5, 1)}
    assert parse_windows(None) == {}
    with pytest.raises(InputError) as caught:
        parse_windows(texts)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("kind", "what", "thresholds", "name"),
    [
        ("map", {}, {}, "outcome_x_y"),
        ("map", {"value": "r2", "facet": ("a", "b")}, {}, "r2_x_y_a_b"),
        ("lines", {}, {}, "lines_loss_final_x"),
        ("lines", {"value": "r2", "lines": "a"}, {}, "lines_r2_x_a"),
        ("map", {"select": [{"a": [1, 2], "b": "c d"}]}, {"ratio": 0.1}, "outcome_x_y_a=1+2_b=c-d_ratio=0.1"),
        ("map", {"zoom": {"a": (1, 2), "b": (1e-7, 0.1234567)}}, {}, "outcome_x_y_a=1..2_b=1e-07..0.1234567"),
        ("map", {"select": ["a  <=  1 and b >= 2"]}, {}, "outcome_x_y_a-le-1-and-b-ge-2"),
        ("map", {"select": ["a != 1 or b == 2"]}, {}, "outcome_x_y_a-ne-1-or-b=2"),
        ("map", {"select": ["a<1", "b>2"]}, {}, "outcome_x_y_a-lt-1_b-gt-2"),
    ],
)
def test_a_picture_is_called_by_what_is_on_it(kind: str, what: dict, thresholds: dict, name: str) -> None:
    assert file_name("x", "y" if kind == "map" else None, kind, what, thresholds) == f"{name}.png"


def test_conditions_that_differ_in_what_a_name_may_not_have_have_other_names() -> None:
    texts = ["a == 'b'", "a == b", "a in ['b']", "a in ('b')", "(a == 'b')", 'a == "b"']
    names = {file_name("x", "y", "map", {"select": [text]}, {}) for text in texts}
    assert len(names) == len(texts)
    for length in (180, 181):  # the longest that is left as it is, and the first that is not
        column = "c" * (length - len("outcome_x_"))
        assert len(file_name("x", column, "map", {}, {})) == length + 4 + 9 * (length > 180) - (length > 180)


@pytest.mark.parametrize("columns", [60, 80])
def test_sentences_break_between_words_on_a_terminal_alone(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = "works: converged at rates 1.47e-05 to 0.00681 " * 4
    say(sentence, indent="  ")
    assert capsys.readouterr().out == f"  {sentence}\n"
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    say(sentence, indent="  ")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert " ".join(lines).split() == sentence.split()
    assert all(line.startswith("    ") for line in lines[1:])


def test_an_example_is_copied_with_all_that_it_reads_and_says_what_comes_next(tmp_path: Path, command) -> None:
    for name, verb in (("keras_line", "sweep"), ("configs/threads/keras_line/adam.toml", "run")):
        done = command("examples", name, "--out", "mine", cwd=tmp_path)
        copied, told = done.stdout.splitlines()[0], done.stdout.splitlines()[-1]
        assert told == f"next: nanmap {verb} {copied}"
        assert (tmp_path / copied).is_file()
    (tmp_path / "c.toml").write_text('[data]\npath = "rows.csv"\n[model]\ninit_file = "w.npz"\n')
    (tmp_path / "s.toml").write_text('config = "c.toml"\n')
    assert [file.name for file in examples._needed([tmp_path / "s.toml"])] == ["s.toml", "c.toml", "rows.csv", "w.npz"]
    again = command("examples", "keras_line", "--out", "mine", cwd=tmp_path)
    assert f"{Path('mine/sweeps/keras_line.toml')}: exists already" in again.stderr


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("threads/keras_line/adan", "did you mean `threads/keras_line/adam`?"),
        ("zzzzz", "`nanmap examples` lists them all"),
    ],
)
def test_an_example_that_is_not_there_names_the_nearest_or_where_they_are_listed(
    name: str, mend: str, tmp_path: Path, command
) -> None:
    allowed, told = command("examples", name, cwd=tmp_path).stderr.splitlines()[-2:]
    assert told == f"  mend: {mend}"
    assert allowed.endswith(", those in threads/ and gallery/")
    assert allowed.count("threads/") == 1


def test_what_comes_next_is_quoted_where_a_folder_has_a_blank(tmp_path: Path, command) -> None:
    told = command("examples", "keras_line", "--out", "my own", cwd=tmp_path).stdout.splitlines()[-1]
    assert told == f"next: nanmap sweep '{Path('my own/sweeps/keras_line.toml')}'"


def test_a_file_without_a_comment_is_listed_without_one(tmp_path: Path) -> None:
    for text, told in (("# What it is\n[data]\n", "What it is"), ("[data]\n# not this\n", "")):
        (tmp_path / "a.toml").write_text(text)
        assert examples._first_comment(tmp_path / "a.toml") == told


def test_json_is_readable_in_any_script() -> None:
    assert json_text({"λ": [INF, "中文"]}) == '{"λ": ["inf", "中文"]}'


def test_a_path_is_never_broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    say("rows: some-where/a-long-path/with-hyphens and-so-on")
    assert capsys.readouterr().out.splitlines() == ["rows:", "  some-where/a-long-path/with-hyphens", "  and-so-on"]


def test_examples_are_listed_with_the_first_line_of_each(tmp_path: Path, command) -> None:
    lines = command("examples", cwd=tmp_path).stdout.splitlines()
    first = (examples.root() / "sweeps" / "square_sgd.toml").read_text(encoding="utf-8").partition("\n")[0]
    (told,) = [line for line in lines if line.startswith("  square_sgd ") and first.removeprefix("# ") in line]
    assert told.split("  ", 2)[2].strip() == first.removeprefix("# ")
    assert sum("threads/keras_line_advice" in line for line in lines) == 1


def test_a_file_that_is_there_is_taken_though_an_example_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="but an example"):
        examples.refuse_example(Path("keras_line.toml"))
    Path("keras_line.toml").write_text(LINE)
    examples.refuse_example(Path("keras_line.toml"))


def test_info_tells_versions_devices_the_cache_and_the_peaks(
    tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept").write_bytes(bytes(3 * 2**20))
    monkeypatch.setattr("nanmap.engine.compilation_cache.cache_folder", lambda: tmp_path)
    monkeypatch.setattr(
        "nanmap.engine.matmul_peak.matrix_product_gflops", {"float32": 1234.0, "float64": 56.0}.__getitem__
    )
    told = command("info", cwd=tmp_path).stdout
    for part in ("numpy " + np.__version__, "devices: 2 × cpu (cpu)", f"{tmp_path} (1 files, 3.0 MiB)"):
        assert part in told
    assert told.endswith("float32 1,234 GFLOP/s, float64 56 GFLOP/s\n")


def test_speed_counts_from_the_start_of_the_work_and_the_summary_from_the_first_moment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("nanmap.runs.progress.time.monotonic", lambda: now[0])
    with Progress("grid", "cells", bar=False) as progress:
        now[0] += 10
        progress.started(60, 0)
        assert capsys.readouterr().out == ""  # nothing is done already
        now[0] += 10
        progress.advanced(20)
        progress.advanced(10)  # at the same moment: no second line
        assert capsys.readouterr().out == "grid: 20 of 60 cells · 2 trainings/s · 20 s left\n"
        progress.noticed("narrowed to 8")
        assert capsys.readouterr().out == "note: narrowed to 8\n"
        now[0] += 10
        progress.trained(80)
        progress.trained(10)
        progress.advanced(30)
    assert capsys.readouterr().out == "grid: 30 of 60 cells · 80 trainings · 4 trainings/s · 20 s left\n"
    assert progress.summary() == "grid: 60 cells by 90 trainings in 30.0 s (3 per second)"


def test_half_of_what_there_is_to_do_is_told_once() -> None:
    told: list[int] = []
    progress = Progress("grid", "cells", bar=False, halfway=lambda: told.append(progress.rows))
    progress.started(110, 10)
    for rows in (49, 1, 25, 25):
        progress.advanced(rows)
    assert told == [50]


def test_what_draws_maps_is_loaded_while_the_last_rows_train_where_maps_are_wanted(
    folder: Path, passed: dict, command
) -> None:
    command("sweep", "grid.toml", cwd=folder)
    assert passed["observer"].halfway is None
    listed = '[[maps]]\nfile = "a.png"\nx = "learning_rate"\ny = "batch_size"\n'
    (folder / "grid.toml").write_text(SWEEP + listed)
    command("sweep", "grid.toml", "--no-maps", cwd=folder)
    assert passed["observer"].halfway is None
    command("sweep", "grid.toml", cwd=folder)
    load: Thread = passed["observer"].halfway.__self__
    passed["observer"].halfway()
    load.join(60)
    assert (load.daemon, load.is_alive()) == (True, False)


def test_a_search_that_goes_on_counts_what_was_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("nanmap.runs.progress.time.monotonic", lambda: now[0])
    progress = Progress("grid", "edges", bar=False)
    progress.started(8, 4)
    progress.expected(50.0)
    now[0] += 10
    progress.trained(100)
    assert capsys.readouterr().out.splitlines() == [
        "grid: 4 of 8 edges are done already",
        "grid: 4 of 8 edges · 100 trainings · 10 trainings/s · up to 10 s left",
    ]
    progress.advanced(4, np.array(["converged", "nan", "nan", "converged"]))
    assert progress.summary() == "grid: 4 edges by 100 trainings in 10.0 s (10 per second): 2 nan, 2 converged"


def test_lines_come_after_two_seconds_and_then_every_ten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("nanmap.runs.progress.time.monotonic", lambda: now[0])
    progress = Progress("grid", "cells", bar=False)
    progress.started(1000, 0)
    told = []
    for seconds in (1.9, 2.0, 6.0, 11.9, 12.0, 21.9, 22.0):
        now[0] = 100 + seconds
        progress.advanced(1)
        told += [seconds] * len(capsys.readouterr().out.splitlines())
    assert told == [2.0, 12.0, 22.0]


def test_no_time_is_left_where_more_was_trained_than_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    progress = Progress("grid", "edges", bar=False)
    assert progress.bar is None  # though on a terminal
    progress.started(2, 0)
    progress.expected(10.0)
    progress.trained(30)
    assert "up to 0 s left" in progress.state()


@pytest.mark.parametrize(("seconds", "told"), [(0.2, "0 s"), (89, "89 s"), (91, "2 min"), (89.9 * 60, "90 min")])
def test_time_left_is_told_in_seconds_up_to_ninety(seconds: float, told: str) -> None:
    assert [_left(seconds, at_most) for at_most in (False, True)] == [f"{told} left", f"up to {told} left"]


def test_a_bar_stands_where_the_rows_of_before_and_of_now_do() -> None:
    with Progress("grid", "cells", bar=True) as progress:
        progress.started(2_000, 500)
        progress.advanced(750)
        (task,) = progress.bar.tasks
        assert (task.completed, task.total) == (1250, 2000)


def test_a_row_is_a_training_at_least() -> None:
    progress = Progress("grid", "edges", bar=False)
    progress.trained(5)
    progress.advanced(20)
    assert progress.trainings == 20
    progress.trained(30)
    assert progress.trainings == 35


def test_a_bar_goes_on_from_what_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("grid", "cells", bar=True) as progress:
        progress.started(2_000, 500)
        progress.advanced(1_500)
    assert "2,000 of 2,000 cells" in capsys.readouterr().out


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_drawn_on_a_terminal_alone(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: not terminal)
    assert bool(Progress("grid", "cells").bar) == terminal


@pytest.mark.parametrize(
    ("window", "told"),
    [
        ("learning_rat=1:2", "s.toml: --zoom: no such axis (got 'learning_rat')"),
        ("learning_rate=1:2000", "s.toml: --zoom learning_rate: reaches beyond the axis (got '1:2000')"),
    ],
)
def test_a_wrong_window_of_a_sweep_is_told_as_it_was_typed(window: str, told: str, tmp_path: Path, command) -> None:
    (tmp_path / "c.toml").write_text('[data]\nkind = "line"\n[training]\nepochs = 2\n')
    axis = '[[axes]]\nkey = "optimizer.learning_rate"\nlog = [1, 100]\nnum = 3\n'
    (tmp_path / "s.toml").write_text(f'config = "c.toml"\n{axis}')
    done = command("sweep", "s.toml", "--set", "data.n=5", "--zoom", window, "--dry-run", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"nanmap: {told}")
