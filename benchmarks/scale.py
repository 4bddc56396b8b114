"""What it costs to hand shards out: CPU seconds of the same sweep here and by two workers of Ray, both on this machine.

`python -m benchmarks.scale` writes benchmarks/results/scale.json. CPU seconds, because two cores that others use as well tell
nothing by the clock. Every program is compiled before; Ray's own processes are not counted.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import describe, versions
from nanmap.engine import LocalEngine
from nanmap.plan import Plan, load_sweep, make_sweep
from nanmap.runs.on_ray import RayWorkers
from nanmap.runs.sweep import train_sweep

RESULT = Path(__file__).with_name("results") / "scale.json"
LINE = {"data": {"kind": "line", "n": 12}, "training": {"batch_size": 12, "epochs": 1}}
RATES = [{"key": "optimizer.learning_rate", "log": [1e-4, 1.0], "num": 256}]


def plans() -> dict[str, tuple[Plan, int]]:
    """By name a plan and its cells per shard: one whose shards are nothing but overhead, and one of work."""
    side = [f"axes.{name}.num=32" for name in ("learning_rate_0", "learning_rate_1")]
    fractal = load_sweep("sweeps/fractal_tanh.toml", side)
    return {"empty": (Plan(make_sweep(LINE, RATES)), 4), "fractal_tanh": (Plan(fractal), 64)}


class Counting(RayWorkers):
    """Adds up what the workers say they took."""

    spent = 0.0

    def take(self, done: Any) -> dict[str, Any]:
        """As there."""
        receipt = super().take(done)
        self.spent += receipt.get("cpu_seconds", 0.0)
        return receipt


def taken(train: Callable[[str], object], repeats: int) -> list[float]:
    """CPU seconds of this process for a sweep into an empty folder, after one that is not counted."""
    found = []
    for _ in range(repeats + 1):
        with tempfile.TemporaryDirectory() as folder:
            before = time.process_time()
            train(folder)
            found.append(time.process_time() - before)
    return found[1:]


def compare(plan: Plan, shard_cells: int, workers: Counting, repeats: int) -> dict[str, Any]:
    """The sweep by the workers, then here."""
    spent: list[float] = []

    def elsewhere(folder: str) -> None:
        workers.spent = 0.0
        train_sweep(plan, folder, workers=workers, shard_cells=shard_cells)
        spent.append(workers.spent)

    driver = taken(elsewhere, repeats)
    engine = LocalEngine()
    here = taken(lambda folder: train_sweep(plan, folder, engine=engine, shard_cells=shard_cells), repeats)
    return {
        "cells": plan.grid.size,
        "shards": -(-plan.grid.size // shard_cells),
        "here": here,
        "driver": driver,
        "workers": spent[1:],
    }


def main() -> None:
    """Measures, and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    with Counting() as workers:  # before JAX starts in this process
        count = workers.places(())
        found = {name: compare(*plan, workers, given.repeats) for name, plan in plans().items()}
    result = {"machine": describe(), "versions": versions(), "workers": count, "sweeps": found}
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
