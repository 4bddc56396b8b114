"""The notebook runs from top to bottom, shows what it says, and is stored without outputs."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs").glob("*.ipynb"))

# What stands in what they show.
SHOWN = {
    "edges.ipynb": ["measured / predicted = (1.0|0.9999)", "Figure"],
    "first_map.ipynb": [r"<Outcome\.NAN.*'optimizer\.learning_rate': 0\.1", r"Result\('", "converged", "Figure"],
}
MOST = 10  # lines of a first program

# What a notebook does with a cell: run it in one namespace, and show the value of a last expression.
RUNNER = """
import ast, json, sys
space = {"__name__": "__main__"}
for number, cell in enumerate(json.load(open(sys.argv[1], encoding="utf-8"))["cells"]):
    if cell["cell_type"] == "code":
        body = ast.parse("".join(cell["source"])).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), f"cell {number}", "exec"), space)
        if last is not None:
            print(f"cell {number}:", repr(eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), space)))
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore:Error reading persistent compilation cache entry",
            "-c",
            RUNNER,
            str(path),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for words in SHOWN[path.name]:
        assert re.search(words, done.stdout), done.stdout


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_is_stored_without_outputs(path: Path) -> None:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            ast.parse("".join(cell["source"]))


def test_a_first_map_takes_few_lines() -> None:
    cells = json.loads((NOTEBOOKS[0].parent / "first_map.ipynb").read_text(encoding="utf-8"))["cells"]
    source = "".join("".join(cell["source"]) + "\n" for cell in cells if cell["cell_type"] == "code")
    code = [line for line in source.splitlines() if line.strip() and not line.startswith(("import ", "#"))]
    assert len(code) < MOST, code
