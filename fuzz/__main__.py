"""`python -m fuzz`: many cases, one after the other; the faults are told, and what was tried is written down."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from fuzz.cases import makers
from fuzz.judge import ALLOWED, MEMORY, SECONDS, Verdict, judged

MOST_TOLD = 60
AT_ONCE = 500  # cases after which the file says how far it came


class Tally:
    """What became of the cases so far, by kind.

    Args:
        seed: that they are of.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.counts: dict[str, Counter[str]] = {}
        self.faults: Counter[str] = Counter()
        self.seconds, self.memory = 0.0, 0

    def add(self, kind: str, verdict: Verdict) -> None:
        """Counts one."""
        self.counts.setdefault(kind, Counter())["accepted" if verdict.accepted else "refused"] += 1
        self.seconds, self.memory = max(self.seconds, verdict.seconds), max(self.memory, verdict.memory)
        if verdict.fault:
            self.faults[kind] += 1

    def text(self) -> str:
        """All of it as JSON."""
        kinds = {
            kind: {name: count[name] for name in ("accepted", "refused")} | {"faults": self.faults[kind]}
            for kind, count in sorted(self.counts.items())
        }
        told = {
            "seed": self.seed,
            "cases": sum(count.total() for count in self.counts.values()),
            "faults": self.faults.total(),
            "longest_cpu_seconds": round(self.seconds, 2),
            "most_memory_mib": self.memory // 2**20,
            "limits": {"cpu_seconds": SECONDS, "memory_mib": MEMORY // 2**20, "NANMAP_MEMORY": ALLOWED},
            "kinds": kinds,
        }
        return json.dumps(told, indent=2) + "\n"


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
    tally = Tally(seed)
    for done, number in enumerate(track(numbers, "fuzzing", disable=not sys.stdout.isatty()), 1):
        made, verdict = judged(seed, number, only)
        tally.add(made.kind, verdict)
        if verdict.fault and tally.faults.total() <= MOST_TOLD:
            print(f"--seed {seed} --case {number} ({made.kind}): {verdict.fault}", flush=True)
        if out is not None and (done % AT_ONCE == 0 or done == len(numbers)):
            out.write_text(tally.text())
    print(tally.text(), end="")
    sys.exit(1 if tally.faults else 0)


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(fuzz)
    app()
