"""The one rule of imports, without exceptions: a room imports from rooms to its left. What must load without JAX."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nanmap

ROOT = Path(nanmap.__file__).parent
# Of each room those that stand directly to its left; it may import them, and whatever they may import. Lazy imports and
# those for type checkers count like any other. docs/architecture.md has the same as a picture.
LEFT_OF: dict[str, tuple[str, ...]] = {
    "errors": (),
    "limits": ("errors",),
    "npz": ("limits",),
    "objects": ("errors",),
    "stopping": (),
    "outcomes": (),
    "config": ("limits",),
    "results": ("config", "outcomes", "objects"),
    "data": ("config", "npz", "objects"),
    "grid": ("config",),
    "models": ("config", "npz"),
    "training": ("models", "data"),
    "plan": ("training", "grid", "results"),
    "theory": ("plan",),
    "engine": ("plan", "stopping"),
    "advice": ("theory",),
    "runs": ("engine", "advice", "analysis"),
    "edges": ("runs",),
    "analysis": ("grid", "results"),
    "plot": ("analysis",),
    "report": ("plot",),
    "result": ("report",),
    "listings": ("data",),
    "diagnosis": ("edges", "report", "listings"),
    "api": ("diagnosis", "result"),
    "__init__": ("api",),
    "cli": ("api",),
    "__main__": ("cli",),
}
BY_NAME = (
    "__init__.py",
    "cli/app.py",
    "models/own/source.py",
)  # by a string: public names, commands, code of the user's
WITHOUT_JAX = (
    "errors",
    "outcomes",
    "config",
    "results",
    "data",
    "grid",
    "models",
    "training.program",
    "plan",
    "analysis",
    "plot",
    "report",
    "result",
)


def rooms() -> dict[str, list[Path]]:
    """Files of each room; a single file at the top of the package is one, too."""
    found: dict[str, list[Path]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room != "shipped":
            found.setdefault(room, []).append(path)
    return found


def imports_of(path: Path) -> set[str]:
    """Rooms that a file imports from, wherever in it the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            package, *inside = (node.module or "").split(".")
            if package == "nanmap":
                found |= set(inside[:1]) or {alias.name for alias in node.names}
    return found


def ways_around(path: Path) -> list[str]:
    """Whatever in a file may reach rooms unseen by `imports_of`: through the package itself, or by a name in a string.

    `from importlib.metadata import version` is harmless.
    """
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        wrong = False
        if isinstance(node, ast.Import):
            wrong = bool({alias.name.partition(".")[0] for alias in node.names} & {"nanmap", "importlib"})
        elif isinstance(node, ast.ImportFrom):
            module, names = node.module or "", {alias.name for alias in node.names}
            lazy = module == "nanmap" and not names <= set(LEFT_OF) - {"__init__"}
            imports = module.partition(".")[0] == "importlib" and module != "importlib.metadata"
            wrong = bool(node.level) or lazy or imports
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            wrong = name in ("import_module", "__import__")
        if wrong:
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def left_of(room: str) -> set[str]:
    """Every room that a room may import."""
    found: set[str] = set()
    for each in LEFT_OF[room]:
        found |= {each} | left_of(each)
    return found


@pytest.mark.parametrize("room", rooms())
def test_a_room_imports_from_its_left(room: str) -> None:
    assert room in LEFT_OF, f"{room} is new: give it a place in LEFT_OF, and in docs/architecture.md"
    for path in rooms()[room]:
        wrong = imports_of(path) - left_of(room) - {room}
        assert not wrong, f"{path.relative_to(ROOT)} may not import from {sorted(wrong)}"


@pytest.mark.parametrize("room", rooms())
def test_a_room_imports_nothing_unseen(room: str) -> None:
    for path in rooms()[room]:
        name = path.relative_to(ROOT).as_posix()
        found = ways_around(path)
        assert bool(found) == (name in BY_NAME), f"{name}: {found}; write `from nanmap.room import name`"


def test_there_is_no_circle_and_no_room_that_is_not_there() -> None:
    for room in LEFT_OF:
        assert room not in left_of(room)
    assert set(LEFT_OF) == set(rooms())


@pytest.mark.parametrize("room", rooms())
def test_what_stands_directly_to_the_left_is_needed(room: str) -> None:
    used = set().union(*map(imports_of, rooms()[room]))
    for left in LEFT_OF[room]:
        assert left in used, f"{room} imports nothing from {left}: take it out of LEFT_OF, and of docs/architecture.md"
        others = set().union(*(left_of(other) for other in LEFT_OF[room] if other != left))
        assert left not in others, f"{room} may import {left} anyway"


def test_rooms_that_stand_side_by_side_do_not_know_each_other() -> None:
    for level in (
        ("models", "data", "grid", "results"),
        ("plan", "analysis"),
        ("theory", "engine"),
        ("edges", "result"),
    ):
        for one in level:
            assert not left_of(one) & set(level)
    assert not left_of("result") & {"engine", "plan", "training", "models", "theory", "runs"}


def test_the_reader_of_imports_sees_those_that_are_lazy(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text(
        "from nanmap.plan.load import a, b\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from nanmap.result import Result\n"
        "def f():\n    from nanmap import engine, api\n    from nanmaps.grid import c\n"
    )
    assert imports_of(file) == {"plan", "result", "engine", "api"}
    assert not ways_around(file)


@pytest.mark.parametrize(
    "source",
    [
        "import nanmap",
        "import nanmap.config\nnanmap.Result",
        "import ast, nanmap.config as c",
        "from nanmap import Result",
        "from nanmap import api, sweep",
        "from nanmap import *",
        "from . import view",
        "from ..result import Result",
        "import importlib",
        "import importlib.metadata",
        "from importlib import import_module",
        "from importlib.util import find_spec",
        "def f(module):\n    return module.import_module('nanmap.runs.sweep')",
        "__import__('nanmap.runs.sweep')",
    ],
)
def test_a_way_around_the_rule_is_seen(source: str, tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text(f"from importlib.metadata import version\nfrom nanmap import engine\n{source}\n")
    assert ways_around(file)


def loaded_by(statement: str) -> set[str]:
    """Top-level packages in memory after a statement in a fresh interpreter."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return set(told.splitlines()[-1].split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import nanmap; dir(nanmap)") & {"jax", "jaxlib", "pandas", "numpy", "matplotlib", "pyarrow"}


def test_planning_and_looking_at_results_need_no_jax() -> None:
    assert not loaded_by("import " + ", ".join(f"nanmap.{name}" for name in WITHOUT_JAX)) & {"jax", "jaxlib", "optax"}


def test_the_help_of_all_commands_loads_nothing_heavy() -> None:
    heavy = {
        "jax",
        "jaxlib",
        "optax",
        "numpy",
        "pandas",
        "pyarrow",
        "pydantic",
        "rich",
        "matplotlib",
        "xarray",
        "scipy",
    }
    loaded = loaded_by("from nanmap.cli.app import load_commands; load_commands()(['--help'], standalone_mode=False)")
    assert "typer" in loaded
    assert loaded & heavy == set()


def test_every_public_name_can_be_had() -> None:
    for name in nanmap.__all__:
        assert getattr(nanmap, name) is not None
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = nanmap.nothing_such
