"""Writes the tables of a result into README.md and docs/performance.md, and draws the roofline.

`python -m benchmarks.pages --check` exits 1 if a page or the picture is not what would be written. A table stands
between two comments: `<!-- NAME from benchmarks/results/FILE.json -->` and `<!-- end of NAME -->`.
"""

import json
import re
import sys
from functools import cache
from pathlib import Path

from benchmarks.figures import Result
from benchmarks.scale_tables import SCALE_TABLES
from benchmarks.tables import LATER, TABLES

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/performance.md", "docs/scale.md")
PICTURE = "docs/images/roofline.png"
UNMEASURED = "*Not in this result, which is older than this table. `make bench` measures it.*"
BLOCK = re.compile(r"(<!-- (\w+) from (\S+\.json) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


@cache
def read(path: Path) -> Result:
    """A result."""
    return json.loads(path.read_text(encoding="utf-8"))


def filled(text: str, root: Path = ROOT) -> str:
    """A page with its tables as the results have them."""

    def block(match: re.Match[str]) -> str:
        begin, name, file, end = match.groups()
        result = read(root / file)
        missing = name in LATER and name not in result["workloads"]
        return f"{begin}{UNMEASURED if missing else (TABLES | SCALE_TABLES)[name](result).markdown()}\n{end}"

    return BLOCK.sub(block, text)


def main() -> int:
    """Writes the pages, or compares them."""
    from benchmarks.roofline import draw, shows

    check, status = "--check" in sys.argv, 0
    texts = {ROOT / page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
    for page, text in texts.items():
        if filled(text) == text:
            continue
        if check:
            print(f"{page.relative_to(ROOT)} is not what the results say: run `make performance`", file=sys.stderr)
            status = 1
        else:
            page.write_text(filled(text), encoding="utf-8")
    source = BLOCK.search(texts[ROOT / "docs/performance.md"])
    assert source, "docs/performance.md has no tables"
    result = read(ROOT / source[3])
    if not shows(ROOT / PICTURE, result):
        if check:
            print(f"{PICTURE} is not drawn from {source[3]}: run `make performance`", file=sys.stderr)
            return 1
        draw(result, ROOT / PICTURE)
    return status


if __name__ == "__main__":
    sys.exit(main())
