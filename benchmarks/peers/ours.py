"""nanmap: the engine as a sweep uses it, without the disk."""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from benchmarks.tasks import Task

Columns = dict[str, np.ndarray]


def engine(task: Task, stop_early: bool, width: int | None = None, backend: str | None = None) -> Callable[[], Columns]:
    """Trains on all devices.

    Args:
        task: what to train.
        stop_early: spend no time on cells that met a NaN, as a sweep does.
        width: cells per group; the engine's own choice if None.
        backend: whose rules are followed; those of the devices if None.
    """
    from nanmap.plan import Lanes
    from nanmap.results.shards import default_shard_cells

    trainer = _engine(task.program, stop_early, width, backend)
    size = max(default_shard_cells(task.plan.grid.size), width or 0)

    def run() -> Columns:
        handed: list[tuple[int, Lanes]] = []  # first cell of each batch, and the batch

        def batches() -> Iterator[Lanes]:
            for start in range(0, len(task.cells), size):
                (lanes,) = task.plan.lanes(task.plan.grid.cells(task.cells[start : start + size]))
                handed.append((start, lanes))
                yield lanes

        found = {name: np.zeros(len(task.cells)) for name in ("loss_initial", "loss_final", "first_nan_step")}
        for done in trainer.train(batches()):
            start, lanes = handed[done.batch]
            place = start + lanes.position[done.cells]
            for name, values in found.items():
                values[place] = done.facts[name]
        return found

    return run


@cache
def _engine(program: Any, stop_early: bool, width: int | None, backend: str | None = None) -> Any:
    from nanmap.engine import LocalEngine

    return LocalEngine(widths={program: width} if width else None, stop_early=stop_early, backend=backend)


def at_widths(workload: str, settings: dict[str, Any], widths: list[int], least: int, backend: str) -> dict[str, Any]:
    """Speed at several widths, each the better of two rounds; all are compiled beforehand, side by side.

    Args:
        workload, settings: as of a task.
        widths: cells per group.
        least: cells that are trained at any width; at wide ones a whole group.
        backend: whose rules are followed.
    """
    tasks = {width: Task.build(workload, math.isqrt(max(width, least)), settings=settings) for width in widths}
    trainers = {width: _engine(task.program, False, width, backend) for width, task in tasks.items()}
    with ThreadPoolExecutor(8) as pool:
        compiling = [pool.submit(trainers[width].compiled, tasks[width].program) for width in widths]
    for each in compiling:
        each.result()
    seconds: dict[int, list[float]] = {width: [] for width in widths}
    for _ in range(3):
        for width, task in tasks.items():
            run = engine(task, False, width, backend)
            start = time.perf_counter()
            run()
            seconds[width].append(time.perf_counter() - start)
    usual = _engine(tasks[widths[0]].program, False, None, backend)
    return {
        "updates_per_second": {
            str(width): [round(task.work / each, 1) for each in seconds[width][1:]] for width, task in tasks.items()
        },
        "chosen": usual.width(tasks[widths[0]].program),
    }


def facts(workload: str, side: int, settings: dict[str, Any]) -> dict[str, Any]:
    """What the engine chose for a task, and what an update of it costs."""
    from nanmap.engine.estimate import flops_per_update

    task = Task.build(workload, side, settings=settings)
    program, trainer = task.program, _engine(task.program, False, None)
    return {
        "width": trainer.width(program),
        "devices": len(trainer.devices),
        "device": trainer.devices[0].device_kind,
        "backend": trainer.backend,
        "flops_per_update": flops_per_update(program),
        "product_flops_per_update": program.batch * program.model.products,
    }


def peak(dtype: str) -> float:
    """GFLOP/s of a large matrix product on this machine."""
    from nanmap.engine.devices import use_all_cores
    from nanmap.engine.matmul_peak import matrix_product_gflops

    use_all_cores()
    return matrix_product_gflops(dtype)


def executables(axes: list[dict[str, Any]], tree: dict[str, Any]) -> dict[str, int]:
    """How many programs a sweep over these axes compiles beyond those of its first value everywhere.

    Returns:
        Cells, programs, devices, `first`: what the backend compiled for a sweep without the axes, `further`: and for
        the sweep with them after that.
    """
    import jax

    from nanmap.engine import LocalEngine
    from nanmap.plan import Plan, make_sweep

    compiled: list[str] = []

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    trainer = LocalEngine()
    # Rates of a plain sweep, so many that every device gets work and compiles.
    rates = {"key": "optimizer.learning_rate", "log": [1e-6, 1e-1], "num": 4096 * len(trainer.devices)}
    first, whole = Plan(make_sweep(tree, [rates])), Plan(make_sweep(tree, axes))
    counts = []
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        for plan in (first, whole):
            before = len(compiled)
            for _ in trainer.train(plan.lanes(plan.grid.cells(np.arange(plan.grid.size)))):
                pass
            counts.append(len(compiled) - before)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    programs = len({variant.program for variant in whole.variants()})
    return {
        "cells": whole.grid.size,
        "programs": programs,
        "devices": len(trainer.devices),
        "first": counts[0],
        "further": counts[1],
    }
