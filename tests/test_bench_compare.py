"""Two results of the benchmark beside each other: what changed, what differs around it, what only one of them has."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from benchmarks import compare

ROOT = Path(__file__).parents[1]
COMMITTED = ROOT / "benchmarks" / "results" / "amd-epyc-2-cores.json"


def contender(label: str, seconds: list[float], cells: int = 10, **more: Any) -> dict[str, Any]:
    return {"label": label, "cells": cells, "updates": 100 * cells, "seconds": seconds, "tried": [], **more}


def result(*contenders: dict[str, Any], **more: Any) -> dict[str, Any]:
    group = {"name": "float64", "contenders": list(contenders)}
    return {
        "schema": 1,
        "date": "2026-01-01",
        "commit": "abc",
        "machine": {"cpu": "one", "cores": 2, "memory_gib": 8.0, "system": "Linux", "gpus": []},
        "versions": {"python": "3.12.0", "numpy": "2.0"},
        "quick": False,
        "workloads": {"square_sgd": {"unit": "updates", "groups": [group]}},
        **more,
    }


OLD = result(contender("nanmap", [1.0, 2.0, 1.0]), contender("NumPy", [5.0, 10.0, 6.0]))


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What is printed of two results, in one line."""
    monkeypatch.chdir(tmp_path)

    def run(old: Any, new: Any) -> str:
        for name, each in (("old", old), ("new", new)):
            Path(f"{name}.json").write_text(each if isinstance(each, str) else json.dumps(each))
        status = compare.main(["old.json", "--new", "new.json"])
        out, err = capsys.readouterr()
        assert status == (2 if err else 0)
        return " ".join((out + err).split())

    return run


def test_medians_spreads_and_ratios_stand_beside_each_other(told: Any) -> None:
    # nanmap twice as fast in each round, NumPy as it was: the ratio doubles, and nothing overlaps.
    new = result(contender("nanmap", [0.4, 0.5, 0.5]), contender("NumPy", [5.0, 10.0, 6.0]))
    text = told(OLD, new)
    assert "1,000 (500–1,000)" in text
    assert "2,000 (2,000–2,500)" in text
    assert "5.00 × (5.00–6.00)" in text
    assert "12.5 × (12.0–20.0)" in text
    assert "2.50 *" in text
    assert "The same machine" in text
    assert "Versions differ" not in text
    assert "Only in" not in text


def test_what_lies_within_the_spread_has_no_star(told: Any) -> None:
    new = result(contender("nanmap", [1.5, 1.9, 1.6]), contender("NumPy", [5.0, 10.0, 6.0]))
    rows = told(OLD, new).split("square_sgd, float64")[1]
    assert "0.625" in rows
    assert "*" not in rows


def test_speeds_are_over_updates_and_not_over_seconds(told: Any) -> None:
    twice = contender("nanmap", [2.0, 4.0, 2.0], cells=20)
    text = told(OLD, result(twice, contender("NumPy", [5.0, 10.0, 6.0])))
    assert "new / old 1.00 " in text
    assert "nanmap: 10 cells × 100 updates a round, now 20 cells × 100 updates" in text


def test_machines_and_versions_that_differ_are_named(told: Any) -> None:
    new = deepcopy(OLD)
    new["machine"]["cpu"], new["versions"]["numpy"], new["versions"]["torch"] = "another", "2.1", "3.0"
    text = told(OLD, new | {"repeats": 5})
    assert "rounds – 5" in text
    assert "processor one, 2 cores another, 2 cores" in text
    assert "numpy 2.0 2.1" in text
    assert "torch – 3.0" in text
    assert "The machines differ" in text
    assert "Versions differ (numpy, torch)" in text
    assert "memory" not in text


def test_a_quick_run_is_told(told: Any) -> None:
    assert "old.json is of a run with --quick" in told(OLD | {"quick": True}, OLD)


def test_what_only_one_of_them_has_is_told(told: Any) -> None:
    gone = {"label": "NumPy", "missing": ["numpy"]}
    new = result(contender("nanmap", [1.0, 1.0, 1.0]), gone, contender("C", [0.1, 0.1, 0.1]))
    new["workloads"]["widths"] = {"unit": "updates", "groups": [{"name": "1–1", "contenders": [contender("4", [1.0])]}]}
    text = told(OLD, new)
    assert "Only in old.json: square_sgd, float64: NumPy (not installed in the other)" in text
    assert "Only in new.json: square_sgd, float64: C widths, 1–1" in text


def test_a_contender_that_came_to_tell_what_it_keeps_is_still_the_same(told: Any) -> None:
    kept = [contender("NumPy", [1.0] * 3, keeps=keeps) for keeps in ("nothing", "losses")]
    new = result(contender("nanmap", [1.0, 2.0, 1.0], keeps="losses"), *kept)
    for one, other, both in ((OLD, new, "old"), (new, OLD, "new")):
        text = told(one, other)
        assert "nanmap" not in text.partition("Only in")[2], f"{both}: nanmap is in both"
        assert "NumPy, keeps nothing" in text
    assert "NumPy, keeps losses" not in told(new, new).partition("Only in")[2]


def test_everything_committed_is_compared(told: Any) -> None:
    committed = json.loads(COMMITTED.read_text(encoding="utf-8"))
    text = told(committed, committed)
    for workload in committed["workloads"]:
        assert workload in text
    contests, widths = text.split("widths, ", 1)
    assert "the first row over it" in contests
    assert "the first row over it" not in widths, "all widths are nanmap's"
    assert "Only in" not in text
    gpu = json.loads((COMMITTED.parent / "nvidia-h200.json").read_text(encoding="utf-8"))
    text = told(committed, gpu)
    assert "The machines differ" in text
    assert "Only in old.json: fractal_tanh, float32" in text
    assert "Only in new.json: contest float32" in text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("{", "new.json: is no JSON"),
        ('["schema", "workloads"]', "new.json: is no result of the benchmark"),
        ('{"workloads": {}}', "new.json: is no result of the benchmark"),
        ('{"schema": 1}', "new.json: is no result of the benchmark"),
        (json.dumps(OLD | {"schema": 2}), "schema: has another schema (got 2) allowed: 1"),
        (json.dumps(OLD | {"machine": {}}), "new.json: is not whole: KeyError"),
        (json.dumps(result({"label": "nanmap", "seconds": "none"})), "new.json: is not whole"),
        (json.dumps(result(contender("nanmap", []))), "new.json: is not whole"),
    ],
)
def test_what_is_no_result_is_told(told: Any, wrong: str, said: str) -> None:
    text = told(OLD, wrong)
    assert said in text
    assert "mend" in text or "allowed" in text
    assert "Traceback" not in text


def test_a_file_or_a_revision_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = str(COMMITTED)
    for given, said in (
        (str(tmp_path / "no.json"), "no such file"),
        (str(tmp_path), "is a folder"),
        ("no-such-revision", "no such file, and no such revision of this checkout"),
    ):
        assert compare.main([given, "--new", own]) == 2
        assert f"bench-compare: {given}: {said}\n" in capsys.readouterr().err


def test_a_revision_has_the_result_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[tuple[str, ...]] = []

    def git(*arguments: str) -> str | None:
        shown.append(arguments)
        return {
            "rev-parse": "abc",
            "ls-tree": "benchmarks/results/mine.json\nbenchmarks/results/gpu.json\nbenchmarks/results/notes.md\n",
            "show": json.dumps(OLD) if arguments[-1].endswith(("mine.json", "gpu.json")) else None,
        }[arguments[0]]

    monkeypatch.setattr(compare, "_git", git)
    (tmp_path / "mine.json").write_text(json.dumps(OLD))
    assert compare.main(["HEAD~3", "--new", str(tmp_path / "mine.json")]) == 0
    assert ("show", "HEAD~3:benchmarks/results/mine.json") in shown
    assert "old: HEAD~3:mine.json" in capsys.readouterr().out
    assert compare.main(["HEAD~3:benchmarks/results/gpu.json", "--new", "HEAD"]) == 0
    assert shown[-1] == ("show", "HEAD~3:benchmarks/results/gpu.json")
    assert ("show", "HEAD:benchmarks/results/gpu.json") in shown
    capsys.readouterr()

    (tmp_path / "other.json").write_text(json.dumps(OLD))
    monkeypatch.setattr(compare, "own_file", lambda: Path("gpu.json"))
    assert compare.main(["HEAD~3", "--new", str(tmp_path / "other.json")]) == 0
    assert "old: HEAD~3:gpu.json" in capsys.readouterr().out
    monkeypatch.setattr(compare, "own_file", lambda: Path("own.json"))
    assert compare.main(["HEAD~3", "--new", str(tmp_path / "other.json")]) == 2
    error = capsys.readouterr().err
    assert "no result of this machine (own.json) in this revision" in error
    assert "allowed: HEAD~3:benchmarks/results/mine.json, HEAD~3:benchmarks/results/gpu.json\n" in error


def test_without_another_one_it_is_this_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compare.machine, "describe", lambda: {"cpu": "AMD EPYC (family 1)", "cores": 2, "gpus": []})
    assert compare.own_file().resolve() == COMMITTED
    assert compare.main([str(COMMITTED)]) == 0
