"""The figures of docs/growing.md that are measured: what histories cost, and what a map that refines itself gets wrong.

`python -m benchmarks.growing history` takes a minute, `… refinement --num 256` about five of one core. CPU seconds of the whole process,
because two cores that others use as well tell nothing by the clock.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import jax
import numpy as np

import nanmap
from nanmap.analysis.boxes import box_counts, dimensions
from nanmap.engine import LocalEngine
from nanmap.outcomes import Cause, Outcome
from nanmap.plan import Lanes, Plan, Sweep, load_sweep
from nanmap.result import Result
from nanmap.results.arrays import names_of

ROOT = Path(__file__).parents[1]
AXES = ("learning_rate_0", "learning_rate_1")
KINDS: dict[str, Iterable[Outcome | Cause]] = {"outcome": Outcome, "cause": Cause}
LABELS = {"outcome or cause": ("outcome", "cause"), "outcome": ("outcome",)}


def fractal(num: int, *more: str) -> Sweep:
    """The fractal with so many values along each of its rates."""
    return load_sweep(ROOT / "sweeps" / "fractal_tanh.toml", [*(f"axes.{name}.num={num}" for name in AXES), *more])


def history(num: int, updates: int, repeats: int) -> list[str]:
    """What histories cost: the engine alone, and a sweep from its plan to its files; in turns, after one round that compiles."""
    engine = LocalEngine(jax.devices()[:1])
    plan = Plan(fractal(num))
    lanes = plan.lanes(plan.grid.kept(0, plan.grid.size))
    ways: dict[str, Callable[[], object]] = {}
    for count in (None, updates):
        name = f"{count} updates" if count else "no history"
        sweep = fractal(num, *([f"record.history={count}"] if count else []))
        ways[f"the engine, {name}"] = partial(trained, engine, [replace(each, history=count or 0) for each in lanes])
        ways[f"the sweep, {name}"] = partial(in_a_folder, engine, sweep)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(repeats + 1):
        for name, way in ways.items():
            seconds = cpu_of(way)
            taken[name] += [seconds] if number else []
    return [f"{name}: {median(each):.2f} s, {min(each):.2f} to {max(each):.2f}" for name, each in taken.items()]


def trained(engine: LocalEngine, lanes: list[Lanes]) -> None:
    """Trains batches, and keeps nothing."""
    for _ in engine.train(lanes):
        pass


def in_a_folder(engine: LocalEngine, sweep: Sweep) -> None:
    """Trains a sweep into a folder that goes."""
    with tempfile.TemporaryDirectory() as folder:
        nanmap.sweep(sweep, out=folder, engine=engine)


def cpu_of(way: Callable[[], object]) -> float:
    """Seconds of this process, all threads together."""
    before = time.process_time()
    way()
    return time.process_time() - before


def refinement(num: int, first: int, out: Path) -> list[str]:
    """The fractal refined from a first look, then trained in full, and each held against the other."""
    refined = nanmap.sweep(fractal(first), out=out / "refined", refine=num)
    if not (out / "full").exists():
        shutil.copytree(out / "refined", out / "full")
    full = nanmap.sweep(fractal(num), out=out / "full", extend=True)
    said, shape = refined.manifest["refined"], (num, num)
    ends = {name: [codes(each, columns) for each in (refined, full)] for name, columns in LABELS.items()}
    wrong = ", ".join(f"{int((one != other).sum()):,} in {name}" for name, (one, other) in ends.items())
    lines = [
        f"{num} × {num}, first look {first} × {first}: {said['trained'] / said['cells']:.1%} trained, audit {said['audit']}",
        f"wrong: {wrong}",
    ]
    for name, (_, whole) in ends.items():
        sizes, counts = box_counts(whole.reshape(shape))
        lines.append(
            f"{name}: boxes of {sizes.tolist()}: {counts.tolist()}, dimension {dimensions(counts).round(2).tolist()}"
        )
    return lines


def codes(result: Result, columns: Sequence[str]) -> np.ndarray:
    """Of every cell how it ended, as a number, int64 `[cells]`."""
    found = np.zeros(result.folder.cells.count_rows(), np.int64)
    for table in result.folder.tables(["cell", *columns], filled=True):
        cells = table["cell"].to_numpy()
        for column in columns:
            places, names = names_of(table[column])
            known = list(map(str, KINDS[column]))
            found[cells] = found[cells] * len(known) + np.array([known.index(name) for name in names])[places]
    return found


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("history", "refinement"))
    parser.add_argument("--num", type=int, default=0, help="values along each axis; 32 or 256 unless given")
    parser.add_argument("--first", type=int, default=33)
    parser.add_argument("--updates", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "refinement")
    given = parser.parse_args()
    if given.what == "history":
        lines = history(given.num or 32, given.updates, given.repeats)
    else:
        num = given.num or 256
        lines = refinement(num, given.first, given.out / str(num))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
