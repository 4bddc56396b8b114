"""The one rule of imports, without exceptions: a room imports from rooms to its left. And what must load without JAX."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nanmap

ROOT = Path(nanmap.__file__).parent
# Of each room those that stand directly to its left; it may import them, and whatever they may import. Lazy imports and
# those for type checkers count like any other.
LEFT_OF: dict[str, tuple[str, ...]] = {
    "errors": (),
    "outcomes": (),
    "config": ("errors", "outcomes"),
    "results": ("config",),
    "data": ("config",),
    "grid": ("config",),
    "models": ("results", "data", "grid"),
    "training": ("models",),
    "plan": ("training",),
    "theory": ("plan",),
    "engine": ("theory",),
    "analysis": ("results", "grid"),
    "plot": ("analysis",),
    "runs": ("engine", "analysis"),
    "edges": ("runs",),
    "result": ("edges", "plot"),
    "api": ("result",),
    "__init__": ("api",),
    "cli": ("api",),
    "__main__": ("cli",),
}
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
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names |= {f"nanmap.{alias.name}" for alias in node.names} if module == "nanmap" else {module}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("nanmap.")} | (
        {"__init__"} if "nanmap" in names else set()
    )


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


def test_there_is_no_circle_and_no_room_that_is_not_there() -> None:
    for room in LEFT_OF:
        assert room not in left_of(room)
    assert set(LEFT_OF) == set(rooms())


def test_rooms_that_stand_side_by_side_do_not_know_each_other() -> None:
    for one in ("results", "data", "grid"):
        assert not left_of(one) & {"results", "data", "grid"}
    assert not left_of("plot") & {"engine", "plan", "training", "models", "theory", "result"}


def test_the_reader_of_imports_sees_those_that_are_lazy(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text(
        "import nanmap.plan.load\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from nanmap.result import Result\n"
        "def f():\n    from nanmap import engine\n    import nanmap\n"
    )
    assert imports_of(file) == {"plan", "result", "engine", "__init__"}


def loaded_by(statement: str) -> set[str]:
    """Top-level packages in memory after a statement in a fresh interpreter."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import nanmap; dir(nanmap)") & {"jax", "jaxlib", "pandas", "numpy", "matplotlib", "pyarrow"}


def test_planning_and_looking_at_results_need_no_jax() -> None:
    assert not loaded_by("import " + ", ".join(f"nanmap.{name}" for name in WITHOUT_JAX)) & {"jax", "jaxlib", "optax"}


def test_the_command_loads_neither_jax_nor_pandas() -> None:
    assert not loaded_by("import nanmap.cli") & {"jax", "jaxlib", "pandas", "matplotlib"}


def test_every_public_name_can_be_had() -> None:
    for name in nanmap.__all__:
        assert getattr(nanmap, name) is not None
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = nanmap.nothing_such
