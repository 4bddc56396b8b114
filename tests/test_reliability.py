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
    counts, (one, two, *_) = Counts(tmp_path / "counts.json"), faults()
    fault, (test,), others = one["fault"], one["tests"], two["tests"]
    assert len(others) > 1
    for told, when, failed in (
        ([("fault", fault), ("test", test), ("tried", 25)], "call", False),
        ([("fault", fault), ("test", test)], "call", True),
        ([("fault", fault), ("test", test)], "setup", False),
        ([("fault", two["fault"]), ("test", others[0])], "call", False),
        ([("tried", 9)], "call", False),
    ):
        report = pytest.TestReport(
            "a", ("", 0, ""), {}, "failed" if failed else "passed", None, when, user_properties=told
        )  # type: ignore[arg-type]
        counts.pytest_runtest_logreport(report)
    (tmp_path / "counts.json").write_text(json.dumps({two["fault"]: {"tried": 7, "lost": 0}}))
    counts.pytest_sessionfinish()
    written = json.loads((tmp_path / "counts.json").read_text())
    assert (written[fault], written[two["fault"]]) == ({"tried": 26, "lost": 1}, {"tried": 7, "lost": 0})
