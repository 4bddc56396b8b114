"""`python -m fuzz`: many cases, one after the other; the faults are told, and what was tried is written down."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from fuzz.cases import makers
from fuzz.judge import ALLOWED, MEMORY, SECONDS, judged

MOST_TOLD = 60


def fuzz(
    cases: Annotated[int, typer.Option(min=1, help="How many.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Another one makes other cases.")] = 1,
    start: Annotated[int, typer.Option(min=0, help="The number of the first.")] = 0,
    case: Annotated[int | None, typer.Option(help="This one alone.")] = None,
    only: Annotated[
        str | None, typer.Option(help="One kind: config, set, sweep, csv, parquet, npz, folder, options.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A JSON file of what was tried.")] = None,
) -> None:
    """Runs cases and tells the faults; ends with 1 if there are any.

    Example:  python -m fuzz --cases 500 --only sweep
    """
    if only is not None and only not in makers():
        raise typer.BadParameter(f"is none of {', '.join(makers())}", param_hint="--only")
    numbers = range(start, start + cases) if case is None else [case]
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in makers()}
    faults: Counter[str] = Counter()
    seconds, memory = 0.0, 0
    for number in track(numbers, "fuzzing", disable=not sys.stdout.isatty()):
        made, verdict = judged(seed, number, only)
        counts[made.kind]["accepted" if verdict.accepted else "refused"] += 1
        seconds, memory = max(seconds, verdict.seconds), max(memory, verdict.memory)
        if verdict.fault:
            faults[made.kind] += 1
            if faults.total() <= MOST_TOLD:
                print(f"--seed {seed} --case {number} ({made.kind}): {verdict.fault}", flush=True)
    told = {
        "seed": seed,
        "cases": len(numbers),
        "kinds": {
            kind: dict(sorted(count.items())) | {"faults": faults[kind]} for kind, count in counts.items() if count
        },
        "faults": faults.total(),
        "longest_cpu_seconds": round(seconds, 2),
        "most_memory_mib": memory // 2**20,
        "limits": {"cpu_seconds": SECONDS, "memory_mib": MEMORY // 2**20, "NANMAP_MEMORY": ALLOWED},
    }
    print(json.dumps(told, indent=2))
    if out is not None:
        out.write_text(json.dumps(told, indent=2) + "\n")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(fuzz)
    app()
