"""What the documents name is there, and what they show runs."""

import doctest
import re
import runpy
from pathlib import Path

import pytest

import nanmap
from nanmap.outcomes import Outcome

ROOT = Path(__file__).parents[1]
PACKAGE = Path(nanmap.__file__).parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = [document for document in DOCUMENTS if ">>> " in document.read_text(encoding="utf-8")]
ENDINGS = ("csv", "ipynb", "json", "md", "npz", "parquet", "png", "py", "toml", "txt")
MADE_BY_THE_USER = (".venv/bin/pre-commit", ".venv/bin/python", "results/keras_line/cells")
IN_A_RUN = (
    "manifest.json",
    "inputs/*.npz",
    "cells/*.parquet",
    "edges.json",
    "edges/*.parquet",
    "maps/",
    "receipts/*.json",
    ".tmp/*",
)


def paths_in(text: str) -> list[str]:
    """Words in backticks with a slash or with the ending of a file, those of commands too; not those in blocks of code."""
    prose = re.sub(r"^( *)```.*?^\1```$|`python:[^`]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    words = [word for quoted in re.findall(r"`([^`]+)`", prose) for word in re.findall(r"[\w.*/-]+", quoted)]
    return [word for word in words if re.search(rf"[a-z_]/|\w\.({'|'.join(ENDINGS)})$", word)]


def is_there(path: str, document: Path) -> bool:
    """Whether a file, a folder or a module of that name is in the checkout, the package or beside the document."""
    folders = (ROOT, PACKAGE, document.parent)
    return any(list(folder.glob(name)) for folder in folders for name in (path.rstrip("/"), f"{path}.py"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_path_in_backticks_is_there(document: Path) -> None:
    paths = set(paths_in(document.read_text(encoding="utf-8"))) - {*MADE_BY_THE_USER, *IN_A_RUN}
    assert [path for path in sorted(paths) if not is_there(path, document)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_picture_is_there(document: Path) -> None:
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", document.read_text())
    assert [name for name in shown if not (document.parent / name).is_file()] == []
    assert document.read_text().count("](images/outcomes/") == (len(Outcome) if document.name == "outcomes.md" else 0)


def test_the_reference_is_what_the_code_says() -> None:
    """Settings with their defaults, outcomes, columns with the reasons why values are missing, options of commands."""
    made = runpy.run_path(str(ROOT / "docs" / "make_reference.py"))["reference"]()
    assert made.splitlines() == (ROOT / "docs" / "reference.md").read_text(encoding="utf-8").splitlines()


def test_every_exception_is_named_somewhere() -> None:
    named = {path for document in DOCUMENTS for path in paths_in(document.read_text(encoding="utf-8"))}
    assert {*MADE_BY_THE_USER, *IN_A_RUN} <= named


def test_the_reader_of_paths_takes_paths_alone() -> None:
    text = """
`engine/widths.py`, `errors.py`, `models/` and `docs/*.md`, `run --out a/b`, `training.steps`, `1/λ`, `.npz`, and / or
   ```
   `no/such.py`
   ```
`training/program` of `training
.loss`
"""
    paths = ["engine/widths.py", "errors.py", "models/", "docs/*.md", "a/b", "training/program"]
    assert paths_in(text) == paths
    assert [path for path in paths if not is_there(path, ROOT / "README.md")] == ["a/b"]


@pytest.mark.parametrize("document", EXAMPLES, ids=lambda document: document.name)
def test_every_example_gives_what_it_shows(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = document.read_text(encoding="utf-8")
    test = doctest.DocTestParser().get_doctest(text, {}, document.name, str(document), 0)
    assert not any(example.options for example in test.examples)  # none is skipped
    monkeypatch.chdir(tmp_path)
    assert doctest.DocTestRunner().run(test).failed == 0, capsys.readouterr().out
