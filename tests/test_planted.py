"""Planted trainings, labelled by what a teacher would say of them; docs/outcomes.md has the words, `make test-long` all of them."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanmap.config import build_config
from nanmap.outcomes import Cause, Outcome
from nanmap.runs.single import train_one
from planted import LINEAR, PLANTED, Planted

DEFINITIONS = Path(__file__).parents[1] / "docs" / "outcomes.md"


def tree_of(each: Planted, folder: Path) -> dict[str, Any]:
    if each.x is None:
        return each.tree
    path = folder / "rows.npz"
    np.savez(path, x=each.x, y=each.y)
    return each.tree | {"data": each.tree.get("data", {}) | {"kind": "npz", "path": str(path)}}


def test_lines_are_called_what_a_teacher_calls_them(grid) -> None:
    flat = {each.name: flattened(each.tree) for each in LINEAR}
    rows = grid(LINEAR[0].tree, [{"name": "line", "choices": flat}]).to_pylist()
    told = {row["line"]: (row["outcome"], row["cause"]) for row in rows}
    assert told == {each.name: (each.outcome, each.cause) for each in LINEAR}


def flattened(tree: dict[str, Any]) -> dict[str, Any]:
    return {f"{table}.{key}": value for table, settings in tree.items() for key, value in settings.items()}


@pytest.mark.long
@pytest.mark.parametrize("each", PLANTED, ids=lambda each: each.name)
def test_a_planted_training_is_called_what_a_teacher_calls_it(each: Planted, engine, tmp_path: Path) -> None:
    report = train_one(build_config(tree_of(each, tmp_path)), engine=engine)
    same = (str(report.outcome), str(report.cause)) == (each.outcome, each.cause)
    assert same != bool(each.differs), (report.outcome, report.cause, report.row)
    assert report.remedy or report.outcome == Outcome.CONVERGED, report.evidence


def test_few_are_called_otherwise() -> None:
    assert len(PLANTED) >= 60
    agreed = sum(not each.differs for each in PLANTED)
    assert agreed >= len(PLANTED) * 55 / 60


def test_every_line_of_the_table_of_causes_is_planted() -> None:
    table = [line.split("|")[1:3] for line in DEFINITIONS.read_text().splitlines() if line.count("|") == 5][2:]
    planted = {(each.outcome, each.cause) for each in PLANTED if not each.differs}
    outcomes, missing = [], []
    for column, cause in table:
        outcomes = re.findall(r"`(\w+)`", column) or outcomes
        name = "".join(re.findall(r"`(\w+)`", cause))
        missing += [name] * planted.isdisjoint((each, name) for each in outcomes)
    assert (len(table), missing) == (34, [])


def test_every_outcome_and_every_cause_is_planted_thrice() -> None:
    outcomes, causes = Counter(each.outcome for each in PLANTED), Counter(each.cause for each in PLANTED)
    assert {name: outcomes[name] for name in Outcome if outcomes[name] < 3} == {}
    assert {name: causes[name] for name in Cause if causes[name] < 3} == {}
