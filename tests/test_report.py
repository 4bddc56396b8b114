"""A page's data and its file: what is packed is what was in the rows, and nothing in it becomes markup."""

import base64
import gzip
import json
import os
import re
import tomllib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import Done
from handmade import BATCH, LINE, RATE, SEED, write_run
from nanmap import result
from nanmap.config import build_config
from nanmap.errors import InputError
from nanmap.outcomes import Cause, Outcome, Stop
from nanmap.report import page
from nanmap.report.document import make_document
from nanmap.report.histories import read_histories
from nanmap.report.looks import letters_of
from nanmap.report.packing import pack_counts, pack_levels, to_words
from nanmap.report.page import PARTS, SCRIPTS, STYLES, digest, write_page
from nanmap.report.rows import read_rows
from nanmap.report.settings import toml_of

ODD = '</script><script>alert("x")</script>&<!--\u2028"\'🙂'


def unpacked(packed: dict[str, Any]) -> np.ndarray:
    planes = np.frombuffer(gzip.decompress(base64.b64decode(packed["data"])), np.uint8)
    return np.ascontiguousarray(planes.reshape(packed["width"], -1).T).view(f"<u{packed['width']}").ravel()


class Reader(HTMLParser):
    """What a browser makes of a page: its elements and the text within each script."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.policy = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        told = dict(attributes)
        if told.get("http-equiv") == "Content-Security-Policy":
            self.policy = told["content"] or ""

    def handle_data(self, data: str) -> None:
        self.texts.append((self.tags[-1] if self.tags else "", data))


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_words_are_the_upper_halves_of_floats():
    values = np.array([1.0, -1e300, 5e-324, 0.1, np.inf, -np.inf, np.nan, np.finfo(float).max, -0.0])
    words = to_words(values, np.zeros(len(values), bool)).astype(np.uint64) << np.uint64(32)
    again = words.view(np.float64)
    finite = np.isfinite(values)
    assert np.isclose(again[finite], values[finite], rtol=2.0**-20, atol=1e-300).all()
    assert again[4:6].tolist() == [np.inf, -np.inf]
    assert np.isnan(again[6])
    assert np.signbit(again[8])


def test_a_missing_value_is_no_nan():
    words = to_words(np.array([np.nan, np.nan]), np.array([False, True]))
    assert words[0] != words[1]


@pytest.mark.parametrize("signed", [False, True])
def test_levels_are_fine_and_keep_every_kind(signed: bool):
    values = np.concatenate([np.logspace(-12, 8, 1000), [0.0, np.inf, np.nan, np.nan]])
    values[:500] *= -1 if signed else 1
    values = np.append(values, -np.inf)
    missing = np.zeros(len(values), bool)
    missing[-2] = True
    packed = pack_levels(values, missing)
    levels = unpacked(packed.as_dict())
    assert levels[-5:].tolist() == [0, 65533, 65534, 65535, 65532]
    places = packed.told["low"] + (levels[:1000] - 1.0) * packed.told["step"]
    again = np.sign(places) * 1e-3 * np.expm1(abs(places)) if signed else np.exp(places)
    assert np.isclose(again, values[:1000], rtol=1e-3, atol=1e-6 if signed else 0).all()


@pytest.mark.parametrize(("most", "width"), [(3, 1), (254, 1), (255, 2), (65_535, 4), (10**9, 4)])
def test_counts_are_exact_in_the_least_width(most: int, width: int):
    packed = pack_counts(np.array([0, most, 7]), np.array([False, False, True]))
    assert packed.width == width
    assert unpacked(packed.as_dict()).tolist() == [0, most, 2 ** (8 * width) - 1]


@pytest.mark.parametrize("names", [Outcome, Cause, Stop])
def test_every_name_has_a_letter_of_its_own(names: type):
    letters = [letter for name, letter in letters_of(names).items() if name]
    assert len(set(letters)) == len(letters)


def test_every_column_is_on_the_page_or_named(tmp_path: Path):
    folder = write_run(tmp_path, [BATCH, RATE], {"loss_final": np.arange(15.0)})
    rows = read_rows(folder, 10**9)
    told = {each["name"] for each in rows.columns} | set(rows.empty) | set(rows.left_out)
    assert told | {"cell", "batch_size", "learning_rate"} == set(folder.columns())
    assert rows.empty["accuracy"] == "a NaN appeared, or the loss is no cross-entropy"
    assert not rows.left_out


def test_what_does_not_fit_is_rounded_then_left_out_and_said(tmp_path: Path):
    rng = np.random.default_rng(0)
    facts = {name: rng.lognormal(0, 9, 4000) for name in ("loss_final", "loss_initial", "loss_at_50", "output_spread")}
    axes = [{"key": "training.seed", "range": [0, 40]}, RATE | {"num": 100}]
    folder = write_run(tmp_path, axes, facts, shard_cells=4000)
    whole = read_rows(folder, 10**9)
    assert not whole.rounded
    rounded = read_rows(folder, whole.size - 1)
    assert rounded.rounded
    assert not rounded.left_out
    part = read_rows(folder, rounded.size - 2000)
    assert part.left_out == ["output_spread"]  # of least worth
    assert part.size < rounded.size


def test_rows_stand_in_the_order_of_their_cells(tmp_path: Path):
    folder = write_run(tmp_path, [BATCH, RATE], {"steps_run": np.arange(15)}, lost=(0,))
    document = make_document(folder)
    assert unpacked(document["cells"]).tolist() == list(range(7, 15))
    steps = next(each for each in document["columns"] if each["name"] == "steps_run")
    assert unpacked(steps).tolist() == list(range(7, 15))


def test_nothing_in_a_run_becomes_markup(tmp_path: Path):
    axes = [{"name": ODD, "choices": {ODD: {"training.epochs": 3}, "plain": {"training.epochs": 4}}}, RATE]
    config = LINE | {"data": {"kind": "csv", "path": f"/data/{ODD}.csv", "target": ODD}}
    folder = write_run(tmp_path / "run", axes, config=config)
    reader = read(page(folder, title=ODD, said=[ODD]))
    plain = read(page(write_run(tmp_path / "plain", [BATCH, RATE])))
    assert reader.tags == plain.tags
    (held,) = [text for tag, text in reader.texts if text.startswith('{"format"')]
    document = json.loads(held)
    assert document["title"] == ODD
    assert document["said"] == [ODD]
    assert ODD in document["axes"][0]["labels"]
    assert "<" not in held


def test_the_policy_allows_the_pages_own_scripts_alone(tmp_path: Path):
    text = page(write_run(tmp_path, [BATCH, RATE]))
    rules = dict(rule.split(" ", 1) for rule in read(text).policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'none'"
    inline = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert rules["script-src"].split() == [digest(script) for script in inline]
    assert len(inline) == len(SCRIPTS)
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert rules["style-src"].split() == [digest(style) for style in styles]
    assert not re.search(r"unsafe|https?:|\*", read(text).policy)


def test_no_script_makes_markup_of_text():
    for name in SCRIPTS[1:]:
        text = (PARTS / name).read_text()
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\.style\s*=", text
        ), name


def test_every_file_of_the_page_is_used():
    files = {file.name for file in PARTS.iterdir()}
    assert files == {*SCRIPTS, *STYLES, "page.html", "uPlot.LICENSE"}


@pytest.mark.parametrize(
    "value", [True, 3, 1e-05, 1e22, float("inf"), 'a "b" \\ \n\x7f', ["x", 2.5], {"a b": [1]}, ODD]
)
def test_values_are_written_as_toml_reads_them(value: Any):
    assert tomllib.loads(f"value = {toml_of(value)}")["value"] == value


def test_a_folder_whose_name_no_command_may_hold_is_refused(tmp_path: Path):
    folder = write_run(tmp_path / "a\x1b[2Jb", [BATCH, RATE])
    with pytest.raises(InputError, match="control characters"):
        page(folder)


def test_commands_are_quoted_for_the_shell(tmp_path: Path):
    folder = write_run(tmp_path / "it's; $(x) 🙂", [BATCH, RATE])
    (run,) = make_document(folder)["runs"]
    assert run["words"].endswith("""it'"'"'s; $(x) 🙂'""")


def test_code_of_the_users_is_asked_for_in_the_command(tmp_path: Path):
    config = LINE | {"model": {"kind": "python:/net.py:build"}}
    (run,) = make_document(write_run(tmp_path, [BATCH, RATE], config=config))["runs"]
    assert run["words"].endswith(" --allow-python")


def test_too_many_cells_are_refused_with_the_way_out(tmp_path: Path):
    axes = [{"key": "training.seed", "range": [0, 10_000]}, RATE | {"num": 10_000}]
    folder = write_run(tmp_path, [BATCH, RATE])
    folder.write_manifest({"sweep": {"name": "large", "config": LINE, "axes": axes}, "complete": False})
    with pytest.raises(InputError, match="too many for a page"):
        make_document(folder)


def test_sources_of_several_runs_lead_back_to_their_rows(tmp_path: Path):
    first = write_run(tmp_path / "a", [BATCH, SEED | {"range": [0, 2]}])
    second = write_run(tmp_path / "b", [BATCH, SEED | {"range": [2, 5]}])
    folder = result.concat([result.Result(first), result.Result(second)]).folder
    document = make_document(folder)
    runs, cells = unpacked(document["sources"]["run"]), unpacked(document["sources"]["cell"])
    for row, number in enumerate(range(15)):
        own, cell = folder.source(number)
        assert (str(own.path), cell) == (document["runs"][runs[row]]["path"], cells[row])


def test_curves_of_several_runs_stand_at_the_cells_that_they_have_together(tmp_path: Path):
    runs = [
        write_run(tmp_path / name, [BATCH, SEED | {"range": span}]) for name, span in (("a", [0, 2]), ("b", [2, 5]))
    ]
    for run in runs:
        (run.path / "history").mkdir()
        table = pa.table({"cell": [4, 4], "step": [0, 1], "loss": [2.0, 1.0]})
        pq.write_table(table, run.path / "history" / "part-000000.parquet")
    folder = result.concat(map(result.Result, runs)).folder
    cells = unpacked(make_document(folder)["history"]["columns"]["cell"])
    expected = [number for number in range(15) if folder.source(number)[1] == 4]
    assert cells.tolist() == sorted(2 * expected)
    assert len(expected) == 2


def test_a_history_that_does_not_fit_is_thinned_and_said(tmp_path: Path):
    folder = write_run(tmp_path, [BATCH, RATE])
    rng = np.random.default_rng(0)
    table = {"cell": np.repeat(np.arange(15), 400), "step": np.tile(np.arange(400), 15)}
    table |= {name: rng.lognormal(0, 5, 6000) for name in ("loss", "gradient_norm", "update_norm")}
    (tmp_path / "history").mkdir()
    pq.write_table(pa.table(table), tmp_path / "history" / "part-000000.parquet")
    whole = read_histories(folder, 10**9)
    loss_alone = read_histories(folder, whole.size)
    few = read_histories(folder, whole.size // 4)
    assert set(whole.columns) == set(table)
    assert set(loss_alone.columns) == set(few.columns) == {"cell", "step", "loss"}
    assert (whole.every, loss_alone.every) == (1, 1)
    assert few.every > 1
    assert set(unpacked(few.columns["cell"])) == set(range(0, 15, few.every))


def test_the_command_writes_into_the_runs_folder(tmp_path: Path, command: Callable[..., Done]):
    write_run(tmp_path / "run", [BATCH, RATE])
    done = command("report", "run", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "run/maps/report.html\n")
    assert (tmp_path / "run" / "maps" / "report.html").read_text().startswith("<!doctype html>")
    assert [file.name for file in (tmp_path / "run" / "maps").iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing"], "no such folder"),
        (["run", "--out", "page.png"], r"--out: a page is a file of HTML \(got 'page.png'\)"),
        (["run", "--port", "80"], "--port: goes with --watch"),
        (["run", "run2"], "--out page.html"),
    ],
)
def test_mistakes_are_told(arguments: list[str], words: str, tmp_path: Path, command: Callable[..., Done]):
    write_run(tmp_path / "run", [BATCH, RATE])
    write_run(tmp_path / "run2", [BATCH, RATE | {"num": 3}])
    done = command("report", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert re.search(words, done.stderr)
    assert not list(tmp_path.rglob("*.html"))


def test_several_runs_make_one_page_and_what_differs_is_told(tmp_path: Path, command: Callable[..., Done]):
    for name, seeds, version in (("a", [0, 2], "1"), ("b", [2, 5], "2")):
        write_run(tmp_path / name, [BATCH, SEED | {"range": seeds}], versions={"jax": version}, backend="cpu")
    done = command("report", "a", "b", "--out", "both.html", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (0, "both.html", "")
    assert re.search(r"^note: .*jax", done.stdout, re.MULTILINE)
    assert '"rows":15' in (tmp_path / "both.html").read_text()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, command: Callable[..., Done]):
    write_run(tmp_path / "run", [BATCH, RATE])
    done = command("report", "run", "--out", "/proc/page.html", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("nanmap: /proc/page.html: No such file")


def test_two_writers_of_a_page_do_not_share_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first has written so far is moved by it alone, and flushed before."""
    done: list[Any] = []
    move, flush = os.replace, os.fsync

    def meanwhile(source: Any, target: Any) -> None:
        done.append(Path(source).read_text(encoding="utf-8"))
        if len(done) == 2:
            write_page(tmp_path / "page.html", "second")
        move(source, target)

    monkeypatch.setattr(os, "replace", meanwhile)
    monkeypatch.setattr(os, "fsync", lambda file: (done.append("flushed"), flush(file)) if not done else flush(file))
    write_page(tmp_path / "page.html", "first")
    assert done == ["flushed", "first", "second"]
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "first"
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]


def test_settings_of_a_config_and_of_axes_have_the_same_places():
    from nanmap.report.settings import base_settings, place_of

    tree = {"optimizer": {"layer_learning_rates": [1.0, 2.0]}, "model": {"arguments": {"units": 3}}}
    config = build_config({"data": {"kind": "line", "n": 4}, "training": {"epochs": 2}})
    assert base_settings(tree) == [
        ["optimizer", "layer_learning_rates", ["1.0", "2.0"]],
        ["model.arguments", "units", "3"],
    ]
    assert place_of("model.arguments.units")[:2] == ("model.arguments", "units")
    assert config.training.epochs == 2
