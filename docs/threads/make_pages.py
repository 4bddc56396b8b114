"""Writes the threads' pages: trains their configs, counts in the rows of their sweeps, draws the maps, fills the templates.

python docs/threads/make_pages.py RUNS     measures everything; RUNS holds the run folders of sweeps/threads
python docs/threads/make_pages.py --diagnose   only diagnoses the posted programs anew
python docs/threads/make_pages.py          only fills the templates from results.json
"""

import argparse
import hashlib
from pathlib import Path
from typing import Any

from measured import THREADS
from measured.common import CONFIGS, ROOT, SWEEPS
from measured.diagnosed import diagnosed
from nanmap.result import Result
from rendering import FOLDER, RESULTS, load_results, pages, to_json

IMAGES = ROOT / "docs" / "images" / "threads"


def measure(runs: Path) -> dict[str, Any]:
    """Every figure, by thread: from single trainings (`run`) and from the sweeps' rows (`sweep`)."""
    found: dict[str, Any] = {"sources": sources()}
    for name, thread in THREADS.items():
        found[name] = {"run": thread.quick(), "sweep": thread.swept(runs), "diagnosis": diagnosed(name)}
    found["trainings"] = sum(found[name]["sweep"]["trainings"] for name in THREADS)
    return found


def sources() -> dict[str, str]:
    """A checksum of every file that the figures follow from, so that a test can tell results that are out of date."""
    files = [path for path in CONFIGS.rglob("*") if path.is_file() and path.suffix in (".toml", ".csv", ".npz")]
    files += [*SWEEPS.glob("*.toml"), CONFIGS.parent / "data" / "houses.csv", FOLDER / "printed.toml"]
    return {
        path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in sorted(files)
    }


def draw(runs: Path) -> None:
    """The maps that the sweeps list, into the pages' images."""
    for thread in THREADS.values():
        for sweep in thread.SWEPT:
            result = Result(runs / sweep)
            for options in result.manifest["maps"]:
                given = dict(options)
                result.map(given.pop("x"), given.pop("y"), out=IMAGES / f"{sweep}_{given.pop('file')}", **given)


def options_of(arguments: list[str] | None) -> tuple[Path | None, bool]:
    """The folder that holds the runs, if one is given; and whether to diagnose alone."""
    parser = argparse.ArgumentParser(description="Writes the threads' pages from docs/threads/results.json.")
    parser.add_argument("runs", nargs="?", type=Path, help="measure anew; holds the run folders of sweeps/threads")
    parser.add_argument("--diagnose", action="store_true", help="diagnose the posted programs anew, nothing else")
    found = parser.parse_args(arguments)
    runs: Path | None = found.runs
    if runs is not None and not runs.is_dir():
        parser.error(f"there is no folder {runs}")
    return runs, found.diagnose


def main(arguments: list[str] | None = None) -> None:
    """Measures if there are runs to count in, then writes every page."""
    runs, alone = options_of(arguments)
    if alone:
        results = load_results()
        for name in THREADS:
            results[name]["diagnosis"] = diagnosed(name)
        RESULTS.write_text(to_json(results), encoding="utf-8")
    elif runs:
        RESULTS.write_text(to_json(measure(runs)), encoding="utf-8")
        draw(runs)
    for path, text in pages(load_results()).items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
