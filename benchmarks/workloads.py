"""Comparisons inside a process: what is trained, by whom, how long. Each returns what goes into the JSON."""

import math
from collections.abc import Sequence
from typing import Any

from benchmarks.bench import Bench
from benchmarks.measure import CHAOTIC, OURS, Contender, Spec, compare
from benchmarks.peers.compiled import COMPILERS

Workload = dict[str, Any]
DTYPES = ("float32", "float64")


def fractal_tanh(bench: Bench) -> Workload:
    """64 × 64 cells of the fractal network, 500 updates, in both precisions."""
    groups = []
    for dtype in DTYPES[: bench.size(2, 1)]:
        groups.append(_group(bench, dtype, _fractal_contenders(bench, dtype)))
    return {"unit": "updates", "groups": groups, "facts": _facts(bench, groups)}


def _fractal_contenders(bench: Bench, dtype: str) -> list[Contender]:
    side = bench.size(64, 16)

    def task(steps: int, take: int | None = None) -> Spec:
        """Rates are per update of a cell, so whoever is slow is given less."""
        steps = bench.size(steps, max(5, steps // 10))
        return {
            "workload": "fractal_tanh",
            "side": side,
            "take": take and bench.size(take, max(4, take // 8)),
            "settings": {"training.dtype": dtype, "training.steps": steps},
        }

    def lanes(*numbers: int) -> list[Spec]:
        return [{"lanes": number} for number in bench.size(numbers, numbers[:2])]

    # Later the chaotic cells have gone their own ways.
    few: dict[str, Any] = {"verify": {"settings": {"training.steps": 5}}, "agrees": CHAOTIC}
    trial: dict[str, Any] = {"trial": {"settings": {"training.steps": bench.size(50, 3)}}}
    whole, threads = task(500), [{"threads": number} for number in sorted({1, _cores()})]
    return [
        Contender("nanmap, every cell to its end", "nanmap", OURS, whole, {"stop_early": False}, **few),
        Contender("nanmap", "nanmap", OURS, whole, {"stop_early": True}, **few),
        Contender(
            "jit(vmap(step)), the whole grid", "notebook", "notebook:loop", task(10), {"lanes": side * side}, **few
        ),
        Contender(
            "jit(vmap(step)), best chunk",
            "notebook",
            "notebook:loop",
            task(200, 256),
            options=lanes(4, 8, 16, 64, 128, 256),
            **few,
            **trial,
        ),
        Contender(
            "jit(vmap(scan)), best chunk",
            "notebook",
            "notebook:scan",
            task(500, 256),
            options=lanes(4, 8, 16, 64, 128, 256),
            **few,
            **trial,
        ),
        Contender(
            "jit(vmap(scan)), best chunk, a device per core",
            "notebook on every core",
            "notebook:scan",
            task(500, 256 * _cores()),
            {"every_core": True},
            options=lanes(4, 8, 16, 64, 128, 256),
            **few,
            **trial,
        ),
        Contender(
            "torch.func.vmap, best chunk",
            "torch.func",
            "pytorch:vmap",
            task(100, 256),
            options=[{**threaded, **option} for threaded in threads for option in lanes(32, 64, 128, 256)],
            requires=("torch",),
            **few,
            **trial,
        ),
        Contender(
            "PyTorch, one after the other",
            "torch",
            "pytorch:loop",
            task(200, 16),
            options=threads,
            requires=("torch",),
            trial={"take": 4},
            **few,
        ),
    ]


def relu_double(bench: Bench) -> Workload:
    """64 × 64 trainings of the ReLU network, 20 epochs of 6 updates, against loops over trainings."""
    side, epochs = bench.size(64, 12), bench.size(20, 2)

    def task(take: int | None = None) -> Spec:
        take = take and bench.size(take, 2)
        settings = {"training.dtype": "float32", "training.order": "shuffle", "training.epochs": epochs}
        return {"workload": "relu_double", "side": side, "take": take, "settings": settings}

    unshuffled: Spec = {"settings": {"training.order": "sequential"}}  # everybody shuffles in an order of their own
    contenders = [
        Contender("nanmap", "nanmap", OURS, task(), {"stop_early": True}),
        Contender(
            "Keras fit, a fresh model each time",
            "keras",
            "keras_fit:fresh",
            task(5),
            verify=unshuffled,
            requires=("keras",),
        ),
        Contender(
            "Keras fit, one model set back",
            "keras reused",
            "keras_fit:reused",
            task(10),
            options=[{"steps_per_execution": number} for number in (1, 6, 120)],
            trial={"take": 3},
            verify=unshuffled,
            requires=("keras",),
        ),
        Contender(
            "PyTorch, one after the other",
            "torch",
            "pytorch:loop",
            task(20),
            options=[{"threads": number} for number in sorted({1, _cores()})],
            trial={"take": 4},
            requires=("torch",),
            verify=unshuffled,
        ),
    ]
    group = _group(bench, "float32", contenders)
    return {"unit": "trainings", "groups": [group], "facts": _facts(bench, [group])}


def square_sgd(bench: Bench) -> Workload:
    """A line fitted to x² + 2 sample by sample, 10 epochs, against the posted loop, in both precisions."""
    posted_first = DTYPES[::-1][: bench.size(2, 1)]
    groups = [_group(bench, dtype, _line_contenders(bench, dtype)) for dtype in posted_first]
    return {"unit": "updates", "groups": groups, "facts": _facts(bench, groups)}


# What stands beside nanmap's records: nothing but the two numbers, or the same.
NOTHING, RECORDS = "nothing", "losses, first inf and NaN"
KEPT = {NOTHING: False, RECORDS: True}


def _line_contenders(bench: Bench, dtype: str) -> list[Contender]:
    def task(take: int | None = None) -> Spec:
        return _line(dtype, bench.size(512, 16), 10, take and bench.size(take, 4))

    posted, numbers = "the posted loop, ", "plain:numbers"
    python = Contender(f"{posted}Python floats", "numpy", numbers, task(1600), {"python": True}, keeps=NOTHING)
    return [
        Contender("nanmap", "nanmap", OURS, task(), {"stop_early": True}, keeps=RECORDS),
        Contender(f"{posted}NumPy numbers", "numpy", numbers, task(400), {"python": False}, keeps=NOTHING),
        *([python] if dtype == "float64" else []),
        *_fast_lines(bench, task(), bench.size(512, 16) ** 2),
    ]


def square_sgd_long(bench: Bench) -> Workload:
    """The same line for 100,000 updates (its peers 20,000): what a cell costs beside its updates no longer counts."""
    groups = []
    for dtype in DTYPES[::-1][: bench.size(2, 1)]:
        side = bench.size(512, 8)
        task, peers_task = (_line(dtype, side, bench.size(epochs, 2), side**2 // 2) for epochs in (1000, 200))
        short: Spec = {"settings": {"training.epochs": bench.size(50, 1)}}
        nanmap = Contender("nanmap", "nanmap", OURS, task, {"stop_early": True}, keeps=RECORDS)
        # As many cells as NumPy's best chunk takes on every core; verified at full length, so over fewer.
        peers = _fast_lines(bench, peers_task, side**2 // 2, trial=short, verify={"take": bench.size(2048, 16)})
        contenders = [nanmap, *peers]
        groups.append(_group(bench, dtype, contenders, repeats=min(3, bench.repeats)))
    return {"unit": "updates", "groups": groups, "facts": _facts(bench, groups)}


def _line(dtype: str, side: int, epochs: int, take: int | None) -> Spec:
    """A line, batch 1, passes in order: each epoch has 100 updates."""
    settings = {"training.dtype": dtype, "training.order": "sequential", "training.epochs": epochs}
    return {"workload": "square_sgd", "side": side, "take": take, "settings": settings}


def _fast_lines(bench: Bench, task: Spec, cells: int, **how: Any) -> list[Contender]:
    """NumPy and C on all cores, with and without records; chunks are such that every core gets some."""
    most = -(-cells // _cores())
    chunks = sorted({min(most, number) for number in (1024, 4096, 8192, 16384, 32768, 65536)})
    blocks = bench.size((32, 64, 128, 256, 512), (32, 64))
    ways: tuple[tuple[str, str, str, Sequence[int], tuple[str, ...]], ...] = (
        ("NumPy over many rates", "numpy", "plain:vectorised", chunks, ()),
        ("a loop in C", "c", "compiled:line", blocks, COMPILERS),
    )
    return [
        Contender(
            label,
            worker,
            function,
            task,
            {"threads": _cores(), "records": records},
            options=[{"lanes": number} for number in lanes],
            keeps=kept,
            programs=programs,
            **how,
        )
        for label, worker, function, lanes, programs in ways
        for kept, records in KEPT.items()
    ]


# As much work as makes the engine use every core, and long trainings: this is about updates, not about what comes beside them.
WIDTHS: dict[str, tuple[str, Spec, int, tuple[int, ...]]] = {  # config, settings, cells, cells per group
    "16–16–1, 272 rows, float32": (
        "fractal_tanh",
        {"training.dtype": "float32", "training.steps": 250},
        1024,
        (4, 8, 16, 32, 64, 256),
    ),
    "16–16–1, 272 rows, float64": (
        "fractal_tanh",
        {"training.dtype": "float64", "training.steps": 250},
        1024,
        (4, 8, 16, 32, 64, 256),
    ),
    "1–128–1, 100 rows, float32": (
        "relu_double",
        {"training.dtype": "float32", "training.batch_size": 100, "training.steps": 240},
        1024,
        (4, 8, 16, 32, 64),
    ),
    "1–128–1, 10 rows, float32": (
        "relu_double",
        {"training.dtype": "float32", "training.batch_size": 10, "training.steps": 2400},
        1024,
        (4, 8, 16, 32, 64),
    ),
    "1–1, 10 rows, float64": (
        "square_sgd",
        {
            "training.dtype": "float64",
            "training.order": "sequential",
            "training.batch_size": 10,
            "training.steps": 40000,
        },
        8192,
        (64, 128, 256, 512, 2048),
    ),
    "1–1, 1 row, float64": (
        "square_sgd",
        {
            "training.dtype": "float64",
            "training.order": "sequential",
            "training.batch_size": 1,
            "training.steps": 100000,
        },
        16384,
        (64, 256, 512, 2048, 4096),
    ),
}


def widths(bench: Bench) -> Workload:
    """Some programs at other numbers of cells per group than the one that the engine chooses."""
    groups, facts = [], {}
    for name, (config, settings, cells, numbers) in WIDTHS.items():
        settings = settings | {"training.steps": bench.size(settings["training.steps"], 2)}
        task = {"workload": config, "side": math.ceil(cells**0.5), "take": bench.size(cells, 16), "settings": settings}
        # Chaotic cells go their own ways after some updates; lines and the ReLU network need many to come down.
        chaotic = config == "fractal_tanh"
        few: Spec = {"take": 8, "settings": {"training.steps": 5 if chaotic else 1000}}
        how: Spec = {"verify": few, "agrees": CHAOTIC if chaotic else 1.0}
        contenders = [
            Contender(f"{number}", "nanmap", OURS, task, {"stop_early": False, "width": number}, **how)
            for number in bench.size(numbers, numbers[:2])
        ]
        groups.append(_group(bench, name, contenders, repeats=min(3, bench.repeats)))
        about = {key: task[key] for key in ("workload", "side", "settings")}
        facts[name] = bench.pool["nanmap"].call("ask", function="ours:facts", **about)
    return {"unit": "updates", "groups": groups, "facts": facts}


def records(bench: Bench) -> Workload:
    """What an update of a line costs with and without its records, on one core."""
    groups = []
    for dtype in DTYPES[::-1]:
        bench.tell(f"{dtype}, the loop of a line with and without records")
        settings = {"dtype": dtype, "repeats": bench.repeats, "updates": bench.size(400_000, 1000)}
        groups.append({"name": dtype, "speeds": bench.pool["nanmap"].call("ask", function="line:speeds", **settings)})
    return {"groups": groups}


def traced_axes(bench: Bench) -> Workload:
    """How many executables a sweep over numbers of a lane needs: those of its first cell."""
    tree: Spec = {
        "data": {"kind": "gaussian", "n": 64, "features": 4},
        "model": {"hidden": [8], "activation": "tanh"},
        "optimizer": {"kind": "sgd", "momentum": 0.5},
        "training": {"steps": 20, "batch_size": 64},
    }
    axes: list[Spec] = [
        {"key": "data.scale_inputs", "values": ["none", "standard", "minmax", "maxabs"]},
        {"key": "model.init_scale", "values": [0.1, 1.0, 10.0]},
        {"key": "training.seed", "range": [0, 8]},
        {"key": "optimizer.momentum", "values": [0.0, 0.5, 0.9]},
        {"key": "optimizer.learning_rate", "log": [1e-6, 1.0], "num": bench.size(32, 4)},
    ]
    bench.tell("sweeping over rates, momentum, scale, seed and scaling")
    found = bench.pool["nanmap"].call("ask", function="ours:executables", axes=axes, tree=tree)
    return {"axes": [axis["key"] for axis in axes], **found}


def _group(bench: Bench, name: str, contenders: list[Contender], repeats: int | None = None) -> Workload:
    """One comparison."""

    def tell(text: str) -> None:
        bench.tell(f"{name}, {text}")

    return {"name": name, "contenders": compare(bench.pool, contenders, repeats or bench.repeats, tell)}


def _facts(bench: Bench, groups: list[Workload]) -> dict[str, Workload]:
    """What the engine chose in each precision, and the peak of the machine, measured in the same process."""
    worker = bench.pool["nanmap"]
    found: dict[str, Workload] = {}
    for group in groups:
        task = group["contenders"][0]["task"]
        dtype = task["settings"]["training.dtype"]
        about = {name: task[name] for name in ("workload", "side", "settings")}
        bench.tell(f"{dtype}, a large matrix product")
        peaks = [round(worker.call("ask", function="ours:peak", dtype=dtype), 2) for _ in range(bench.repeats)]
        found[dtype] = worker.call("ask", function="ours:facts", **about) | {"peak_gflops": peaks}
    return found


def _cores() -> int:
    from benchmarks.machine import cores

    return cores()
