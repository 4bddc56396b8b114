"""What a sweep will cost, told before it starts: an estimate from counts, never from a timing."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nanmap.engine.blocks import lanes_together
from nanmap.engine.local import LocalEngine
from nanmap.engine.one_kernel import is_one_kernel
from nanmap.engine.widths import flops_per_update, group_bytes, groups_per_call
from nanmap.grid.grid import DRAWN
from nanmap.limits import memory_allowed, told_bytes
from nanmap.plan import Plan
from nanmap.results.shards import MOST_IN_FOLDER
from nanmap.training.program import Program

# Of a core, per program: read from the cache; compiled anew, by what is in it. Measured over ten sweeps, docs/performance.md.
CACHED_SECONDS = 0.1
COMPILE_SECONDS = {"line": 2.0, "network": 5.0, "normalised": 11.0}
# Updates of small programs are bounded by the loop around them, those of larger ones by arithmetic.
# Fitted to the shipped sweeps on one core of an AMD EPYC (Zen 4), and to two networks on an NVIDIA H200.
LOOP_SECONDS = {"cpu": 3e-6, "gpu": 5e-5}
KERNEL_LOOP_SECONDS = 5e-7  # where the loop is one kernel
ORDER_SECONDS = {"cpu": 3.5e-8, "gpu": 0.0}  # of an epoch, to put a row in order: 21 to 39 ns
FLOPS_PER_SECOND = {"cpu": 20e9, "gpu": 5e12}
PRODUCT_FLOPS_PER_SECOND = 40e9  # of a core, in float32, where XLA hands products to a library
NORM_SLOWDOWN = 5  # sums over the units of a row vectorise badly; measured 2 to 6 on relu_double
VARIANT_SECONDS = (0.005, 0.03)  # of the host, for the predictions of a variant
CELL_SECONDS = (1e-6, 4e-6)  # of the host, for a row
TRAINING = (0.35, 2.0)  # of what is expected: cells die early, or the machine is slower than the one it was fitted to
DAY = 86_400
BYTES_PER_ROW = 30  # of a Parquet row, compressed; measured 17 to 33 over the shipped sweeps


@dataclass(frozen=True)
class Estimate:
    """Counts and expectations of a sweep.

    Attributes:
        exact: whether cells were counted one by one; else a sample was.
        shortest, longest: seconds until all rows are written, with every program in the cache: where many cells die
            early, and where none does.
        compiling: seconds more, where no program is in the cache.
    """

    cells: int
    excluded: int
    exact: bool
    programs: int
    variants: int
    shortest: float
    longest: float
    compiling: float
    memory_bytes: int
    disk_bytes: int
    widths: dict[Program, int]
    backend: str

    def sentence(self) -> str:
        """One line."""
        about = "" if self.exact else "about "
        without = f" ({about}{self.excluded:,} excluded)" if self.excluded else ""
        programs = f"{self.programs} program{'s' * (self.programs != 1)}"
        time = f"about {_span(self.shortest, self.longest)}, and up to {_rounded(self.compiling)} to compile"
        return f"{about}{self.cells:,} trainings{without}, {programs}, {time}"

    def details(self) -> list[str]:
        """Memory, disk, and the programs."""
        lines = [
            f"memory: about {told_bytes(max(self.memory_bytes, 2**20))} on the devices, whatever the size of the grid",
            f"disk: about {told_bytes(max(self.disk_bytes, 2**17))} of Parquet",
        ]
        if self.backend == "cpu" and self.memory_bytes > (allowed := memory_allowed()):
            here = f"{told_bytes(allowed)} may be used here"
            lines.append(f"memory: {here}: fewer cells will train side by side, which changes last digits")
        if not self.exact:
            lines.append(
                f"cells: estimated from {DRAWN:,} that were drawn at random; the condition has too many to count"
            )
        if self.cells + self.excluded > MOST_IN_FOLDER:
            lines.append(
                f"cells: a run folder ends at {MOST_IN_FOLDER:,}; --zoom AXIS=LOW:HIGH trains a part into a folder of its own"
            )
        told = Counter((program.sentence(), width) for program, width in self.widths.items())
        for (sentence, width), count in told.items():
            many = f"{count} × " if count > 1 else ""
            lines.append(f"program: {many}{sentence}; {width} cell{'s' * (width != 1)} side by side")
        return lines


def estimate(plan: Plan, engine: LocalEngine, devices: int | None = None) -> Estimate:
    """Expected cost of a sweep on an engine's devices, or on so many like them."""
    grid = plan.grid
    cells, exact = grid.count()
    variants = list(plan.variants(exact=False))
    devices = devices or len(engine.devices)
    widths = {variant.program: engine.width(variant.program) for variant in variants}
    shortest, longest = _seconds(plan, engine, cells, widths, devices)
    compiling = sum(map(compile_seconds, widths)) / devices + max(map(compile_seconds, widths)) / 2
    # Every program that was compiled keeps the states of a call; one of them at a time has its activations beside.
    states = sum(
        groups_per_call(p, engine.backend, w) * w * (4 * p.model.parameters * 8 + 512) for p, w in widths.items()
    )
    memory = devices * (states + max(group_bytes(p, w, engine.backend) for p, w in widths.items()))
    return Estimate(
        cells,
        grid.size - cells,
        exact,
        len(widths),
        len(variants),
        shortest,
        longest,
        compiling,
        memory,
        cells * BYTES_PER_ROW,
        widths,
        engine.backend,
    )


def _seconds(
    plan: Plan, engine: LocalEngine, cells: int, widths: Mapping[Program, int], devices: int
) -> tuple[float, float]:
    """Until all rows are written: at best and at worst."""
    variants = list(plan.variants(exact=False))
    each = cells / max(1, len(variants))
    seeds = math.prod(len(varied.axis) for varied in plan.varied if varied.number.whole)
    training, host = np.zeros(2), np.array(VARIANT_SECONDS) * len(variants) + np.array(CELL_SECONDS) * cells
    for variant in variants:
        program, width = variant.program, widths[variant.program]
        shuffled = program.order != "sequential"
        block = lanes_together(program, engine.backend, width)
        apart = seeds if shuffled else 1
        groups = np.array([each / width, np.ceil(apart * np.ceil(each / apart / block) * block / width)])
        training += groups * variant.steps * update_seconds(program, width, engine.backend) / devices
        if shuffled:
            epochs, orders = variant.steps / variant.steps_per_epoch, np.maximum(groups, seeds)
            training += orders * epochs * program.rows * ORDER_SECONDS[engine.backend] / devices
    cached = CACHED_SECONDS * len(widths) / devices
    best, worst = training * TRAINING + host + cached
    return float(best), float(worst)


def compile_seconds(program: Program) -> float:
    """What compiling a program takes a core."""
    kind = "normalised" if program.model.normalised else "network" if program.model.hidden_units else "line"
    return COMPILE_SECONDS[kind]


def update_seconds(program: Program, width: int, backend: str) -> float:
    """What an update of a full group takes a device."""
    whole = is_one_kernel(program, backend)
    products = backend == "cpu" and program.dtype == "float32" and not whole
    speed = PRODUCT_FLOPS_PER_SECOND if products else FLOPS_PER_SECOND[backend]
    slowdown = NORM_SLOWDOWN if program.model.normalised else 1
    # The loss over all rows is a pass forward, a third of an update.
    passes = 1 + program.rows / program.batch / 3 if program.full_loss and not program.full_batch else 1
    arithmetic = width * flops_per_update(program) * passes * slowdown / speed
    return max(KERNEL_LOOP_SECONDS if whole else LOOP_SECONDS[backend], arithmetic)


def _span(low: float, high: float) -> str:
    """A range of times in the unit of its longer end, which is rounded up.

    >>> _span(0.4, 8.2), _span(50, 400), _span(3000, 9000), _span(1e11, 2e11)
    ('1–9 s', '1–7 min', '0.8–2.5 h', '3,171–6,342 years')
    """
    size, digits, name = _unit(high)
    first, last = f"{max(low / size, 10**-digits):,.{digits}f}", _rounded(high)
    return last if last == f"{first} {name}" else f"{first}–{last}"


def _rounded(seconds: float) -> str:
    """A time, rounded up.

    >>> _rounded(8.2), _rounded(5401)
    ('9 s', '1.6 h')
    """
    size, digits, name = _unit(seconds)
    return f"{math.ceil(seconds / size * 10**digits) / 10**digits:,.{digits}f} {name}"


def _unit(seconds: float) -> tuple[int, int, str]:
    """Seconds of the unit to tell a time in, digits behind its point, and its name."""
    units = {90: (1, 0, "s"), 5400: (60, 0, "min"), 2 * DAY: (3600, 1, "h"), 1000 * DAY: (DAY, 1, "days")}
    return next((unit for end, unit in units.items() if seconds < end), (365 * DAY, 0, "years"))
