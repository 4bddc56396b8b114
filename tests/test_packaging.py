"""What is built is the whole package: source distribution → wheel → a folder elsewhere, from which the command works."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "nanmap"


def run(*command: object, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=os.environ | variables,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that `python -m build` makes out of the source distribution, without a network."""
    folder = tmp_path_factory.mktemp("dist")
    run("-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    assert len(list(folder.glob("*.tar.gz"))) == 1
    (built,) = folder.glob("*.whl")
    return built


def test_every_file_of_the_package_and_every_example_is_in_the_wheel(wheel: Path) -> None:
    held = set(ZipFile(wheel).namelist())
    files = [*PACKAGE.rglob("*.py"), *(PACKAGE / "report" / "page").iterdir()]
    modules = {f"nanmap/{file.relative_to(PACKAGE).as_posix()}" for file in files}
    assert "nanmap/results/folder.py" in modules
    assert modules - held == set()
    assert "nanmap/py.typed" in held
    shipped = [file for folder in ("configs", "sweeps") for file in (ROOT / folder).rglob("*") if file.is_file()]
    assert {f"nanmap/shipped/{file.relative_to(ROOT).as_posix()}" for file in shipped} - held == set()


def test_only_the_package_is_in_the_wheel(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"nanmap"}


def test_the_wheel_works_elsewhere(wheel: Path, tmp_path: Path) -> None:
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    run("-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", site, wheel, cwd=empty)
    path = {"PYTHONPATH": str(site)}
    assert run("-c", "import nanmap; print(nanmap.__file__)", cwd=empty, **path).startswith(str(site))
    assert "Commands:" in run("-m", "nanmap", "--help", cwd=empty, **path)
    assert "square_sgd" in run("-m", "nanmap", "examples", cwd=empty, **path)
    run("-m", "nanmap", "examples", "square_sgd", "--out", "mine", cwd=empty, **path)
    told = run("-m", "nanmap", "sweep", "mine/sweeps/square_sgd.toml", "--dry-run", cwd=empty, **path)
    assert "trainings" in told
