"""`python -m benchmarks`: runs the workloads, prints their tables, writes everything into a JSON file."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import command, machine, tables, workloads
from benchmarks.bench import Bench
from benchmarks.figures import SCHEMA
from benchmarks.measure import VerificationError
from benchmarks.worker import Pool, WorkerError

WORKLOADS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "fractal_tanh": workloads.fractal_tanh,
    "relu_double": workloads.relu_double,
    "square_sgd": workloads.square_sgd,
    "square_sgd_long": workloads.square_sgd_long,
    "records": workloads.records,
    "widths": workloads.widths,
    "growth": command.growth,
    "second_start": command.second_start,
    "traced_axes": workloads.traced_axes,
}
RESULTS = Path(__file__).parent / "results"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=WORKLOADS, help="only this workload; may be repeated")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, to see that it works; the figures mean nothing"
    )
    parser.add_argument("--repeats", type=int, help="rounds of every comparison (default: 5, with --quick 2)")
    parser.add_argument("--out", type=Path, help="JSON file to write (default: benchmarks/results/MACHINE.json)")
    chosen = parser.parse_args(arguments)
    if chosen.repeats is None:
        chosen.repeats = 2 if chosen.quick else 5
    if chosen.repeats < 1:
        parser.error("--repeats needs at least 1")
    if chosen.out is None and (chosen.quick or chosen.only):
        parser.error("a part of the benchmark is no result of this machine: say where it shall go with --out FILE.json")
    return chosen


def run(chosen: argparse.Namespace, console: Console) -> dict[str, Any]:
    """All workloads; what the JSON holds."""
    names = chosen.only or list(WORKLOADS)
    start, found = time.perf_counter(), {}
    columns = (
        TextColumn("{task.description:14}"),
        BarColumn(20),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}"),
    )
    with Progress(*columns, console=console) as progress:
        for name in names:
            bar = progress.add_task(name, total=None, now="")

            def tell(text: str, bar: Any = bar) -> None:
                progress.update(bar, now=text)

            began = time.perf_counter()
            with Pool() as pool:
                found[name] = WORKLOADS[name](Bench(chosen.repeats, chosen.quick, tell, pool))
            found[name]["wall_seconds"] = round(time.perf_counter() - began, 1)
            progress.update(bar, total=1, completed=1, now="")
    return {
        "schema": SCHEMA,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": machine.commit(),
        "machine": machine.describe(),
        "versions": machine.versions(),
        "quick": chosen.quick,
        "repeats": chosen.repeats,
        "wall_seconds": round(time.perf_counter() - start, 1),
        "workloads": found,
    }


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 if somebody fails or does not train what the others train."""
    chosen, console = parse(arguments), Console()
    try:
        result = run(chosen, console)
    except (VerificationError, WorkerError, RuntimeError) as error:
        print(f"benchmark failed: {error}", file=sys.stderr)
        return 1
    out = chosen.out or RESULTS / f"{machine.short_name(result['machine'])}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    tables.show(result, console)
    console.print(f"{result['wall_seconds']:.0f} s; everything measured is in {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
