"""Short ways to the settings of planted trainings."""

from typing import Any

from .planted import Planted
from .rows import Rows

TEN = [16] * 10
Tree = dict[str, Any]


def tree(rate: float, steps: int, batch: int = 64, data: Tree | None = None, **settings: Any) -> Tree:
    """Settings by `table_key`, the table being all before the first `_`; full batch of arrays unless said."""
    result: Tree = {
        "data": data or {"kind": "npz"},
        "model": {},
        "optimizer": {"learning_rate": rate},
        "training": {"batch_size": batch, "steps": steps},
    }
    for name, value in settings.items():
        table, key = name.split("_", 1)
        result.setdefault(table, {})[key] = value
    result["data"] = dict(result["data"])
    return result


def arrays(name: str, rows: Rows, settings: Tree, outcome: str, cause: str, why: str, *, differs: str = "") -> Planted:
    """A training on arrays of numbers."""
    return Planted(name, settings, outcome, cause, why, *rows, differs)


def classes(name: str, rows: Rows, settings: Tree, outcome: str, cause: str, why: str, *, differs: str = "") -> Planted:
    """A training on labels, with the sigmoid's cross-entropy unless the settings say otherwise."""
    settings["data"]["target_kind"] = "class"
    settings.setdefault("loss", {"kind": "sigmoid_cross_entropy"})
    return Planted(name, settings, outcome, cause, why, *rows, differs)


def built_in(name: str, settings: Tree, outcome: str, cause: str, why: str, *, differs: str = "") -> Planted:
    """A training on built-in rows."""
    return Planted(name, settings, outcome, cause, why, differs=differs)
