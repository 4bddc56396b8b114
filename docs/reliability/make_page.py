"""Writes docs/reliability.md from faults.toml, what `make faults` counted and what `make fuzz` counted.

`python docs/reliability/make_page.py --check` exits 1 if the page on disk is not what would be written.
"""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TARGET = HERE.parent / "reliability.md"


def page() -> str:
    """The whole page."""
    fuzz = json.loads((HERE.parent / "fuzz.json").read_text(encoding="utf-8"))
    filled = {
        "faults": fault_table(),
        "fuzz": fuzz_table(fuzz),
        "seconds": fuzz["limits"]["cpu_seconds"],
        "memory": f"{fuzz['limits']['memory_mib']:,}",
    }
    text = (HERE / "page.md").read_text(encoding="utf-8")
    for name, value in filled.items():
        text = text.replace("{{" + name + "}}", str(value))
    return text


def fault_table() -> str:
    """A row per fault: how it is caused, how often, what was lost, and what is held to."""
    faults = tomllib.loads((HERE / "faults.toml").read_text(encoding="utf-8"))["faults"]
    counts = json.loads((HERE / "counts.json").read_text(encoding="utf-8"))
    rows = [(each, counts.get(each["fault"], {"tried": 0, "lost": 0})) for each in faults]
    lines = ["| fault | how it is caused | tried | lost | what is held to |", "|---|---|--:|--:|---|"]
    lines += [
        f"| {each['fault']} | {each['how']} | {count['tried']:,} | {count['lost']} | {each['held']} |"
        for each, count in rows
    ]
    tried, lost = (sum(count[name] for _, count in rows) for name in ("tried", "lost"))
    return "\n".join([*lines, f"| **all** | | **{tried:,}** | **{lost}** | |"])


def fuzz_table(told: dict[str, Any]) -> str:
    """A row per kind of input."""
    lines = [f"Seed {told['seed']}, {told['cases']:,} cases:", ""]
    lines += ["| input | accepted | refused | faults |", "|---|--:|--:|--:|"]
    lines += [
        f"| {kind} | {count['accepted']:,} | {count['refused']:,} | {count['faults']} |"
        for kind, count in told["kinds"].items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Writes the page, or compares it."""
    if "--check" in sys.argv[1:]:
        sys.exit(
            "docs/reliability.md is out of date: python docs/reliability/make_page.py"
            if TARGET.read_text(encoding="utf-8") != page()
            else 0
        )
    TARGET.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
