"""`pytest --faults FILE`: tries each fault of docs/reliability/faults.toml as often as its page says, and writes the counts.

Without the option tests try a few of them: `tries(few, many)`.
"""

import json
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

TABLE = Path(__file__).parents[1] / "docs" / "reliability" / "faults.toml"


def faults() -> list[dict]:
    """The table: of each fault its words, and the tests that cause it, as `file::function`."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))["faults"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", metavar="FILE", help="try faults often, alone, and write how often to FILE")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--faults") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Counts(Path(config.getoption("--faults"))))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--faults"):
        return
    owner = {test: each["fault"] for each in faults() for test in each["tests"]}
    for item in items:
        name = f"{item.path.name}::{getattr(item, 'originalname', item.name)}"
        if name in owner:
            item.user_properties += [("fault", owner[name]), ("test", name)]
    others = [item for item in items if not item.user_properties]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item.user_properties]


@pytest.fixture
def tries(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """`tries(few, many)`: how often to try, which is counted; `many` with `--faults`."""

    def chosen(few: int, many: int) -> int:
        count = many if request.config.getoption("--faults") else few
        request.node.user_properties.append(("tried", count))
        return count

    return chosen


class Counts:
    """Adds up what tests report: one try each, unless they say how many. A fault of which not all tests ran keeps its counts."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.tried: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.ran: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = dict(report.user_properties)
        if "fault" not in told or report.skipped:
            return
        if report.when == "call":
            self.tried[told["fault"]] += told.get("tried", 1)
            self.ran.add(told["test"])
        self.lost[told["fault"]] += report.failed

    def pytest_sessionfinish(self) -> None:
        before = json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else {}
        counts = {}
        for each in faults():
            fault, whole = each["fault"], self.ran.issuperset(each["tests"])
            now = {"tried": self.tried[fault], "lost": self.lost[fault]}
            counts[fault] = now if whole else before.get(fault, {"tried": 0, "lost": 0})
        self.file.write_text(json.dumps(counts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
