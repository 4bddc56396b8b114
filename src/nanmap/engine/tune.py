"""Widths by measurement: each program at several widths on its own cells. What is found is pinned, for it fixes the bits."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median

import numpy as np

from nanmap.engine.base import Engine
from nanmap.engine.widths import flops_per_update
from nanmap.plan import Lanes, Plan
from nanmap.training.program import Program

FACTORS = (0.25, 0.5, 1, 2, 4)  # of the model's width
WIDEST = 8192
REPEATS = 3
WORK = 2e9  # per device and measurement, in operations: some tenths of a second on a core
WORK_PER_VALUE = 300  # what an update costs beside its arithmetic, per parameter: most of it in small models
MARGIN = 1.05  # a width has to be this much faster than the model's to be taken instead


Make = Callable[[dict[Program, int]], Engine]  # an engine that trains with these widths, and never stops early


def tune(plan: Plan, engine: Engine, make: Make, devices: int, notify: Callable[[str], None]) -> dict[Program, int]:
    """The fastest width of every program of a plan.

    Args:
        plan: whose cells are trained.
        engine: knows the usual widths.
        make: makes engines like it.
        devices: how many it keeps busy.
        notify: told what was measured.
    """
    found = {}
    for program, lanes in _samples(plan):
        usual = engine.width(program)
        rates = updates_per_second(lanes, make, devices, candidates(usual))
        best = max(rates, key=lambda width: rates[width])
        found[program] = best if rates[best] > MARGIN * rates[usual] else usual
        measured = ", ".join(f"{width}: {rate:,.0f}" for width, rate in rates.items())
        notify(f"{program.sentence()}: {measured} updates/s by width, taking {found[program]}")
    return found


def candidates(width: int) -> list[int]:
    """Widths around one, and itself.

    >>> candidates(2), candidates(65536)
    ([1, 2, 4, 8], [16384, 32768, 65536])
    """
    return [int(width * factor) for factor in FACTORS if 1 <= width * factor <= max(width, WIDEST)]


def updates_per_second(lanes: Lanes, make: Make, devices: int, widths: list[int]) -> dict[int, float]:
    """Updates of one cell per second by width, medians of interleaved runs, every cell run to the end.

    Args:
        lanes: cells of one program; repeated until there are two groups for each device, and cut to a short budget.
        make, devices: as for `tune`.
        widths: those to measure.
    """
    program = lanes.program
    count = 2 * max(widths)
    update = flops_per_update(program) + WORK_PER_VALUE * program.model.parameters
    steps = max(2, int(WORK / (update * count)))
    sample = _take(lanes, np.resize(np.arange(len(lanes)), count), steps)
    total = devices * sum(sample.variants[variant].steps for variant in sample.variant)
    engines = {width: make({program: width}) for width in widths}
    times: dict[int, list[float]] = {width: [] for width in widths}
    for repeat in range(REPEATS + 1):
        for width, each in engines.items():
            started = time.perf_counter()
            for _ in each.train([sample] * devices):
                pass
            if repeat:  # the first one compiled
                times[width].append(time.perf_counter() - started)
    return {width: total / median(seconds) for width, seconds in times.items()}


def _samples(plan: Plan) -> Iterator[tuple[Program, Lanes]]:
    """The first cells of every program."""
    seen: set[Program] = set()
    programs = {variant.program for variant in plan.variants()}
    for cells in plan.grid.chunks():
        if seen == programs:
            return
        for lanes in plan.lanes(cells):
            if lanes.program not in seen:
                seen.add(lanes.program)
                yield lanes.program, lanes


def _take(lanes: Lanes, index: np.ndarray, steps: int) -> Lanes:
    """Some of the cells, with a budget of at most `steps` updates."""
    return replace(
        lanes,
        variants=tuple(replace(variant, steps=min(steps, variant.steps)) for variant in lanes.variants),
        position=np.arange(len(index)),
        variant=lanes.variant[index],
        seed=lanes.seed[index],
        learning_rates=lanes.learning_rates[index],
        numbers={name: values[index] for name, values in lanes.numbers.items()},
    )
