"""`python -m benchmarks.gpu`: everything that is to be known of a GPU, in pieces that a borrowed half hour can hold.

What a piece found is written into the JSON as soon as it is done. Started again, the pieces that stand there are left out;
a piece that would not end within `--minutes` is not begun. `--quick` rehearses all of it, on a CPU too.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.figures import SCHEMA
from benchmarks.measure import CHAOTIC, OURS, Contender, VerificationError, compare
from benchmarks.tasks import AXES, CONFIGS
from benchmarks.worker import ROOT, Pool, WorkerError

RESULTS = Path(__file__).parent / "results"
NOTEBOOK = (1 << 14, 1 << 16, 1 << 18)  # cells of the notebook's loop at a time, to choose the best of
WIDTHS = tuple(1 << n for n in (8, 10, 12, 13, 14, 15, 16, 18))

Found = dict[str, Any]


@dataclass(frozen=True)
class Session:
    """What every piece is given.

    Attributes:
        quick: small sizes, to see that everything works; its figures mean nothing.
        folder: for run folders.
        pictures: where maps are kept, if they are.
    """

    quick: bool
    folder: Path
    pictures: Path | None

    def size(self, full: Any, quick: Any) -> Any:
        """One of two sizes."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Piece:
    """A part that stands for itself.

    Attributes:
        name: in the JSON.
        seconds: what it is expected to take on an H200, start and compilation included.
        work: what it does; what it found.
    """

    name: str
    seconds: float
    work: Callable[[Session], Found]


def checks(session: Session) -> Found:
    """The tests that matter on a GPU: bits, closed forms, NaN, dead units, a device without room."""
    asked = ["-m", "pytest", "tests/test_gpu.py", "-o", "addopts=", "-W", "default", "-p", "no:cacheprovider"]
    # A test fills the card with a process of its own. What quickens compiling on a CPU would slow this.
    quiet = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "XLA_FLAGS": "--xla_backend_optimization_level=3"}
    done = subprocess.run([sys.executable, *asked], cwd=ROOT, env=os.environ | quiet, capture_output=True, text=True)
    counts = {what: int(count) for count, what in re.findall(r"(\d+) (passed|failed|error|skipped)", done.stdout)}
    if done.returncode:
        print(done.stdout[-6000:], file=sys.stderr)
    return {
        "exit_status": done.returncode,
        **counts,
        "failures": re.findall(r"^FAILED (.*)$", done.stdout, re.MULTILINE),
    }


def contest(session: Session, dtype: str) -> Found:
    """Nanmap against the notebook's loop on 512 × 512 cells of the fractal network, on the same card."""
    side, steps = session.size(512, 16), session.size(500 if dtype == "float32" else 200, 5)
    task = {"workload": "fractal_tanh", "side": side, "settings": {"training.dtype": dtype, "training.steps": steps}}
    few: Found = {
        "verify": {"take": session.size(1 << 12, 64), "settings": {"training.steps": 5}},
        "agrees": CHAOTIC,
    }
    ours = {"backend": "gpu", "width": 16} if session.quick else {}  # a CPU only plays the kernel
    contenders = [
        Contender("nanmap, every cell to its end", "nanmap", OURS, task, {"stop_early": False, **ours}),
        Contender("nanmap", "nanmap", OURS, task, {"stop_early": True, **ours}, **few),
        Contender(
            "jit(vmap(step)), best chunk",
            "notebook",
            "notebook:loop",
            task,
            options=[{"lanes": lanes} for lanes in session.size(NOTEBOOK, (64, 256))],
            trial={"settings": {"training.steps": session.size(20, 2)}},
            **few,
        ),
    ]
    with Pool() as pool:
        group = {"name": dtype, "contenders": compare(pool, contenders, 2, lambda text: None)}
        about = {name: task[name] for name in ("workload", "side", "settings")}
        facts = pool["nanmap"].call("ask", function="ours:facts", **about)
        peak = pool["nanmap"].call("ask", function="ours:peak", dtype=dtype)
    return {"unit": "updates", "groups": [group], "facts": facts | {"peak_gflops": [peak]}}


def widths(session: Session, dtype: str) -> Found:
    """Speed by cells per group, every cell to its end."""
    settings = {"training.dtype": dtype, "training.steps": session.size(200, 2)}
    numbers = session.size(WIDTHS, (8, 16))
    with Pool() as pool:
        return pool["nanmap"].call(
            "ask",
            function="ours:at_widths",
            workload="fractal_tanh",
            settings=settings,
            widths=numbers,
            least=session.size(1 << 17, 32),
            backend="gpu",
        )


def command(session: Session, side: int, dtype: str, steps: int) -> Found:
    """A whole map by the command: from the start of the process to the rows on disk, then to the picture."""
    side, steps = session.size(side, 12), session.size(steps, 5)
    name = f"{side}_{dtype}"
    sweep, out = session.folder / f"{name}.toml", session.folder / name
    axes = "".join(
        f"[[axes]]\nkey = {json.dumps(axis['key'])}\nlog = {axis['log']}\nnum = {side}\n"
        for axis in AXES["fractal_tanh"]
    )
    sweep.write_text(f"config = {json.dumps(str(CONFIGS / 'fractal_tanh.toml'))}\n{axes}", encoding="utf-8")
    settings = [f"training.dtype={dtype}", f"training.steps={steps}"]
    trained = _timed("sweep", str(sweep), "--out", str(out), "--no-maps", *(p for s in settings for p in ("--set", s)))
    picture = (session.pictures or session.folder) / f"{name}.png"
    drawn = _timed("map", str(out), "--x", "learning_rate_0", "--y", "learning_rate_1", "--out", str(picture))
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return {
        "cells": side * side,
        "updates": side * side * steps,
        "seconds": trained,
        "sweep_seconds": manifest["timings"]["wall_seconds"],
        "map_seconds": drawn,
        "bytes": sum(file.stat().st_size for file in (out / "cells").glob("part-*.parquet")),
        "outcomes": _outcomes(out / "cells"),
        "device": manifest["device"],
        "widths": list(manifest["widths"].values()),
    }


def _timed(*arguments: str) -> float:
    """Seconds of a command of nanmap's."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "nanmap", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"nanmap {arguments[0]} failed:\n{done.stderr[-3000:]}")
    return round(time.perf_counter() - start, 2)


def _outcomes(cells: Path) -> dict[str, int]:
    """How many cells ended how."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    counts = pc.value_counts(ds.dataset(cells).to_table(columns=["outcome"])["outcome"]).to_pylist()
    return {str(each["values"]): each["counts"] for each in counts}


PIECES = (
    Piece("contest float32", 60, lambda session: contest(session, "float32")),
    Piece("map 4096 float32", 190, lambda session: command(session, 4096, "float32", 500)),
    Piece("tests", 75, checks),
    Piece("map 512 float32", 20, lambda session: command(session, 512, "float32", 500)),
    Piece("widths float32", 45, lambda session: widths(session, "float32")),
    Piece("map 512 float64", 25, lambda session: command(session, 512, "float64", 500)),
    Piece("contest float64", 65, lambda session: contest(session, "float64")),
    Piece("widths float64", 60, lambda session: widths(session, "float64")),
    Piece("map 4096 float64", 400, lambda session: command(session, 4096, "float64", 500)),
)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.5, help="begin nothing that would not end by then (9.5)")
    parser.add_argument("--only", action="append", choices=[piece.name for piece in PIECES], help="may be repeated")
    parser.add_argument("--again", action="store_true", help="measure what stands in the file once more")
    parser.add_argument("--quick", action="store_true", help="a rehearsal: small sizes, also without a GPU")
    parser.add_argument("--out", type=Path, help="JSON file (default: benchmarks/results/GPU.json)")
    parser.add_argument("--pictures", type=Path, help="a folder to keep the maps in")
    chosen = parser.parse_args(arguments)
    if not chosen.quick and not machine.gpus():
        parser.error("no NVIDIA GPU here (nvidia-smi lists none); --quick rehearses on the CPU")
    if chosen.quick and chosen.out is None:
        parser.error("a rehearsal is no result: say where it shall go with --out FILE.json")
    return chosen


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 if a piece failed; what the others found is kept."""
    chosen, start, status = parse(arguments), time.perf_counter(), 0
    about = machine.describe()
    out = chosen.out or RESULTS / f"{machine.short_name(about)}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    if chosen.pictures:
        chosen.pictures.mkdir(parents=True, exist_ok=True)
    result: Found = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"schema": SCHEMA, "pieces": {}}
    with tempfile.TemporaryDirectory() as folder:
        session = Session(chosen.quick, Path(folder), chosen.pictures)
        for piece in PIECES:
            left = 60 * chosen.minutes - (time.perf_counter() - start)
            if (chosen.only and piece.name not in chosen.only) or (piece.name in result["pieces"] and not chosen.again):
                continue
            if piece.seconds > left and not chosen.quick:
                print(f"{piece.name}: takes about {piece.seconds:.0f} s, {left:.0f} s are left: start again for it")
                continue
            began = time.perf_counter()
            try:
                found = piece.work(session)
            except (VerificationError, WorkerError, RuntimeError, OSError) as error:
                print(f"{piece.name} failed: {error}", file=sys.stderr, flush=True)
                status = 1
                continue
            status = status or int(bool(found.get("exit_status")))
            seconds = round(time.perf_counter() - began, 1)
            stamp = {
                "date": datetime.now(UTC).strftime("%Y-%m-%d"),
                "commit": machine.commit(),
                "wall_seconds": seconds,
            }
            result["pieces"][piece.name] = found | stamp
            result |= {"machine": about, "versions": machine.versions(), "quick": chosen.quick}
            out.write_text(json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
            print(f"{piece.name}: {seconds:.0f} s", flush=True)
    print(f"everything measured is in {out}")
    return status


if __name__ == "__main__":
    sys.exit(main())
