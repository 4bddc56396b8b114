"""The direction of imports: config → plan → engine → store → analysis → command, and what must load without JAX."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nanmap

ROOT = Path(nanmap.__file__).parent
PARTS = {"arrays", "init", "norm", "model", "optimizer", "loss", "order"}
EVERYTHING = {"*"}
# What each module (or package) may import of nanmap, itself aside; `plan.program` allows that submodule only.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "outcomes": set(),
    "arrays": set(),
    "config": {"errors"},
    "data": {"config", "errors"},
    "plan": {"config", "data", "errors", "outcomes", "schema"},
    **{part: {"arrays", "config", "errors", "norm", "plan.program"} for part in PARTS - {"arrays"}},
    "train": {"arrays", "config", "model", "optimizer", "loss", "norm", "plan.program", "outcomes"},
    "engine": {"config", "data", "errors", "plan", "train", *PARTS},
    "schema": {"outcomes"},
    "store": {"errors"},
    "manifest": {"config", "schema"},
    "theory": {"arrays", "config", "data", "model", "plan.program", "train"},
    "forecast": {"data", "engine", "plan", "theory"},
    "result": {"store", "schema", "analysis", "plot", "report"},
    "sweeping": {"config", "engine", "errors", "manifest", "outcomes", "plan", "result", "schema", "store"}
    | {"forecast"},
    "single": {"config", "data", "engine", "errors", "model", "norm", "outcomes", "plan", "train"},
    "edges": EVERYTHING - {"cli"},
    # Looking at rows needs the arithmetic of the axes and the settings' defaults, never the engine.
    "analysis": {"errors", "schema", "store", "outcomes", "plan.axes", "plan.grid", "plan.where", "result"},
    "__main__": {"cli"},
    "plot": {"config", "errors", "outcomes", "schema", "analysis", "plan.axes", "result"},
    "report": {"errors", "outcomes", "schema", "analysis", "plot", "result", "store"},
}
ABOVE = {"api", "cli", "__init__", "distributed", "diagnose", "tuning"}  # may use all of the above
WITHOUT_JAX = ("errors", "outcomes", "config", "data", "schema", "store", "manifest", "result", "analysis", "plot")


def modules() -> dict[str, list[Path]]:
    """Files of each module or package of nanmap."""
    found: dict[str, list[Path]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if part != "shipped":
            found.setdefault(part, []).append(path)
    return found


def imports_of(path: Path) -> set[str]:
    """Dotted names below nanmap that a file imports, those within functions and under TYPE_CHECKING among them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            if module == "nanmap":
                names |= {alias.name for alias in node.names}
            elif module.startswith("nanmap."):
                names.add(module.removeprefix("nanmap."))
        elif isinstance(node, ast.Import):
            names |= {alias.name.removeprefix("nanmap.") for alias in node.names if alias.name.startswith("nanmap.")}
    return names


def permitted(name: str, allowed: set[str]) -> bool:
    return "*" in allowed or any(name == each or name.startswith(f"{each}.") for each in allowed)


@pytest.mark.parametrize("module", modules())
def test_imports_point_down(module: str) -> None:
    if module in ABOVE:
        return
    assert module in ALLOWED, f"{module} is new: give it a place in the table above"
    for path in modules()[module]:
        wrong = {
            name for name in imports_of(path) if name.split(".")[0] != module and not permitted(name, ALLOWED[module])
        }
        assert not wrong, f"{path.relative_to(ROOT)} may not import {sorted(wrong)}"


def test_nothing_below_imports_the_command() -> None:
    for module, paths in modules().items():
        if module not in ("cli", "__main__"):
            assert not any(name.split(".")[0] == "cli" for path in paths for name in imports_of(path)), module


def test_the_reader_of_imports_sees_them() -> None:
    assert {"plan", "train", "plan.program"} <= set().union(*map(imports_of, modules()["engine"]))
    assert not permitted("engine", {"plan"})
    assert not permitted("planning", {"plan"})
    assert permitted("plan.axes", {"plan"})


def loaded_by(statement: str) -> set[str]:
    """Top-level packages in memory after a statement in a fresh interpreter."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import nanmap; dir(nanmap)") & {"jax", "jaxlib", "pandas", "numpy", "matplotlib", "pyarrow"}


def test_looking_at_results_needs_no_jax() -> None:
    names = [name for name in WITHOUT_JAX if name in modules()]
    assert {"store", "schema", "result"} <= set(names)
    assert not loaded_by("import " + ", ".join(f"nanmap.{name}" for name in names)) & {"jax", "jaxlib", "optax"}


def test_the_command_loads_neither_jax_nor_pandas() -> None:
    if "cli" in modules():
        assert not loaded_by("import nanmap.cli") & {"jax", "jaxlib", "pandas", "matplotlib"}


def test_every_public_name_can_be_had() -> None:
    for name in nanmap.__all__:
        assert getattr(nanmap, name) is not None
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = nanmap.nothing_such
