"""docs/reliability.md is what was counted, of tests that are there."""

import ast
import json
import runpy
from pathlib import Path

import pytest
from tests.fault_counts import Counts, faults

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability"


def test_every_test_of_a_fault_is_there_and_was_counted() -> None:
    counts = json.loads((PAGE / "counts.json").read_text(encoding="utf-8"))
    for each in faults():
        for name in each["tests"]:
            file, function = name.split("::")
            tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
            assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, name
        assert counts[each["fault"]]["tried"] > 0, each["fault"]
        assert counts[each["fault"]]["lost"] == 0


def test_the_page_is_what_was_counted() -> None:
    made = runpy.run_path(str(PAGE / "make_page.py"))["page"]()
    assert made == (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert "{{" not in made


def test_tries_are_added_up_and_failures_are_losses(tmp_path: Path) -> None:
    counts, fault = Counts(tmp_path / "counts.json"), faults()[0]["fault"]
    for told, when, failed in (
        ([("fault", fault), ("tried", 25)], "call", False),
        ([("fault", fault)], "call", True),
        ([("fault", fault)], "setup", False),
        ([("tried", 9)], "call", False),
    ):
        report = pytest.TestReport(
            "a", ("", 0, ""), {}, "failed" if failed else "passed", None, when, user_properties=told
        )  # type: ignore[arg-type]
        counts.pytest_runtest_logreport(report)
    counts.pytest_sessionfinish()
    assert json.loads((tmp_path / "counts.json").read_text())[fault] == {"tried": 26, "lost": 1}
