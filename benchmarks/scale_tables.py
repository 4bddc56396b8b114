"""What handing shards out costs, and what 10⁹ cells would, by arithmetic from measured rates: tables of docs/scale.md."""

from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.figures import Result
from benchmarks.tables import Table
from nanmap.engine.estimate import BYTES_PER_ROW, CELL_SECONDS

CELLS = 10**9
# Assumed, of a cloud, on demand; take your own.
CORE_HOUR, GPU_HOUR, GB_MONTH = 0.05, 4.0, 0.023  # dollars: of a core, of an H200, of an object store
TOLD = {
    "fractal_tanh": "16 units of tanh, 500 updates",
    "relu_double": "a network of ReLU, 20 epochs",
    "square_sgd": "a line, 1,000 updates row by row",
    "square_sgd_long": "a line, 100,000 updates row by row",
}


def shards(result: Result) -> Table:
    """CPU seconds of sweeps here and by workers."""
    rows = []
    for name, sweep in result["sweeps"].items():
        here, driver, workers = (median(sweep[key]) for key in ("here", "driver", "workers"))
        more = 1000 * (driver + workers - here) / sweep["shards"]
        figures = [f"{sweep['shards']}", f"{here:.2f}", f"{driver:.2f} + {workers:.2f}", f"{more:+.1f}"]
        rows.append([_sweep(name, sweep), *figures, f"{here / (driver + workers):.0%}"])
    head = [
        "",
        "shards",
        "here: CPU s",
        f"driver + {result['workers']} workers",
        "more per shard, CPU ms",
        "efficiency",
    ]
    machine = result["machine"]
    repeats = len(next(iter(result["sweeps"].values()))["here"])
    note = f"{machine['cpu']}, {machine['cores']} cores; medians of {repeats}, programs compiled before. "
    return Table(head, rows, note + "Not counted: Ray's own processes, and workers that wait for the last shard.")


def _sweep(name: str, sweep: dict[str, Any]) -> str:
    cells = sweep["cells"] // sweep["shards"]
    told = "trainings of one update, nothing but overhead" if name == "empty" else f"`{name}`, {sweep['cells']:,} cells"
    return f"{told}; {cells} a shard"


def billion(result: Result) -> Table:
    """Time and money of 10⁹ cells on cores, by workload."""
    cores, rows = result["machine"]["cores"], []
    for name, told in TOLD.items():
        for group in result["workloads"][name]["groups"]:
            ours = next(each for each in group["contenders"] if each["label"] == "nanmap")
            seconds = median(ours["seconds"]) / ours["cells"] * CELLS
            hours = seconds * cores / 3600
            figures = [f"{ours['cells'] / median(ours['seconds']) / cores:,.0f}", _whole(hours)]
            rows.append([f"{told}, {group['name']}", *figures, _time(hours / 1000), f"{_whole(hours * CORE_HOUR)} $"])
    head = ["", "trainings per second and core", "core hours", "on 1,000 cores", "money"]
    machine = f"{result['machine']['cpu']}, {cores} cores"
    least, most = (f"{each * CELLS / 3600:.1f}" for each in CELL_SECONDS)
    beside = f"Trainings alone: rows take {least} to {most} core hours more, and about {BYTES_PER_ROW} GB."
    return Table(head, rows, f"From {machine}. {beside} Assumed: {CORE_HOUR} $ per core hour.")


def billion_gpu(result: Result) -> Table:
    """Time, disk and money of 10⁹ cells on GPUs, from the largest maps."""
    rows = []
    for name in ("map 4096 float32", "map 512 float64"):
        piece = result["pieces"][name]
        hours = piece["sweep_seconds"] / piece["cells"] * CELLS / 3600
        gigabytes = piece["bytes"] / piece["cells"] * CELLS / 1e9
        money = [f"{hours * GPU_HOUR:,.0f} $", f"{gigabytes:,.0f} GB", f"{gigabytes * GB_MONTH:,.1f} $"]
        speed = f"{piece['cells'] / piece['sweep_seconds']:,.0f}"
        rows.append([f"{TOLD['fractal_tanh']}, {name.rpartition(' ')[2]}", speed, _time(hours), *money])
    head = ["", "trainings per second and GPU", "on one GPU", "money", "disk", "a month of it"]
    gpu = ", ".join(result["machine"]["gpus"])
    return Table(head, rows, f"From one {gpu}. Assumed: {GPU_HOUR:g} $ per GPU hour, {GB_MONTH} $ per GB and month.")


def _time(hours: float) -> str:
    return f"{hours:,.1f} h" if hours >= 1 else f"{_whole(hours * 60)} min"


def _whole(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else "< 1"


SCALE_TABLES: dict[str, Callable[[Result], Table]] = {
    "shards": shards,
    "billion": billion,
    "billion_gpu": billion_gpu,
}
