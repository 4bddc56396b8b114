"""Five hundred odd inputs of every kind, the same in every run; `make fuzz` does twenty thousand. And the judge itself is judged."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fuzz import judge
from fuzz.cases import Case, make_case, makers
from fuzz.words import same

from nanmap.cli import examples

ROOT = Path(__file__).parents[1]
SEED = 20  # `make fuzz` begins with another one


@pytest.mark.parametrize("start", range(0, 500, 100))
def test_odd_input_is_done_or_refused_in_a_sentence(start: int) -> None:
    faults, ended = [], Counter()
    for number in range(start, start + 100):
        case, verdict = judge.judged(SEED, number)
        ended[case.kind, verdict.accepted] += 1
        if verdict.fault:
            faults.append(f"python -m fuzz --seed {SEED} --case {number} ({case.kind}): {verdict.fault}")
    assert faults == []
    assert {kind for kind, _ in ended} == set(makers())
    assert sum(count for (_, accepted), count in ended.items() if accepted) > 10


def test_a_case_hangs_on_its_seed_and_number_alone(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        make_case(3, 5, tmp_path / name)
        made.append({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()})
    assert made[0] == made[1] != {}


def told(monkeypatch: pytest.MonkeyPatch, folder: Path, does: object, case: Case | None = None) -> str | None:
    """What the judge says of a command that does this."""
    monkeypatch.setattr(examples, "_list_all", does)
    return judge._judged(case or Case("set", ["examples"]), folder).fault


def test_each_fault_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spin() -> None:
        while True:
            pass

    def write(name: str) -> None:
        (tmp_path / name).write_text("x")

    monkeypatch.setattr(judge, "SECONDS", 0.2)
    assert told(monkeypatch, tmp_path, lambda: None) is None
    assert "ZeroDivisionError" in str(told(monkeypatch, tmp_path, lambda: 1 / 0))
    assert "Hung" in str(told(monkeypatch, tmp_path, spin))
    assert "out of memory" in str(told(monkeypatch, tmp_path, lambda: np.ones(3 * 2**30, np.uint8)))
    assert "wrote outside" in str(told(monkeypatch, tmp_path, lambda: write("x")))
    assert "wrote outside" in str(told(monkeypatch, tmp_path, lambda: os.mkdir(tmp_path / "y")))
    assert told(monkeypatch, tmp_path, lambda: write("z"), Case("set", ["examples"], tmp_path)) is None
    assert "overflow" in str(told(monkeypatch, tmp_path, lambda: np.float64(1e308) * 10))
    wrong = Case("set", ["examples"], truth=lambda: "5 is 6")
    assert told(monkeypatch, tmp_path, lambda: None, wrong) == "accepted what it is not: 5 is 6"


@pytest.mark.parametrize(
    ("found", "given", "equal"),
    [
        (float("nan"), float("nan"), True),
        (1, True, False),
        (True, True, True),
        ((1, 2), [1.0, 2.0], True),
        (1e30, 10**30, True),
        (2**53 + 1, 2**53, False),
        ("1", 1, False),
        ({"a": 0.0}, {"a": 1.0}, False),
    ],
)
def test_what_was_understood_is_held_against_what_was_given(found: object, given: object, equal: bool) -> None:
    assert same(found, given) is equal


def test_what_was_tried_is_written_down_and_was_clean() -> None:
    said = json.loads((ROOT / "docs" / "fuzz.json").read_text())
    assert said["faults"] == 0
    assert said["cases"] == sum(count["accepted"] + count["refused"] for count in said["kinds"].values()) >= 20_000
    assert set(said["kinds"]) == set(makers())
    assert said["longest_cpu_seconds"] < said["limits"]["cpu_seconds"] == judge.SECONDS
    assert said["most_memory_mib"] < said["limits"]["memory_mib"] == judge.MEMORY / 2**20
