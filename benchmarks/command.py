"""The command as a user starts it: cost as the grid grows, and how soon rows stand on disk."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.tasks import CONFIGS

FULL_BATCH = ["training.batch_size=100", "training.epochs=10"]
POLL_SECONDS = 0.005  # between two looks for the first file
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
SIDES = {1_000: (25, 40), 10_000: (100, 100), 100_000: (250, 400), 1_000_000: (1000, 1000), 10_000_000: (2500, 4000)}


def growth(bench: Bench) -> dict[str, Any]:
    """`nanmap sweep` over 10³ to 10⁷ cells of `square_sgd`, full batch, 10 epochs."""
    sizes = [cells for cells in SIDES if cells <= bench.size(10_000_000, 1_000)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sweeps = {cells: _write_sweep(folder, *SIDES[cells]) for cells in sizes}
        bench.tell("compiling once")
        _sweep(folder, sweeps[sizes[0]])
        rows: dict[int, dict[str, Any]] = {cells: {"cells": cells, "runs": []} for cells in sizes}
        for turn in range(bench.repeats):
            for cells in sizes:
                # The larger ones take long and scatter little.
                if turn < {100_000: 3, 1_000_000: 2, 10_000_000: 1}.get(cells, bench.repeats):
                    bench.tell(f"{cells:,} cells, round {turn + 1}")
                    rows[cells]["runs"].append(_sweep(folder, sweeps[cells]))
    return {"config": "square_sgd", "settings": FULL_BATCH, "grids": list(rows.values())}


def second_start(bench: Bench) -> dict[str, Any]:
    """`nanmap sweep` of 1,000 cells with nothing compiled, then again and again: when does the first file stand?"""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sweep = _write_sweep(folder, *SIDES[1_000])
        bench.tell("the first start")
        first = _sweep(folder, sweep)
        later = []
        for turn in range(bench.repeats):
            bench.tell(f"a later start, round {turn + 1}")
            later.append(_sweep(folder, sweep))
    return {"cells": 1_000, "first": first, "later": later}


def _write_sweep(folder: Path, scales: int, rates: int) -> Path:
    """A sweep file over initial scales and learning rates."""
    path = folder / f"grid_{scales * rates}.toml"
    path.write_text(
        f"config = {json.dumps(str(CONFIGS / 'square_sgd.toml'))}\n"
        f'[[axes]]\nkey = "model.init_scale"\nlinear = [0.5, 1.5]\nnum = {scales}\n'
        f'[[axes]]\nkey = "optimizer.learning_rate"\nlog = [1e-6, 1e-1]\nnum = {rates}\n',
        encoding="utf-8",
    )
    return path


def _sweep(folder: Path, sweep: Path) -> dict[str, Any]:
    """One fresh run of the command, in a process of its own.

    Returns:
        Seconds of the process, of the sweep inside it, and until the first file stood; resident memory at its most;
        bytes of the rows; and how many compiled programs were added to the cache.
    """
    out, cache = folder / "out", folder / "cache"
    before = _compiled(cache)
    start = time.perf_counter()
    arguments = ["sweep", str(sweep), "--out", str(out), "--fresh", "--no-maps"]
    process = subprocess.Popen(
        [sys.executable, "-m", "nanmap", *arguments, *(part for each in FULL_BATCH for part in ("--set", each))],
        env=os.environ | {"NANMAP_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = _FirstFile(out / "cells", start)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    first.stop()
    assert process.stderr is not None
    with process.stderr as errors:
        said = errors.read()
    if process.returncode:
        raise RuntimeError(f"nanmap sweep failed with exit status {process.returncode}:\n{said[-4000:]}")
    files = list((out / "cells").glob("part-*.parquet"))
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    found = {
        "seconds": round(seconds, 3),
        "sweep_seconds": manifest["timings"]["wall_seconds"],
        "first_file_seconds": first.seconds,
        "resident_bytes": usage.ru_maxrss * RSS_UNIT,
        "disk_bytes": sum(file.stat().st_size for file in files),
        "files": len(files),
        "compiled": len(_compiled(cache) - before),
    }
    for file in files:  # the next run shall not find a file and take it for its own
        file.unlink()
    return found


class _FirstFile:
    """Watches a folder for its first finished file."""

    def __init__(self, folder: Path, start: float) -> None:
        self.folder, self.start = folder, start
        self.seconds: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            if any(self.folder.glob("part-*.parquet")):
                self.seconds = round(time.perf_counter() - self.start, 3)
                return

    def stop(self) -> None:
        """Ends the watch."""
        self._over.set()
        self._thread.join()


def _compiled(cache: Path) -> set[str]:
    """Compiled programs that are kept; nothing is too small to be kept, so one more file is one more compilation."""
    return {path.name for path in cache.rglob("*") if path.is_file() and not path.name.endswith("-atime")}
